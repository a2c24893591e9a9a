"""Where a Gymnasium environment comes from: an id, a spec, or a factory; what has to be imported first."""

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator

from swm.core.errors import InvalidValueError, MissingExtraError, UnknownNameError

os.environ.setdefault("MUJOCO_GL", "egl")  # Gymnasium's renderer reads it when it draws first

Source = str | EnvSpec | Callable[..., "gymnasium.Env[Any, Any]"]
"""An id of Gymnasium, a spec, or a picklable function of keyword arguments that makes an environment."""

DEFAULT_STEPS = 1000
"""The step limit of a recording where the environment states none."""
_ALE_FRAMES = "max_num_frames_per_episode"
_PACKAGES = (
    (("ALE/",), "ale_py", "atari"),
    (("MiniGrid-", "BabyAI-"), "minigrid", "minigrid"),
    (("Fetch", "Hand", "Adroit", "AntMaze", "PointMaze", "FrankaKitchen"), "gymnasium_robotics", "robotics"),
    (("Craftax-",), "swm.envs.adapters.craftax", "craftax"),
)
"""Beginnings of ids, the package that registers them, and the extra that installs it."""


def find_spec(gym_id: str) -> EnvSpec:
    """Find what Gymnasium knows of an id; the packages of well-known ids are imported on the way.

    Args:
        gym_id: for example ``"ALE/Pong-v5"``; ``"my.module:MyEnv-v0"`` imports ``my.module`` first.

    Raises:
        UnknownNameError: no environment has this id.
        MissingExtraError: the package that has it is not installed.
    """
    module, _, name = gym_id.rpartition(":")
    if module:
        importlib.import_module(module)
    if name not in gymnasium.registry:
        _import_package(name)
    if name not in gymnasium.registry:
        raise UnknownNameError("environment of Gymnasium", name, gymnasium.registry)
    return gymnasium.registry[name]


def _import_package(name: str) -> None:
    for beginnings, package, extra in _PACKAGES:
        if name.startswith(beginnings):
            try:
                gymnasium.register_envs(importlib.import_module(package))
            except ImportError as error:
                raise MissingExtraError(f"environment {name!r}", extra) from error


def step_limit(spec: EnvSpec) -> int:
    """Steps after which a recording truncates: the registered limit, or that in an Atari game's frames."""
    if spec.max_episode_steps is not None:
        return spec.max_episode_steps
    if _ALE_FRAMES in spec.kwargs:
        return int(spec.kwargs[_ALE_FRAMES] // spec.kwargs.get("frameskip", 1))
    return DEFAULT_STEPS


def make_source(source: Source, env_kwargs: Mapping[str, Any]) -> "gymnasium.Env[Any, Any]":
    """Make the environment, able to draw itself, without Gymnasium's own time limit and checker.

    Raises:
        InvalidValueError: a factory made something else.
    """
    if callable(source) and not isinstance(source, EnvSpec):
        env = source(**env_kwargs)
        if not isinstance(env, gymnasium.Env):
            raise InvalidValueError(f"the factory made {type(env).__name__}, not a gymnasium.Env.")
        return env
    spec = find_spec(source) if isinstance(source, str) else source
    if "rgb_array" in _render_modes(spec):
        env_kwargs = {"render_mode": "rgb_array", **env_kwargs}
    return gymnasium.make(replace(spec, max_episode_steps=None), disable_env_checker=True, **env_kwargs)


def _render_modes(spec: EnvSpec) -> list[str]:
    entry = spec.entry_point
    creator = load_env_creator(entry) if isinstance(entry, str) else entry
    return list(getattr(creator, "metadata", {}).get("render_modes", []))


def source_of(env: "gymnasium.Env[Any, Any]") -> EnvSpec:
    """The spec from which an environment that `gymnasium.make` made can be made again, wrappers included.

    Raises:
        InvalidValueError: it has none.
    """
    if env.spec is None:
        raise InvalidValueError(
            f"{env} was not made by gymnasium.make, so it cannot be made again in another process: "
            "give a function that makes it instead."
        )
    return env.spec
