"""From a checkpoint to its report: the table of the task set, the benchmark, the probe, the page."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from swm.benchmark import MODEL, ORACLE, OodConfig, OodResult, load_ood, run_ood
from swm.core.errors import InvalidValueError
from swm.core.progress import Advance, progress
from swm.core.protocols import Policy
from swm.core.seeding import make_rng
from swm.evaluation import (
    Evaluation,
    TaskSet,
    build_tasks,
    default_protocol,
    evaluate_table,
    load_tasks,
    reference_policies,
)
from swm.policy import make_policy
from swm.policy.planner import PLANNERS, Planner
from swm.probing import linear_probe
from swm.report import Clip, ReportData, film, report_figure, write_report
from swm.world import World

if TYPE_CHECKING:
    from swm.baselines import Baseline
    from swm.data import Dataset

SELECTION_SEED = 1
"""Seed of the tasks that choose checkpoints; the task sets of the package have seed 0."""
_PROBE_FRAMES = 4000


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """The measurements of one model, or of several training seeds of one recipe, in one directory.

    Every part is a file that is read instead of made again when its inputs are the same, so that a
    stopped experiment continues where it was.
    """

    models: "Mapping[str, Baseline]"
    """Training seed, or another name -> model. The first one is filmed and benchmarked."""
    out_dir: Path
    tasks: str = "two_room-v1"
    """The task set of the in-distribution table."""
    planner: Planner = PLANNERS["fast"]
    num_envs: int = 100
    """Environments that run, and are planned for, together."""
    show_progress: bool = True

    def __post_init__(self) -> None:
        """Refuse tasks of another environment before anything is measured.

        Raises:
            InvalidValueError: there is no model, or the task set is of another environment.
            UnknownNameError: there is no such task set.
        """
        if not self.models:
            raise InvalidValueError("an experiment needs at least one model, got none.")
        self._load_tasks()

    @property
    def model(self) -> "Baseline":
        """The model that is filmed and benchmarked."""
        return next(iter(self.models.values()))

    def world(self) -> World:
        """Make the environments that the models were trained for."""
        spec = self.model.spec
        return World(spec.env_id, num_envs=self.num_envs, image_size=spec.image_size)

    def evaluate(self) -> dict[str, Evaluation]:
        """Measure every model, the floors and the oracle on the task set.

        Returns:
            Row name -> evaluation: ``"model"`` (the first one), ``"model seed <name>"`` for each where
            there are several, ``"random"``, ``"no-op"`` and ``"oracle"``.
        """
        task_set = self._load_tasks()
        total = len(task_set) * task_set.protocol.budget
        table: dict[str, Evaluation] = {}
        with self.world() as world, _Stages("evaluate", "steps", self.show_progress) as stages:
            policies = {f"model seed {name}": self._policy(world, model) for name, model in self.models.items()}
            for name, policy in {**policies, **_references(world)}.items():
                table |= evaluate_table(
                    world.executor,
                    {name: policy},
                    task_set,
                    out_dir=self.out_dir / "evaluation",
                    on_step=stages.counter(name, total),
                    date=_today(),
                )
        first = next(iter(policies))
        return {MODEL: table.pop(first) if len(policies) == 1 else table[first], **table}

    def benchmark(self, config: OodConfig) -> OodResult:
        """Measure the first model under each factor's shift."""
        with self.world() as world, _Stages("benchmark", "episodes", self.show_progress) as stages:
            references = _references(world)
            return run_ood(
                world.executor,
                {MODEL: self._policy(world, self.model), ORACLE: references["oracle"], "random": references["random"]},
                config,
                self.out_dir / "benchmark",
                env_id=world.env_id,
                expert=make_policy("expert", world.executor.action_space, world.env_id),
                model=self.model,
                progress=stages,
                date=_today(),
            )

    def film(self, evaluation: Evaluation) -> tuple[Clip, ...]:
        """Film a typical success and a typical failure of the first model."""
        with self.world() as world:
            return film(world.executor, self._policy(world, self.model), self._load_tasks(), evaluation)

    def report(
        self,
        *,
        title: str,
        dataset: "Dataset | None" = None,
        metrics: Mapping[str, Path] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write the page from what was measured, and the figure if the benchmark was; return the page's path.

        Args:
            title: of the page.
            dataset: the training data, to probe the latents on.
            metrics: training run -> its ``metrics.jsonl``.
            provenance: further facts to print.
        """
        table = self.evaluate()
        seeds = {name: table[f"model seed {name}"] for name in self.models} if len(self.models) > 1 else {}
        shown = {name: table[name] for name in (MODEL, "random", "no-op", "oracle")}
        finished = (self.out_dir / "benchmark" / "benchmark.json").is_file()
        data = ReportData(
            title=title,
            evaluations=shown,
            seeds=seeds,
            ood=load_ood(self.out_dir / "benchmark") if finished else None,
            clips=self.film(table[MODEL]),
            probe={} if dataset is None else probe_goal(self.model, dataset),
            metrics={run: _read_lines(path) for run, path in (metrics or {}).items()},
            provenance=dict(provenance or {}),
        )
        path = write_report(data, self.out_dir)
        if data.ood is not None:
            report_figure(data, self.out_dir / "report.png")
        return path

    def _policy(self, world: World, model: "Baseline") -> Policy:
        return self.planner.make_policy(model, world.executor.action_space)

    def _load_tasks(self) -> TaskSet:
        task_set = load_tasks(self.tasks)
        if task_set.env_id != self.model.spec.env_id:
            raise InvalidValueError(
                f"task set {self.tasks!r} is for {task_set.env_id}, the model for {self.model.spec.env_id or 'none'}. "
                "Give the set of its environment, or build one: swm tasks ENV FILE."
            )
        return task_set


def probe_goal(model: "Baseline", dataset: "Dataset") -> dict[str, float]:
    """Read the goal's quantities off single latents by a linear map: Pearson r on held-out episodes.

    Args:
        model: encodes the pictures.
        dataset: fitted on its train split, measured on its validation split.
    """
    import torch

    from swm import envs

    env = envs.make(model.spec.env_id)
    wanted = [env.state_names.index(name) for name in env.goal_names]
    sides: list[Any] = []
    for split in ("train", "val"):
        clips = dataset.clips(num_steps=1, columns=("pixels", "state"), split=split)
        chosen = make_rng(0, "probe", split).permutation(len(clips))[:_PROBE_FRAMES]
        batch = clips.__getitems__(chosen.tolist())
        with torch.no_grad():
            parts = [
                model.encode(torch.from_numpy(part).to(model.device)).flatten(1).cpu()
                for part in np.array_split(batch["pixels"], max(1, len(chosen) // 256))
            ]
        sides += [torch.cat(parts).numpy(), batch["state"][:, 0, wanted]]
    result = linear_probe(*sides)
    return {name: float(r) for name, r in zip(env.goal_names, result.r, strict=True)}


def planning_score(count: int, planner: Planner = PLANNERS["fast"]) -> "Callable[[Baseline], float]":
    """Make a score for training: the success of planning on `count` tasks that no task set holds.

    Args:
        count: tasks per validation.
        planner: how to plan.
    """
    made: dict[str, TaskSet] = {}

    def score(model: "Baseline") -> float:
        from swm import envs

        env_id = model.spec.env_id
        with World(env_id, num_envs=count, image_size=model.spec.image_size) as world:
            if env_id not in made:
                made[env_id] = build_tasks(
                    world.executor,
                    envs.make_expert(env_id),
                    env_id=env_id,
                    count=count,
                    seed=SELECTION_SEED,
                    protocol=default_protocol(env_id),
                    name="selection",
                )
            policy = planner.make_policy(model, world.executor.action_space)
            return world.evaluate(policy, made[env_id], progress=False).success.value

    return score


def _references(world: World) -> dict[str, Policy]:
    return reference_policies(world.env_id, world.executor.action_space)


class _Stages:
    """One progress bar per stage that has something to do."""

    def __init__(self, what: str, unit: str, show: bool) -> None:
        self._what, self._unit, self._show, self._stack = what, unit, show, ExitStack()
        self._stage, self._done = "", 0
        self._advance: Advance | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self._stack.close()
            self._stage, self._done = stage, 0
            self._advance = self._stack.enter_context(
                progress(f"{self._what}: {stage}", total, self._unit, show=self._show and total > 0)
            )
        assert self._advance is not None
        if done > self._done:
            self._advance(done - self._done)
            self._done = done

    def counter(self, stage: str, total: int) -> Callable[[int], None]:
        """Make a function that adds to what is done of a stage."""
        done = 0

        def add(count: int) -> None:
            nonlocal done
            done += count
            self(stage, done, total)

        return add

    def __enter__(self) -> "_Stages":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _read_lines(path: Path) -> Sequence[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
