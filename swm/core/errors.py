"""The errors of the suite: each says what was asked, what came, what is allowed, what to do.

```
SwmError
├── InvalidValueError (ValueError)      a value outside what is allowed
│   ├── ShapeError                      an array of the wrong shape or dtype
│   └── UnknownNameError (LookupError)  a name that does not exist, with the closest ones
├── MissingExtraError (ImportError)     an optional dependency, with its install line
├── DatasetError                        a dataset that cannot be read or written as asked
└── CheckpointError                     a checkpoint that is refused, and why
```
"""

import difflib
from collections.abc import Iterable
from typing import Any

_MOST_KNOWN = 20
"""Names that an error lists when none is close."""


class SwmError(Exception):
    """Root of every error that this suite raises on purpose; survives pickling between processes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args), self.__dict__


def _rebuild(kind: type[SwmError], args: tuple[object, ...]) -> SwmError:
    """Rebuild an error from its finished message: its constructor takes the parts of the message instead."""
    error = kind.__new__(kind)
    error.args = args
    return error


class InvalidValueError(SwmError, ValueError):
    """A value outside what is allowed."""


class ShapeError(InvalidValueError):
    """An array whose shape or dtype is not the expected one."""

    def __init__(self, what: str, expected: object, got: object, advice: str = "") -> None:
        """Build the message.

        Args:
            what: the array and where it was given, for example ``"action of step()"``.
            expected: the shape, dtype or both that are allowed.
            got: what came.
            advice: what to do about it.
        """
        super().__init__(f"{what}: expected {expected}, got {got}." + (f" {advice}" if advice else ""))
        self.expected = expected
        self.got = got


class UnknownNameError(InvalidValueError, LookupError):
    """A name that does not exist; the message lists the closest ones that do."""

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        """Build the message.

        Args:
            kind: what the name should have named, for example ``"factor of swm/TwoRoom-v0"``.
            name: what was asked for.
            known: every name that would have been accepted.
        """
        known = sorted(known)
        close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
        more = len(known) - _MOST_KNOWN
        listed = ", ".join([*known[:_MOST_KNOWN], f"and {more} more"] if more > 0 else known) or "none"
        hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"Known: {listed}."
        super().__init__(f"unknown {kind}: {name!r}. {hint}")
        self.name = name
        self.close = close


class MissingExtraError(SwmError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        """Build the message.

        Args:
            what: the part that needs the dependency.
            extra: the extra of this package that installs it.
        """
        super().__init__(f"{what} needs the extra {extra!r}. Install it with: pip install 'swm[{extra}]'")
        self.extra = extra


class DatasetError(SwmError):
    """A dataset that cannot be opened, read or written as asked."""


class CheckpointError(SwmError):
    """A checkpoint that cannot be loaded, with the reason and the way out."""
