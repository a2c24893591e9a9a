"""Task sets: the start, goal, seed and variation of every evaluation episode, fixed, hashed and held out.

A task begins in a state that an expert visited and asks for the state it reached `goal_offset` steps
later, so every task can be solved within that many steps. Episodes come from a stream of seeds of their
own, which recording never draws from. Starts that are solved or nearly solved are rejected.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from swm.core.config import from_json, to_json, write_json
from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.core.factors import FactorSpace, Variation
from swm.core.protocols import Executor, Policy, StepBatch
from swm.core.seeding import derive_seed, make_rng
from swm.rollout import EpisodeRecord, EpisodeRequest, run_episodes

FOLDER = Path(__file__).parents[1] / "tasks"
MAX_ATTEMPTS = 50
"""Episodes that are tried for one task before it counts as impossible."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One evaluation episode."""

    seed: int
    """Seed of the held-out episode that the task was cut from, and of the episode that is evaluated."""
    variation: Mapping[str, Any] | None
    """Exact factor values, or None for what a default reset with `seed` draws."""
    start: tuple[float, ...]
    """State at the start, shape (S,)."""
    goal: tuple[float, ...]
    """Goal state, shape (G,)."""
    start_distance: float
    """Distance of the start to the goal, in the environment's unit."""

    def request(self, budget: int) -> EpisodeRequest:
        """Make the request for an episode of at most `budget` steps."""
        return EpisodeRequest(
            seed=self.seed,
            max_steps=budget,
            variation=self.variation,
            start=np.array(self.start),
            goal=np.array(self.goal),
        )


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What a task asks for and how it is judged."""

    goal_offset: int = 25
    """Environment steps of the expert from start to goal."""
    budget: int = 50
    """Environment steps that a policy gets."""
    min_distance: float
    """Least distance of a start to its goal, in the environment's unit: twice the success distance."""
    episode_steps: int = 100
    """Length of the expert's episodes that tasks are cut from."""
    success: str = "the environment's success predicate holds at any step after the start, within the budget"
    """The rule in words."""

    def __post_init__(self) -> None:
        """Refuse a protocol that no episode can satisfy."""
        if not 0 < self.goal_offset <= min(self.budget, self.episode_steps):
            raise InvalidValueError(
                f"a goal {self.goal_offset} steps away needs 0 < goal_offset <= budget ({self.budget}) "
                f"and <= episode_steps ({self.episode_steps})."
            )


@dataclass(frozen=True, kw_only=True)
class TaskSet:
    """Tasks of one environment under one protocol."""

    name: str
    version: int
    env_id: str
    split: str = "held-out"
    protocol: Protocol
    built: Mapping[str, Any]
    """How the tasks were made: seed, severities and the expert's description."""
    tasks: tuple[Task, ...]

    @property
    def id(self) -> str:
        """Name and version, for example ``"two_room-v1"``."""
        return f"{self.name}-v{self.version}"

    @property
    def sha256(self) -> str:
        """The hash of the content: of the JSON with sorted keys and no spaces."""
        return hash_json(self)

    def __len__(self) -> int:
        return len(self.tasks)

    def save(self, path: Path) -> None:
        """Write the set with its hash, atomically."""
        write_json(path, {"sha256": self.sha256, **to_json(self)})


