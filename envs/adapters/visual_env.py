"""An environment with visual factors added to its own."""

from collections.abc import Mapping, Sequence

import numpy as np

from swm.core.factors import Variation
from swm.core.protocols import Array
from swm.envs.adapters.visual import Filter, VisualConfig, as_config, extend, inner_part, split_state
from swm.envs.base import FactoredEnv


class VisualEnv(FactoredEnv):
    """A `FactoredEnv` whose pictures go through the visual factors of a `VisualConfig`.

    States, rewards, goals and success are those of the environment inside. `get_state` appends the
    four numbers on which the effects depend. A goal's picture is taken by the same disturbed camera,
    at the present step.
    """

    def __init__(self, env: FactoredEnv, visual: str | Sequence[str] | VisualConfig = "all") -> None:
        """Take over `env`.

        Args:
            env: the environment inside, from now on driven by this one.
            visual: names of visual factors, ``"all"``, or a `VisualConfig`.

        Raises:
            UnknownNameError: a name is no visual factor.
            InvalidValueError: `env` has one of the factors already.
        """
        super().__init__(env.image_size, env.render_mode)
        self.env, config = env, as_config(visual)
        self.factors = extend(env.factors, config)
        self.metadata = env.metadata
        self.state_names, self.goal_names = env.state_names, env.goal_names
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self.goal_space = env.goal_space
        self._filter = Filter(config, self.image_size, config.frames(self.image_size))

    @property
    def rendering(self) -> Mapping[str, str]:
        """That of the environment inside."""
        return self.env.rendering

    def _begin(self, variation: Variation, seed: int) -> None:
        request = inner_part(variation, self.env.factors)
        self._observation, self._inner_info = self.env.reset(seed=seed, options={"variation": request})
        self._filter.begin(variation, seed, self._observation["pixels"])

    def _advance(self, action: Array) -> tuple[float, bool]:
        self._observation, reward, terminated, self._cut, self._inner_info = self.env.step(action)
        self._filter.advance()
        return float(reward), terminated

    def _truncated(self) -> bool:
        return self._cut

    def _observe(self) -> dict[str, Array]:
        seen = {name: value.copy() for name, value in self._observation.items() if name != "pixels"}
        return {**seen, "pixels": self._filter(self._observation["pixels"])}

    def _goal(self) -> tuple[Array, bool, float]:
        info = self._inner_info
        return info["goal"].copy(), info["success"], info["distance"]

    def _look(self) -> None:
        """Take in what the environment inside shows after its state or goal was set."""
        self._observation, self._inner_info = self.env.observe()

    def get_state(self) -> Array:
        """The state of the environment inside and the four numbers of the effects, float64."""
        return np.concatenate([self.env.get_state(), self._filter.state])

    def set_state(self, state: Array) -> None:
        """Continue from a state of `get_state`, or from an observed state, which leaves the effects as they are.

        Raises:
            InvalidValueError: the environment inside refuses the state.
        """
        self._check_begun()
        own, effects = split_state(np.asarray(state, np.float64))
        self.env.set_state(own)
        if effects is not None:
            self._filter.state = effects
        self._look()

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """As the environment inside does."""
        return self.env.sample_goal(rng)

    def set_goal(self, goal: Array) -> None:
        """Set the goal of the environment inside; also from a state of `get_state`."""
        self._check_begun()
        self.env.set_goal(split_state(np.asarray(goal, np.float64))[0])
        self._look()

    def goal_state(self) -> Array:
        """That of the environment inside."""
        return self.env.goal_state()

    def goal_pixels(self) -> Array:
        """The goal as the disturbed camera would show it at the present step: (height, width, 3) uint8."""
        return self._filter(self.env.goal_pixels())

    def close(self) -> None:
        """Close the environment inside."""
        self.env.close()


def with_visual_factors(env: FactoredEnv, visual: str | Sequence[str] | VisualConfig = "all") -> VisualEnv:
    """Add visual factors to an environment.

    Args:
        env: any `FactoredEnv`.
        visual: names of visual factors (keys of `swm.envs.adapters.visual.FACTORS`), ``"all"``, or a
            `VisualConfig`, which also has a schedule and what goes behind the scene.

    Raises:
        UnknownNameError: a name is no visual factor.
    """
    return VisualEnv(env, visual)
