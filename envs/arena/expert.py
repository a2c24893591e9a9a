"""What the scripted experts of arenas share: they steer, explore, and go on to random places."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from swm.core.protocols import Array, Mask, StepBatch
from swm.core.seeding import derive_seed
from swm.core.spaces import Value
from swm.envs.arena import counter_rng, geometry
from swm.envs.arena.geometry import SIZE
from swm.envs.arena.rules import Arena
from swm.envs.straying import check_straying

_ARRIVED = 6.0
"""An aim is reached below this distance, in world units; well within the success distance."""
_CANDIDATES = 16
_AHEAD = 32
"""Steps for which random numbers are drawn at once."""


class ArenaExpert(ABC):
    """Implements `swm.core.protocols.Policy` from the state and the factors alone.

    It goes the way that the subclass finds, and accounts for the agent's speed and drag and for
    the arena's drift. Once at the goal it goes on to random places, so that long episodes stay
    varied. Everything random in an episode is a function of its seed and of the number of steps
    taken: it does not depend on the other environments.
    """

    needs_goal_pixels = False

    def __init__(
        self, arena: Arena, *, noise: float = 0.5, random_prob: float = 0.05, random_steps: int = 5, wander: bool = True
    ) -> None:
        """Set how far it strays; ``noise=0, random_prob=0, wander=False`` is the oracle.

        Args:
            arena: the rules.
            noise: standard deviation of the noise added to each component of the action.
            random_prob: probability per step that a uniformly random action begins.
            random_steps: steps for which a random action is held.
            wander: whether to go on to random places once at the goal; otherwise it stays there.

        Raises:
            InvalidValueError: a number is out of range.
        """
        check_straying(noise, random_prob, random_steps)
        self.arena = arena
        self.noise, self.random_prob, self.random_steps, self.wander = noise, random_prob, random_steps, wander
        self._count = 0

    def _make_room(self, count: int) -> None:
        """Make empty arrays for `count` environments."""
        self._count = count
        self._values = geometry.stack([self.arena.factors.default()] * count, (*self.arena.shape, *self.arena.motion))
        self._key, self._time, self._held = np.zeros((3, count), np.int64)
        """The key of each episode's random numbers, its steps, and how many more hold the random action."""
        self._random_action, self._aim = np.zeros((2, count, 2))
        """The random action of each episode, and where each is going."""
        self._uniform, self._normal = np.zeros((count, _AHEAD, 3)), np.zeros((count, _AHEAD, 2))
        """Random numbers of each episode for the steps from the last multiple of `_AHEAD` on."""

    @abstractmethod
    def _next_point(self, rows: Array, position: Array) -> Array:
        """A point (n, 2) on the way from the positions (n, 2) of `rows` to their aims that a straight line reaches."""

    def _remember(self, rows: Array, variations: Sequence[Mapping[str, Value]]) -> None:
        """Note the factors of the episodes that begin in `rows`."""
        for name, value in geometry.stack(variations, tuple(self._values)).items():
            self._values[name][rows] = value

    def describe(self) -> dict[str, Any]:
        """Name and parameters."""
        return {
            "name": type(self).__name__,
            "noise": self.noise,
            "random_prob": self.random_prob,
            "random_steps": self.random_steps,
            "wander": self.wander,
        }

    def begin(self, step: StepBatch, seeds: Sequence[int], mask: Mask, goal_pixels: Array | None) -> None:
        """See `Policy.begin`."""
        rows = np.flatnonzero(mask)
        if self._count != len(mask):
            self._make_room(len(mask))
        if not len(rows):
            return
        self._remember(rows, [step.variation[row] for row in rows])
        self._key[rows] = [derive_seed(int(seeds[row]), "policy", type(self).__name__) for row in rows.tolist()]
        self._time[rows] = 0
        self._held[rows] = 0
        self._aim[rows] = step.goal[rows]

    def act(self, step: StepBatch, mask: Mask) -> Array:
        """See `Policy.act`."""
        rows = np.flatnonzero(mask)
        state = step.observation["state"]
        if self.wander:
            self._choose_aims(rows, state[:, :2], step.goal)
        actions = np.zeros((len(mask), 2), np.float32)
        actions[rows] = self._explore(rows, self._steer(rows, state[rows]))
        self._time[rows] += 1
        return actions

    def _choose_aims(self, rows: Array, position: Array, goal: Array) -> None:
        """Give those that have arrived a random free place as their next aim."""
        arrived = rows[np.linalg.norm(position[rows] - self._aim[rows], axis=1) < _ARRIVED]
        if not len(arrived):
            return
        obstacles = self.arena.obstacles({name: self._values[name][arrived] for name in self.arena.shape})
        drawn = counter_rng.uniform(self._stream(arrived, 2), self._time[arrived], 2 * _CANDIDATES)
        places = drawn.reshape(-1, 2) * SIZE
        depth = geometry.depth_inside(places, obstacles[np.repeat(np.arange(len(arrived)), _CANDIDATES)])
        free = depth.reshape(-1, _CANDIDATES) <= 0
        first = places.reshape(-1, _CANDIDATES, 2)[np.arange(len(arrived)), free.argmax(axis=1)]
        self._aim[arrived] = np.where(free.any(axis=1, keepdims=True), first, goal[arrived])

    def _steer(self, rows: Array, state: Array) -> Array:
        """The command that reaches the next point of the way soonest, given speed and drag."""
        values = {name: self._values[name][rows] for name in self.arena.motion}
        drag = values["agent.drag"][:, None]
        position = state[:, :2]
        way, coasting = self._next_point(rows, position) - position, (1 - drag) * state[:, 2:]
        reach = drag * values["agent.speed"][:, None]
        if self.arena.drift is not None:
            return _against(coasting + self.arena.drift(values, position), way, reach)
        command = (way - coasting) / reach
        steered: Array = command / np.maximum(1.0, np.abs(command).max(axis=1, keepdims=True))
        return steered

    def _explore(self, rows: Array, command: Array) -> Array:
        """Hold random actions now and then, and add noise."""
        if self.noise == self.random_prob == 0:
            return np.clip(command, -1.0, 1.0)
        now = self._time[rows] % _AHEAD
        self._draw_ahead(rows[now == 0])
        drawn = self._uniform[rows, now]
        starts = (self._held[rows] == 0) & (drawn[:, 0] < self.random_prob)
        self._random_action[rows[starts]] = 2 * drawn[starts, 1:] - 1
        self._held[rows] = np.where(starts, self.random_steps, self._held[rows])
        random = self._held[rows] > 0
        command = np.where(random[:, None], self._random_action[rows], command)
        self._held[rows] -= random
        return np.clip(command + self.noise * self._normal[rows, now], -1.0, 1.0)

    def _draw_ahead(self, rows: Array) -> None:
        if not len(rows):
            return
        time = (self._time[rows, None] + np.arange(_AHEAD)).ravel()
        for purpose, draw, kept in ((0, counter_rng.uniform, self._uniform), (1, counter_rng.normal, self._normal)):
            drawn = draw(np.repeat(self._stream(rows, purpose), _AHEAD), time, kept.shape[2])
            kept[rows] = drawn.reshape(len(rows), *kept.shape[1:])

    def _stream(self, rows: Array, purpose: int) -> Array:
        """Keys of independent streams for each purpose of an episode."""
        return self._key[rows] ^ purpose


def _against(drift: Array, way: Array, reach: Array) -> Array:
    """The command that takes `drift` away first and goes along `way` with what is left, (n, 2) in [-1, 1]."""
    hold, go = np.clip(-drift / reach, -1.0, 1.0), way / reach
    left = np.where(go > 0, 1 - hold, 1 + hold) / np.maximum(np.abs(go), 1e-12)
    command: Array = hold + np.minimum(1.0, left.min(axis=1, keepdims=True)) * go
    return command
