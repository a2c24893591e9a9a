"""Datasets of pictures, side by side: speed, size and truth of our layouts, of the closest peer's, and of LeRobot's.

Run: ``python tests/bench/bench_data.py [--peer PYTHON] [--lerobot PYTHON]``, where PYTHON is the
interpreter of an environment that holds PyPI's ``stable-worldmodel`` or ``lerobot``. All get the same
episodes and hand out random windows of one kind (four pictures, five steps apart, with their actions,
64 per batch), each through its own writer, reader and loader in processes of its own. Rounds go
around all rows, so that the noise of the machine hits them alike; a row that waits rests. Everything
is in the page cache: this measures decoding and access, not a disk. Writes runs/bench/data.json.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from swm.core.config import write_json
from swm.core.provenance import describe_hardware, describe_software
from tests.bench.readers.processes import BENCH, Child, ContestantError, environment

WORKERS = (0, 2)
REFERENCE = "peer lance"
_SLOW_WRITE = 10.0
"""Seconds; what takes longer to write is written once."""


@dataclass
class Row:
    """One contestant: how to start it, and everything that was measured."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    file: str = "data"
    """Name of what it writes; some readers know a format by its suffix."""
    reads: str | None = None
    """The row whose data it reads instead of writing its own."""
    missing: str | None = None
    samples: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, what: str, value: Any) -> None:
        """Keep one sample."""
        self.samples.setdefault(what, []).append(value)


def make_rows() -> list[Row]:
    """Every contestant, ours first."""
    return [
        Row("memory, np.take", "memory", reads="memory, np.take"),
        Row("swm frames", "ours", ("frames",)),
        Row("swm frames, decoded", "ours", ("decoded",), reads="swm frames"),
        Row("swm frames, 4:2:0", "ours", ("frames-420",)),
        Row("swm video, crf 30", "ours", ("video-crf30",)),
        *(Row(f"swm {layout}", "ours", (layout,)) for layout in ("video", "mp4", "lerobot")),
        Row("swm hdf5", "ours", ("hdf5",), file="data.h5"),
        Row(REFERENCE, "peer", ("lance",), file="data.lance"),
        Row("peer hdf5", "peer", ("hdf5",), file="data.h5"),
        *(Row(f"peer {layout}", "peer", (layout,)) for layout in ("lance_video", "folder", "video")),
        Row("lerobot", "lerobot_reader"),
    ]


class Bench:
    """The rows on one scene."""

    def __init__(self, options: argparse.Namespace, scene: str, folder: Path, console: Console) -> None:
        self.options, self.scene, self.folder, self.console = options, scene, folder, console
        self.pythons = {"peer": options.peer, "lerobot_reader": options.lerobot}
        self.rows = [row for row in make_rows() if not options.only or any(part in row.name for part in options.only)]
        self.versions: dict[str, dict[str, str]] = {}
        self.source = str(folder / "source")
        size = int(scene.rpartition("-")[2])
        episodes = options.episodes or (100 if size <= 64 else 40)
        command = [sys.executable, "-m", "readers.drawing", self.source, scene, str(episodes)]
        subprocess.run(command, cwd=BENCH, env=environment(sys.executable), check=True)

    def run(self) -> None:
        """Write, then read without and with workers."""
        for row in self.rows:
            if row.module in self.pythons and not self.pythons[row.module]:
                row.missing = f"no interpreter given with --{row.module.partition('_')[0]}"
        with self.console.status(f"{self.scene}: writing"):
            self._write()
        for workers in WORKERS:
            with self.console.status(f"{self.scene}: reading with {workers} workers"):
                self._read(workers)

    def _path(self, row: Row) -> Path:
        name = row.reads or row.name
        file = next((each.file for each in self.rows if each.name == name), "data")
        return self.folder / name.replace(" ", "-").replace(",", "") / file

    def _start(self, rows: list[Row]) -> dict[str, Child]:
        return {
            row.name: Child(
                self.pythons.get(row.module, sys.executable),
                row.module,
                *row.arguments,
                log=self.folder / f"{row.name}.log",
            )
            for row in rows
            if row.missing is None
        }

    def _ask(self, row: Row, children: dict[str, Child], command: str, **arguments: Any) -> dict[str, Any] | None:
        """An answer, or None for a row that fell out; its reason is kept."""
        if row.name not in children:
            return None
        child = children[row.name]
        try:
            answer = child.ask(command, **arguments)
        except ContestantError as error:
            row.missing = f"{command}: {error}"
            children.pop(row.name).close()
            return None
        child.settle()
        return answer

    def _write(self) -> None:
        writers = [row for row in self.rows if row.reads is None]
        children = self._start(writers)
        for row in writers:
            self._path(row).parent.mkdir(exist_ok=True)
            if versions := self._ask(row, children, "versions"):
                self.versions.setdefault(row.module, versions)
        slow: set[str] = set()
        for _ in range(self.options.write_rounds):
            for row in writers:
                if row.name in slow:
                    continue
                answer = self._ask(row, children, "write", source=self.source, path=str(self._path(row)))
                if answer:
                    row.add("write_frames_per_second", answer["frames"] / answer["seconds"])
                    slow |= {row.name} if answer["seconds"] > _SLOW_WRITE else set()
                    row.samples["bytes_per_frame"] = [_disk_bytes(self._path(row)) / answer["frames"]]
        for child in children.values():
            child.close()

    def _read(self, workers: int) -> None:
        # One process after the other opens, so that each has the machine when its first batch is timed.
        children = self._start(self.rows)
        for child in children.values():
            child.settle()
        for row in self.rows:
            answer = self._ask(row, children, "open", source=self.source, path=str(self._path(row)), workers=workers)
            if answer:
                row.add(f"first_batch_seconds_{workers}", answer["first_batch_seconds"])
        self._ask_all(children, "round", seconds=0.2, batches=1)  # a warm-up
        fewest = 3 * max(1, workers)
        for _ in range(self.options.rounds):
            for row, answer in self._ask_all(children, "round", seconds=self.options.seconds, batches=fewest):
                row.add(f"clips_per_second_{workers}", answer["clips"] / answer["seconds"])
                row.add(f"memory_{workers}", children[row.name].memory())
            if workers == 0:
                for row, answer in self._ask_all(children, "sequential", seconds=self.options.seconds / 4):
                    row.add("sequential_frames_per_second", answer["frames"] / answer["seconds"])
        if workers == 0:
            for row, answer in self._ask_all(children, "check", clips=16):
                row.samples["check"] = [answer]
        for child in children.values():
            child.close()

    def _ask_all(self, children: dict[str, Child], command: str, **arguments: Any) -> list[tuple[Row, dict[str, Any]]]:
        answers = ((row, self._ask(row, children, command, **arguments)) for row in self.rows)
        return [(row, answer) for row, answer in answers if answer]

    def tables(self) -> list[Table]:
        """What was measured: medians with the least and the most of the rounds."""
        speed = Table(
            "", "clips/s, no worker", "", "clips/s, 2 workers", "", "first batch, s", title=f"{self.scene} px"
        )
        other = Table("", "write frames/s", "bytes/frame", "in order, frames/s", "memory, MiB", "PSNR, dB", "misplaced")
        reference = next((row for row in self.rows if row.name == REFERENCE), None)
        for row in self.rows:
            if row.missing is not None:
                continue
            speeds = []
            for workers in WORKERS:
                base = _median(reference, f"clips_per_second_{workers}") if reference else None
                value = _median(row, f"clips_per_second_{workers}")
                speeds += [
                    _spread(row, f"clips_per_second_{workers}"),
                    f"{value / base:.3g} x" if base and value else "",
                ]
            firsts = " / ".join(_number(_median(row, f"first_batch_seconds_{workers}")) for workers in WORKERS)
            speed.add_row(row.name, *speeds, firsts)
            check = row.samples["check"][0]
            memory = " / ".join(
                f"{max(each['pss_mib'] for each in row.samples[f'memory_{workers}']):,.0f}" for workers in WORKERS
            )
            misplaced = f"{check['misplaced_pictures']} of {check['pictures']}"
            other.add_row(
                row.name,
                _spread(row, "write_frames_per_second"),
                _number(_median(row, "bytes_per_frame")),
                _spread(row, "sequential_frames_per_second"),
                memory,
                "exact" if check["worst_psnr_db"] == 99 else f"{check['psnr_db']:.1f}",
                misplaced if check["actions_equal"] else f"{misplaced}, actions differ",
            )
        for table in (speed, other):
            for column in table.columns[1:]:
                column.justify = "right"
        return [speed, other]


