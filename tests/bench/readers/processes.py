"""A contestant as a process of its own: asked in JSON lines, its memory and its rest seen through /proc."""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

BENCH = Path(__file__).resolve().parents[1]
_PATIENCE = 300.0
"""Seconds for one answer; a contestant that needs more has hung."""


class ContestantError(RuntimeError):
    """What a contestant could not do, in its own words."""


def environment(python: str) -> dict[str, str]:
    """Variables for a child; this checkout is importable for our own interpreter alone."""
    paths = [str(BENCH.parents[1]), os.environ.get("PYTHONPATH", "")] if python == sys.executable else []
    # Stacking a batch gains nothing from more threads, and stalls with them on a busy machine.
    settings = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return {**os.environ, **settings}


class Child:
    """``python -m tests.bench.PACKAGE.MODULE ARGUMENTS`` under some interpreter."""

    def __init__(
        self,
        python: str,
        module: str,
        *arguments: str,
        log: Path,
        package: str = "readers",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Start it; `settings` are environment variables, beside and over those of `environment`."""
        self.log = log
        self._errors: IO[bytes] = log.open("ab")
        self.process = subprocess.Popen(
            [python, "-m", f"tests.bench.{package}.{module}", *arguments],
            cwd=BENCH.parents[1],
            env={**environment(python), **(settings or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    def ask(self, command: str, *, patience: float = _PATIENCE, **arguments: Any) -> dict[str, Any]:
        """Send a command and wait `patience` seconds for its answer.

        Raises:
            ContestantError: it answered with an error, died, or hangs.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": command, **arguments}).encode() + b"\n")
            self.process.stdin.flush()
            line = self._readline(patience)
        except BrokenPipeError:
            line = b""
        if not line:
            last = [each for each in self.log.read_text(errors="replace").splitlines() if each.strip()][-1:]
            raise ContestantError(f"the process died: {''.join(last) or self.process.poll()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ContestantError(" ".join(answer["error"].split())[:300])
        return answer

    def _readline(self, patience: float) -> bytes:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(patience):
                raise ContestantError(f"no answer in {patience:.0f} s")
        return self.process.stdout.readline()

    def settle(self, patience: float = 20.0) -> None:
        """Wait until it and its workers rest, so that what they read ahead does not disturb the next one."""
        end, before = time.monotonic() + patience, -1
        while (now := sum(map(_ticks, tree(self.process.pid)))) != before and time.monotonic() < end:
            before = now
            time.sleep(0.05)

    def memory(self) -> dict[str, Any]:
        """MiB of it and its workers together (each shared page counts once), and the peaks of each."""
        members = tree(self.process.pid)
        return {"pss_mib": sum(map(pss_mib, members)), "peak_rss_mib": sorted(map(_peak_rss_mib, members))}

    def close(self) -> None:
        """End it and its workers."""
        members = tree(self.process.pid)
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
            self.process.wait(5)
        except BrokenPipeError:
            self.process.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
        for member in members[1:]:
            try:
                os.kill(member, 9)
            except ProcessLookupError:
                continue
        self._errors.close()


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for member in found:
        try:
            for task in Path(f"/proc/{member}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def pss_mib(pid: int) -> float:
    """Proportional memory: what several processes share is divided among them."""
    return _field(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def rss_mib(pid: int) -> float:
    """Resident memory, shared pages included."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS:")


def _peak_rss_mib(pid: int) -> float:
    return _field(Path(f"/proc/{pid}/status"), "VmHWM:")


def _field(path: Path, name: str) -> float:
    try:
        lines = path.read_text().splitlines()
    except OSError:  # it ended meanwhile
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def _ticks(pid: int) -> int:
    """Processor time so far."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])
