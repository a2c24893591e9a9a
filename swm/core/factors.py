"""Factors of variation: what may differ between episodes of one environment, and how far.

A `Factor` knows its full range, its default, the range it has in training, and the held-out values
at each severity. A `FactorSpace` is all factors of an environment with the constraints between
them. A `Variation` is one immutable choice of values, drawn at reset and constant for an episode.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from gymnasium import spaces

from swm.core import spaces as ranges
from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.seeding import make_rng
from swm.core.spaces import Value

Kind = Literal["visual", "geometric", "physical", "task"]
Request = str | Mapping[str, Any] | Sequence[str] | None
"""What ``options["variation"]`` takes: exact values, names or groups to sample, ``"all"`` or ``"train"``."""

_MAX_TRIES = 1000


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One factor of variation."""

    name: str
    """Dotted: group, then property, for example ``"agent.color"``."""
    kind: Kind
    space: spaces.Space[Any]
    """The full range: a Box or a Discrete space."""
    default: Any
    """The value when nothing varies the factor."""
    summary: str
    """One line for tables."""
    train: Any = None
    """The range in training: a Box or a tuple of integers inside `space`; None is the default alone."""
    sampled: bool = False
    """Whether every reset draws it from the train range (start and goal positions)."""
    unit: str = ""
    """The unit of the values, empty where there is none."""
    requires: Mapping[str, Any] = field(default_factory=dict)
    """Other factors' values without which it does not act; naming this factor sets those, unless they are named too."""
    shift: Callable[..., Value] | None = None
    """Draws a held-out value: ``(full, train, severity, rng)``. None picks the rule for the space."""

    def __post_init__(self) -> None:
        """Check the declaration and put the default into the space's dtype."""
        if self.kind not in get_args(Kind):
            raise UnknownNameError(f"kind of factor {self.name!r}", self.kind, get_args(Kind))
        object.__setattr__(self, "default", ranges.cast(self.space, self.default, self.name))
        if self.train is None:
            point = (self.default,) if isinstance(self.space, spaces.Discrete) else self._point(self.default)
            object.__setattr__(self, "train", point)

    def _point(self, value: Value) -> spaces.Box:
        array = np.asarray(value, self.space.dtype)
        return spaces.Box(array, array, array.shape, self.space.dtype)  # type: ignore[arg-type]

    @property
    def group(self) -> str:
        """The part of the name before the last dot."""
        return self.name.rpartition(".")[0]

    def in_train(self, value: Value) -> bool:
        """Whether `value` belongs to the train range."""
        if isinstance(self.train, tuple):
            return value in self.train
        return bool(np.all((np.asarray(value) >= self.train.low) & (np.asarray(value) <= self.train.high)))

    def sample(self, rng: np.random.Generator) -> Value:
        """Draw from the full range."""
        return ranges.sample(self.space, rng)

    def sample_train(self, rng: np.random.Generator) -> Value:
        """Draw from the train range."""
        if isinstance(self.train, tuple):
            return int(self.train[rng.integers(len(self.train))])
        return ranges.sample(self.train, rng)

    def sample_shift(self, severity: float, rng: np.random.Generator) -> Value:
        """Draw a value at distance `severity` from the train range.

        Args:
            severity: from 0 (the train range itself) to 1 (the edge of the full range). Any value
                above 0 gives values outside the train range.
            rng: the generator to draw from.

        Raises:
            InvalidValueError: `severity` is not in [0, 1].
        """
        if not 0.0 <= severity <= 1.0:
            raise InvalidValueError(f"severity must be in [0, 1], got {severity!r}.")
        if severity == 0.0:
            return self.sample_train(rng)
        return (self.shift or ranges.shift_rule(self.space))(self.space, self.train, severity, rng)


class Variation(Mapping[str, Value]):
    """An immutable mapping factor name -> value, hashable and exact through JSON."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        """Copy `values`; arrays become read-only."""
        self._values: dict[str, Value] = {}
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                value = value.copy()
                value.flags.writeable = False
            self._values[name] = value

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self.to_json() == Variation(other).to_json()

    def __hash__(self) -> int:
        return hash(repr(sorted(self.to_json().items())))

    def __repr__(self) -> str:
        return f"Variation({self.to_json()})"

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists; `FactorSpace.complete` restores dtypes."""
        return {name: np.asarray(value).tolist() for name, value in self._values.items()}


@dataclass(frozen=True)
class Constraint:
    """A relation between factors that every variation must satisfy."""

    names: tuple[str, ...]
    """The factors that it relates."""
    holds: Callable[[Mapping[str, Value]], bool]
    message: str
    """What must hold, in words."""
    redraw: tuple[str, ...] = ()
    """Those of `names` to draw again when it does not hold; empty, or none of them drawn, is all of `names`."""


