"""Progress on anything that takes more than two seconds: a bar on a terminal, lines in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[..., None]
"""``advance(count=1, note="")``: `count` more units are done; `note` is shown behind the figures."""

_LOG_EVERY_S = 10.0
_KNOWN_AFTER = 0.02
"""Share of the work after which the rate is worth a forecast."""


@contextmanager
def progress(what: str, total: int, unit: str, *, done: int = 0, show: bool = True) -> Iterator[Advance]:
    """Show how far a loop is, its rate, and the time left.

    Args:
        what: what is being done, for example ``"record"``.
        total: the number of units in all.
        unit: the plural noun of a unit, for example ``"episodes"``.
        done: units that an earlier run finished.
        show: False for silence.

    Yields:
        A function to call as units are done.
    """
    if not show:
        yield lambda count=1, note="": None
    elif sys.stderr.isatty():
        with _bar(what, total, unit, done) as advance:
            yield advance
    else:
        with _lines(what, total, unit, done) as advance:
            yield advance


@contextmanager
def _bar(what: str, total: int, unit: str, done: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit + " {task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, completed=done, rate="", note="")
        meter = _Meter()

        def advance(count: int = 1, note: str = "") -> None:
            bar.update(task, advance=count, rate=f"({meter.add(count):,.0f}/s)", note=note)

        yield advance


@contextmanager
def _lines(what: str, total: int, unit: str, done: int) -> Iterator[Advance]:
    meter = _Meter()
    state = {"done": done, "last": time.monotonic()}

    def say(note: str) -> None:
        known = meter.count >= _KNOWN_AFTER * total and state["done"] < total
        tail = f", about {(total - state['done']) / meter.rate:,.0f} s left" if known else ""
        text = f"{what}: {state['done']:,.0f}/{total:,} {unit} ({meter.rate:,.1f}/s{tail})"
        print(f"{text} {note}".rstrip(), file=sys.stderr, flush=True)

    def advance(count: int = 1, note: str = "") -> None:
        state["done"] += count
        meter.add(count)
        if time.monotonic() - state["last"] >= _LOG_EVERY_S and state["done"] < total:
            state["last"] = time.monotonic()
            say(note)

    yield advance
    say("")


class _Meter:
    """Units per second since the start."""

    def __init__(self) -> None:
        self.start, self.count, self.rate = time.monotonic(), 0, 0.0

    def add(self, count: int) -> float:
        self.count += count
        self.rate = self.count / max(time.monotonic() - self.start, 1e-9)
        return self.rate
