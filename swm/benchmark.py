"""The out-of-distribution benchmark: each factor alone, at each severity, against the same tasks unshifted.

Every cell (factor x severity x policy) is a file, written when its last episode ends, so that a killed run
goes on where it stopped. All cells of a policy run through one batch of environments, each with its own
variation, so that a planner plans for as many problems at once as there are environments.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from swm.core.config import from_json, to_json, write_json
from swm.core.errors import DatasetError, InvalidValueError
from swm.core.factors import Factor, FactorSpace
from swm.core.protocols import Array, Executor, Policy, WorldModel
from swm.core.seeding import make_rng
from swm.evaluation.evaluate import (
    Evaluation,
    hash_inputs,
    make_manifest,
    read_cell,
    run_tasks,
    start_and_goal_pictures,
)
from swm.evaluation.identity import describe_policy
from swm.evaluation.prediction import PredictionError, prediction_error, steps_needed
from swm.evaluation.tasks import Protocol, TaskSet, draw_tasks, hash_json, load_tasks
from swm.evaluation.verdict import Verdict, judge

Progress = Callable[[str, int, int], None]
"""Called as (stage, done, total), with episodes as the unit."""
MODEL, ORACLE = "model", "oracle"
"""The policies that every run has: the one that is judged, and the one that shows what can be reached."""
INDEX = "benchmark.json"
"""Lists the cells of a finished run; written last, and removed first when a run begins again."""
PREDICTION = "prediction.json"


@dataclass(frozen=True, kw_only=True)
class OodConfig:
    """What the benchmark runs."""

    severities: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    """Distances from the train range; 0 is the in-distribution cell that all factors share."""
    episodes: int = 50
    """Tasks per cell."""
    factors: tuple[str, ...] = ("all",)
    """Factors or groups of factors to shift, one at a time."""
    seed: int = 0
    """Of the tasks."""
    protocol: Protocol
    """Goal offset, budget and least start distance of every task."""
    prediction_horizon: int = 5
    """Model steps of the open-loop prediction error."""
    prediction_episodes: int = 16
    """Tasks per cell for the prediction error, at most `episodes`."""

    def __post_init__(self) -> None:
        """Check the severities and the counts."""
        if sorted(set(self.severities)) != list(self.severities) or self.severities[:1] != (0.0,):
            raise InvalidValueError(f"severities must rise from 0.0, got {self.severities}.")
        if len(self.severities) < 2 or self.severities[-1] > 1:
            raise InvalidValueError(f"severities need a value above 0 and none above 1, got {self.severities}.")
        if not 1 <= self.prediction_episodes <= self.episodes:
            raise InvalidValueError(
                f"prediction_episodes must be from 1 to episodes ({self.episodes}), got {self.prediction_episodes}."
            )


@dataclass(frozen=True, kw_only=True)
class OodCell:
    """One factor at one severity."""

    factor: str | None
    """None for the in-distribution cell."""
    severity: float
    results: Mapping[str, Evaluation] = field(default_factory=dict)
    """Policy name -> its evaluation."""
    prediction: PredictionError | None = None
    """The model's open-loop error on the expert's episodes."""

    @property
    def name(self) -> str:
        """The name of the cell's folder."""
        return "in-distribution" if self.factor is None else f"{self.factor}@{self.severity:g}"


@dataclass(frozen=True, kw_only=True)
class OodResult:
    """All cells of a run."""

    env_id: str
    config: OodConfig
    cells: tuple[OodCell, ...]
    """The in-distribution cell first."""
    skipped: Mapping[str, str]
    """Factor or cell -> why it could not be run."""
    about: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Factor -> its kind, unit and summary."""
    frames: Mapping[str, Array] = field(default_factory=dict, compare=False)
    """Cell name -> what its first task shows at the start, (height, width, 3) uint8."""

    @property
    def reference(self) -> OodCell:
        """The in-distribution cell."""
        return self.cells[0]

    @property
    def factors(self) -> tuple[str, ...]:
        """The shifted factors, in declared order."""
        return tuple(dict.fromkeys(cell.factor for cell in self.cells if cell.factor is not None))

    def curve(self, factor: str) -> tuple[OodCell, ...]:
        """Return the cells of one factor by rising severity, the in-distribution cell first."""
        return (self.reference, *(cell for cell in self.cells if cell.factor == factor))

    def ranking(self, policy: str = MODEL) -> dict[str, Verdict]:
        """Judge every factor; return factor -> verdict, the largest mean drop first."""
        usual = self.reference.results[policy].outcomes
        verdicts = {
            factor: judge(usual, {cell.severity: cell.results[policy].outcomes for cell in self.curve(factor)[1:]})
            for factor in self.factors
        }
        return dict(sorted(verdicts.items(), key=lambda item: -item[1].drop.value))

    def to_json(self) -> dict[str, Any]:
        """Every figure of the run, JSON-ready; the rows stay in the cells' files."""
        return {
            "env_id": self.env_id,
            "config": to_json(self.config),
            "skipped": dict(self.skipped),
            "about": to_json(self.about),
            "ranking": [{"factor": factor, **to_json(verdict)} for factor, verdict in self.ranking().items()],
            "cells": [
                {
                    "factor": cell.factor,
                    "severity": cell.severity,
                    "success": {name: evaluation.success.to_json() for name, evaluation in cell.results.items()},
                    "prediction": to_json(cell.prediction),
                }
                for cell in self.cells
            ],
        }


