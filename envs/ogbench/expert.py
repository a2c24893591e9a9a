"""The scripted expert of the manipulation environments: it picks things up and puts them where they belong."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from swm.core.protocols import Array, Mask, StepBatch
from swm.core.seeding import make_rng
from swm.envs.ogbench.cube_plan import free_place, move_cubes
from swm.envs.ogbench.scene_plan import LOWEST_TRAVEL, arrange, random_scene
from swm.envs.ogbench.skills import OPEN, Skill, View, act, pick_and_place
from swm.envs.ogbench.straying import Stray, Straying

_FIRST_CUBE = 14
"""Joint positions of the arm and the gripper, before those of the first cube."""
_SLIDES = slice(23, 25)
"""Joint positions of drawer and window in the scene."""
_REST = np.array([0.425, 0.0, 0.25])
"""Where the effector waits, in m."""
_LOW, _HIGH = np.array([0.3, -0.3]), np.array([0.55, 0.3])
"""Where cubes are put aside, in m."""


class ManipulationExpert:
    """Implements `swm.core.protocols.Policy` from the observations, the goal and the cubes' sizes.

    It grasps one cube after the other and puts it to its place: the lower ones of a stack first;
    cubes in the way are put aside. A grasp that fails is tried again. Once done it goes on to move
    cubes to random places, so that long episodes stay varied. Everything random is a function of
    the episode's seed and of what happened in the episode.
    """

    needs_goal_pixels = False

    def __init__(
        self, *, kind: str, noise: float = 0.1, random_prob: float = 0.02, random_steps: int = 4, wander: bool = True
    ) -> None:
        """Set how far it strays; ``noise=0, random_prob=0, wander=False`` is the oracle.

        Args:
            kind: the environment's.
            noise: standard deviation of the noise added to each component of the action.
            random_prob: probability per step that a uniformly random action begins.
            random_steps: steps for which a random action is held.
            wander: whether to go on to random places once all is done; otherwise it waits.

        Raises:
            InvalidValueError: a number is out of range.
        """
        self.kind = kind
        self.straying = Straying(noise=noise, random_prob=random_prob, random_steps=random_steps, wander=wander)
        self._episodes: dict[int, _Episode] = {}

    def describe(self) -> dict[str, Any]:
        """Name and parameters."""
        return {"name": "ManipulationExpert", "kind": self.kind, **self.straying.describe()}

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        """See `Policy.begin`."""
        for row in np.flatnonzero(mask).tolist():
            half = np.atleast_1d(step.variation[row]["cube.size"])
            rng = make_rng(int(seeds[row]), "policy", "ManipulationExpert")
            self._episodes[row] = _Episode(half, step.goal[row], rng, self)

    def act(self, step: StepBatch, mask: Mask) -> Array:
        """See `Policy.act`."""
        actions = np.zeros((len(mask), 5), np.float32)
        for row in np.flatnonzero(mask).tolist():
            actions[row] = self._episodes[row].act(step.observation["state"][row], step.observation["proprio"][row])
        return actions


class _Episode:
    """What the expert does in one environment."""

    def __init__(self, half: Array, goal: Array, rng: np.random.Generator, expert: ManipulationExpert) -> None:
        self._wanders, self._rng, self._goal = expert.straying.wander, rng, goal
        count = len(half)
        self._scene = expert.kind == "scene"
        self._view = View(
            cubes=np.zeros((count, 3)),
            yaws=np.zeros(count),
            half=half,
            effector=np.zeros(3),
            yaw=0.0,
            closing=0.0,
            slides=np.zeros(0),
            flags=np.zeros(0),
            lowest_travel=LOWEST_TRAVEL if self._scene else 0.0,
        )
        self._stray = Stray(expert.straying, rng)
        self._skill = self._plan()

    def act(self, state: Array, proprio: Array) -> Array:
        """The action for what the environment shows."""
        view = self._view
        view.cubes, view.yaws = _cubes(state, len(view.half))
        view.effector, view.yaw = proprio[12:15], float(np.arctan2(proprio[16], proprio[15]))
        view.closing = float(proprio[17])
        if self._scene:
            view.slides, view.flags = state[_SLIDES], state[-2:]
        return self._stray(next(self._skill))

    def _plan(self) -> Skill:
        """All that the expert does in the episode; it never ends."""
        view, goal, rng = self._view, self._goal, self._rng
        places, yaws = _cubes(goal, len(view.half))
        while True:
            if self._scene:
                yield from arrange(view, places[0], float(yaws[0]), goal[_SLIDES], goal[-2:])
            else:
                yield from move_cubes(view, places, yaws, _LOW, _HIGH, rng)
            if not self._wanders:
                yield act(view, _REST, view.yaw, OPEN)
            elif self._scene:
                yield from arrange(view, *random_scene(rng))
            else:
                cube = int(rng.integers(len(view.half)))
                place = free_place(view, cube, places[:0], _LOW, _HIGH, rng)
                yield from pick_and_place(view, cube, place, float(rng.uniform(-np.pi, np.pi)))


def _cubes(vector: Array, count: int) -> tuple[Array, Array]:
    """Centres (N, 3) and orientations (N,) of the cubes in joint positions, a state or a goal."""
    poses = vector[_FIRST_CUBE : _FIRST_CUBE + 7 * count].reshape(count, 7)
    w, x, y, z = poses[:, 3:].T
    return poses[:, :3].copy(), np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
