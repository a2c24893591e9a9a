"""A small world to evaluate in: a point on the unit square, drawn as one pixel."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from swm.core.factors import Factor, FactorSpace, Request, Variation
from swm.core.protocols import Array, Mask, StepBatch
from swm.core.seeding import make_rng
from swm.core.spaces import rgb, scalar, vector

SIZE = 16
STEP = 0.03
RADIUS = 0.05

FACTORS = FactorSpace(
    (
        Factor(name="agent.color", kind="visual", space=rgb(), default=(200, 30, 30), summary="Colour of the point."),
        Factor(
            name="agent.speed",
            kind="physical",
            space=scalar(0.5, 2.0),
            default=1.0,
            train=scalar(0.9, 1.1),
            summary="Length of a step.",
        ),
        Factor(
            name="start.position",
            kind="task",
            space=vector([0, 0], [1, 1]),
            default=(0.5, 0.5),
            train=vector([0, 0], [1, 1]),
            sampled=True,
            summary="Where the point starts.",
        ),
    )
)


class PointWorld:
    """N points; an action moves a point by at most `STEP` per axis."""

    factors = FACTORS
    observation_space = spaces.Dict(
        {"pixels": spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8), "state": spaces.Box(0, 1, (2,), np.float64)}
    )
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, num_envs: int = 4) -> None:
        self.num_envs = num_envs
        self.state = np.zeros((num_envs, 2))
        self.goal = np.zeros((num_envs, 2))
        self.variation: list[Variation] = [FACTORS.default()] * num_envs
        self.steps = 0

    def reset(self, seeds: Sequence[int], requests: Sequence[Request], mask: Mask | None = None) -> StepBatch:
        for row in self._rows(mask):
            self.variation[row] = FACTORS.resolve(requests[row], seeds[row])
            self.state[row] = self.variation[row]["start.position"]
            self.goal[row] = make_rng(seeds[row], "goal").uniform(0, 1, 2)
        return self._show()

    def step(self, actions: Array, mask: Mask | None = None) -> StepBatch:
        self.steps += 1
        for row in self._rows(mask):
            move = STEP * self.variation[row]["agent.speed"] * np.clip(actions[row], -1, 1)
            self.state[row] = np.clip(self.state[row] + move, 0, 1)
        return self._show(-1.0)

    def set_state(self, states: Array, mask: Mask | None = None) -> StepBatch:
        self.state[self._rows(mask)] = states[self._rows(mask)]
        return self._show()

    def set_goal(self, goals: Array, mask: Mask | None = None) -> StepBatch:
        self.goal[self._rows(mask)] = goals[self._rows(mask)]
        return self._show()

    def goal_pixels(self) -> Array:
        return self._draw(self.goal)

    def close(self) -> None:
        self.num_envs = 0

    def _rows(self, mask: Mask | None) -> Array:
        return np.arange(self.num_envs) if mask is None else np.flatnonzero(mask)

    def _draw(self, states: Array) -> Array:
        pixels = np.full((self.num_envs, SIZE, SIZE, 3), 255, np.uint8)
        at = np.rint(states * (SIZE - 1)).astype(int)
        for row in range(self.num_envs):
            pixels[row, at[row, 1], at[row, 0]] = self.variation[row]["agent.color"]
        return pixels

    def _show(self, reward: float = 0.0) -> StepBatch:
        distance = np.linalg.norm(self.state - self.goal, axis=-1)
        never = np.zeros(self.num_envs, bool)
        return StepBatch(
            observation={"pixels": self._draw(self.state), "state": self.state.copy()},
            reward=np.full(self.num_envs, reward),
            terminated=never,
            truncated=never.copy(),
            success=distance < RADIUS,
            distance=distance,
            goal=self.goal.copy(),
            variation=tuple(self.variation),
        )


class Walker:
    """Walks straight to the goal; `blind_to` names a factor whose shift makes it stand still."""

    needs_goal_pixels = False

    def __init__(self, blind_to: str = "", tolerance: float = 0.0) -> None:
        self.blind_to, self.tolerance = blind_to, tolerance
        self.latencies: list[Any] = []

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        pass

    def act(self, step: StepBatch, mask: Mask) -> Array:
        speed = np.array([variation["agent.speed"] for variation in step.variation])
        toward = np.clip((step.goal - step.observation["state"]) / (STEP * speed[:, None]), -1, 1)
        lost = np.array([self._is_lost(variation) for variation in step.variation])
        return np.where(lost[:, None], 0.0, toward).astype(np.float32)

    def _is_lost(self, variation: Variation) -> bool:
        if not self.blind_to:
            return False
        usual = np.asarray(FACTORS[self.blind_to].default, np.float64)
        return bool(np.abs(np.asarray(variation[self.blind_to]) - usual).max() > self.tolerance)

    def describe(self) -> dict[str, Any]:
        return {"name": "walker", "blind_to": self.blind_to, "tolerance": self.tolerance}


class Still(Walker):
    """Never moves."""

    def act(self, step: StepBatch, mask: Mask) -> Array:
        return np.zeros((len(mask), 2), np.float32)

    def describe(self) -> dict[str, Any]:
        return {"name": "still"}


@pytest.fixture
def make_world() -> Callable[..., PointWorld]:
    return PointWorld


@pytest.fixture
def world() -> PointWorld:
    return PointWorld()


@pytest.fixture
def make_walker() -> Callable[..., Walker]:
    return Walker


@pytest.fixture
def walker() -> Walker:
    return Walker()


@pytest.fixture
def still() -> Still:
    return Still()
