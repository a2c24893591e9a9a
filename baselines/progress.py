"""The terminal's view of a training run."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class TrainProgress:
    """A bar with throughput, loss and time left on stderr; silent where there is no terminal."""

    def __init__(self, name: str, steps: int, done: int) -> None:
        """Make the bar of run `name`, which has `done` of its `steps` behind it."""
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(name, total=steps, completed=done, status="")
        self._status: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self) -> None:
        """Count one step."""
        self._bar.advance(self._task)

    def show(self, **numbers: float) -> None:
        """Show these numbers beside the bar until they are shown anew."""
        self._status.update({name: f"{name.replace('_', ' ')} {value:.4g}" for name, value in numbers.items()})
        self._bar.update(self._task, status="  ".join(self._status.values()))
