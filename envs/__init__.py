"""Environments with factors of variation: the table of all, and the ways to make one or N of them."""

if __name__ != "swm.envs":
    raise ImportError(f"import this package as swm.envs, not as {__name__!r}")

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import gymnasium

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.protocols import Executor, Policy
from swm.core.registry import load_target
from swm.envs.adapters.rows import Environments
from swm.envs.base import FactoredEnv, check_image_size
from swm.envs.classic.rows import ROWS as CLASSIC
from swm.envs.dmc.rows import ROWS as DMC
from swm.envs.fetch.rows import ROWS as FETCH
from swm.envs.ogbench.rows import ROWS as OGBENCH
from swm.envs.piecewise.rows import ROWS as PIECEWISE
from swm.envs.point_maze.rows import ROWS as POINT_MAZE
from swm.envs.push_t.rows import ROWS as PUSH_T
from swm.envs.quantize_rows import ROWS as QUANTIZED
from swm.envs.row import EnvRow as EnvRow
from swm.envs.two_room.rows import ROWS as TWO_ROOM

if TYPE_CHECKING:
    from swm.envs.adapters.adapt import adapt as adapt
    from swm.envs.adapters.visual import VisualConfig as VisualConfig
    from swm.envs.adapters.visual_env import with_visual_factors as with_visual_factors
    from swm.envs.adapters.visual_schedule import Schedule as Schedule
    from swm.envs.mujoco.factorize import factorize as factorize

ENVS = Environments(
    "environment",
    {
        **TWO_ROOM,
        **PUSH_T,
        **POINT_MAZE,
        **PIECEWISE,
        **CLASSIC,
        **DMC,
        **OGBENCH,
        **FETCH,
        **QUANTIZED,
    },
    "swm.envs",
)
"""Every environment: id -> row. Each family keeps its rows in its own ``rows.py``.

``"gym:<id>"`` is any environment that Gymnasium can make, for example ``"gym:ALE/Pong-v5"``.
"""

EXECUTORS = ("native", "process", "inline")
"""The ways to step N environments: one NumPy call, worker processes, or a loop in this process."""


def make(env_id: str, *, visual: "str | Sequence[str] | VisualConfig | None" = None, **kwargs: Any) -> FactoredEnv:
    """Make one environment, without wrappers.

    Args:
        env_id: a key of `ENVS`.
        visual: visual factors to add: names, ``"all"``, or a `VisualConfig`; None is none.
        kwargs: arguments of the environment, for example ``image_size``.

    Raises:
        UnknownNameError: no environment or visual factor has this name.
    """
    env: FactoredEnv = ENVS.load(env_id)(**{**ENVS[env_id].kwargs, **kwargs})
    if visual is None:
        return env
    from swm.envs.adapters.visual_env import with_visual_factors

    return with_visual_factors(env, visual)


make.metadata = FactoredEnv.metadata  # type: ignore[attr-defined]  # where gymnasium.make looks for render modes


def make_executor(
    env_id: str,
    num_envs: int,
    image_size: int | tuple[int, int],
    executor: str = "native",
    *,
    visual: "str | Sequence[str] | VisualConfig | None" = None,
    **kwargs: Any,
) -> Executor:
    """Make N environments that are stepped together.

    Args:
        env_id: a key of `ENVS`.
        num_envs: how many, at least 1.
        image_size: pixels of square pictures, or (height, width); each from 16 to 1024.
        executor: one of `EXECUTORS`; the episodes are the same with each.
        visual: visual factors to add, as in `make`.
        kwargs: further arguments of the environment.

    Raises:
        UnknownNameError: no environment, executor or visual factor has this name.
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
        if visual is not None:
            from swm.envs.adapters.visual_executor import VisualExecutor

            made = VisualExecutor(made, visual)
        return made
    make_env = partial(make, env_id, image_size=size, visual=visual, **kwargs)
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
        raise InvalidValueError(f"{env_id} has no expert; record with the policy 'random', or with one of your own.")
    policy: Policy = load_target(row.expert)(**{**row.expert_kwargs, **kwargs})
    return policy


_LAZY = {
    "factorize": "swm.envs.mujoco.factorize:factorize",
    "adapt": "swm.envs.adapters.adapt:adapt",
    "with_visual_factors": "swm.envs.adapters.visual_env:with_visual_factors",
    "VisualConfig": "swm.envs.adapters.visual:VisualConfig",
    "Schedule": "swm.envs.adapters.visual_schedule:Schedule",
}


def __getattr__(name: str) -> Any:
    """What needs more than NumPy is imported when it is asked for."""
    if name in _LAZY:
        return load_target(_LAZY[name])
    raise AttributeError(f"module 'swm.envs' has no attribute {name!r}")


def _register(rows: Mapping[str, EnvRow]) -> None:
    for env_id, row in rows.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(
                env_id,
                entry_point="swm.envs:make",
                max_episode_steps=row.max_episode_steps,
                kwargs={"env_id": env_id},
            )


_register(ENVS)
