"""Whether memory stays flat: over 10,000 batches of our main formats, and over 1,000 written or recorded episodes.

Run: ``python tests/bench/bench_memory.py``. The first tenth of a run is its warm-up; the median of the
second tenth is compared with that of the last. Batches of 64 windows of four pictures of 64 x 64, no
workers; each case has a process of its own. Writes runs/bench/memory.json.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from swm.core.config import write_json
from swm.core.provenance import describe_hardware, describe_software
from tests.bench.readers.processes import BENCH, environment

LAYOUTS = ("frames", "video", "hdf5")


def run_case(kind: str, layout: str, count: int) -> list[list[float]] | str:
    """Samples of (proportional, resident) MiB, or why there are none."""
    command = [sys.executable, "-m", "readers.steady", kind, layout, str(count)]
    run = subprocess.run(command, cwd=BENCH, env=environment(sys.executable), capture_output=True, text=True)
    if run.returncode:
        return (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]
    samples: list[list[float]] = json.loads(run.stdout.strip().splitlines()[-1])
    return samples


def growth(values: list[float]) -> dict[str, float]:
    """Median of the second tenth, of the last tenth, and their ratio."""
    tenth = max(1, len(values) // 10)
    begin, end = statistics.median(values[tenth : 2 * tenth]), statistics.median(values[-tenth:])
    return {"begin_mib": begin, "end_mib": end, "ratio": end / begin}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=10_000)
    parser.add_argument("--episodes", type=int, default=1_000)
    parser.add_argument("--only", nargs="+", help="parts of the names of the cases to run")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/memory.json"))
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 120)
    cases = [("record", "frames", options.episodes)]
    cases += [("write", layout, options.episodes) for layout in LAYOUTS]
    cases += [("load", layout, options.batches) for layout in (*LAYOUTS, "decoded")]
    table = Table("", "PSS begin, MiB", "PSS end, MiB", "ratio", "RSS ratio")
    results: dict[str, Any] = {}
    for kind, layout, count in cases:
        name = f"{kind} {layout}"
        if options.only and not any(part in name for part in options.only):
            continue
        with console.status(name):
            samples = run_case(kind, layout, count)
        if isinstance(samples, str):
            console.print(f"{name} not available: {samples}", highlight=False, markup=False)
            results[name] = {"not_available": samples}
            continue
        pss, rss = growth([each[0] for each in samples]), growth([each[1] for each in samples])
        results[name] = {"count": count, "pss": pss, "rss": rss, "samples": samples}
        numbers = (f"{pss['begin_mib']:.0f}", f"{pss['end_mib']:.0f}", f"{pss['ratio']:.3f}", f"{rss['ratio']:.3f}")
        table.add_row(name, *numbers)
    console.print(table)
    software, hardware = describe_software(), describe_hardware()
    write_json(
        options.out, {"command": " ".join(sys.argv), "cases": results, "software": software, "hardware": hardware}
    )


if __name__ == "__main__":
    main()
