"""A small language for conditions on episodes, such as ``success and length > 20``.

It has numbers, texts, lists, comparisons, ``and``, ``or``, ``not``, ``in``, ``+ - * / // %``, the keys
of mappings and lists in square brackets, a few functions, and the fields of `EpisodeSummary` as names.
It has nothing else: no attribute, no assignment, no other call.
"""

import ast
import io
import operator
import tokenize
from collections.abc import Callable, Mapping
from typing import Any

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.data.selection import Condition, EpisodeSummary

NAMES = ("index", "length", "split", "return", "success", "metadata", "variation")
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"abs": abs, "len": len, "max": max, "min": min}
_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, within: item in within,
    ast.NotIn: lambda item, within: item not in within,
    ast.Not: operator.not_,
    ast.USub: operator.neg,
}
_RETURN = "RETURN"
"""Stands for ``return``, which Python's grammar reserves: as long, so that positions stay true."""
_LONGEST, _DEEPEST = 2000, 50
"""Characters of a condition, and brackets or operators inside one another."""


def parse_condition(text: str) -> Condition:
    """Turn a text into a condition.

    Args:
        text: an expression over `NAMES`, for example ``variation["agent.speed"] < 3 and not success``.

    Raises:
        InvalidValueError: it is no expression of this language; the message shows where.
        UnknownNameError: a name or function that the language does not have.
    """
    if len(text) > _LONGEST:
        raise InvalidValueError(f"a condition has at most {_LONGEST} characters, got {len(text)}.")
    try:
        root = ast.parse(_spell_return(text), mode="eval").body
        _check(root, text)
    except SyntaxError as error:
        raise _fault(text, (error.offset or len(text) + 1) - 1, f"it cannot be read here ({error.msg})") from None
    except (tokenize.TokenError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, InvalidValueError):
            raise
        raise InvalidValueError(f"the condition {text!r} cannot be read ({error}).") from None

    def condition(episode: EpisodeSummary) -> bool:
        return bool(_Evaluation(text, episode).value(root))

    return condition


def _spell_return(text: str) -> str:
    """Replace the word ``return``, outside of quotes, by a name that Python's grammar allows."""
    if "\n" in text or "\r" in text:
        raise InvalidValueError(f"a condition is one line, got {text!r}.")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and token.string == "return":
            text = text[: token.start[1]] + _RETURN + text[token.end[1] :]
    return text


def _fault(text: str, column: int, reason: str) -> InvalidValueError:
    shown = text[column : column + 24]
    place = f"at character {column + 1}, before {shown!r}" if shown else "at its end"
    return InvalidValueError(f"the condition {text!r}: {reason}, {place}. Names: {', '.join(NAMES)}.")


def _column(text: str, node: ast.expr) -> int:
    """The character at which a node begins; the parser counts bytes."""
    return len(text.encode()[: node.col_offset].decode(errors="ignore"))


def _check(node: ast.expr, text: str, depth: int = 0) -> None:
    """Refuse whatever the language does not have, before any episode is looked at."""
    if depth > _DEEPEST:
        raise _fault(text, _column(text, node), f"more than {_DEEPEST} parts are inside one another")
    if isinstance(node, ast.Name):
        if _name(node) not in NAMES:
            raise UnknownNameError(f"name in the condition {text!r}", node.id, NAMES)
        return
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool | int | float | str)):
        return
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise _fault(text, _column(text, node), "only a function by its name can be called")
        if node.func.id not in _FUNCTIONS:
            raise UnknownNameError(f"function in the condition {text!r}", node.func.id, _FUNCTIONS)
    for operation in _operations(node):
        if type(operation) not in _OPERATORS:
            raise _fault(text, _column(text, node), f"there is no operator {type(operation).__name__!r}")
    for child in _operands(node, text):
        _check(child, text, depth + 1)


def _operations(node: ast.expr) -> list[ast.AST]:
    if isinstance(node, ast.Compare):
        return list(node.ops)
    return [node.op] if isinstance(node, ast.UnaryOp | ast.BinOp) else []


def _operands(node: ast.expr, text: str) -> list[ast.expr]:
    match node:
        case ast.BoolOp():
            return node.values
        case ast.UnaryOp():
            return [node.operand]
        case ast.BinOp():
            return [node.left, node.right]
        case ast.Compare():
            return [node.left, *node.comparators]
        case ast.Subscript():
            return [node.value, node.slice]
        case ast.List() | ast.Tuple():
            return node.elts
        case ast.Call():
            return node.args
    raise _fault(text, _column(text, node), f"there is no {type(node).__name__!r} in this language")


def _name(node: ast.Name) -> str:
    return "return" if node.id == _RETURN else node.id


class _Evaluation:
    """The value of each node of a condition for one episode."""

    def __init__(self, text: str, episode: EpisodeSummary) -> None:
        self.text, self.episode = text, episode

    def value(self, node: ast.expr) -> Any:
        """Evaluate a node that `_check` let pass.

        Raises:
            InvalidValueError: its parts do not go together, or a key is missing; the message names the episode.
        """
        try:
            return self._value(node)
        except InvalidValueError:
            raise
        except (TypeError, ArithmeticError, IndexError, ValueError) as error:
            raise _fault(self.text, _column(self.text, node), f"episode {self.episode.index}: {error}") from None

    def _value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return getattr(self.episode, "return_" if node.id == _RETURN else node.id)
            case ast.BoolOp(op=ast.And()):
                return all(self.value(part) for part in node.values)
            case ast.BoolOp():
                return any(self.value(part) for part in node.values)
            case ast.UnaryOp():
                return _OPERATORS[type(node.op)](self.value(node.operand))
            case ast.BinOp():
                return _OPERATORS[type(node.op)](self._number(node.left), self._number(node.right))
            case ast.Compare():
                values = [self.value(part) for part in (node.left, *node.comparators)]
                pairs = zip(node.ops, values[:-1], values[1:], strict=True)
                return all(_OPERATORS[type(op)](left, right) for op, left, right in pairs)
            case ast.Call(func=ast.Name(id=function)):
                return _FUNCTIONS[function](*map(self.value, node.args))
            case ast.Subscript():
                return self._item(self.value(node.value), self.value(node.slice), node)
            case ast.List() | ast.Tuple():
                return [self.value(part) for part in node.elts]
        raise AssertionError(ast.dump(node))

    def _number(self, node: ast.expr) -> Any:
        """A number: arithmetic on texts and lists is not part of the language."""
        value = self.value(node)
        if not isinstance(value, bool | int | float):
            raise TypeError(f"arithmetic needs numbers, got {value!r}")
        return value

    def _item(self, within: Any, key: Any, node: ast.Subscript) -> Any:
        if isinstance(within, Mapping) and key not in within:
            reason = f"episode {self.episode.index} has no {key!r} (use {key!r} in ... to ask whether it has)"
            known = ", ".join(sorted(map(str, within))[:12]) or "nothing"
            raise _fault(self.text, _column(self.text, node.slice), f"{reason}, it has {known}")
        return within[key]
