"""``swm train``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from swm.cli.options import Changes, DatasetPath, Names, OptionalInt
from swm.core.config import from_json, to_json
from swm.core.errors import InvalidValueError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a world model on a dataset, or continue."""

    baseline: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="BASELINE")]
    """The model: lewm."""
    data: DatasetPath
    """The dataset."""
    out: Path = Path("runs/train")
    """The run's folder; a run that was stopped there continues."""
    preset: str = "tiny"
    """The recipe to begin from."""
    steps: OptionalInt = None
    """Optimiser steps; the recipe's if not given."""
    seed: OptionalInt = None
    """Of weights, batches and losses; the recipe's if not given."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    set: Changes = ()
    """Changes to the recipe, for example train.batch_size=64 model.latent_dim=4."""
    select_by_planning: int = 0
    """Tasks to plan at each validation; the checkpoint of the highest success is then the best one."""
    trackers: Names = ()
    """Mirrors of the metrics: tensorboard, trackio, wandb."""

    def run(self) -> int:
        """Train, and print where the checkpoint is."""
        from swm import data
        from swm.baselines.trackers import make_tracker
        from swm.baselines.train import train

        dataset = data.open(self.data)
        model_config, train_config = self.recipe()
        score = None
        if self.select_by_planning:
            from swm.experiment import planning_score

            score = planning_score(count=self.select_by_planning)
        result = train(
            self.baseline,
            dataset,
            train_config,
            self.out,
            model_config=model_config,
            evaluate=score,
            trackers=[make_tracker(name, self.out) for name in self.trackers],
        )
        print(f"{result.checkpoint} (validation loss {result.best_loss:.4g} at step {result.best_loss_step:,})")
        return 0

    def recipe(self) -> tuple[Any, Any]:
        """The preset with every change made: model configuration, training configuration."""
        from swm import baselines

        preset = baselines.preset(self.baseline, self.preset)
        changes: dict[str, dict[str, Any]] = {"model": {}, "train": {"device": self.device}}
        for name in ("steps", "seed"):
            if getattr(self, name) is not None:
                changes["train"][name] = getattr(self, name)
        for change in self.set:
            section, name, value = parse_change(change)
            changes[section][name] = value
        configs = {"model": preset.model, "train": preset.train}
        return tuple(from_json(type(config), {**to_json(config), **changes[key]}) for key, config in configs.items())


def parse_change(text: str) -> tuple[str, str, Any]:
    """Split ``section.field=value``; the value is read as JSON where it is JSON, else as text.

    Raises:
        InvalidValueError: it has another form.
        UnknownNameError: the section is neither ``model`` nor ``train``.
    """
    path, equals, value = text.partition("=")
    section, dot, name = path.partition(".")
    if not equals or not dot or not name:
        raise InvalidValueError(f"a change is written section.field=value, for example train.steps=1000; got {text!r}.")
    if section not in ("model", "train"):
        raise UnknownNameError("section of a recipe", section, ("model", "train"))
    try:
        return section, name, json.loads(value)
    except json.JSONDecodeError:
        return section, name, value
