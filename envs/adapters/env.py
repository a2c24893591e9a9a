"""Any Gymnasium environment under the contract of this suite."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.factors import FactorSpace, Variation
from swm.core.protocols import Array
from swm.core.seeding import make_rng
from swm.envs.adapters.backend import make_backend
from swm.envs.adapters.goals import Goal, Walk, find_measure
from swm.envs.adapters.resize import resize
from swm.envs.adapters.source import Source, make_source
from swm.envs.adapters.success import Rule, find_rule
from swm.envs.base import FactoredEnv

_MARK = 2.7021597764222976e16
"""Begins every state of `AdaptedEnv.get_state`: no environment shows this number."""
_HEAD = 5
"""Numbers of a state before those of the backend: the mark, the seed in two, the steps, the rule's verdict."""


class AdaptedEnv(FactoredEnv):
    """A Gymnasium environment: its own actions, rewards and ends of episodes, pictures and states as in this suite.

    ## Observation Space
    ``pixels`` is the picture that the environment shows or draws, averaged over areas to `image_size`.
    ``state`` is every number of its observations; the console's memory of an Atari game; joint
    positions and velocities of Gymnasium's MuJoCo environments; the whole grid of MiniGrid.

    ## Success, goals, episode end
    Without a `success` rule and without a `goal` no episode succeeds. With a goal and no rule an episode
    succeeds while the distance is below `radius`. Without a goal the goal state has no numbers, and the
    distance is 0 at a success and 1 elsewhere. An ended episode stays as it ended, with reward 0.

    ## States
    `get_state` starts with the seed and the number of steps, so a state can be restored in any copy, whatever
    episode that is in. `set_state` also takes the observed state of the episode's reset or of the present, and
    any observed state of Gymnasium's MuJoCo environments.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012 - as in gymnasium
    factors = FactorSpace(())

    def __init__(
        self,
        source: Source,
        *,
        image_size: int | tuple[int, int] = 64,
        render_mode: str | None = "rgb_array",
        success: str | Rule | None = None,
        goal: str | Sequence[str] | None = None,
        radius: float | None = None,
        goal_steps: int = 25,
        max_episode_steps: int | None = None,
        env_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the environment; see `swm.envs.adapt` for the arguments."""
        super().__init__(image_size, render_mode)
        self._rule = find_rule(success)
        if max_episode_steps is not None and max_episode_steps < 1:
            raise InvalidValueError(f"max_episode_steps must be at least 1, got {max_episode_steps}.")
        self._max_steps = max_episode_steps
        self._backend = make_backend(make_source(source, env_kwargs or {}), self.image_size)
        self._backend.reset(0)
        self.gym_env = self._backend.env
        """The environment inside; to step it from outside breaks the episode."""
        self.state_names = self._backend.state_names
        self.action_space = self._backend.action_space
        self._measure = find_measure(goal, self.state_names, radius, judged=self._rule is not None)
        self._walk = Walk(goal_steps)
        self.goal_names = self._measure.names
        self.goal_space = spaces.Box(-np.inf, np.inf, (len(self.goal_names),), np.float64)
        state = spaces.Box(-np.inf, np.inf, (len(self.state_names),), np.float64)
        pixels = spaces.Box(0, 255, (*self.image_size, 3), np.uint8)
        self.observation_space = spaces.Dict({"pixels": pixels, "state": state})
        self._judged = False
        self._target = Goal(vector=np.zeros(len(self.goal_names)))
        self._known: dict[bytes, Goal] = {}

    # ------------------------------------------------------------------------------- the episode

    def _begin(self, variation: Variation, seed: int) -> None:
        self._backend.reset(seed)
        self._judge()
        self._first, self._first_state = self._save(), self._backend.observe()
        self._known.clear()
        if self._measure.names:
            own = self._measure.own_goal(self._backend.last.observation)
            rng = make_rng(seed, "goal")
            self._target = self._draw_goal(rng) if own is None else Goal(vector=own)

    def _judge(self) -> None:
        last = self._backend.last
        if self._rule is not None:
            self._judged = bool(self._rule(last.info, last.reward, last.terminated, last.observation))

    @property
    def _ended(self) -> bool:
        return self._backend.last.terminated or self._truncated()

    def _truncated(self) -> bool:
        late = self._max_steps is not None and self._backend.steps >= self._max_steps
        return self._backend.last.truncated or (late and not self._backend.last.terminated)

    def _advance(self, action: Array) -> tuple[float, bool]:
        if self._ended:
            return 0.0, self._backend.last.terminated
        self._backend.step(action)
        self._judge()
        return self._backend.last.reward, self._backend.last.terminated

    def _observe(self) -> dict[str, Array]:
        return {"pixels": self._draw(), "state": self._backend.observe()}

    def _draw(self) -> Array:
        if self.render_mode is None:
            return np.zeros((*self.image_size, 3), np.uint8)
        return resize(self._backend.picture(), self.image_size)

    def _goal(self) -> tuple[Array, bool, float]:
        if not self._measure.names:
            return np.zeros(0), self._judged, float(not self._judged)
        distance = self._measure.distance(self._backend.observe(), self._target.vector)
        reached = self._judged if self._measure.radius is None else distance < self._measure.radius
        return self._target.vector.copy(), reached, distance

    # --------------------------------------------------------------------------------- the state

    def get_state(self) -> Array:
        """Seed, steps, whether the success rule held, and what restores the rest: float64."""
        self._check_begun()
        return self._save()

    def _save(self) -> Array:
        seed = self._backend.seed
        head = [_MARK, seed >> 32, seed & 0xFFFFFFFF, self._backend.steps, self._judged]
        return np.concatenate([np.array(head, np.float64), self._backend.save()])

    def set_state(self, state: Array) -> None:
        """Continue from a state of `get_state`, or from an observed state that can be restored.

        Raises:
            InvalidValueError: it is neither.
        """
        self._check_begun()
        vector = self._check_vector("state", state)
        if _is_full(vector):
            self._load(vector)
        elif vector.shape != self._first_state.shape:
            raise ShapeError("state", f"{self._first_state.shape}, or a state of get_state()", vector.shape)
        elif np.array_equal(vector, self._first_state):
            self._load(self._first)
        elif not np.array_equal(vector, self._backend.observe()):
            if not self._backend.place(vector):
                raise InvalidValueError(
                    f"what {self.gym_env} shows does not decide what follows, so only the observed states of the "
                    "reset and of the present can be restored. Use get_state()."
                )
            self._judged = False

    def _load(self, state: Array) -> None:
        head = state[1:_HEAD]
        if not ((head >= 0) & (head == np.floor(head)) & (head < 2**32)).all():
            raise InvalidValueError("state: its first numbers are not those of get_state().")
        high, low, steps = (int(number) for number in head[:3])
        self._backend.load(state[_HEAD:], high << 32 | low, steps)
        self._judged = bool(head[3])

    # ---------------------------------------------------------------------------------- the goal

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw the measured part of a state that random actions reach from the episode's reset; (0,) without goals."""
        self._check_begun()
        if not self._measure.names:
            return np.zeros(0)
        present = self._save()
        goal = self._draw_goal(rng)
        self._load(present)
        return goal.vector.copy()

    def _draw_goal(self, rng: np.random.Generator) -> Goal:
        """Walk from the reset until a state is far enough from it; the environment is at the reset afterwards."""

        def begin() -> Array:
            if self._backend.steps:
                self._load(self._first)
            return self._backend.observe()

        def step(action: Array) -> bool:
            self._advance(action)
            return self._ended

        def save() -> Goal:
            return Goal(vector=self._measure(self._backend.observe()), state=self._save())

        goal = self._walk.draw(rng, self.action_space, self._measure, begin, step, save)
        self._load(self._first)
        self._known[goal.vector.tobytes()] = goal
        return goal

    def set_goal(self, goal: Array) -> None:
        """Set the goal: its measured numbers (G,), an observed state, or a state of `get_state`.

        Only a state of `get_state`, or a goal that `sample_goal` drew in this episode, has a picture.

        Raises:
            InvalidValueError: it is none of them, or the environment has no goals.
        """
        self._check_begun()
        vector = self._check_vector("goal", goal)
        if _is_full(vector):
            present = self._save()
            self._load(vector)
            chosen = Goal(vector=self._measure(self._backend.observe()), state=vector)
            self._load(present)
        elif len(vector) == len(self.goal_names):
            chosen = self._known.get(vector.tobytes(), Goal(vector=vector.copy()))
        elif len(vector) == len(self.state_names):
            chosen = Goal(vector=self._measure(vector))
        else:
            expected = f"({len(self.goal_names)},), ({len(self.state_names)},) or a state of get_state()"
            raise ShapeError("goal", expected, vector.shape)
        self._target = chosen

    def goal_state(self) -> Array:
        """A state of `get_state` at the goal.

        Raises:
            InvalidValueError: there is no goal, or only its measured numbers are known.
        """
        self._check_begun()
        if self._target.state is not None:
            return self._target.state.copy()
        why = "the goal was given by its numbers alone" if self.goal_names else "it was adapted without goals"
        raise InvalidValueError(
            f"{self.gym_env} has no known state at its goal: {why}. Draw one with sample_goal(), or give set_goal() "
            "a state of get_state()."
        )

    def goal_pixels(self) -> Array:
        """What the environment shows at `goal_state`: (height, width, 3) uint8."""
        target = self.goal_state()
        if self._target.pixels is None:
            present = self._save()
            self._load(target)
            self._target.pixels = self._draw()
            self._load(present)
        return self._target.pixels.copy()

    # --------------------------------------------------------------------------------- the rest

    @property
    def rendering(self) -> Mapping[str, str]:
        """The renderer, where this suite draws the environment itself."""
        return self._backend.rendering if self.render_mode else {}

    def close(self) -> None:
        """Close the environment inside."""
        self._backend.close()

    def __reduce__(self) -> tuple[Any, ...]:
        restore, (kind, arguments, running, *rest) = super().__reduce__()[:2]
        if running is not None and self._target.state is not None:
            running = (*running[:2], self._target.state, running[3])
        return restore, (kind, arguments, running, *rest)

    def _check_vector(self, what: str, given: Array) -> Array:
        vector = np.asarray(given, np.float64)
        if vector.ndim != 1 or not np.isfinite(vector).all():
            raise InvalidValueError(f"{what}: expected a vector of finite numbers, got shape {vector.shape}.")
        return vector


def _is_full(vector: Array) -> bool:
    """Whether a vector is a state of `AdaptedEnv.get_state`."""
    return len(vector) > _HEAD and bool(vector[0] == _MARK)
