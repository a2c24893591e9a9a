"""Trackers are optional: late imports, an error that names the extra, and the libraries' own calls."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swm.baselines.trackers import make_tracker
from swm.core.errors import MissingExtraError, UnknownNameError


@pytest.mark.parametrize("kind", ["tensorboard", "trackio", "wandb"])
def test_a_missing_library_names_the_extra(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'swm\[trackers\]'"):
        make_tracker(kind, tmp_path)


def test_an_unknown_tracker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'wandb'"):
        make_tracker("wandbb", tmp_path)


@pytest.mark.parametrize("kind", ["trackio", "wandb"])
def test_runs_are_opened_logged_and_closed(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    library = SimpleNamespace(
        init=lambda **options: calls.append(options),
        log=lambda metrics, step: calls.append((step, metrics)),
        finish=lambda: calls.append("finish"),
    )
    monkeypatch.setitem(sys.modules, kind, library)
    tracker = make_tracker(kind, tmp_path / "run")
    tracker.start({"a": 1})
    tracker.log(3, {"loss": 0.5})
    tracker.finish()
    assert calls == [{"project": "swm", "name": "run", "config": {"a": 1}}, (3, {"loss": 0.5}), "finish"]


def test_tensorboard_gets_scalars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class SummaryWriter:
        def __init__(self, folder: str) -> None:
            calls.append(folder)

        def add_text(self, name: str, text: str) -> None:
            calls.append((name, text))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            calls.append((name, value, step))

        def close(self) -> None:
            calls.append("close")

    monkeypatch.setitem(sys.modules, "tensorboard", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=SummaryWriter))
    tracker = make_tracker("tensorboard", tmp_path)
    tracker.start({"a": 1})
    tracker.log(3, {"train/loss": 0.5})
    tracker.finish()
    assert calls == [str(tmp_path / "tensorboard"), ("config", "{'a': 1}"), ("train/loss", 0.5, 3), "close"]
