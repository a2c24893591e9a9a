"""Gymnasium spaces as ranges of factors and as sets of actions: membership, sampling, values at a distance.

A *severity* in (0, 1] is the distance of a value from the training range, as a fraction of the way
from the edge of that range to the edge of the full range.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError, ShapeError

Value = Any
"""A factor's value: an int, a float or a NumPy array, as its space says."""
ActionSpace = spaces.Box | spaces.Discrete | spaces.MultiDiscrete
"""The spaces that environments act in: real vectors (A,), one integer (), or several (A,)."""


def rgb() -> spaces.Box:
    """The space of 8-bit colours: ``uint8``, shape ``(3,)``."""
    return spaces.Box(0, 255, (3,), np.uint8)


def scalar(low: float, high: float) -> spaces.Box:
    """The space of one real number in ``[low, high]``: ``float64``, shape ``()``."""
    return spaces.Box(low, high, (), np.float64)


def vector(low: Any, high: Any) -> spaces.Box:
    """The space of real vectors between `low` and `high` (arrays of one shape): ``float64``."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    return spaces.Box(low, high, low.shape, np.float64)


def is_rgb(space: spaces.Space[Any]) -> bool:
    """Whether `space` is a space of 8-bit colours."""
    return isinstance(space, spaces.Box) and space.dtype == np.uint8 and space.shape == (3,)


def cast(space: spaces.Space[Any], value: Any, name: str) -> Value:
    """Return `value` in the dtype and shape of `space`.

    Args:
        space: a Box or Discrete space.
        value: anything that NumPy can turn into an array.
        name: the factor's name, for the message.

    Raises:
        InvalidValueError: the value has another shape, is not a number, or lies outside the space.
    """
    if isinstance(space, spaces.Discrete):
        array = np.asarray(value)
        if array.shape != () or not np.issubdtype(array.dtype, np.number) or array != np.floor(array):
            raise _refused(space, value, name)
        number = int(array)
        if not space.contains(number):
            raise _refused(space, value, name)
        return number
    assert isinstance(space, spaces.Box)
    try:
        wide = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise _refused(space, value, name) from error
    if wide.shape != space.shape or not ((wide >= space.low) & (wide <= space.high)).all():
        raise _refused(space, value, name)
    array = wide.astype(space.dtype)
    return array.item() if array.shape == () else array


def _refused(space: spaces.Box | spaces.Discrete, value: Any, name: str) -> InvalidValueError:
    if isinstance(space, spaces.Discrete):
        allowed = f"an integer from {space.start} to {space.start + space.n - 1}"
    else:
        allowed = f"{space.dtype} of shape {space.shape} from {np.min(space.low)} to {np.max(space.high)}"
    return InvalidValueError(f"factor {name!r}: got {value!r}, allowed is {allowed}.")


def sample(space: spaces.Space[Any], rng: np.random.Generator) -> Value:
    """Draw a value uniformly from a Box or Discrete space, from the caller's generator."""
    if isinstance(space, spaces.Discrete):
        return int(rng.integers(space.start, space.start + space.n))
    assert isinstance(space, spaces.Box)
    if np.issubdtype(space.dtype, np.integer):
        return rng.integers(space.low, space.high, size=space.shape, endpoint=True).astype(space.dtype)
    return cast(space, rng.uniform(space.low, space.high), "sample")


def shift_rule(space: spaces.Space[Any]) -> Callable[..., Value]:
    """The rule ``(full, train, severity, rng)`` that draws held-out values of a space."""
    if isinstance(space, spaces.Discrete):
        return shift_discrete
    return shift_rgb if is_rgb(space) else shift_box


def shift_box(full: spaces.Box, train: spaces.Box, severity: float, rng: np.random.Generator) -> Value:
    """Draw a value of `full` at a distance from `train`.

    One component, drawn at random, lies exactly at `severity`; each other one at a level drawn
    from ``[0, severity]``. A level is the fraction of the way from the edge of the train range to
    the edge of the full range, on a side drawn at random among those that have room.
    """
    level = np.broadcast_to(rng.uniform(0.0, severity, full.shape), full.shape).copy()
    movable = (full.high > train.high) | (full.low < train.low)
    if not movable.any():
        raise InvalidValueError("the train range is the full range: nothing is held out.")
    level.flat[rng.choice(np.flatnonzero(movable))] = severity
    return _at_level(full, train, level, rng)


def shift_every_component(full: spaces.Box, train: spaces.Box, severity: float, rng: np.random.Generator) -> Value:
    """Like `shift_box`, with every component exactly at `severity`."""
    return _at_level(full, train, np.full(full.shape, severity), rng)