def _disk_bytes(path: Path) -> int:
    files = [path] if path.is_file() else (each for each in path.rglob("*") if each.is_file())
    return sum(file.stat().st_size for file in files)


def _median(row: Row, what: str) -> float | None:
    return statistics.median(row.samples[what]) if row.samples.get(what) else None


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _spread(row: Row, what: str) -> str:
    values = row.samples.get(what)
    if not values:
        return ""
    spread = f" ({_number(min(values))}-{_number(max(values))})" if len(values) > 1 else ""
    return _number(statistics.median(values)) + spread


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="interpreter of an environment with stable-worldmodel[format]")
    parser.add_argument("--lerobot", help="interpreter of an environment with lerobot")
    parser.add_argument("--rounds", type=int, default=3, help="of reading")
    parser.add_argument("--write-rounds", type=int, default=3)
    parser.add_argument(
        "--seconds", type=float, default=0.8, help="of a round, or 3 batches per worker if that is more"
    )
    parser.add_argument("--episodes", type=int, help="of 101 pictures; 100 at 64 px, 40 above unless given")
    parser.add_argument("--scenes", nargs="+", default=["two-room-64", "two-room-224", "push-t-224"], help="with size")
    parser.add_argument("--only", nargs="+", help="parts of the names of the rows to measure")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 0.3 s, one of writing, 20 episodes")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/data.json"))
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.write_rounds, options.seconds, options.episodes = 2, 1, 0.3, 20
    return options


def main() -> None:
    """Measure, print and write."""
    options, console = parse(), Console(width=None if sys.stdout.isatty() else 120)
    report: dict[str, Any] = {
        "command": " ".join(sys.argv),
        "software": describe_software(),
        "hardware": {**describe_hardware(), "load_average_before": os.getloadavg()},
        "scenes": {},
    }
    begin = time.perf_counter()
    for scene in options.scenes:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(options, scene, Path(folder), console)
            bench.run()
        console.print(*bench.tables())
        for row in bench.rows:
            if row.missing is not None:
                console.print(f"{row.name} not available: {row.missing}", highlight=False, markup=False)
        report.setdefault("interpreters", {}).update(bench.versions)
        report["scenes"][scene] = {row.name: {"not_available": row.missing, **row.samples} for row in bench.rows}
    report["seconds"] = time.perf_counter() - begin
    report["hardware"]["load_average_after"] = os.getloadavg()
    write_json(options.out, report)
    console.print(f"{report['seconds']:.0f} s, written to {options.out}. Machine:", report["hardware"], highlight=False)


if __name__ == "__main__":
    main()
