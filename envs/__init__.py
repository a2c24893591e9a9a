"""envs."""

if __name__ != "swm.envs":
    raise ImportError(f"import this package as swm.envs, not as {__name__!r}")

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import gymnasium

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.protocols import Executor, Policy
from swm.core.registry import Registry, load_target
from swm.envs.base import FactoredEnv, check_image_size
from swm.envs.classic import rows as classic
from swm.envs.dmc import rows as dmc
from swm.envs.fetch import rows as fetch
from swm.envs.ogbench import rows as ogbench
from swm.envs.piecewise import rows as piecewise
from swm.envs.point_maze import rows as point_maze
from swm.envs.push_t import rows as push_t
from swm.envs.row import EnvRow as EnvRow
from swm.envs.two_room import rows as two_room

if TYPE_CHECKING:
    from swm.envs.mujoco.factorize import factorize as factorize

ENVS: Registry[EnvRow] = Registry(
    "environment",
    {
        **two_room.ROWS,
        **push_t.ROWS,
        **point_maze.ROWS,
        **piecewise.ROWS,
        **classic.ROWS,
        **dmc.ROWS,
        **ogbench.ROWS,
        **fetch.ROWS,
    },
    "swm.envs",
)
"""Every environment: id -> row. Each family keeps its rows in its own ``rows.py``."""

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
    env: FactoredEnv = ENVS.load(env_id)(**{**ENVS[env_id].kwargs, **kwargs})
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
        made = load_target(row.native)(num_envs, size, **{**row.kwargs, **kwargs})
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
    policy: Policy = load_target(row.expert)(**{**row.expert_kwargs, **kwargs})
    return policy


def _register(rows: Mapping[str, EnvRow]) -> None:
    for env_id, row in rows.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(
                env_id,
                entry_point=row.target,
                max_episode_steps=row.max_episode_steps,
                kwargs=dict(row.kwargs),
            )


_register(ENVS)


def __getattr__(name: str) -> Any:
    """`factorize`, which needs MuJoCo, is imported when it is asked for."""
    if name == "factorize":
        from swm.envs.mujoco.factorize import factorize

        return factorize
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
