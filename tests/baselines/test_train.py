"""The trainer: reproducible, resumable after a kill, and honest about what it found."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from swm.baselines import checkpoint
from swm.baselines.metrics_log import MetricsLog, read_metrics
from swm.baselines.run import schedule
from swm.baselines.train import TrainConfig, TrainResult, fit
from swm.core.errors import CheckpointError, DatasetError, InvalidValueError

STEPS = 12


def configure(**changes: Any) -> TrainConfig:
    settings: dict[str, Any] = {
        "steps": STEPS,
        "batch_size": 8,
        "learning_rate": 3e-3,
        "warmup": 0.2,
        "log_every": 1,
        "eval_every": 4,
        "eval_batches": 2,
        "eval_horizon": 2,
        "checkpoint_every": 4,
        "device": "cpu",
    }
    return TrainConfig(**{**settings, **changes})


@pytest.fixture
def run(toy: Any) -> Any:
    """A function that trains the toy model in a directory: ``run(out_dir, config=..., ...)``."""

    def start(out_dir: Path, config: TrainConfig | None = None, **options: Any) -> TrainResult:
        config = config or configure()
        batches = toy.batches(toy.clips(64, 3, seed=0), config.batch_size, config.seed)
        validation = toy.batches(toy.clips(24, 4, seed=1), 8, 0)
        model = options.pop("model", None) or toy.model(seed=config.seed)
        return fit(model, batches, validation, config, out_dir, progress=False, **options)

    return start


def curve(out_dir: Path, split: str | None = None) -> list[dict[str, Any]]:
    rows = read_metrics(out_dir / "metrics.jsonl", split)
    return [{name: value for name, value in row.items() if name != "clips_per_second"} for row in rows]


def stop_at(step: int) -> Any:
    def on_progress(now: int, metrics: dict[str, float]) -> None:
        if now == step:
            raise KeyboardInterrupt

    return on_progress


def weights(out_dir: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(out_dir / "last", device="cpu").state_dict()


def test_the_loss_falls_and_everything_is_logged(run: Any, tmp_path: Path) -> None:
    result = run(tmp_path, configure(steps=40, eval_every=20, checkpoint_every=20))
    rows = curve(tmp_path, "train")
    assert [row["step"] for row in rows] == list(range(1, 41))
    assert {"loss", "prediction", "sigreg", "grad_norm", "learning_rate"} <= set(rows[0])
    assert rows[-1]["loss"] < 0.75 * rows[0]["loss"]
    found = curve(tmp_path, "validation")
    assert [row["step"] for row in found] == [20, 40]
    expected = {"loss", "effective_rank", "latent_std_min", "latent_std_mean", "horizon_error/1", "horizon_error/2"}
    assert expected <= set(found[0])
    assert "horizon_error/3" not in found[0]
    assert result.loss == found[-1]["loss"]
    assert result.best_loss == min(row["loss"] for row in found)
    assert result.checkpoint == tmp_path / "best"


@pytest.mark.parametrize("step", [3, 4, 7, 10])
def test_a_stopped_run_continues_to_the_same_end(step: int, run: Any, tmp_path: Path) -> None:
    run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", on_progress=stop_at(step))
    run(tmp_path / "stopped")
    assert curve(tmp_path / "stopped") == curve(tmp_path / "whole")
    first, second = weights(tmp_path / "stopped"), weights(tmp_path / "whole")
    assert all(torch.equal(first[name], second[name]) for name in second)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[1])
import conftest as toy
torch.set_num_threads(1)
from swm.baselines.train import TrainConfig, fit

def on_progress(step, metrics):
    if step == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

config = TrainConfig(**eval(sys.argv[4]))
batches = toy.ToyBatches(toy.make_clips(64, 3, 0), config.batch_size, config.seed)
validation = toy.ToyBatches(toy.make_clips(24, 4, 1), 8, 0)
fit(toy.tiny_model(seed=config.seed), batches, validation, config, Path(sys.argv[2]), on_progress=on_progress)
"""


