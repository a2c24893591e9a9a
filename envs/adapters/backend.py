"""What `AdaptedEnv` drives: a Gymnasium environment with named states, pictures and exact restoring.

`Backend` works with any deterministic environment. Simulators that can save their own state have a
backend of their own, which `make_backend` chooses; it is the faster one, never the more exact one.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Array
from swm.core.registry import load_target
from swm.core.spaces import ActionSpace
from swm.envs.adapters.flatten import Flattener

AnyEnv = gymnasium.Env[Any, Any]
_BACKENDS = {
    "ale_py.": "swm.envs.adapters.ale:make_ale_backend",
    "gymnasium.envs.mujoco.": "swm.envs.adapters.gym_mujoco:GymMujocoBackend",
    "minigrid.": "swm.envs.adapters.grid:GridBackend",
}
"""Beginnings of the modules of environments with a backend of their own."""
_STATELESS = (OrderEnforcing, PassiveEnvChecker)
_CAPACITY = 64


@dataclass(frozen=True)
class Transition:
    """What the environment returned last."""

    observation: Any
    info: Mapping[str, Any]
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False


class Backend:
    """Any environment: a saved state is the list of actions since the reset, and restoring plays them again.

    That is exact where the environment is a function of seed and actions, and needs nothing from it.
    """

    def __init__(self, env: AnyEnv, image_size: tuple[int, int]) -> None:
        """Take over `env`.

        Args:
            env: with Gymnasium's wrappers or without.
            image_size: of the pictures that are wanted; environments have their own sizes, MuJoCo a multiple of it.

        Raises:
            InvalidValueError: it can neither show pictures nor draw itself, or has actions that are neither a
                bounded vector nor integers.
        """
        self.env = env
        self.flattener = Flattener(env.observation_space)
        self.action_space = convert_actions(env.action_space)
        if not self.flattener.has_picture and env.render_mode != "rgb_array":
            raise InvalidValueError(
                f"{env} shows no picture and cannot draw itself: make it with render_mode='rgb_array'."
            )
        self._screen = None
        if "mujoco" in sys.modules:
            self._screen = load_target("swm.envs.adapters.screen:install")(inner_of(env), image_size)
        self.seed = self.steps = 0
        self.last = Transition(None, {})
        self._actions: list[Array] = []

    @property
    def rendering(self) -> Mapping[str, str]:
        """How MuJoCo draws, see `FactoredEnv.rendering`."""
        described: Mapping[str, str] = {} if self._screen is None else self._screen.renderer.describe()
        return described

    @property
    def state_names(self) -> tuple[str, ...]:
        """One name for each number of the observed state."""
        return self.flattener.names or ("steps",)

    def observe(self) -> Array:
        """The observed state: every number of the observation, or the number of steps if it has none."""
        if not self.flattener.names:
            return np.array([float(self.steps)])
        return self.flattener.numbers(self.last.observation)

    def picture(self) -> Array:
        """What the environment shows now, at its own size: (height, width, 3) uint8."""
        if self.flattener.has_picture:
            return self.flattener.picture(self.last.observation)
        picture = np.asarray(self.env.render())
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise ShapeError("picture of render()", "(height, width, 3) uint8", f"{picture.shape} {picture.dtype}")
        return picture

    def reset(self, seed: int) -> None:
        """Begin the episode of `seed`."""
        observation, info = self.env.reset(seed=seed)
        self.seed = seed
        self.restart(Transition(observation, info))

    def restart(self, first: Transition) -> None:
        """Note that the environment is where the episode began, with `first`."""
        self.steps, self.last, self._actions = 0, first, []

    def step(self, action: Array) -> None:
        """Take one step with a checked action, and remember it as the environment takes it."""
        self._actions.append(np.asarray(self._native(action), np.float64).reshape(np.shape(action)))
        self.play(action)

    def play(self, action: Array) -> None:
        """Take one step."""
        observation, reward, terminated, truncated, info = self.env.step(self._native(action))
        self.last = Transition(observation, info, float(reward), bool(terminated), bool(truncated))
        self.steps += 1

    def _native(self, action: Array) -> Any:
        """An action as the environment takes it."""
        space = self.env.action_space
        return int(action) if isinstance(space, spaces.Discrete) else action.astype(space.dtype).reshape(space.shape)

    def save(self) -> Array:
        """The actions so far, with room for more so that the length seldom changes: float64."""
        width = int(np.prod(self.action_space.shape or ()))
        room = max(_CAPACITY, 1 << (self.steps - 1).bit_length())
        taken = np.zeros((room, width))
        taken[: self.steps] = np.reshape(self._actions, (self.steps, width))
        return taken.ravel()

    def load(self, saved: Array, seed: int, steps: int) -> None:
        """Continue `steps` steps after the reset of `seed`, from what `save` gave.

        Raises:
            InvalidValueError: it is not the state of such an environment.
        """
        shape = self.action_space.shape or ()
        width = int(np.prod(shape))
        if len(saved) % width or not steps <= len(saved) // width >= _CAPACITY:
            raise ShapeError("state", f"the actions of {steps} steps, {width} numbers each", saved.shape)
        actions = saved.reshape(-1, *shape)[:steps]
        natives = [self._native(action) for action in actions]
        exact = all(np.array_equal(np.ravel(native), np.ravel(a)) for native, a in zip(natives, actions, strict=True))
        if not exact or not all(map(self.env.action_space.contains, natives)):
            raise InvalidValueError("state: an action in it is not one of this environment.")
        taken = np.reshape(self._actions, (-1, *shape))
        if seed != self.seed or not np.array_equal(taken, actions[: len(taken)]):
            self.reset(seed)
        for action in actions[self.steps :]:
            self.step(action)

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def place(self, observed: Array) -> bool:
        """Continue from an observed state, if the environment can; return whether it did."""
        return False


def convert_actions(space: spaces.Space[Any]) -> ActionSpace:
    """The actions as this suite has them: a bounded vector, one integer, or several.

    Raises:
        InvalidValueError: they are neither.
    """
    if isinstance(space, spaces.MultiBinary):
        return spaces.MultiDiscrete(np.full(int(np.prod(space.shape)), 2))
    if isinstance(space, spaces.MultiDiscrete) and len(space.shape) == 1:
        return space
    if isinstance(space, spaces.Discrete):
        return space
    if isinstance(space, spaces.Box) and space.is_bounded():
        return spaces.Box(space.low.ravel(), space.high.ravel(), dtype=space.dtype.type)
    raise InvalidValueError(f"actions must be a bounded Box, Discrete or MultiDiscrete, got {space}.")


def inner_of(env: AnyEnv) -> Any:
    """The environment inside all wrappers, with its own attributes."""
    return env.unwrapped


def make_backend(env: AnyEnv, image_size: tuple[int, int]) -> Backend:
    """Choose how to drive `env`: by its simulator if nothing but Gymnasium's own checks wraps it."""
    inner = env
    while isinstance(inner, _STATELESS):
        inner = inner.env
    if inner is env.unwrapped:
        for beginning, target in _BACKENDS.items():
            if type(inner).__module__.startswith(beginning):
                backend: Backend = load_target(target)(env, image_size)
                return backend
    return Backend(env, image_size)
