"""Frozen dataclasses to JSON and back, with unknown keys refused."""

import dataclasses
import json
import numbers
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from swm.core.errors import InvalidValueError, UnknownNameError

C = TypeVar("C")
_SCALARS: dict[Any, type] = {bool: bool, int: numbers.Integral, float: numbers.Real, str: str}
"""Type of a field -> what a value of it may be."""


def to_json(config: Any) -> Any:
    """Turn dataclasses, mappings, sequences and paths into what `json.dumps` takes."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config) if f.init}
    if isinstance(config, Mapping):
        return {str(key): to_json(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [to_json(value) for value in config]
    return str(config) if isinstance(config, Path) else config


def from_json(kind: type[C], data: Mapping[str, Any]) -> C:
    """Build the dataclass `kind` from what `to_json` made.

    Raises:
        UnknownNameError: a key is not a field; the message lists the closest ones.
        InvalidValueError: a field without a default is missing, or a scalar is of another type.
    """
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}  # type: ignore[arg-type]
    for key in data:
        if key not in fields:
            raise UnknownNameError(f"field of {kind.__name__}", key, fields)
    missing = [
        name
        for name, f in fields.items()
        if name not in data and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise InvalidValueError(f"{kind.__name__} needs {', '.join(missing)}, which the data does not have.")
    for key, value in data.items():
        _check_scalar(f"field {key!r} of {kind.__name__}", hints[key], value)
    return kind(**{key: _revive(hints[key], value) for key, value in data.items()})


def _check_scalar(what: str, hint: Any, value: Any) -> None:
    """Refuse a text for a number, and the like."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return
    kinds = [option for option in options if option is not type(None)]
    if all(option in _SCALARS for option in kinds) and not any(
        isinstance(value, _SCALARS[option]) and (option is bool or not isinstance(value, bool)) for option in kinds
    ):
        names = " or ".join(option.__name__ for option in kinds)
        raise InvalidValueError(f"{what} must be of type {names}, got {value!r}.")


def _revive(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        return None if value is None else _revive(options[0], value) if len(options) == 1 else value
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return from_json(typing.cast(type, hint), value)
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_revive(arg, item) for arg, item in zip(_item_hints(hint, len(value)), value, strict=True))
    return Path(value) if hint is Path else value


def _item_hints(hint: Any, count: int) -> tuple[Any, ...]:
    args = typing.get_args(hint)
    if args[-1:] == (...,) or not args:
        return (args[0] if args else Any,) * count
    if len(args) != count:
        raise InvalidValueError(f"expected {len(args)} items for {hint}, got {count}.")
    return args


def write_json(path: Path, data: Any) -> None:
    """Write `data` atomically: a reader sees the old file or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(to_json(data), indent=2) + "\n", encoding="utf-8")
    part.replace(path)
