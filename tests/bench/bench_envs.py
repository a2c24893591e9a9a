"""Environments side by side: steps recorded and resets per second, and how many ids work, ours and the closest peer's.

Run: ``python tests/bench/bench_envs.py [--peer PYTHON]``, where PYTHON is the interpreter of an
environment that holds PyPI's ``stable-worldmodel``. Both record random actions into Lance with eight
environments, opening and committing included, and the same number of simulated steps per recorded
one; rounds alternate between the two. Each side of each row is a process of its own with a time
limit. Writes runs/bench/envs.json; ``--markdown`` prints its tables for docs/environments/speed.md.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from swm.core.config import write_json
from swm.core.provenance import describe_hardware, describe_software
from tests.bench.env_bench.coverage import cover
from tests.bench.env_bench.tables import tables
from tests.bench.readers.processes import Child, ContestantError

SIZES = (64, 224)
_PATIENCE = {"open": 150.0, "record": 120.0, "resets": 60.0, "loop": 60.0}
"""Seconds for each command."""
_SLOW = 8.0
"""Seconds; a measurement of the peer that takes longer is not repeated."""


@dataclass(frozen=True)
class Case:
    """One row: our id and the peer's, and the length of its episodes."""

    name: str
    peer_id: str
    max_steps: int = 100
    arguments: dict[str, Any] = field(default_factory=dict)
    """Arguments of our environment that make it do what the peer's does."""


_REPEAT = {"action_repeat": 2}
CASES = (
    Case("PushT-v0", "swm/PushT-v1"),
    Case("TwoRoom-v0", "swm/TwoRoom-v1"),
    Case("Piecewise-v0", "swm/Piecewise-v0"),
    Case("CartPole-v0", "swm/CartPoleControl-v1"),
    Case("Pendulum-v0", "swm/PendulumControl-v1"),
    Case("MountainCar-v0", "swm/MountainCarControl-v0"),
    Case("Acrobot-v0", "swm/AcrobotControl-v1"),
    Case("DMC-ReacherHard-v0", "swm/ReacherDMControl-v0", 25, _REPEAT),
    Case("DMC-CheetahRun-v0", "swm/CheetahDMControl-v0", 25, _REPEAT),
    Case("DMC-WalkerWalk-v0", "swm/WalkerDMControl-v0", 25, _REPEAT),
    Case("DMC-HumanoidWalk-v0", "swm/HumanoidDMControl-v0", 25, _REPEAT),
    Case("FetchReach-v0", "swm/FetchReach-v3", 25),
    Case("OGBCubeSingle-v0", "swm/OGBCube-v0", 25),
)


class Contestant:
    """One side of one row: its process, and what it measured so far."""

    def __init__(self, python: str, module: str, env_id: str, backend: str, log: Path) -> None:
        settings = {"MUJOCO_GL": backend, "OMP_NUM_THREADS": str(os.cpu_count())}
        self.module, self.env_id, self.backend = module, env_id, backend
        self.found: dict[str, Any] = {"id": env_id, "backend": backend}
        self._child: Child | None = Child(python, module, log=log, package="env_bench", settings=settings)

    def ask(self, command: str, **arguments: Any) -> dict[str, Any] | None:
        """An answer, or None from a side that has failed; the reason is kept."""
        if self._child is None:
            return None
        try:
            return self._child.ask(command, patience=_PATIENCE[command], **arguments)
        except ContestantError as error:
            self.found["error"] = f"{command}: {error}"
            self.close()
            return None

    def measure(self, command: str, label: str, seconds: float) -> None:
        """Take one sample."""
        samples = self.found.setdefault(label, [])
        if self.module == "peer" and samples and samples[0]["seconds"] > max(_SLOW, 2 * seconds):
            return
        if answer := self.ask(command, seconds=seconds):
            samples.append(answer)

    def loop(self, seconds: float) -> None:
        """Measure the peer's best case."""
        if answer := self.ask("loop", env_id=self.env_id, seconds=seconds):
            self.found["loop"] = [answer]

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.close()
            self._child = None


class Bench:
    """All rows."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder

    def row(self, case: Case) -> dict[str, Any]:
        """Measure both sides of one row."""
        row: dict[str, Any] = {"max_steps": case.max_steps, "arguments": case.arguments}
        sides = {"ours": self._contestant("ours", f"swm/{case.name}", "egl")}
        if self.options.peer:
            sides["peer"] = self._contestant("peer", case.peer_id, "egl")
        self._measure(case, sides)
        row.update({name: side.found for name, side in sides.items()})
        if self.options.peer and "error" in row["peer"]:
            row["peer"]["again"] = self._again(case)
        return row

    def _contestant(self, side: str, env_id: str, backend: str) -> Contestant:
        python = sys.executable if side == "ours" else self.options.peer
        return Contestant(python, side, env_id, backend, self.folder / f"{side}-{env_id.replace('/', '-')}.log")

    def _measure(self, case: Case, sides: dict[str, Contestant]) -> None:
        for size in self.options.sizes:
            for name, side in sides.items():
                given = case.arguments if name == "ours" else {}
                answer = side.ask("open", env_id=side.env_id, size=size, max_steps=case.max_steps, arguments=given)
                side.found.update({"executor": answer["how"]} if answer else {})
            for _ in range(self.options.rounds):
                for side in sides.values():
                    side.measure("record", f"steps_{size}", self.options.seconds)
            if size == min(self.options.sizes):
                for _ in range(self.options.rounds):
                    for side in sides.values():
                        side.measure("resets", "resets", self.options.seconds / 4)
        for side in sides.values():
            side.close()

    def _again(self, case: Case) -> dict[str, Any]:
        """What the peer does where it failed: recorded with OSMesa, and at best in a loop without a recording."""
        software = self._contestant("peer", case.peer_id, "osmesa")
        self._measure(case, {"peer": software})
        loop = self._contestant("peer", case.peer_id, "egl")
        loop.loop(self.options.seconds)
        loop.close()
        return {"osmesa": software.found, "loop": loop.found}


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="interpreter of an environment with stable-worldmodel[env,format]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one recording; slow ones take what they need")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="sides of the pictures in pixels")
    parser.add_argument("--only", nargs="*", help="parts of the names of the rows to measure")
    parser.add_argument("--skip-coverage", action="store_true", help="do not try every id")
    parser.add_argument("--markdown", action="store_true", help="print the tables of --out, measure nothing")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/envs.json"))
    return parser.parse_args()


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything."""
    report: dict[str, Any] = {
        "command": " ".join(sys.argv),
        "software": describe_software(),
        "hardware": {**describe_hardware(), "load_average_before": os.getloadavg()},
        "sizes": list(options.sizes),
        "rows": {},
    }
    chosen = [case for case in CASES if options.only is None or any(part in case.name for part in options.only)]
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        for case in chosen:
            report["rows"][case.name] = bench.row(case)
            print(f"{time.perf_counter() - begin:5.0f} s  {case.name}", file=sys.stderr)
        if not options.skip_coverage:
            report["coverage"] = cover(options.peer, Path(folder))
    report["seconds"] = time.perf_counter() - begin
    report["hardware"]["load_average_after"] = os.getloadavg()
    return report


def main() -> None:
    """Measure, write and print, or only print."""
    options = parse()
    if options.markdown:
        report = json.loads(options.out.read_text(encoding="utf-8"))
    else:
        report = run(options)
        write_json(options.out, report)
    print(tables(report))


if __name__ == "__main__":
    main()
