"""A training run: the loop, validation, and the file that it resumes from."""

import itertools
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from swm.baselines import checkpoint
from swm.baselines.base import Baseline
from swm.baselines.common.device import pick_device
from swm.baselines.common.diagnostics import is_collapsed, validate
from swm.baselines.metrics_log import MetricsLog
from swm.baselines.trackers import Tracker
from swm.core.config import to_json, write_json
from swm.core.errors import CheckpointError, InvalidValueError
from swm.core.progress import Advance, progress
from swm.core.provenance import describe_hardware, describe_software
from swm.core.seeding import derive_seed

if TYPE_CHECKING:
    from swm.baselines.train import TrainConfig

_LOG = logging.getLogger("swm.baselines")
_MAY_CHANGE = ("train.device", "train.num_workers", "data.uri", "data.version")
"""What may differ when a run resumes; the fingerprint says whether the data are the same."""


class Batches(Protocol):
    """What the trainer asks of a loader; `swm.data.Loader` is one."""

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Yield batches without end, from where the state says."""
        ...

    def epoch(self, shuffle: bool = False) -> Iterator[dict[str, Tensor]]:
        """Yield each clip once, shuffled the same way each time."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """The position after the batches that were handed out."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position."""
        ...


Evaluate = Callable[[Baseline], float]
"""Scores a model in evaluation mode, higher is better: planning success, for example."""
OnProgress = Callable[[int, dict[str, float]], None]
"""Called with the step and the metrics of each logged step and validation."""


@dataclass(kw_only=True)
class Best:
    """The best validation so far; saved with the run."""

    loss: float = math.inf
    loss_step: int = 0
    score: float | None = None
    score_step: int | None = None


