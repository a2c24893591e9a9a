"""envs."""

if __name__ != "swm.envs":
    raise ImportError(f"import this package as swm.envs, not as {__name__!r}")

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.protocols import Executor, Policy
from swm.core.registry import Registry, Row, load_target
from swm.envs.base import FactoredEnv, check_image_size


@dataclass(frozen=True, kw_only=True)
class EnvRow(Row):
    """One environment."""

    target: str
    """The `FactoredEnv` class of a single environment: ``"package.module:Class"``."""
    native: str | None = None
    """An `Executor` class that steps N copies in one call, if there is one: ``(num_envs, image_size, **kwargs)``."""
    expert: str | None = None
    """The `Policy` class of the scripted expert, if there is one."""
    oracle: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that make the expert its best self, without exploration: the upper bound of every table."""
    max_episode_steps: int
    """Steps after which `gymnasium.make` truncates; generous for the expert from any start."""
    success_radius: float
    """The goal is reached below this distance."""
    unit: str
    """The unit of distances."""


ENVS: Registry[EnvRow] = Registry(
    "environment",
    {
        "swm/TwoRoom-v0": EnvRow(
            target="swm.envs.two_room.env:TwoRoomEnv",
            native="swm.envs.two_room.vector:TwoRoomVector",
            expert="swm.envs.two_room.expert:TwoRoomExpert",
            oracle={"noise": 0.0, "random_prob": 0.0, "wander": False},
            max_episode_steps=200,
            success_radius=16.0,
            unit="world units (the arena is 224 wide)",
            summary="Move a disc through a door to a goal in one of two rooms.",
        ),
    },
    "swm.envs",
)
"""Every environment: id -> row."""

EXECUTORS = ("native", "process", "inline")
"""The ways to step N environments: one NumPy call, worker processes, or a loop in this process."""


def make(env_id: str, **kwargs: Any) -> FactoredEnv:
    """Make one environment, without wrappers.

    Args:
        env_id: a key of `ENVS`.
        kwargs: arguments of the environment, for example ``image_size``.

    Raises:
        UnknownNameError: no environment has this id.
    """
    env: FactoredEnv = ENVS.load(env_id)(**kwargs)
    return env


def make_executor(
    env_id: str, num_envs: int, image_size: int | tuple[int, int], executor: str = "native", **kwargs: Any
) -> Executor:
    """Make N environments that are stepped together.

    Args:
        env_id: a key of `ENVS`.
        num_envs: how many, at least 1.
        image_size: pixels of square pictures, or (height, width); each from 16 to 1024.
        executor: one of `EXECUTORS`; the episodes are the same with each.
        kwargs: further arguments of the environment.

    Raises:
        UnknownNameError: no environment or executor has this name.
        InvalidValueError: `image_size` or `num_envs` is not allowed, or the environment has no
            native executor.
    """
    if executor not in EXECUTORS:
        raise UnknownNameError("executor", executor, EXECUTORS)
    row, size = ENVS[env_id], check_image_size(image_size)
    made: Executor
    if executor == "native":
        if row.native is None:
            raise InvalidValueError(f"{env_id} has no native executor; use executor='process' or 'inline'.")
        made = load_target(row.native)(num_envs, size, **kwargs)
        return made
    make_env = partial(make, env_id, image_size=size, **kwargs)
    if executor == "inline":
        from swm.envs.executors.inline import InlineExecutor

        made = InlineExecutor(make_env, num_envs)
    else:
        from swm.envs.executors.process import ProcessExecutor

        made = ProcessExecutor(make_env, num_envs)
    return made


def make_expert(env_id: str, **kwargs: Any) -> Policy:
    """Make the scripted expert of an environment.

    Args:
        env_id: a key of `ENVS`.
        kwargs: arguments of the expert.

    Raises:
        UnknownNameError: no environment has this id.
        InvalidValueError: the environment has no expert.
    """
    row = ENVS[env_id]
    if row.expert is None:
        raise InvalidValueError(f"{env_id} has no expert.")
    policy: Policy = load_target(row.expert)(**kwargs)
    return policy


def _register(rows: Mapping[str, EnvRow]) -> None:
    for env_id, row in rows.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(env_id, entry_point=row.target, max_episode_steps=row.max_episode_steps)


_register(ENVS)