def test_a_killed_process_continues_to_the_same_end(run: Any, tmp_path: Path) -> None:
    run(tmp_path / "whole")
    here = Path(__file__).parent
    arguments = [str(here), str(tmp_path / "killed"), "7", repr(vars(configure()))]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=here.parents[1], env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert read_metrics(tmp_path / "killed" / "metrics.jsonl", "train")[-1]["step"] == 7
    run(tmp_path / "killed")
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")


def test_the_seed_decides_the_run(run: Any, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / name, configure(seed=seed, steps=4))
    assert curve(tmp_path / "a") == curve(tmp_path / "b")
    assert curve(tmp_path / "a") != curve(tmp_path / "c")


def test_validating_more_often_changes_nothing_else(run: Any, tmp_path: Path) -> None:
    """Even an evaluation that draws from the global generators leaves training as it was."""
    run(tmp_path / "seldom", configure(eval_every=12, checkpoint_every=12))
    run(tmp_path / "often", configure(eval_every=1, checkpoint_every=1), evaluate=lambda model: float(torch.rand(())))
    assert curve(tmp_path / "often", "train") == curve(tmp_path / "seldom", "train")


def test_the_callers_random_numbers_stay(run: Any, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    run(tmp_path, configure(steps=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_best_score_is_kept_beside_the_best_loss(run: Any, tmp_path: Path) -> None:
    scores = iter([0.2, 0.9, 0.4])
    seen = []

    def evaluate(model: Any) -> float:
        seen.append((model.training, torch.is_grad_enabled()))
        return next(scores)

    result = run(tmp_path, evaluate=evaluate)
    assert (result.best_score, result.best_score_step) == (0.9, 8)
    assert result.checkpoint == tmp_path / "best_score"
    assert checkpoint.read_provenance(result.checkpoint)["step"] == 8
    assert checkpoint.read_provenance(tmp_path / "best")["step"] == result.best_loss_step
    assert [row["score"] for row in curve(tmp_path, "validation")] == [0.2, 0.9, 0.4]
    assert seen == [(False, False)] * 3


def test_the_best_survives_a_resume(run: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, evaluate=lambda model: 0.9, on_progress=stop_at(7))
    result = run(tmp_path, evaluate=lambda model: 0.1)
    assert (result.best_score, result.best_score_step) == (0.9, 4)


def test_a_finished_run_is_not_run_again(run: Any, tmp_path: Path) -> None:
    first = run(tmp_path)
    assert run(tmp_path, on_progress=stop_at(1)) == first


def test_another_request_in_the_same_place_is_refused(run: Any, tmp_path: Path) -> None:
    run(tmp_path, data={"uri": "a", "fingerprint": "x"})
    with pytest.raises(CheckpointError, match=r"train\.learning_rate was 0\.003 and is 0\.1.*Give another out_dir"):
        run(tmp_path, configure(learning_rate=0.1), data={"uri": "a", "fingerprint": "x"})
    with pytest.raises(CheckpointError, match=r"data\.fingerprint was 'x' and is 'y'"):
        run(tmp_path, data={"uri": "a", "fingerprint": "y"})
    run(tmp_path, configure(num_workers=3), data={"uri": "b", "fingerprint": "x"})


def test_a_run_killed_before_its_first_checkpoint_begins_anew(run: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, configure(seed=5), on_progress=stop_at(2))
    run(tmp_path)
    assert [row["step"] for row in curve(tmp_path, "train")] == list(range(1, STEPS + 1))
    assert json.loads((tmp_path / "run.json").read_text())["train"]["seed"] == 0


def test_divergence_is_an_error_and_keeps_the_checkpoint(run: Any, toy: Any, tmp_path: Path) -> None:
    model = toy.model()

    def poison(step: int, metrics: dict[str, float]) -> None:
        if step == 6:
            model.projector.outer.weight.data.fill_(float("nan"))

    with pytest.raises(InvalidValueError, match=r"not finite at step 7.*Lower learning_rate \(0\.003\)"):
        run(tmp_path, model=model, on_progress=poison)
    assert checkpoint.read_provenance(tmp_path / "last")["step"] == 4
    assert all(torch.isfinite(value).all() for value in weights(tmp_path).values())


def test_collapse_is_reported(run: Any, toy: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = toy.model(sigreg_weight=0.0, temporal_similarity_weight=10.0)
    torch.nn.init.zeros_(model.projector.outer.weight)
    with caplog.at_level(logging.WARNING, logger="swm.baselines"):
        run(tmp_path, configure(steps=1, learning_rate=1e-9), model=model)
    assert "the latent has collapsed" in caplog.text


def test_the_checkpoint_says_where_it_comes_from(run: Any, tmp_path: Path) -> None:
    run(tmp_path, data={"uri": "somewhere", "version": 3, "fingerprint": "abc"})
    facts = checkpoint.read_provenance(tmp_path / "best")
    assert facts["data"]["fingerprint"] == "abc"
    assert facts["train"]["batch_size"] == 8
    assert facts["software"]["torch"] == torch.__version__.partition("+")[0] or facts["software"]["torch"]
    assert {"processor", "cores"} <= set(facts["hardware"])
    assert facts["validation"]["loss"] == min(row["loss"] for row in curve(tmp_path, "validation"))


class Recorder:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def start(self, config: Any) -> None:
        self.calls.append(("start", config["baseline"]))

    def log(self, step: int, metrics: Any) -> None:
        self.calls.append((step, sorted({name.partition("/")[0] for name in metrics})))

    def finish(self) -> None:
        self.calls.append("finish")


def test_trackers_mirror_the_log(run: Any, tmp_path: Path) -> None:
    tracker = Recorder()
    run(tmp_path, configure(steps=2, eval_every=2), trackers=[tracker])
    assert tracker.calls == [("start", "lewm"), (1, ["train"]), (2, ["train"]), (2, ["validation"]), "finish"]


def test_trackers_are_closed_when_training_fails(run: Any, tmp_path: Path) -> None:
    tracker = Recorder()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, trackers=[tracker], on_progress=stop_at(1))
    assert tracker.calls[-1] == "finish"


def test_bf16_trains_on_the_cpu_too(run: Any, tmp_path: Path) -> None:
    run(tmp_path, configure(steps=2, eval_every=2, precision="bf16"))
    assert weights(tmp_path)["projector.inner.weight"].dtype == torch.float32


def test_the_schedule_rises_and_falls() -> None:
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert 0 < rates[-1] < 1e-3
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert schedule(0, 10, 0.0) == 1.0
    assert schedule(9, 10, 1.0) == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate and grad_clip must be above 0"),
        ({"warmup": 2.0}, r"fraction of the steps in \[0, 1\], got 2.0"),
        ({"precision": "fp8"}, "precision must be one of auto, fp32, bf16, got 'fp8'"),
    ],
)
def test_bad_configs_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        configure(**changes)


def test_an_unknown_device_is_refused(run: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="device 'warp' cannot be used here"):
        run(tmp_path, configure(device="warp"))


def test_an_empty_validation_split_is_refused(toy: Any, tmp_path: Path) -> None:
    empty = toy.batches({"pixels": torch.zeros(0, 4, 16, 16, 3), "action": torch.zeros(0, 3, 4)}, 8, 0)
    empty.epoch = lambda shuffle: iter(())
    with pytest.raises(InvalidValueError, match="the validation split has no clip"):
        fit(toy.model(), toy.batches(toy.clips(8, 3, 0), 8, 0), empty, configure(), tmp_path, progress=False)


def test_the_log_drops_what_came_after_a_checkpoint_and_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "split": "train"}\n{"step": 2, "split": "train"}\n{"step": 3, "spl')
    log = MetricsLog(path, 1)
    log.write(2, "train", {"loss": 0.1 + 0.2})
    log.close()
    assert read_metrics(path)[-1] == {"step": 2, "split": "train", "loss": 0.1 + 0.2}
    assert len(read_metrics(path)) == 2
    path.write_text('{"step": 1, "sp\n{"step": 2, "split": "train"}\n')
    with pytest.raises(DatasetError, match="line 1 is not JSON"):
        read_metrics(path)
