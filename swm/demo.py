"""The whole job on TwoRoom: record, train, plan, shift every factor, report."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from swm.benchmark import OodConfig
from swm.core.seeding import derive_seed
from swm.evaluation import default_protocol
from swm.experiment import Experiment
from swm.policy.planner import PLANNERS, Planner
from swm.policy.planning import PlanningConfig
from swm.world import World

ENV_ID = "swm/TwoRoom-v0"


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """How much of everything the demonstration does."""

    episodes: int = 1000
    """Episodes to record."""
    episode_steps: int = 100
    """Environment steps of a recorded episode."""
    preset: str = "tiny"
    """Recipe of LeWorldModel."""
    steps: int | None = None
    """Optimiser steps; the recipe's if None."""
    training_seeds: int = 1
    """Models to train, each with a seed of its own."""
    tasks: str = "two_room-v1"
    """The task set of the in-distribution table."""
    ood_episodes: int = 20
    """Tasks per factor and severity."""
    factors: tuple[str, ...] = ("all",)
    """Factors to shift, one at a time."""
    num_envs: int = 100
    """Environments that run, and are planned for, together."""
    seed: int = 0
    planner: Planner = PLANNERS["fast"]


QUICK = DemoConfig(
    episodes=40,
    episode_steps=40,
    steps=20,
    ood_episodes=2,
    factors=("agent.color", "agent.speed"),
    planner=Planner(
        options={"num_samples": 32, "num_iterations": 2, "num_elites": 4}, planning=PlanningConfig(receding_horizon=5)
    ),
)
"""A minute's version: it shows the way, and the model that it trains plans no better than chance."""


def run_demo(out_dir: Path, config: DemoConfig) -> Path:
    """Run the demonstration, or what is missing of it, and return the path of its report.

    Args:
        out_dir: where everything is written.
        config: how much.
    """
    from swm import baselines, data
    from swm.baselines.train import train
    from swm.core.config import from_json, to_json

    with _stage(1, "record the expert"), World(ENV_ID, num_envs=64, image_size=64) as world:
        dataset = world.collect(
            str(out_dir / "data"), episodes=config.episodes, seed=config.seed, max_steps=config.episode_steps
        )
    recipe = baselines.preset("lewm", config.preset)
    models, metrics = {}, {}
    with _stage(2, f"train LeWorldModel ({config.preset})"):
        for index in range(config.training_seeds):
            changes = {"seed": derive_seed(config.seed, "training", index) % 2**31}
            if config.steps is not None:
                changes["steps"] = config.steps
            train_config = from_json(type(recipe.train), {**to_json(recipe.train), **changes})
            run_dir = out_dir / f"train-{index}"
            result = train("lewm", dataset, train_config, run_dir, model_config=recipe.model)
            models[str(index)] = baselines.load(result.checkpoint)
            metrics[f"seed {index}"] = run_dir / "metrics.jsonl"
    experiment = Experiment(
        models=models, out_dir=out_dir, tasks=config.tasks, planner=config.planner, num_envs=config.num_envs
    )
    with _stage(3, "plan on held-out tasks"):
        experiment.evaluate()
    with _stage(4, "shift every factor"):
        experiment.benchmark(
            OodConfig(
                episodes=config.ood_episodes,
                factors=config.factors,
                seed=config.seed,
                protocol=default_protocol(ENV_ID),
                prediction_episodes=min(16, config.ood_episodes),
            )
        )
    with _stage(5, "write the report"):
        return experiment.report(
            title="LeWorldModel on TwoRoom",
            dataset=data.open(str(out_dir / "data")),
            metrics=metrics,
            provenance={
                "command": " ".join(["swm", *sys.argv[1:]]),
                "dataset": {"fingerprint": dataset.fingerprint, "episodes": dataset.num_episodes},
                "demo": to_json(config),
                "model": baselines.checkpoint.read_provenance(out_dir / "train-0" / "best"),
            },
        )


@contextmanager
def _stage(number: int, title: str) -> Iterator[None]:
    print(f"[{number}/5] {title}", file=sys.stderr, flush=True)
    start = time.monotonic()
    yield
    print(f"      {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