def hash_json(data: Any) -> str:
    """Return the SHA-256 of `data` as JSON with sorted keys and no spaces."""
    text = json.dumps(to_json(data), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def list_task_sets() -> tuple[str, ...]:
    """Return the names of the task sets that come with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def load_tasks(name: str | Path) -> TaskSet:
    """Load a task set and check its hash.

    Args:
        name: a set of this package, for example ``"two_room-v1"``, or the path of a ``.json`` file.

    Raises:
        UnknownNameError: no such set; the message lists the closest names.
        DatasetError: the file was changed after its hash was written.
    """
    path = Path(name)
    if path.suffix != ".json":
        path = FOLDER / f"{name}.json"
    if not path.is_file():
        raise UnknownNameError("task set", str(name), list_task_sets())
    data = json.loads(path.read_text(encoding="utf-8"))
    stated = data.pop("sha256", None)
    tasks = from_json(TaskSet, data)
    if tasks.sha256 != stated:
        raise DatasetError(
            f"task set {path}: the content has the hash {tasks.sha256}, the file states {stated}. Results on a changed "
            "set compare with nothing: restore the file, or build a set of another name or version."
        )
    return tasks


# -------------------------------------------------------------------------------------- building


@dataclass(frozen=True)
class _Draft:
    """An episode to cut a task from, `start_step` steps after its reset."""

    seed: int
    variation: Variation | None
    start_step: int


def build_tasks(
    executor: Executor,
    expert: Policy,
    *,
    env_id: str,
    count: int,
    seed: int,
    protocol: Protocol,
    name: str = "tasks",
    version: int = 1,
    severities: Mapping[str, float] | None = None,
    on_step: Callable[[int], None] | None = None,
) -> TaskSet:
    """Build a task set, a pure function of the arguments.

    Args:
        executor: environments of `env_id`; their number and kind do not change the result.
        expert: solves the environment.
        env_id: the environment, for the record.
        count: tasks.
        seed: of the set.
        protocol: what a task asks for.
        name: the set's name.
        version: the set's version.
        severities: factor name -> severity: each task gets values of its own at these severities; None
            leaves the factors as a default reset draws them.
        on_step: called after each step with the number of environments stepped.

    Raises:
        InvalidValueError: some task found no start that is far enough from its goal.
    """
    wanted = [(index, severities) for index in range(count)]
    tasks = draw_tasks(executor, expert, wanted, seed=seed, protocol=protocol, on_step=on_step)
    missing = [index for index, task in enumerate(tasks) if task is None]
    if missing:
        raise InvalidValueError(
            f"{env_id} with severities {dict(severities or {})}: {len(missing)} of {count} tasks found no start at "
            f"least {protocol.min_distance} from its goal in {MAX_ATTEMPTS} episodes each. Lower min_distance or the "
            "severities, or raise goal_offset."
        )
    built = {"seed": seed, "severities": severities, "expert": expert.describe()}
    return TaskSet(
        name=name,
        version=version,
        env_id=env_id,
        protocol=protocol,
        built=built,
        tasks=tuple(task for task in tasks if task is not None),
    )


def draw_tasks(
    executor: Executor,
    expert: Policy,
    wanted: Sequence[tuple[int, Mapping[str, float] | None]],
    *,
    seed: int,
    protocol: Protocol,
    on_step: Callable[[int], None] | None = None,
) -> list[Task | None]:
    """Draw the tasks that `wanted` lists as (index, severities), all in one batch of environments.

    The same index has the same episode seeds under any severities, so that a shift which leaves the
    expert's way alone leaves start and goal where they were: sets of different severities are paired.

    Returns:
        One task per entry; None where `MAX_ATTEMPTS` episodes gave no valid start.
    """
    found: list[Task | None] = [None] * len(wanted)
    for attempt in range(MAX_ATTEMPTS):
        open_slots = [slot for slot, task in enumerate(found) if task is None]
        if not open_slots:
            break
        drafts = [_draft(executor.factors, *wanted[slot], (seed, attempt), protocol) for slot in open_slots]
        for slot, task in zip(open_slots, _cut(executor, expert, drafts, protocol, on_step), strict=True):
            found[slot] = task
    return found


def _draft(
    factors: FactorSpace, index: int, severities: Mapping[str, float] | None, key: tuple[int, int], protocol: Protocol
) -> _Draft:
    episode_seed = derive_seed(key[0], "held-out", index, key[1])
    start_step = make_rng(episode_seed, "start step").integers(protocol.episode_steps - protocol.goal_offset + 1)
    variation = None if severities is None else factors.shift(severities, episode_seed)
    return _Draft(episode_seed, variation, int(start_step))


def _cut(
    executor: Executor,
    expert: Policy,
    drafts: Sequence[_Draft],
    protocol: Protocol,
    on_step: Callable[[int], None] | None,
) -> list[Task | None]:
    """Roll the expert, take start and goal from its states, and keep what is a task."""
    requests = [
        EpisodeRequest(seed=d.seed, max_steps=d.start_step + protocol.goal_offset, variation=d.variation)
        for d in drafts
    ]
    records = list(run_episodes(executor, expert, requests, keep=("state",), on_step=on_step))
    whole = [slot for slot, record in enumerate(records) if len(record.action) == requests[slot].max_steps]
    tasks: list[Task | None] = [None] * len(drafts)
    for first in range(0, len(whole), executor.num_envs):
        slots = whole[first : first + executor.num_envs]
        chunk = [_candidate(drafts[slot], records[slot], protocol) for slot in slots]
        step = place(executor, chunk)
        for row, (slot, candidate) in enumerate(zip(slots, chunk, strict=True)):
            if not step.success[row] and step.distance[row] >= protocol.min_distance:
                tasks[slot] = replace(candidate, start_distance=float(step.distance[row]))
    return tasks


def _candidate(draft: _Draft, record: EpisodeRecord, protocol: Protocol) -> Task:
    states = record.observation["state"].astype(np.float64)
    return Task(
        seed=draft.seed,
        variation=None if draft.variation is None else draft.variation.to_json(),
        start=tuple(states[draft.start_step].tolist()),
        goal=tuple(states[draft.start_step + protocol.goal_offset].tolist()),
        start_distance=np.nan,
    )


def place(executor: Executor, tasks: Sequence[Task]) -> StepBatch:
    """Put at most N tasks into the executor's first environments and return what these show at the start."""
    rows, count = executor.num_envs, len(tasks)
    padded = [*tasks, *[tasks[0]] * (rows - count)]
    mask = np.arange(rows) < count
    executor.reset([task.seed for task in padded], [task.variation for task in padded], mask)
    executor.set_goal(np.array([task.goal for task in padded]), mask)
    return executor.set_state(np.array([task.start for task in padded]), mask)


# ------------------------------------------------------------------------- the sets of this package


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a task set of this package is made, under the default protocol of its environment."""

    env_id: str
    count: int = 100
    seed: int = 0


RECIPES = {"two_room-v1": Recipe(env_id="swm/TwoRoom-v0")}


def default_protocol(env_id: str) -> Protocol:
    """Return the protocol that results on an environment of this package are reported under.

    The goal is as many steps of the expert away as the environment's row says (mostly 25); a policy gets
    twice as many. No start is closer than twice the success radius.

    Raises:
        UnknownNameError: no environment has this id.
    """
    from swm.envs import ENVS

    row = ENVS[env_id]
    rule = f"distance to the goal below {row.success_radius:g} {row.unit} at any step after the start"
    return Protocol(
        goal_offset=row.goal_offset,
        budget=2 * row.goal_offset,
        min_distance=2 * row.success_radius,
        episode_steps=4 * row.goal_offset,
        success=f"{rule}, within the budget",
    )


def make_task_set(name: str) -> TaskSet:
    """Make the task set called `name` from its recipe.

    Raises:
        UnknownNameError: no recipe has this name; the message lists the closest ones.
    """
    if name not in RECIPES:
        raise UnknownNameError("task set", name, RECIPES)
    from swm.envs import make_executor, make_expert

    recipe = RECIPES[name]
    executor = make_executor(recipe.env_id, num_envs=25, image_size=(32, 32))
    try:
        return build_tasks(
            executor,
            make_expert(recipe.env_id),
            env_id=recipe.env_id,
            count=recipe.count,
            seed=recipe.seed,
            protocol=default_protocol(recipe.env_id),
            name=name.rpartition("-v")[0],
            version=int(name.rpartition("-v")[2]),
        )
    finally:
        executor.close()


def regenerate(name: str) -> Path:
    """Make the task set called `name` again and write its file; return the path."""
    path = FOLDER / f"{name}.json"
    make_task_set(name).save(path)
    return path