@dataclass(kw_only=True)
class Run:
    """One run in one directory (see `swm.baselines.train.fit`, which also describes the files)."""

    model: Baseline
    batches: Batches
    validation: Batches
    config: "TrainConfig"
    out_dir: Path
    data: Any = None
    evaluate: Evaluate | None = None
    trackers: Sequence[Tracker] = ()
    on_progress: OnProgress | None = None
    progress: bool = True

    def __post_init__(self) -> None:
        """Prepare the run, from its saved state if `out_dir` has one."""
        config = self.config
        self.device = pick_device(config.device)
        self.model.to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.step, self.best, self.loss, self.note = 0, Best(), math.nan, ""
        self.machine = {"software": describe_software(), "hardware": describe_hardware()}
        self.asked = {
            "baseline": checkpoint.registry_name(self.model),
            "model": to_json(self.model.config),
            "spec": to_json(self.model.spec),
            "train": to_json(config),
            "data": self.data,
        }
        self.out_dir.mkdir(parents=True, exist_ok=True)
        if (self.out_dir / "training.pt").exists():
            self._restore()
        else:
            write_json(self.out_dir / "run.json", self.asked)

    # ----------------------------------------------------------------------------------------- loop

    def to_the_end(self) -> None:
        """Run the remaining steps."""
        config = self.config
        if self.step < config.steps:
            log = MetricsLog(self.out_dir / "metrics.jsonl", self.step)
            try:
                for tracker in self.trackers:
                    tracker.start(self.asked)
                name = f"train {self.asked['baseline']}"
                with progress(name, config.steps, "steps", done=self.step, show=self.progress) as advance:
                    self._loop(log, advance)
            finally:
                log.close()
                for tracker in self.trackers:
                    tracker.finish()

    def _loop(self, log: MetricsLog, advance: Advance) -> None:
        config, iterator = self.config, iter(self.batches)
        clock, since = time.perf_counter(), self.step
        while self.step < config.steps:
            metrics = self._update(next(iterator))
            self.step += 1
            advance(1, self.note)
            due = {
                name: self.step % every == 0 or self.step == config.steps
                for name, every in (
                    ("log", config.log_every),
                    ("eval", config.eval_every),
                    ("checkpoint", config.checkpoint_every),
                )
            }
            if any(due.values()):
                self._check_finite(metrics)
            if due["log"]:
                rate = (self.step - since) * config.batch_size / (time.perf_counter() - clock)
                row = {**{name: float(value) for name, value in metrics.items()}, "clips_per_second": rate}
                self._report(log, "train", row)
            if due["eval"]:
                self._report(log, "validation", self._validate())
            if due["checkpoint"]:
                self._save()
            if any(due.values()):
                clock, since = time.perf_counter(), self.step

    def _update(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take one optimiser step. Its randomness depends on the seed and the step alone."""
        config = self.config
        torch.manual_seed(derive_seed(config.seed, "step", self.step))
        rate = config.learning_rate * schedule(self.step, config.steps, config.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.model.train()
        with self._autocast():
            loss, metrics = self.model.loss(self._to_device(batch), self._generator("slices", self.step))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.grad_clip)
        self.optimizer.step()
        return {**metrics, "grad_norm": norm, "learning_rate": torch.tensor(rate, dtype=torch.float64)}

    def _check_finite(self, metrics: Mapping[str, Tensor]) -> None:
        bad = [name for name in ("loss", "grad_norm") if not torch.isfinite(metrics[name])]
        if bad:
            raise InvalidValueError(
                f"{' and '.join(bad)} not finite at step {self.step}: training has diverged. The last checkpoint is "
                f"kept. Lower learning_rate ({self.config.learning_rate}) or train in fp32."
            )

    def _report(self, log: MetricsLog, split: str, row: dict[str, float]) -> None:
        log.write(self.step, split, row)
        self.note = f"{split} loss {row['loss']:.4g}"
        for tracker in self.trackers:
            tracker.log(self.step, {f"{split}/{name}": value for name, value in row.items()})
        if self.on_progress is not None:
            self.on_progress(self.step, {f"{split}/{name}": value for name, value in row.items()})

    # -------------------------------------------------------------------------------------- storage

    def _validate(self) -> dict[str, float]:
        """Measure and score the model, and keep it if it is the best."""
        self.model.eval()
        some = itertools.islice(self.validation.epoch(shuffle=True), self.config.eval_batches)
        batches = (self._to_device(batch) for batch in some)
        with torch.no_grad():
            with self._autocast():
                row = validate(self.model, batches, self._generator("validation"))
            if self.evaluate is not None:
                row["score"] = float(self.evaluate(self.model))
        if is_collapsed(row):
            _LOG.warning(
                "step %d: the latent has collapsed (effective rank %.2f, mean standard deviation %.3g)",
                self.step,
                row["effective_rank"],
                row["latent_std_mean"],
            )
        self._keep_best(row)
        return row

    def _keep_best(self, row: Mapping[str, float]) -> None:
        self.loss = row["loss"]
        if self.loss < self.best.loss:
            self.best.loss, self.best.loss_step = self.loss, self.step
            checkpoint.save(self.model, self.out_dir / "best", self._provenance(row))
        score = row.get("score")
        if score is not None and (self.best.score is None or score > self.best.score):
            self.best.score, self.best.score_step = score, self.step
            checkpoint.save(self.model, self.out_dir / "best_score", self._provenance(row))

    def _save(self) -> None:
        checkpoint.save(self.model, self.out_dir / "last", self._provenance({}))
        part = self.out_dir / ".training.pt.part"
        state = {
            "step": self.step,
            "loss": self.loss,
            "best": vars(self.best),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "batches": self.batches.state_dict(),
        }
        torch.save(state, part)
        part.replace(self.out_dir / "training.pt")

    def _restore(self) -> None:
        before = json.loads((self.out_dir / "run.json").read_text(encoding="utf-8"))
        now = json.loads(json.dumps(self.asked))
        changed = [
            f"{path} was {_short(old)} and is {_short(new)}"
            for path, old, new in _differences(before, now)
            if path not in _MAY_CHANGE
        ]
        if changed:
            raise CheckpointError(
                f"{self.out_dir} holds a run that was asked for something else: {'; '.join(changed)}. "
                "Give another out_dir, or delete this one."
            )
        state = torch.load(self.out_dir / "training.pt", map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.batches.load_state_dict(state["batches"])
        self.step, self.loss, self.best = state["step"], state["loss"], Best(**state["best"])

    def _provenance(self, row: Mapping[str, float]) -> dict[str, Any]:
        return {
            "step": self.step,
            "validation": dict(row),
            "train": self.asked["train"],
            "data": self.asked["data"],
            **self.machine,
        }

    # -------------------------------------------------------------------------------------- helpers

    def _autocast(self) -> AbstractContextManager[Any]:
        asked = self.config.precision
        bf16 = asked == "bf16" or (asked == "auto" and self.device.type == "cuda" and torch.cuda.is_bf16_supported())
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=bf16)

    def _to_device(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}

    def _generator(self, *purpose: str | int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(derive_seed(self.config.seed, *purpose))


def schedule(step: int, steps: int, warmup: float) -> float:
    """Learning rate of a step from 0 to `steps` - 1, as a fraction of the peak: linear rise, then cosine to 0."""
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def _differences(before: Any, now: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(now, dict):
        names = sorted({*before, *now})
        return [d for n in names for d in _differences(before.get(n), now.get(n), f"{path}.{n}".lstrip("."))]
    return [] if before == now else [(path, before, now)]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