def _at_level(full: spaces.Box, train: spaces.Box, level: np.ndarray, rng: np.random.Generator) -> Value:
    above = np.asarray(full.high, np.float64) - train.high
    below = np.asarray(train.low, np.float64) - full.low
    up = np.where(above <= 0, False, np.where(below <= 0, True, rng.random(full.shape) < 0.5))
    out = np.where(up, train.high + level * above, train.low - level * below)
    inside = rng.uniform(np.asarray(train.low, np.float64), np.asarray(train.high, np.float64))
    out = np.where((level > 0) & ((above > 0) | (below > 0)), out, inside)
    if np.issubdtype(full.dtype, np.integer):
        out = np.rint(out)
    return cast(full, np.clip(out, full.low, full.high), "shift")


def shift_rgb(full: spaces.Box, train: spaces.Box, severity: float, rng: np.random.Generator) -> Value:
    """Draw a colour on the way from the train range to a far corner of the colour cube.

    The corner is drawn among those at least half as far away as the farthest one, so that the
    same severity never means a colour that the eye cannot tell from the training colour.
    """
    start = rng.uniform(np.asarray(train.low, np.float64), np.asarray(train.high, np.float64))
    corners = np.stack(np.meshgrid(*([[0.0, 255.0]] * 3), indexing="ij"), axis=-1).reshape(-1, 3)
    distance = np.linalg.norm(corners - start, axis=-1)
    corner = corners[rng.choice(np.flatnonzero(distance >= distance.max() / 2))]
    value = np.rint(start + severity * (corner - start))
    if np.all((value >= train.low) & (value <= train.high)):
        value = np.where(corner > start, np.minimum(train.high + 1.0, 255), np.maximum(train.low - 1.0, 0))
    return cast(full, value, "shift")


def shift_discrete(full: spaces.Discrete, train: tuple[int, ...], severity: float, rng: np.random.Generator) -> int:
    """Draw a held-out integer: severity 1 the farthest from the train values, less severity nearer ones.

    Of K held-out values, ordered by distance from the nearest train value, severity s draws from
    those at the distance of the one of rank ``ceil(s K)``.
    """
    held_out = [v for v in range(int(full.start), int(full.start + full.n)) if v not in train]
    if not held_out:
        raise InvalidValueError("every value is in the train range: nothing is held out.")
    gap = np.array([min(abs(v - t) for t in train) for v in held_out])
    reached = np.sort(gap)[int(np.ceil(severity * len(gap))) - 1]
    return int(rng.choice(np.array(held_out)[gap == reached]))


def action_shape(space: ActionSpace) -> tuple[int, ...]:
    """The shape of one action."""
    assert space.shape is not None
    return space.shape


def action_bounds(space: ActionSpace) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest action, both allowed, in the shape and dtype of `space`."""
    if isinstance(space, spaces.Box):
        return space.low, space.high
    count = space.n if isinstance(space, spaces.Discrete) else space.nvec
    low = np.asarray(space.start, space.dtype)
    return low, np.asarray(low + count - 1, space.dtype)


def sample_action(space: ActionSpace, rng: np.random.Generator) -> np.ndarray:
    """Draw an action uniformly, from the caller's generator; in the shape and dtype of `space`."""
    low, high = action_bounds(space)
    if isinstance(space, spaces.Box):
        return np.asarray(rng.uniform(low, high), space.dtype)
    return np.asarray(rng.integers(low, high, endpoint=True), space.dtype)


def check_actions(space: ActionSpace, actions: Any, count: int | None = None) -> np.ndarray:
    """Return valid actions: float64 clipped to a Box, or int64 of a discrete space.

    Args:
        space: of one environment.
        actions: one action in the shape of `space`, or (count, *shape).
        count: the number of actions; None is a single one.

    Raises:
        ShapeError: the shape is another.
        InvalidValueError: an entry is not a finite number, or not an integer of a discrete space.
    """
    shape = (*(() if count is None else (count,)), *action_shape(space))
    try:
        array = np.asarray(actions, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidValueError(f"action: expected numbers of shape {shape}, got {actions!r}.") from error
    if array.shape != shape:
        raise ShapeError("action", shape, array.shape)
    if not np.isfinite(array).all():
        raise InvalidValueError(f"action: expected finite numbers, got {array.tolist()}.")
    low, high = action_bounds(space)
    if isinstance(space, spaces.Box):
        return np.clip(array, low, high)
    if ((array != np.floor(array)) | (array < low) | (array > high)).any():
        allowed = f"integers from {low.tolist()} to {high.tolist()}"
        raise InvalidValueError(f"action: expected {allowed}, got {array.tolist()}.")
    return array.astype(np.int64)