@dataclass(frozen=True)
class FactorSpace(Mapping[str, Factor]):
    """All factors of an environment, in a fixed order, with the constraints between them."""

    factors: tuple[Factor, ...]
    constraints: tuple[Constraint, ...] = ()
    _index: dict[str, Factor] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Index the factors by name."""
        for factor in self.factors:
            if factor.name in self._index:
                raise InvalidValueError(f"factor {factor.name!r} is declared twice.")
            self._index[factor.name] = factor

    def __getitem__(self, name: str) -> Factor:
        if name not in self._index:
            raise UnknownNameError("factor", name, self._index)
        return self._index[name]

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups, in order of first appearance."""
        return tuple(dict.fromkeys(factor.group for factor in self.factors))

    def select(self, names: str | Iterable[str]) -> tuple[str, ...]:
        """Expand names and groups (``"all"`` is every factor) to factor names, in declared order.

        Raises:
            UnknownNameError: a name is neither a factor nor a group.
            InvalidValueError: `names` holds something else than names.
        """
        names = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else names
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise InvalidValueError(
                f"variation: got {names!r}; expected None, a mapping of exact values, or names of factors and groups."
            )
        chosen: set[str] = set()
        for name in names:
            members = [f.name for f in self.factors if name in ("all", f.name, f.group)]
            if not members and name != "all":
                raise UnknownNameError("factor or group of factors", name, [*self._index, *self.groups, "all"])
            chosen.update(members)
        return tuple(name for name in self._index if name in chosen)

    def default(self) -> Variation:
        """Every factor at its default."""
        return Variation({factor.name: factor.default for factor in self.factors})

    def complete(self, values: Mapping[str, Any]) -> Variation:
        """Put exact values into their dtypes and every other factor at its default.

        Raises:
            UnknownNameError: a name is not a factor.
            InvalidValueError: a value is out of range, or a constraint is broken.
        """
        exact = {name: ranges.cast(self[name].space, value, name) for name, value in values.items()}
        full = {factor.name: exact.get(factor.name, factor.default) for factor in self.factors}
        broken = self._broken(full)
        if broken:
            raise InvalidValueError(
                f"these factor values exclude each other: {broken.message}; got {_show(broken, full)}."
            )
        return Variation(full)

    def resolve(self, request: Request, seed: int) -> Variation:
        """Turn what ``options["variation"]`` holds into one value per factor.

        Each factor draws from a stream of its own, so that naming one more factor leaves the
        others as they are; factors marked `sampled` are always drawn, from the train range,
        unless the request names them. A named factor brings the values that it requires.

        Args:
            request: a mapping of exact values; a name, a group or a sequence of them to draw from
                the full range; ``"all"`` for all factors from the full range; ``"train"`` for all
                from the train range; None for nothing beyond what every reset draws.
            seed: the seed of the episode.

        Raises:
            UnknownNameError: a name is neither a factor nor a group.
            InvalidValueError: a value is out of range, or no draw satisfies the constraints.
        """
        exact: dict[str, Value] = {}
        full: tuple[str, ...] = ()
        train = {factor.name for factor in self.factors if factor.sampled}
        if isinstance(request, Mapping):
            exact = {name: ranges.cast(self[name].space, value, name) for name, value in request.items()}
        elif request == "train":
            train = set(self._index)
        elif request is not None:
            full = self.select(request)

        exact = {**self._required((*exact, *full)), **exact}

        def draw(factor: Factor, attempt: int) -> Value:
            if factor.name in exact:
                return exact[factor.name]
            if factor.name in full:
                return factor.sample(make_rng(seed, "factor", factor.name, attempt))
            if factor.name in train:
                return factor.sample_train(make_rng(seed, "factor", factor.name, attempt))
            return factor.default

        return self._draw(draw, {*full, *train} - set(exact))

    def shift(self, severities: Mapping[str, float], seed: int) -> Variation:
        """Draw held-out values: each named factor at its severity, the others as a default reset has them.

        Args:
            severities: factor name -> severity in [0, 1].
            seed: the seed of the episode.

        Raises:
            UnknownNameError: a name is not a factor.
            InvalidValueError: a severity is out of range, or no draw satisfies the constraints.
        """
        required = self._required(tuple(severities))

        def draw(factor: Factor, attempt: int) -> Value:
            if factor.name in severities:
                return factor.sample_shift(severities[factor.name], make_rng(seed, "factor", factor.name, attempt))
            if factor.name in required:
                return required[factor.name]
            if factor.sampled:
                return factor.sample_train(make_rng(seed, "factor", factor.name, attempt))
            return factor.default

        return self._draw(draw, {*severities, *(f.name for f in self.factors if f.sampled)})

    def _required(self, named: Sequence[str]) -> dict[str, Value]:
        """What the named factors require of factors that are not named."""
        wanted = {other: value for name in named for other, value in self[name].requires.items()}
        return {name: ranges.cast(self[name].space, value, name) for name, value in wanted.items() if name not in named}

    def _draw(self, draw: Callable[[Factor, int], Value], drawn: set[str]) -> Variation:
        values = {factor.name: draw(factor, 0) for factor in self.factors}
        for attempt in range(1, _MAX_TRIES):
            broken = self._broken(values)
            if broken is None:
                return Variation(values)
            again = drawn.intersection(broken.redraw) or drawn.intersection(broken.names)
            if not again:
                raise InvalidValueError(
                    f"these factor values exclude each other: {broken.message}; got {_show(broken, values)}."
                )
            values.update({name: draw(self[name], attempt) for name in again})
        raise InvalidValueError(f"no draw in {_MAX_TRIES} satisfies: {broken.message if broken else ''}.")

    def _broken(self, values: Mapping[str, Value]) -> Constraint | None:
        return next((c for c in self.constraints if not c.holds(values)), None)


def _show(constraint: Constraint, values: Mapping[str, Value]) -> dict[str, Any]:
    return {name: np.asarray(values[name]).tolist() for name in constraint.names}
