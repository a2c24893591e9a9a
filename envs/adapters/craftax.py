"""Craftax and Craftax-Classic as Gymnasium environments: jitted, seeded, with deaths told from time limits.

Importing this module registers their ids; JAX and craftax are imported when an environment is made.
Source: Matthews et al., "Craftax", ICML 2024 (arXiv 2402.16801).
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from swm.core.errors import MissingExtraError
from swm.core.protocols import Array

_PLAYER = ("position", "level", "direction", "health", "food", "drink", "energy", "mana")
"""Of the player, as far as the game has them; part of the observation beside the picture."""
_FOREVER = 2**30


@dataclass(frozen=True)
class _Game:
    """The compiled functions of one game, shared by all its environments in this process."""

    reset: Callable[..., Any]
    """``key -> (observation, state)``."""
    step: Callable[..., Any]
    """``(key, state, action) -> (observation, state, reward, terminated, truncated)``."""
    draw: Callable[..., Any]
    """``state -> picture``, 0 to 1."""
    num_actions: int
    achievements: tuple[str, ...]


@functools.cache
def _game(classic: bool, symbolic: bool) -> _Game:
    try:
        import jax
        from craftax.craftax_env import make_craftax_env_from_params
    except ImportError as error:
        raise MissingExtraError("Craftax", "craftax") from error
    env = make_craftax_env_from_params(classic, symbolic, auto_reset=False)
    screen = make_craftax_env_from_params(classic, False, auto_reset=False)
    params = env.default_params
    endless = params.replace(max_timesteps=_FOREVER)

    def step(key: Any, state: Any, action: Any) -> Any:
        observation, state, reward, done, _ = env.step(key, state, action, params)
        terminated = env.is_terminal(state, endless)
        return observation, state, reward, terminated, done & ~terminated

    if classic:
        from craftax.craftax_classic.constants import Achievement
    else:
        from craftax.craftax.constants import Achievement
    return _Game(
        reset=jax.jit(lambda key: env.reset(key, params)),
        step=jax.jit(step),
        draw=jax.jit(screen.get_obs),
        num_actions=env.num_actions,
        achievements=tuple(each.name.lower() for each in sorted(Achievement, key=lambda each: each.value)),
    )


class CraftaxEnv(gymnasium.Env[Any, Any]):
    """A game of Craftax.

    ## Observation Space
    With pictures a dictionary of ``pixels``, uint8, the numbers of the ``player``, and ``achievements``, each 0
    or 1. Symbolic ones are the vector that Craftax defines.

    ## Episode End
    Terminated by a death, or by the last boss's defeat; truncated by the game's own limit of steps.
    ``info["achievements"]`` are the names of what was achieved so far, at every step.

    ## Arguments
    ``classic``: Craftax-Classic, the game of Crafter. ``symbolic``: no pictures in the observation.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - as in gymnasium

    def __init__(self, classic: bool = False, symbolic: bool = False, render_mode: str | None = None) -> None:
        """Compile the game, unless another environment has done so."""
        self.render_mode, self._symbolic = render_mode, symbolic
        self._game = _game(classic, symbolic)
        self.action_space = spaces.Discrete(self._game.num_actions)
        observation, _ = self.reset(seed=0)
        self.observation_space = _space_of(observation)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin the world of `seed`; without one, of a number drawn from `np_random`."""
        import jax

        super().reset(seed=seed)
        if seed is None:
            seed = int(self.np_random.integers(2**32))
        high, low = seed >> 32, seed & 0xFFFFFFFF
        key = jax.random.PRNGKey(np.uint32(low))
        self._key = jax.random.fold_in(key, high) if high else key
        self._steps = 0
        observation, self._state = self._game.reset(self._key)
        return self._observation(observation), self._info()

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take one step; its random numbers are a function of the seed and the number of steps."""
        import jax

        self._steps += 1
        key = jax.random.fold_in(self._key, self._steps)
        observation, self._state, reward, terminated, truncated = self._game.step(key, self._state, int(action))
        return self._observation(observation), float(reward), bool(terminated), bool(truncated), self._info()

    def render(self) -> Array:
        """The picture that an agent of the game sees, with the inventory."""
        return _levels(self._game.draw(self._state))

    def _achieved(self) -> Array:
        return np.asarray(self._state.achievements)

    def _info(self) -> dict[str, Any]:
        achieved = self._achieved()
        return {"achievements": tuple(name for name, got in zip(self._game.achievements, achieved, strict=True) if got)}

    def _observation(self, observation: Any) -> Any:
        if self._symbolic:
            return np.asarray(observation, np.float32)
        player = {name: getattr(self._state, f"player_{name}", None) for name in _PLAYER}
        return {
            "pixels": _levels(observation),
            "player": {name: np.asarray(value, np.float32) for name, value in player.items() if value is not None},
            "achievements": dict(zip(self._game.achievements, map(np.int64, self._achieved()), strict=True)),
        }


def _levels(picture: Any) -> Array:
    levels: Array = np.rint(np.asarray(picture, np.float32) * 255).astype(np.uint8)
    return levels


def _space_of(observation: Any) -> spaces.Space[Any]:
    """The space of such observations."""
    if isinstance(observation, dict):
        return spaces.Dict({name: _space_of(part) for name, part in observation.items()})
    if isinstance(observation, np.int64):
        return spaces.Discrete(2)
    if observation.dtype == np.uint8:
        return spaces.Box(0, 255, observation.shape, np.uint8)
    return spaces.Box(-np.inf, np.inf, observation.shape, np.float32)


for _classic, _steps in ((False, 100_000), (True, 10_000)):
    for _symbolic in (False, True):
        gymnasium.register(
            f"Craftax-{'Classic-' if _classic else ''}{'Symbolic' if _symbolic else 'Pixels'}-v1",
            entry_point="swm.envs.adapters.craftax:CraftaxEnv",
            max_episode_steps=_steps,
            kwargs={"classic": _classic, "symbolic": _symbolic},
        )