def plan_cells(factors: FactorSpace, config: OodConfig) -> tuple[list[OodCell], dict[str, str]]:
    """List the cells of a run, and the factors that cannot be shifted with the reason.

    Raises:
        UnknownNameError: a name is neither a factor nor a group.
        InvalidValueError: a factor that was named itself has nothing held out.
    """
    cells, skipped = [OodCell(factor=None, severity=0.0)], {}
    for name in factors.select(config.factors):
        try:
            levels = _levels(factors[name], config)
        except InvalidValueError as error:
            if name in config.factors:
                raise InvalidValueError(f"factor {name!r} cannot be shifted: {error}") from error
            skipped[name] = str(error)
            continue
        cells += [OodCell(factor=name, severity=severity) for severity in levels]
    return cells, skipped


def _levels(factor: Factor, config: OodConfig) -> list[float]:
    """The severities above 0 that differ in what they draw: a factor of few values has few levels."""

    def draws(severity: float) -> list[Any]:
        values = [factor.sample_shift(severity, make_rng(config.seed, "level", index)) for index in range(8)]
        return [np.asarray(value).tolist() for value in values]

    shifted = config.severities[1:]
    return [
        s for s, above in zip(shifted, [*shifted[1:], None], strict=True) if above is None or draws(s) != draws(above)
    ]


def run_ood(
    executor: Executor,
    policies: Mapping[str, Policy],
    config: OodConfig,
    out_dir: Path,
    *,
    env_id: str,
    expert: Policy,
    model: WorldModel | None = None,
    progress: Progress = lambda stage, done, total: None,
    date: str = "",
) -> OodResult:
    """Run the benchmark, or what is missing of it.

    Args:
        executor: environments of `env_id`.
        policies: ``"model"`` is judged, ``"oracle"`` shows what can be reached; others, such as
            ``"random"``, run along.
        config: what to run.
        out_dir: one folder per cell is written here; cells whose tasks, budget and policy are unchanged
            are read instead of run.
        env_id: the environment, for the record.
        expert: the policy whose episodes the tasks are cut from, in every shifted world.
        model: the world model behind the policy, to measure its prediction error in every cell.
        progress: called after each episode.
        date: when, for the manifests.

    Raises:
        InvalidValueError: ``"model"`` or ``"oracle"`` is missing.
    """
    if missing := {MODEL, ORACLE} - set(policies):
        raise InvalidValueError(f"the benchmark needs the policies 'model' and 'oracle'; {sorted(missing)} missing.")
    cells, skipped = plan_cells(executor.factors, config)
    tasks, impossible = _tasks_of(executor, expert, cells, config, out_dir, env_id, progress)
    cells = [cell for cell in cells if cell.name in tasks]
    (out_dir / INDEX).unlink(missing_ok=True)
    starts, _ = start_and_goal_pictures(executor, [tasks[cell.name].tasks[0] for cell in cells])
    _save_frames(out_dir / "frames.npz", {cell.name: start for cell, start in zip(cells, starts, strict=True)})
    for name, policy in policies.items():
        _run_policy(executor, name, policy, tasks, out_dir, progress, date)
    if model is not None:
        _run_prediction(executor, expert, model, policies[MODEL], tasks, config, out_dir, progress)
    write_json(
        out_dir / INDEX,
        {
            "env_id": env_id,
            "config": config,
            "policies": list(policies),
            "prediction": model is not None,
            "skipped": {**skipped, **impossible},
            "cells": [{"factor": cell.factor, "severity": cell.severity} for cell in cells],
            "about": {cell.factor: _about(executor.factors[cell.factor]) for cell in cells if cell.factor},
        },
    )
    return load_ood(out_dir)


def load_ood(out_dir: Path) -> OodResult:
    """Read a finished run.

    Raises:
        DatasetError: there is no finished run in `out_dir`.
    """
    path = out_dir / INDEX
    if not path.is_file():
        raise DatasetError(f"{out_dir} holds no finished benchmark: {path.name} is missing. Run it (again) to the end.")
    data = json.loads(path.read_text(encoding="utf-8"))
    cells = []
    for key in data["cells"]:
        cell = OodCell(**key)
        folder = out_dir / "cells" / cell.name
        results = {name: Evaluation.from_json(_read(folder / f"{name}.json")) for name in data["policies"]}
        error = from_json(PredictionError, _read(folder / PREDICTION)["error"]) if data["prediction"] else None
        cells.append(replace(cell, results=results, prediction=error))
    with np.load(out_dir / "frames.npz") as archive:
        frames = {name: archive[name] for name in archive.files}
    return OodResult(
        env_id=data["env_id"],
        config=from_json(OodConfig, data["config"]),
        cells=tuple(cells),
        skipped=data["skipped"],
        about=data["about"],
        frames=frames,
    )


