"""An environment with real actions as one with discrete actions; everything else stays as it is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from swm.core.factors import Request, Variation
from swm.core.protocols import Array, Mask, StepBatch
from swm.core.spaces import action_bounds, action_shape, check_actions
from swm.envs import make, make_executor, make_expert
from swm.envs.base import FactoredEnv
from swm.envs.codebook import Codebook
from swm.envs.executors.common import Batch

Levels = Sequence[int] | int


class Quantized(FactoredEnv):
    """An environment whose action is a choice among finitely many actions of another one.

    Pictures, state, factors, goals, reward and success are those of the environment inside, with
    the action that the choice stands for; see `swm.envs.codebook.Codebook` for the sets of actions.
    """

    def __init__(
        self,
        env: str | Callable[..., FactoredEnv],
        actions: str = "polar",
        levels: Levels = (16, 16),
        image_size: int | tuple[int, int] = 64,
        render_mode: str | None = "rgb_array",
        **kwargs: Any,
    ) -> None:
        """Make the environment.

        Args:
            env: id of an environment with real actions, or what makes one from the remaining arguments.
            actions: ``"polar"``, ``"grid"`` or ``"joint"``; see `Codebook`.
            levels: of the codebook.
            image_size: see `FactoredEnv`.
            render_mode: see `FactoredEnv`.
            kwargs: further arguments of the environment inside.
        """
        super().__init__(image_size, render_mode)
        kwargs |= {"image_size": image_size, "render_mode": render_mode}
        self._inside = inside = make(env, **kwargs) if isinstance(env, str) else env(**kwargs)
        self._codebook = Codebook(inside.action_space, actions, levels)  # type: ignore[arg-type]
        self.action_space = self._codebook.space
        self.observation_space, self.goal_space = inside.observation_space, inside.goal_space
        self.factors, self.metadata = inside.factors, inside.metadata
        self.state_names, self.goal_names = inside.state_names, inside.goal_names

    def _begin(self, variation: Variation, seed: int) -> None:
        self._inside._begin(variation, seed)
        self._inside._variation, self._inside._seed = variation, seed

    def _advance(self, action: Array) -> tuple[float, bool]:
        command = self._codebook.decode(action[None])[0]
        return self._inside._advance(check_actions(self._inside.action_space, command))

    def _observe(self) -> dict[str, Array]:
        return self._inside._observe()

    def _goal(self) -> tuple[Array, bool, float]:
        return self._inside._goal()

    def _truncated(self) -> bool:
        return self._inside._truncated()

    def _info(self) -> dict[str, Any]:
        return self._inside._info()

    @property
    def rendering(self) -> Mapping[str, str]:
        """As of the environment inside."""
        return self._inside.rendering

    def get_state(self) -> Array:
        """As of the environment inside."""
        return self._inside.get_state()

    def set_state(self, state: Array) -> None:
        """As of the environment inside."""
        self._inside.set_state(state)

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """As of the environment inside."""
        return self._inside.sample_goal(rng)

    def set_goal(self, goal: Array) -> None:
        """As of the environment inside."""
        self._inside.set_goal(goal)

    def goal_state(self) -> Array:
        """As of the environment inside."""
        return self._inside.goal_state()

    def goal_pixels(self) -> Array:
        """As of the environment inside."""
        return self._inside.goal_pixels()

    def close(self) -> None:
        """Close the environment inside."""
        self._inside.close()


class QuantizedExecutor:
    """Implements `swm.core.protocols.Executor` around the native executor of the environment inside."""

    def __init__(
        self,
        num_envs: int,
        image_size: int | tuple[int, int] = 64,
        *,
        env: str,
        actions: str = "polar",
        levels: Levels = (16, 16),
        **kwargs: Any,
    ) -> None:
        """Make the environments; see `Quantized` for the arguments."""
        self._inside = inside = make_executor(env, num_envs, image_size, "native", **kwargs)
        self._codebook = Codebook(inside.action_space, actions, levels)  # type: ignore[arg-type]
        self._batch = Batch(num_envs, inside.factors, self._codebook.space)
        self.action_space = self._codebook.space
        self.num_envs, self.observation_space = inside.num_envs, inside.observation_space
        self.factors, self.rendering = inside.factors, inside.rendering

    def reset(self, seeds: Sequence[int], requests: Sequence[Request], mask: Mask | None = None) -> StepBatch:
        """See `Executor.reset`."""
        return self._inside.reset(seeds, requests, mask)

    def step(self, actions: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.step`."""
        rows = self._batch.rows(mask)
        commands = np.zeros((self.num_envs, *action_shape(self._inside.action_space)))
        commands[rows] = self._codebook.decode(self._batch.actions(actions, rows))
        return self._inside.step(commands, mask)

    def set_state(self, states: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.set_state`."""
        return self._inside.set_state(states, mask)

    def set_goal(self, goals: Array, mask: Mask | None = None) -> StepBatch:
        """See `Executor.set_goal`."""
        return self._inside.set_goal(goals, mask)

    def goal_pixels(self) -> Array:
        """See `Executor.goal_pixels`."""
        return self._inside.goal_pixels()

    def close(self) -> None:
        """Close the environments."""
        self._inside.close()


class QuantizedExpert:
    """The expert of the environment inside, with the choice nearest to each of its actions.

    What a choice lacks is carried over to the next one, so that actions smaller than the first
    level have their effect too.
    """

    def __init__(self, env: str, actions: str = "polar", levels: Levels = (16, 16), **options: Any) -> None:
        """Make the expert.

        Args:
            env: see `Quantized`.
            actions: see `Quantized`.
            levels: see `Quantized`.
            options: arguments of the expert inside.
        """
        self._inside = make_expert(env, **options)
        self.needs_goal_pixels = self._inside.needs_goal_pixels
        inside = make(env, render_mode=None)
        self._codebook = Codebook(inside.action_space, actions, levels)  # type: ignore[arg-type]
        inside.close()
        low, high = action_bounds(inside.action_space)
        self._most = (high.astype(np.float64) - low) / 2
        self._lacking = np.zeros((0, *self._most.shape))
        self._actions: dict[str, Any] = {"actions": actions, "levels": levels}

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        """See `Policy.begin`."""
        if len(self._lacking) != len(mask):
            self._lacking = np.zeros((len(mask), *self._lacking.shape[1:]))
        self._lacking[mask] = 0.0
        self._inside.begin(step, seeds, mask, goal_pixels)

    def act(self, step: StepBatch, mask: Mask) -> Array:
        """See `Policy.act`."""
        wanted = self._inside.act(step, mask) + self._lacking
        choices = self._codebook.encode(wanted)
        self._lacking[mask] = np.clip(wanted - self._codebook.decode(choices), -self._most, self._most)[mask]
        return choices

    def describe(self) -> dict[str, Any]:
        """As of the expert inside, with the set of actions."""
        return {**self._inside.describe(), **self._actions}
