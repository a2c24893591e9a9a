"""What the laws of environments share: playing episodes and comparing what they show."""

import ctypes
import os
import resource
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from swm.core.factors import Request, Variation
from swm.core.protocols import Array
from swm.core.spaces import sample_action
from swm.envs import ENVS
from swm.envs.base import FactoredEnv

MakeEnv = Callable[..., FactoredEnv]
Row = tuple[Mapping[str, Array], tuple[float, bool, bool] | None, Mapping[str, Any]]
"""Observation; reward, terminated, truncated; info."""

_HOLD = 5


def family(env_id: str) -> str:
    """The family of an environment: the package or module below `swm.envs` where its class lives."""
    parts = ENVS[env_id].target.partition(":")[0].split(".")
    return parts[2] if parts[:2] == ["swm", "envs"] else parts[0]


def require(condition: bool, law: str) -> None:
    """Raise AssertionError unless `condition` holds; `law` says what must hold."""
    if not condition:
        raise AssertionError(f"it must hold that {law}")


def reset(env: FactoredEnv, seed: int, request: Request) -> tuple[dict[str, Array], dict[str, Any]]:
    """Reset to an episode."""
    return env.reset(seed=seed, options={"variation": request})


def actions(env: FactoredEnv, count: int, seed: int = 0) -> Array:
    """Random actions (count, A) or (count,), each held for some steps so that the agent gets somewhere."""
    rng = np.random.default_rng(seed)
    space = env.action_space
    if isinstance(space, spaces.Box):
        drawn = rng.uniform(space.low, space.high, (-(-count // _HOLD), *space.shape))
    else:
        drawn = np.stack([sample_action(space, rng) for _ in range(-(-count // _HOLD))])
    return np.repeat(drawn, _HOLD, axis=0)[:count]


def play(
    env: FactoredEnv,
    observation: Mapping[str, Array],
    info: Mapping[str, Any],
    moves: Iterable[Array],
    skip_first: bool = False,
) -> Iterator[Row]:
    """Yield what is shown first, then step with `moves` and yield what each step shows."""
    if not skip_first:
        yield observation, None, info
    for action in moves:
        seen, reward, terminated, truncated, after = env.step(action)
        yield seen, (float(reward), terminated, truncated), after


def shows(observation: Mapping[str, Array], outcome: Any, info: Mapping[str, Any]) -> list[Any]:
    """All that a row shows, in a form for `equal`."""
    return [dict(observation), outcome, dict(info)]


def equal(a: Any, b: Any) -> bool:
    """Whether nested containers of arrays and numbers are the same to the last bit."""
    if isinstance(a, Variation):
        return bool(a == b)
    if isinstance(a, Mapping):
        return isinstance(b, Mapping) and a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and bool(a == b)


def average(picture: Array, size: int) -> Array:
    """Area average of a square picture down to `size`, a divisor of its side: (size, size, 3) float64."""
    block = len(picture) // size
    averaged: Array = picture.reshape(size, block, size, block, 3).mean(axis=(1, 3))
    return averaged


def resident_memory() -> int:
    """Bytes of this process in memory; where the system does not say, the most it ever had.

    Memory that was freed but not given back counts nowhere: otherwise what is kept later could hide in it.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # of glibc alone
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
