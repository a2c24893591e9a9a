"""Damaged files of any format: an error of this package, or right data; never a crash, a hang, or another exception.

A child process does the reading, because native libraries may take their process with them. It is this file, run as
a program: it takes requests as lines of JSON and answers each with one word and a reason.
"""

import contextlib
import json
import os
import pickle
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import swm.data
from swm.core.errors import SwmError
from swm.data.formats import FORMATS
from swm.testing.format_case import files_of, same_array
from swm.testing.format_samples import sample

ROOT = Path(__file__).parents[3]
GIVEN = {"stable-worldmodel": ROOT / "tests" / "golden" / "stable_worldmodel"}
"""Folders of datasets of formats that are only read."""

TIMEOUT_SECONDS = 60.0
MEMORY_BYTES = 16 << 30
GOOD = ("same", "refused", "found", "unchecked", "upstream")
"""Right data; an error of this package; other data that verify() reports; other data, and a note on checksums; and
an abort that no Python code can prevent.
"""

UPSTREAM = "ffi_stream.rs"
"""Where Arrow's Rust implementation aborts the process over an error message of Lance that has a zero byte in it."""

CASES = [(name, "") for name, row in FORMATS.items() if row.writer] + [
    (name, place.name) for name, folder in GIVEN.items() for place in sorted(folder.iterdir()) if place.is_dir()
]

damage = st.tuples(
    st.integers(0, 2**16),
    st.sampled_from(["truncate", "flip", "zero"]),
    st.lists(st.floats(0, 0.999), min_size=1, max_size=4),
)
"""Which file, what happens to it, and where."""


class Child:
    """The process that reads; a new one takes the place of one that died."""

    def __init__(self, *program: str) -> None:
        self.program = program or (__file__,)
        self.process: subprocess.Popen[str] | None = None
        self.errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115

    def ask(self, request: dict[str, Any], timeout_seconds: float = TIMEOUT_SECONDS) -> tuple[str, str]:
        process = self.process or self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], timeout_seconds)
        answer = process.stdout.readline() if ready else ""
        if answer:
            word, reason = json.loads(answer)
            return word, reason
        self.stop()
        if not ready:
            return "hung", f"for {timeout_seconds} s"
        self.errors.seek(0)
        said = self.errors.read()
        self.errors.truncate(0)
        return "upstream" if UPSTREAM in said else "died", f"with exit status {process.returncode}: {said[-500:]}"

    def start(self) -> "subprocess.Popen[str]":
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
        self.process = subprocess.Popen(
            [sys.executable, *self.program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment,
        )
        return self.process

    def stop(self) -> None:
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.5)
            self.process.kill()
            self.process.communicate()
        self.process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.stdin = None
        self.stop()
        self.errors.close()


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with Child() as made:
        yield made


def make(name: str, layout: str, folder: Path) -> Path:
    """A tiny dataset, and beside it what it reads as."""
    place = folder / "whole"
    if layout:
        shutil.copytree(GIVEN[name] / layout, place)
    else:
        with swm.data.create(place, format=name) as writer:
            for seed, length in enumerate((4, 2)):
                writer.write(sample(seed, length))
    dataset = swm.data.open(place, format=name)
    whole = [dataset.episode(number) for number in range(len(dataset))]
    (folder / "expected").write_bytes(pickle.dumps(whole))
    return place


def break_file(file: Path, kind: str, places: list[float]) -> None:
    content = bytearray(file.read_bytes())
    if kind == "truncate":
        del content[int(places[0] * len(content)) :]
    else:
        for place in places:
            position = int(place * len(content))
            content[position : position + 1] = bytes([content[position] ^ 0xFF if kind == "flip" else 0])
    file.write_bytes(content)


def fuzz(name: str, layout: str, folder: Path, child: Child, count: int) -> None:
    whole = make(name, layout, folder)
    request = {"format": name, "expected": str(folder / "expected")}
    assert child.ask({**request, "place": str(whole)}) == ("same", "")

    @settings(
        max_examples=count, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(damage)
    def check(what: tuple[int, str, list[float]]) -> None:
        number, kind, places = what
        damaged = folder / "damaged"
        shutil.copytree(whole, damaged) if whole.is_dir() else shutil.copy(whole, damaged)
        try:
            files = [file for file in files_of(damaged) if file.stat().st_size]
            file = files[number % len(files)]
            break_file(file, kind, places)
            word, reason = child.ask({**request, "place": str(damaged)})
            assert word in GOOD, f"{kind} of {file.relative_to(damaged)} at {places}: {word} {reason}"
        finally:
            shutil.rmtree(damaged) if damaged.is_dir() else damaged.unlink()

    check()


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_damage(name: str, layout: str, tmp_path: Path, child: Child) -> None:
    fuzz(name, layout, tmp_path, child, 15)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "layout"), CASES)
def test_much_damage(name: str, layout: str, tmp_path: Path, child: Child) -> None:
    fuzz(name, layout, tmp_path, child, 300)


@pytest.mark.parametrize(
    ("program", "word"),
    [
        ("import os; input(); os.abort()", "died"),
        ("import sys; input(); sys.exit('panicked at ffi_stream.rs:257')", "upstream"),
        ("import time; input(); time.sleep(60)", "hung"),
        ("input(); print('[\"same\", 1]')", "same"),
    ],
)
def test_the_end_of_a_child_is_seen(program: str, word: str) -> None:
    with Child("-c", program) as child:
        assert child.ask({}, 2.0)[0] == word


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (lambda episode: {}[episode], "raised"),
        (lambda episode: replace(episode, reward=episode.reward.astype(np.float32)), "misshapen"),
        (lambda episode: replace(episode, reward=episode.reward + 1), "silent"),
        (lambda episode: episode, "same"),
    ],
)
def test_a_fault_of_a_reader_is_seen(
    fault: Callable[[Any], Any], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, whole = make("frames", "", tmp_path), swm.data.Dataset.episode
    monkeypatch.setattr(swm.data.Dataset, "episode", lambda self, index: fault(whole(self, index)))
    assert answer({"format": "frames", "place": place, "expected": tmp_path / "expected"})[0] == word


def answer(request: dict[str, Any]) -> tuple[str, str]:
    """Open, read and verify a dataset, and say what came of it."""
    expected = pickle.loads(Path(request["expected"]).read_bytes())
    try:
        dataset = swm.data.open(request["place"], format=request["format"])
        found = [dataset.episode(number) for number in range(len(dataset))]
        problems = dataset.verify().problems
    except SwmError as error:
        return "refused", str(error)
    except BaseException as error:
        return "raised", repr(error)
    for episode in found:
        for name, values in episode.arrays().items():
            column = dataset.columns[name]
            kind = "str" if values.dtype.kind == "U" else str(values.dtype)
            if kind != column.dtype or values.shape[1:] != column.shape:
                return "misshapen", f"{name!r}: {kind} {values.shape} for {column.dtype} {column.shape}"
    if len(found) == len(expected) and all(same(a, b) for a, b in zip(found, expected, strict=True)):
        return "same", ""
    if problems:
        return "found", problems[0]
    if any("checksum" in note for note in dataset.reader.notes):
        return "unchecked", ""
    return "silent", "other data, and verify() finds nothing"


def same(a: swm.data.Episode, b: swm.data.Episode) -> bool:
    pairs = [(a.arrays(), b.arrays()), (dict(a.payload), dict(b.payload))]
    return a.metadata == b.metadata and all(
        x.keys() == y.keys() and all(same_array(x[name], y[name]) for name in x) for x, y in pairs
    )


def serve() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
