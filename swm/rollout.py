"""Running episodes: one policy, N environments, masked resets, episodes handed out in order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.factors import Request, Variation
from swm.core.protocols import Array, Executor, Mask, Policy, StepBatch
from swm.core.spaces import action_shape


@dataclass(frozen=True, kw_only=True)
class EpisodeRequest:
    """What one episode should be."""

    seed: int
    max_steps: int
    variation: Request = None
    start: Array | None = None
    """State to begin in, instead of the one that the reset draws."""
    goal: Array | None = None
    """Goal state, instead of the one that the reset draws."""


@dataclass(kw_only=True)
class EpisodeRecord:
    """What happened in one episode of T steps. Arrays of T + 1 rows begin with the reset."""

    request: EpisodeRequest
    variation: Variation
    goal: Array
    """Shape (G,)."""
    observation: dict[str, Array] = field(default_factory=dict)
    """Component -> (T + 1, ...); ``pixels`` only if they were asked for."""
    action: Array
    """Shape (T, A)."""
    reward: Array
    terminated: Array
    truncated: Array
    """Shape (T,); the last is true when the step limit ended the episode."""
    success: Array
    """Shape (T + 1,)."""
    distance: Array
    """Shape (T + 1,)."""


_FIRST_ROWS = 512
"""Rows that are reserved at first; the system gives memory only for those that are written."""


class _Rows:
    """Rows of equal shape that come one by one, copied into one array."""

    def __init__(self, first: Any, most: int) -> None:
        self._array = np.empty((min(most, _FIRST_ROWS), *first.shape), first.dtype)
        self._most, self._count = most, 0
        self.add(first)

    def add(self, row: Any) -> None:
        if self._count == len(self._array):
            longer = np.empty((min(self._most, 2 * self._count), *self._array.shape[1:]), self._array.dtype)
            longer[: self._count] = self._array
            self._array = longer
        self._array[self._count] = row
        self._count += 1

    def array(self) -> Array:
        """All rows, without what was reserved in excess if that is much."""
        rows = self._array[: self._count]
        return rows if 2 * self._count >= len(self._array) else rows.copy()


class _Slot:
    """The running episode of one environment."""

    def __init__(self, index: int, request: EpisodeRequest, step: StepBatch, row: int, keep: Sequence[str]) -> None:
        self.index, self.request, self.row = index, request, row
        self.variation, self.goal = step.variation[row], step.goal[row].copy()
        self.length = 0
        states = request.max_steps + 1
        self._observation = {name: _Rows(step.observation[name][row], states) for name in keep}
        self._outcome = {name: _Rows(getattr(step, name)[row], states) for name in ("success", "distance")}
        self._transition: dict[str, _Rows] = {}

    def add(self, action: Array, step: StepBatch) -> bool:
        """Add one transition; return whether it was the last."""
        row = self.row
        self.length += 1
        terminated = bool(step.terminated[row])
        truncated = bool(step.truncated[row]) or (self.length >= self.request.max_steps and not terminated)
        for name, rows in self._observation.items():
            rows.add(step.observation[name][row])
        for name, rows in self._outcome.items():
            rows.add(getattr(step, name)[row])
        transition = {
            "action": action,
            "reward": step.reward[row],
            "terminated": np.bool_(terminated),
            "truncated": np.bool_(truncated),
        }
        for name, value in transition.items():
            if self.length == 1:
                self._transition[name] = _Rows(value, self.request.max_steps)
            else:
                self._transition[name].add(value)
        return terminated or truncated

    def record(self) -> EpisodeRecord:
        return EpisodeRecord(
            request=self.request,
            variation=self.variation,
            goal=self.goal,
            observation={name: rows.array() for name, rows in self._observation.items()},
            **{name: rows.array() for name, rows in (self._transition | self._outcome).items()},
        )


def run_episodes(
    executor: Executor,
    policy: Policy,
    requests: Sequence[EpisodeRequest],
    *,
    keep: Sequence[str] | None = None,
    on_step: Callable[[int], None] | None = None,
) -> Iterator[EpisodeRecord]:
    """Run each request once and yield the records in the order of the requests.

    An environment that ends an episode takes the next request at once, so that none waits for
    another. An episode depends on its request alone, not on N or the executor.

    Args:
        executor: the N environments.
        policy: acts in all of them.
        requests: the episodes to run.
        keep: the observation components to record; None is all of them.
        on_step: called after each step with the number of environments stepped, for progress bars.

    Yields:
        One record per request.

    Raises:
        UnknownNameError: a name in `keep` is no observation component.
        InvalidValueError: the policy's actions are not finite or have the wrong shape.
    """
    components = executor.observation_space.spaces
    keep = tuple(components) if keep is None else tuple(keep)
    for name in keep:
        if name not in components:
            raise UnknownNameError("observation component", name, components)
    waiting = iter(enumerate(requests))
    slots: list[_Slot | None] = [None] * executor.num_envs
    done: dict[int, EpisodeRecord] = {}
    turn = 0
    step = _start(executor, policy, slots, waiting, keep)
    while step is not None and any(slots):
        mask = np.array([slot is not None for slot in slots])
        actions = policy.act(step, mask)
        _check_actions(actions, mask, (executor.num_envs, *action_shape(executor.action_space)))
        step = executor.step(actions, mask)
        if on_step is not None:
            on_step(int(mask.sum()))
        ended = False
        for row, slot in enumerate(slots):
            if slot is not None and slot.add(actions[row], step):
                done[slot.index], slots[row], ended = slot.record(), None, True
        while turn in done:
            yield done.pop(turn)
            turn += 1
        if ended:
            step = _start(executor, policy, slots, waiting, keep) or step


def _start(
    executor: Executor,
    policy: Policy,
    slots: list[_Slot | None],
    waiting: Iterator[tuple[int, EpisodeRequest]],
    keep: Sequence[str],
) -> StepBatch | None:
    """Give the next requests to the free environments; None if there was nothing to give."""
    chosen: dict[int, tuple[int, EpisodeRequest]] = {}
    for row, slot in enumerate(slots):
        if slot is None and (item := next(waiting, None)) is not None:
            chosen[row] = item
    if not chosen:
        return None
    rows = range(executor.num_envs)
    mask = np.array([row in chosen for row in rows])
    seeds = [chosen[row][1].seed if row in chosen else 0 for row in rows]
    step = executor.reset(seeds, [chosen[row][1].variation if row in chosen else None for row in rows], mask)
    for setter, name in ((executor.set_goal, "goal"), (executor.set_state, "start")):
        given = {row: getattr(item[1], name) for row, item in chosen.items() if getattr(item[1], name) is not None}
        if given:
            some = np.array([row in given for row in rows])
            blank = np.zeros_like(next(iter(given.values())), np.float64)
            step = setter(np.stack([given.get(row, blank) for row in rows]), some)
    policy.begin(step, seeds, mask, executor.goal_pixels() if policy.needs_goal_pixels else None)
    for row, (index, request) in chosen.items():
        slots[row] = _Slot(index, request, step, row, keep)
    return step


def _check_actions(actions: Array, mask: Mask, shape: tuple[int, ...]) -> None:
    if actions.shape != shape:
        raise InvalidValueError(f"the policy's actions have shape {actions.shape}, the environments need {shape}.")
    if not np.isfinite(actions[mask]).all():
        rows = np.flatnonzero(mask & ~np.isfinite(actions).all(axis=tuple(range(1, actions.ndim))))
        raise InvalidValueError(f"the policy's actions for environments {rows.tolist()} are not finite.")
