"""Optional mirrors of the metrics. ``metrics.jsonl`` is always written; no account is ever needed."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from swm.core.errors import MissingExtraError, UnknownNameError

Metrics = Mapping[str, float]


class Tracker(Protocol):
    """Receives what a run logs."""

    def start(self, config: Mapping[str, Any]) -> None:
        """Begin or continue a run with this JSON-ready configuration."""
        ...

    def log(self, step: int, metrics: Metrics) -> None:
        """Take the numbers of one step."""
        ...

    def finish(self) -> None:
        """Flush and close."""
        ...


class TensorBoardTracker:
    """Event files below a directory."""

    def __init__(self, folder: Path) -> None:
        """Write below `folder`."""
        _import("tensorboard")
        self._writer = _import("torch.utils.tensorboard").SummaryWriter(str(folder))

    def start(self, config: Mapping[str, Any]) -> None:
        """Write the configuration as text."""
        self._writer.add_text("config", str(dict(config)))

    def log(self, step: int, metrics: Metrics) -> None:
        """Write one scalar per metric."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def finish(self) -> None:
        """Close the event file."""
        self._writer.close()


class RunTracker:
    """A run of ``trackio`` or ``wandb``, which share one interface."""

    def __init__(self, library: str, project: str, name: str) -> None:
        """Log to run `name` of `project` through `library`."""
        self._library = _import(library)
        self._project, self._name = project, name

    def start(self, config: Mapping[str, Any]) -> None:
        """Open the run."""
        self._library.init(project=self._project, name=self._name, config=dict(config))

    def log(self, step: int, metrics: Metrics) -> None:
        """Log the metrics at their step."""
        self._library.log(dict(metrics), step=step)

    def finish(self) -> None:
        """Close the run."""
        self._library.finish()


def make_tracker(kind: str, out_dir: Path) -> Tracker:
    """Make the tracker ``"tensorboard"``, ``"trackio"`` or ``"wandb"`` of the run in `out_dir`.

    Raises:
        UnknownNameError: there is no such tracker.
        MissingExtraError: its library is not installed.
    """
    if kind == "tensorboard":
        return TensorBoardTracker(out_dir / "tensorboard")
    if kind in ("trackio", "wandb"):
        return RunTracker(kind, "swm", out_dir.name)
    raise UnknownNameError("tracker", kind, ("tensorboard", "trackio", "wandb"))


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(f"the tracker {module!r}", "trackers") from error
