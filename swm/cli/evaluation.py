"""``swm eval``, ``bench`` and ``report``."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swm.cli.options import Changes, CheckpointPath, Names, OptionalInt, OptionalPath, OptionalStr
from swm.cli.output import show_json
from swm.core.errors import InvalidValueError, UnknownNameError

if TYPE_CHECKING:
    from swm.experiment import Experiment
    from swm.policy import Planner


@dataclass(frozen=True, kw_only=True)
class Planning:
    """How to plan."""

    planner: str = "fast"
    """Where to begin from: fast (replan after every block) or paper (LeWorldModel's on PushT)."""
    solver: OptionalStr = None
    """The solver: cem or random_shooting."""
    set: Changes = ()
    """Options of the solver, for example num_samples=300 num_iterations=30."""
    horizon: OptionalInt = None
    """Blocks of actions that a plan looks ahead."""
    receding_horizon: OptionalInt = None
    """Blocks that are executed before the next plan is made."""
    objective: OptionalStr = None
    """What a plan is judged by: last, sum, min or geometric (a weighted sum) of the distances to the goal."""

    def make(self) -> "Planner":
        """Make the planner: the one of record with every change made.

        Raises:
            UnknownNameError: no planner, solver, option or objective has this name.
        """
        from swm.policy import PLANNERS, Planner

        if self.planner not in PLANNERS:
            raise UnknownNameError("planner", self.planner, PLANNERS)
        base = PLANNERS[self.planner]
        names = ("horizon", "receding_horizon", "objective")
        changes = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        options = base.options if self.solver in (None, base.solver) else {}
        return Planner(
            solver=self.solver or base.solver,
            options={**options, **dict(map(parse_option, self.set))},
            planning=replace(base.planning, **changes),
        )


def parse_option(text: str) -> tuple[str, Any]:
    """Split ``name=value``, the value a number or a list of numbers.

    Raises:
        InvalidValueError: it has another form.
    """
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError as error:
        raise InvalidValueError(
            f"an option is written name=number, for example num_samples=300; got {text!r}."
        ) from error


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What the commands share that measure a trained model."""

    checkpoint: CheckpointPath
    """The folder of a trained model."""
    out: OptionalPath = None
    """Where results are; the folder "evaluation" beside the checkpoint if not given."""
    tasks: str = "two_room-v1"
    """The task set of the in-distribution table, or the path of one."""
    planning: Planning = field(default_factory=Planning)
    num_envs: int = 100
    """Environments that run, and are planned for, together."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""

    def experiment(self) -> "Experiment":
        """Load the checkpoint and prepare its measurements."""
        from swm import baselines
        from swm.experiment import Experiment

        return Experiment(
            models={"0": baselines.load(self.checkpoint, device=self.device)},
            out_dir=self.checkpoint.parent / "evaluation" if self.out is None else self.out,
            tasks=self.tasks,
            planner=self.planning.make(),
            num_envs=self.num_envs,
        )


@dataclass(frozen=True, kw_only=True)
class Eval(Measurement):
    """Measure planning success on a task set."""

    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> int:
        """Print the model, the floors and the oracle in one table."""
        from rich.console import Console

        from swm.evaluation import render_table

        table = self.experiment().evaluate()
        if self.json:
            show_json({name: evaluation.to_json() for name, evaluation in table.items()})
        else:
            Console().print(render_table(table, versus="model"))
        return 0


@dataclass(frozen=True, kw_only=True)
class Report(Measurement):
    """Write the page for results of bench."""

    data: OptionalStr = None
    """The training data, to probe the latents on."""

    def run(self) -> int:
        """Write the page and print its path."""
        print(self.write_page(self.experiment()))
        return 0

    def write_page(self, experiment: "Experiment") -> Path:
        """Write the page with what lies beside the checkpoint."""
        from swm import data
        from swm.baselines.checkpoint import read_provenance

        metrics = self.checkpoint.parent / "metrics.jsonl"
        return experiment.report(
            title=f"{experiment.model.spec.env_id}: {self.checkpoint}",
            dataset=None if self.data is None else data.open(self.data),
            metrics={"training": metrics} if metrics.is_file() else {},
            provenance=read_provenance(self.checkpoint),
        )


@dataclass(frozen=True, kw_only=True)
class Bench(Report):
    """Measure planning under each factor's shift, and write the page."""

    factors: Names = ("all",)
    """Factors or groups to shift, one at a time; all if not given."""
    severities: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    """Distances from the training range, rising from 0 to at most 1."""
    episodes: int = 50
    """Tasks per factor and severity."""
    seed: int = 0
    """Of the tasks."""

    def run(self) -> int:
        """Run what is missing and print where the page is."""
        from swm.benchmark import OodConfig
        from swm.evaluation import default_protocol

        experiment = self.experiment()
        config = OodConfig(
            severities=self.severities,
            episodes=self.episodes,
            factors=self.factors,
            seed=self.seed,
            protocol=default_protocol(experiment.model.spec.env_id),
            prediction_episodes=min(16, self.episodes),
        )
        experiment.benchmark(config)
        print(self.write_page(experiment))
        return 0