def _about(factor: Factor) -> dict[str, str]:
    return {"kind": factor.kind, "unit": factor.unit, "summary": factor.summary}


# ---------------------------------------------------------------------------------------- stages


def _tasks_of(
    executor: Executor,
    expert: Policy,
    cells: Sequence[OodCell],
    config: OodConfig,
    out_dir: Path,
    env_id: str,
    progress: Progress,
) -> tuple[dict[str, TaskSet], dict[str, str]]:
    """Cell name -> its tasks, read or drawn; and the cells that have none, with the reason."""
    blank = {cell.name: _blank(cell, expert, config, env_id) for cell in cells}
    ready: dict[str, TaskSet] = {}
    for name, empty in blank.items():
        path = out_dir / "cells" / name / "tasks.json"
        if path.is_file() and replace(stored := load_tasks(path), tasks=()) == empty:
            ready[name] = stored
    wanted = {name: empty.built["severities"] or None for name, empty in blank.items() if name not in ready}
    entries = [(index, severities) for severities in wanted.values() for index in range(config.episodes)]
    progress("tasks", 0, len(entries))
    drawn = iter(draw_tasks(executor, expert, entries, seed=config.seed, protocol=config.protocol))
    impossible = {}
    for name in wanted:
        chosen = [task for _, task in zip(range(config.episodes), drawn, strict=False)]
        found = tuple(task for task in chosen if task is not None)
        if len(found) < config.episodes:
            impossible[name] = f"the expert found only {len(found)} of {config.episodes} valid tasks"
            continue
        ready[name] = replace(blank[name], tasks=found)
        ready[name].save(out_dir / "cells" / name / "tasks.json")
    progress("tasks", len(entries), len(entries))
    return {name: ready[name] for name in blank if name in ready}, impossible


def _blank(cell: OodCell, expert: Policy, config: OodConfig, env_id: str) -> TaskSet:
    """The cell's task set without its tasks: what decides whether a stored one can be used."""
    severities = {} if cell.factor is None else {cell.factor: cell.severity}
    built = {"seed": config.seed, "severities": severities, "expert": expert.describe(), "count": config.episodes}
    return TaskSet(name=cell.name, version=1, env_id=env_id, protocol=config.protocol, built=built, tasks=())


def _run_policy(
    executor: Executor,
    name: str,
    policy: Policy,
    tasks: Mapping[str, TaskSet],
    out_dir: Path,
    progress: Progress,
    date: str,
) -> None:
    """Run the cells that this policy has not run, all in one batch, and write each as it ends."""
    paths = {cell: out_dir / "cells" / cell / f"{name}.json" for cell in tasks}
    budget = {cell: each.protocol.budget for cell, each in tasks.items()}
    described = describe_policy(policy)
    todo = [c for c, each in tasks.items() if read_cell(paths[c], hash_inputs(described, each, budget[c])) is None]
    flat = [task for cell in todo for task in tasks[cell].tasks]
    progress(name, 0, len(flat))
    if not flat:
        return
    runs = run_tasks(executor, policy, flat, budget[todo[0]])
    done = 0
    for cell in todo:
        rows = []
        for index in range(len(tasks[cell])):
            rows.append(replace(next(runs)[0], task=index))
            done += 1
            progress(name, done, len(flat))
        manifest = make_manifest(executor, described, tasks[cell], budget[cell], date)
        write_json(paths[cell], Evaluation(rows=tuple(rows), manifest=manifest).to_json())


def _run_prediction(
    executor: Executor,
    expert: Policy,
    model: WorldModel,
    policy: Policy,
    tasks: Mapping[str, TaskSet],
    config: OodConfig,
    out_dir: Path,
    progress: Progress,
) -> None:
    """Measure the model's open-loop error in the cells that lack it."""
    steps, horizon, count = steps_needed(model, config.prediction_horizon), config.prediction_horizon, 0
    described = describe_policy(policy)
    inputs = {
        cell: hash_json([each.sha256, described, horizon, config.prediction_episodes]) for cell, each in tasks.items()
    }
    paths = {cell: out_dir / "cells" / cell / PREDICTION for cell in tasks}
    todo = [cell for cell in tasks if read_cell(paths[cell], inputs[cell]) is None]
    flat = [task for cell in todo for task in tasks[cell].tasks[: config.prediction_episodes]]
    runs = run_tasks(executor, expert, flat, steps, keep=("pixels",))
    for cell in todo:
        records = [next(runs)[1] for _ in range(config.prediction_episodes)]
        count += len(records)
        error = prediction_error(model, records, horizon)
        write_json(paths[cell], {"manifest": {"inputs": inputs[cell]}, "error": error})
        progress("prediction", count, len(flat))


def _save_frames(path: Path, frames: Mapping[str, Array]) -> None:
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with part.open("wb") as file:
        np.savez_compressed(file, **frames)  # type: ignore[arg-type]
    part.replace(path)


def _read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data
