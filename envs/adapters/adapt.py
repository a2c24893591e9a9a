"""`adapt`: from a Gymnasium environment to one of this suite."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium

from swm.envs.adapters.env import AdaptedEnv
from swm.envs.adapters.source import Source, source_of
from swm.envs.adapters.success import Rule
from swm.envs.adapters.visual import VisualConfig
from swm.envs.adapters.visual_env import with_visual_factors
from swm.envs.base import FactoredEnv


def adapt(
    env: "Source | gymnasium.Env[Any, Any]",
    *,
    success: str | Rule | None = None,
    goal: str | Sequence[str] | None = None,
    radius: float | None = None,
    goal_steps: int = 25,
    image_size: int | tuple[int, int] = 64,
    visual: str | Sequence[str] | VisualConfig | None = None,
    max_episode_steps: int | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
) -> FactoredEnv:
    """Adapt any Gymnasium environment to the contract of this suite.

    ``swm.envs.make("gym:<id>", ...)`` does the same for an id, and so do `World` and the executors.

    Args:
        env: an id of Gymnasium, which may begin with the module that registers it, ``"my.module:MyEnv-v0"``; a
            function that makes the environment, picklable if it is to be used in other processes; or an
            environment that `gymnasium.make` made, of which a copy is made.
        success: when an episode succeeds: a key of `swm.envs.adapters.success.RULES`, or a function
            ``(info, reward, terminated, observation) -> bool``. None is never, unless `radius` says when.
        goal: what a goal is: ``"state"``, to reach an observed state; names of the numbers of the state that count;
            ``"desired_goal"``, the environment's own goals; or None. Goals but its own are drawn by a walk of random
            actions from the start of the episode.
        radius: with a goal: success is a distance below it. Give this or `success`.
        goal_steps: random steps to a drawn goal.
        image_size: pixels of a square picture, or (height, width).
        visual: visual factors to add: names, ``"all"``, or a `VisualConfig`.
        max_episode_steps: truncate after so many steps; None leaves that to the environment and the caller.
        env_kwargs: arguments of the environment.

    Raises:
        UnknownNameError: no environment, rule, number of the state or visual factor has this name.
        MissingExtraError: the package of the environment is not installed.
        InvalidValueError: a value is out of range, or the environment has actions or pictures of another kind.
    """
    source = source_of(env) if isinstance(env, gymnasium.Env) else env
    adapted = AdaptedEnv(
        source,
        success=success,
        goal=goal,
        radius=radius,
        goal_steps=goal_steps,
        image_size=image_size,
        max_episode_steps=max_episode_steps,
        env_kwargs=env_kwargs,
    )
    return adapted if visual is None else with_visual_factors(adapted, visual)
