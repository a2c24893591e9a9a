"""The one trainer: seeded, logged, and exactly resumable after a kill.

Everything random in step k derives from the seed and k, so that a run resumed from a checkpoint, or
one that validates more often, has the same loss curve. Run the same call again to resume.

```
run.json        what was asked; a resumed run must ask the same
metrics.jsonl   every logged step and validation
training.pt     all that a resumed run needs, in one file
last/           checkpoint of the newest saved step
best/           checkpoint of the lowest validation loss
best_score/     checkpoint of the highest score, if the run was given `evaluate`
```
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from swm.baselines.base import Baseline, build
from swm.baselines.run import Batches, Evaluate, OnProgress, Run
from swm.baselines.trackers import Tracker
from swm.core.config import to_json
from swm.core.errors import InvalidValueError
from swm.core.seeding import derive_seed

Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a baseline is trained."""

    steps: int = 100_000
    """Optimiser steps."""
    batch_size: int = 128
    """Clips per step."""
    learning_rate: float = 5e-5
    """Peak, reached after the warm-up; a cosine brings it to 0."""
    weight_decay: float = 1e-3
    warmup: float = 0.01
    """Fraction of the steps with a linearly rising learning rate."""
    grad_clip: float = 1.0
    """Largest norm of the gradient of all parameters."""
    seed: int = 0
    """Of weights, batches, dropout and the loss."""
    log_every: int = 50
    eval_every: int = 2000
    eval_batches: int = 16
    """Batches of a validation, the same ones each time."""
    eval_horizon: int = 5
    """Model steps predicted open loop in a validation."""
    checkpoint_every: int = 2000
    device: str = "auto"
    precision: Precision = "auto"
    """``auto`` is bf16 on CUDA devices that have it and fp32 elsewhere."""
    num_workers: int = 0
    """Worker processes of the loader."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("steps", "batch_size", "log_every", "eval_every", "eval_batches", "eval_horizon"):
            if getattr(self, name) < 1:
                raise InvalidValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.checkpoint_every < 1:
            raise InvalidValueError(f"checkpoint_every must be at least 1, got {self.checkpoint_every}.")
        if not self.learning_rate > 0 or not self.grad_clip > 0 or self.weight_decay < 0:
            raise InvalidValueError(
                "learning_rate and grad_clip must be above 0 and weight_decay at least 0, got "
                f"{self.learning_rate}, {self.grad_clip} and {self.weight_decay}."
            )
        if not 0 <= self.warmup <= 1:
            raise InvalidValueError(f"warmup is a fraction of the steps in [0, 1], got {self.warmup}.")
        if self.precision not in get_args(Precision):
            raise InvalidValueError(
                f"precision must be one of {', '.join(get_args(Precision))}, got {self.precision!r}."
            )


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a run reached."""

    out_dir: Path
    steps: int
    loss: float
    """Validation loss after the last step."""
    best_loss: float
    best_loss_step: int
    best_score: float | None
    """Highest value of `evaluate`, if there was one."""
    best_score_step: int | None

    @property
    def checkpoint(self) -> Path:
        """The checkpoint to use: of the best score if the run was scored, else of the best loss."""
        return self.out_dir / ("best" if self.best_score is None else "best_score")


def train(
    name: str,
    dataset: Any,
    config: TrainConfig,
    out_dir: str | Path,
    *,
    model_config: Any = None,
    evaluate: Evaluate | None = None,
    trackers: Sequence[Tracker] = (),
    on_progress: OnProgress | None = None,
    progress: bool = True,
) -> TrainResult:
    """Train a baseline on a dataset, or resume the run in `out_dir`.

    Args:
        name: a name of `swm.baselines.BASELINES`.
        dataset: a `swm.data` dataset, or what `swm.data.open` takes.
        config: how to train.
        out_dir: where everything is written.
        model_config: the baseline's config dataclass; None is its defaults.
        evaluate: scores the model at each validation.
        trackers: mirrors of the metrics.
        on_progress: called at each logged step and validation.
        progress: show a progress bar.

    Returns:
        What the run reached; at once if `out_dir` holds a finished run.

    Raises:
        CheckpointError: `out_dir` holds a run that was asked for something else.
        InvalidValueError: the loss is no longer finite.
    """
    import swm.data

    if isinstance(dataset, (str, Path)):
        dataset = swm.data.open(str(dataset))
    model = build_for(name, dataset, model_config, seed=derive_seed(config.seed, "weights"))

    def batches(split: str, num_steps: int) -> Batches:
        clips = dataset.clips(
            num_steps=num_steps, frame_skip=model.spec.frame_skip, columns=("pixels", "action"), split=split
        )
        return swm.data.Loader(
            clips,
            config.batch_size,
            seed=derive_seed(config.seed, "batches", split),
            num_workers=config.num_workers,
            drop_last=split == "train",
        )

    return fit(
        model,
        batches("train", model.num_frames),
        batches("val", max(model.num_frames, model.spec.history + config.eval_horizon)),
        config,
        out_dir,
        data=to_json({name: getattr(dataset, name) for name in ("uri", "version", "fingerprint", "provenance")}),
        evaluate=evaluate,
        trackers=trackers,
        on_progress=on_progress,
        progress=progress,
    )


def build_for(name: str, dataset: Any, model_config: Any = None, *, seed: int = 0) -> Baseline:
    """Build a baseline for the pictures and actions of a dataset, with its train split's action statistics."""
    height, width, _ = dataset.columns["pixels"].shape
    (action_dim,) = dataset.columns["action"].shape
    env_id = next((session["recording"]["env_id"] for session in dataset.provenance if "recording" in session), "")
    model = build(name, model_config, image_size=(height, width), action_dim=action_dim, env_id=env_id, seed=seed)
    statistics = dataset.statistics("action", split="train")
    model.set_action_statistics(statistics.mean, statistics.std)
    return model


def fit(
    model: Baseline,
    batches: Batches,
    validation: Batches,
    config: TrainConfig,
    out_dir: str | Path,
    *,
    data: Any = None,
    evaluate: Evaluate | None = None,
    trackers: Sequence[Tracker] = (),
    on_progress: OnProgress | None = None,
    progress: bool = True,
) -> TrainResult:
    """Train a model that is already built, on loaders; `train` is the usual way in.

    Args:
        model: moved to the device and trained in place.
        batches: training clips of at least ``model.num_frames`` frames.
        validation: validation clips of at least ``model.spec.history + config.eval_horizon`` frames.
        config: how to train.
        out_dir: where everything is written.
        data: JSON-ready description of the data, for provenance.
        evaluate: scores the model at each validation.
        trackers: mirrors of the metrics.
        on_progress: called at each logged step and validation.
        progress: show a progress bar.
    """
    run = Run(
        model=model,
        batches=batches,
        validation=validation,
        config=config,
        out_dir=Path(out_dir),
        data=data,
        evaluate=evaluate,
        trackers=trackers,
        on_progress=on_progress,
        progress=progress,
    )
    devices = [run.device] if run.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        run.to_the_end()
    return TrainResult(
        out_dir=run.out_dir,
        steps=run.step,
        loss=run.loss,
        best_loss=run.best.loss,
        best_loss_step=run.best.loss_step,
        best_score=run.best.score,
        best_score_step=run.best.score_step,
    )
