"""Batches from worker processes: never overwritten while anyone refers to them, and nothing survives their users."""

import contextlib
import gc
import itertools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import swm.data
from swm.core.errors import DatasetError
from swm.data import shared, workers
from swm.data.mixture import Mixture
from swm.data.order import make_keys

BATCH = 4


@pytest.fixture
def clips(make_dataset: Any) -> swm.data.Clips:
    dataset: swm.data.Dataset = make_dataset((9, 6, 12, 7), val_fraction=0.0)
    return dataset.clips(num_steps=3, frame_skip=2)


@pytest.fixture
def pool(clips: swm.data.Clips) -> workers.WorkerPool:
    return workers.WorkerPool(clips, BATCH, num_workers=1, num_held=1)


def ask(pool: Any, number: int) -> swm.data.clips.Batch:
    indices = np.arange(number, number + BATCH)
    batch: swm.data.clips.Batch = pool.read(indices, make_keys(0, indices))
    return batch


def as_tensors(stream: Iterator[Any], count: int) -> list[Any]:
    return list(itertools.islice(stream, count))


def assert_equal(got: Any, expected: Any) -> None:
    assert list(got) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(np.asarray(got[name]), np.asarray(values), err_msg=name, strict=True)


KEEPERS: dict[str, Callable[[Any], Any]] = {
    "the batch": lambda batch: batch,
    "a copy of the dict": dict,
    "views": lambda batch: {name: values[:] for name, values in batch.items()},
    "views of views": lambda batch: {name: values.flatten(1)[1:].view_as(values[1:]) for name, values in batch.items()},
    "arrays of tensors": lambda batch: {name: values.numpy() for name, values in batch.items()},
    "a single row": lambda batch: {"state": batch["state"][2, 1]},
    "reinterpreted": lambda batch: {"pixels": batch["pixels"].view(torch.int8)},
}


@pytest.mark.parametrize("keep", KEEPERS.values(), ids=KEEPERS)
def test_what_the_caller_keeps_is_never_overwritten(clips: swm.data.Clips, keep: Callable[[Any], Any]) -> None:
    """Far more batches than there are slots, of which every second is kept, in one way or another."""
    reference = itertools.islice(swm.data.Loader(clips, BATCH, seed=2), 60)
    loader = swm.data.Loader(clips, BATCH, seed=2, num_workers=2)
    kept, expected = [], []
    for number, (batch, other) in enumerate(zip(loader, reference, strict=False)):
        assert_equal(batch, other)
        if number % 2:
            kept.append(keep(batch))
            expected.append(keep(other))
    assert len(kept) == 30
    for got, wanted in zip(kept, expected, strict=True):
        assert_equal(got, wanted)


def test_batches_outlive_their_loader(clips: swm.data.Clips) -> None:
    expected = as_tensors(iter(swm.data.Loader(clips, BATCH, seed=2)), 3)
    loader = swm.data.Loader(clips, BATCH, seed=2, num_workers=1)
    got = as_tensors(iter(loader), 3)
    del loader
    gc.collect()
    another = swm.data.Loader(clips, BATCH, seed=5, num_workers=1)
    as_tensors(iter(another), 12)
    for one, other in zip(got, expected, strict=True):
        assert_equal(one, other)
        one["state"].zero_()  # it belongs to the caller


def test_a_slot_is_used_again_once_nothing_refers_to_it(clips: swm.data.Clips, pool: workers.WorkerPool) -> None:
    total = len(pool._slots._free)
    for number in range(3 * total):
        batch = ask(pool, number % 8)
        state = torch.from_numpy(batch["state"])[1:]
        assert len(pool._slots._free) == total - 1
        del batch
        gc.collect()
        assert len(pool._slots._free) == total - 1
        del state
        assert len(pool._slots._free) == total


def test_without_a_free_slot_batches_still_come(clips: swm.data.Clips, pool: workers.WorkerPool) -> None:
    total = len(pool._slots._free)
    kept = [ask(pool, number) for number in range(total + 3)]
    assert not pool._slots._free
    for number, batch in enumerate(kept):
        assert_equal(batch, clips.__getitems__(np.arange(number, number + BATCH)))
        for values in batch.values():
            values[...] = 0  # all are the caller's own
    del kept, batch, values
    assert len(pool._slots._free) == total


def test_what_does_not_fit_into_a_slot_comes_too(clips: swm.data.Clips) -> None:
    pool = workers.WorkerPool(clips, 1, num_workers=1, num_held=1)
    assert_equal(ask(pool, 3), clips.__getitems__(np.arange(3, 3 + BATCH)))


def test_an_error_is_the_one_that_was_raised_there_and_comes_once(
    clips: swm.data.Clips, pool: workers.WorkerPool
) -> None:
    total = len(pool._slots._free)
    indices = np.array([len(clips)])
    try:
        clips.read(indices, make_keys(0, indices))
    except Exception as error:
        expected = error
    with pytest.raises(type(expected)) as caught:
        pool.read(indices, make_keys(0, indices))
    assert str(caught.value) == str(expected)
    assert "in locate" in caught.value.__notes__[0]  # where it happened
    del caught
    assert_equal(ask(pool, 0), clips.__getitems__(np.arange(BATCH)))
    gc.collect()
    assert len(pool._slots._free) == total
    assert pool.is_usable


class Stubborn(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("not to be pickled")


def test_an_error_that_cannot_travel_is_told_in_words() -> None:
    error = workers._portable(Stubborn("the disk is on fire"))
    assert isinstance(error, DatasetError)
    assert str(error) == "Stubborn: the disk is on fire"
    assert type(workers._portable(KeyError("a"))) is KeyError


def refuse() -> None:
    raise DatasetError("it is gone")


class Vanished:
    """Clips that cannot be opened where they arrive."""

    def kinds(self) -> dict[str, Any]:
        return {}

    def __reduce__(self) -> Any:
        return refuse, ()


def test_clips_that_cannot_be_opened_in_the_worker_are_an_error_of_their_own() -> None:
    clips: Any = Vanished()
    for _ in range(2):
        with pytest.raises(DatasetError, match="it is gone"):
            ask(workers.WorkerPool(clips, BATCH, num_workers=1, num_held=1), 0)


def children() -> set[Any]:
    return set(multiprocessing.active_children())


def test_a_killed_worker_is_an_error_that_names_it_and_the_next_iteration_has_new_ones(clips: swm.data.Clips) -> None:
    expected = as_tensors(iter(swm.data.Loader(clips, BATCH, seed=2)), 12)
    before = children()
    loader = swm.data.Loader(clips, BATCH, seed=2, num_workers=2)
    got = []
    stream = iter(loader)
    got += as_tensors(stream, 2)
    victim = next(iter(children() - before))
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    with pytest.raises(DatasetError, match=rf"worker process \d of the loader \(pid {victim.pid}\) was killed by sig"):
        got.extend(itertools.islice(stream, 10))
    got += as_tensors(iter(loader), 12 - len(got))
    for one, other in zip(got, expected, strict=True):
        assert_equal(one, other)


def test_streams_of_one_loader_share_its_workers(clips: swm.data.Clips) -> None:
    before = children()
    loader = swm.data.Loader(clips, BATCH, seed=2, num_workers=2)
    single = swm.data.Loader(clips, BATCH, seed=2)
    for batch, other, expected in zip(loader, loader.epoch(), zip(single, single.epoch(), strict=False), strict=False):
        assert_equal(batch, expected[0])
        assert_equal(other, expected[1])
    assert len(children() - before) == 2


def test_mixtures_and_drawn_goals_are_the_same_in_workers(clips: swm.data.Clips) -> None:
    dataset = clips.dataset
    with_goals = dataset.clips(num_steps=2, pad=True, goals=swm.data.goals.Goals(), columns=["pixels", "state"])
    mixture = Mixture({"a": with_goals, "b": with_goals}, weights={"a": 3, "b": 1})
    expected = as_tensors(iter(swm.data.Loader(mixture, 8, seed=1)), 6)
    for one, other in zip(swm.data.Loader(mixture, 8, seed=1, num_workers=2), expected, strict=False):
        assert_equal(one, other)


def leave(pool: workers.WorkerPool) -> None:
    assert not pool.is_usable
    pool.close()


def test_a_fork_leaves_the_workers_of_its_parent_alone(clips: swm.data.Clips, pool: workers.WorkerPool) -> None:
    ask(pool, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lance and Python 3.12 advise against it
        child = multiprocessing.get_context("fork").Process(target=leave, args=[pool])
        child.start()
    child.join(timeout=60)
    assert child.exitcode == 0
    assert pool.is_usable
    assert_equal(ask(pool, 0), clips.__getitems__(np.arange(BATCH)))


def test_a_closed_pool_says_so(pool: workers.WorkerPool) -> None:
    ask(pool, 0)
    pool.close()
    with pytest.raises(DatasetError, match=r"worker process 0 of the loader .* ended with exit code 0"):
        ask(pool, 0)


def test_the_memory_has_no_name_and_is_reserved_where_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    slots = shared.SharedSlots(2, 5000)
    slots[1][:] = 7
    assert slots[0].sum() == 0
    assert os.fstat(slots.file).st_nlink == 0
    assert os.fstat(slots.file).st_blocks * 512 >= 2 * 5000
    os.close(slots.file)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(DatasetError, match=r"need \d+ bytes of shared memory.*No space left.*num_workers=0"):
        shared.SharedSlots(2, 5000)


SCRIPT = """
    import sys, multiprocessing, itertools, swm.data
    if __name__ == "__main__":
        loader = swm.data.Loader(swm.data.open(sys.argv[1]).clips(num_steps=3), 4, seed=0, num_workers=2)
        for batch in itertools.islice(loader, int(sys.argv[2])):
            pass
        stream = iter(loader)
        next(stream)
        print(*[child.pid for child in multiprocessing.active_children()], flush=True)
        sys.stdin.read(1)
"""


@contextlib.contextmanager
def running(tmp_path: Path, dataset: swm.data.Dataset) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that loads, and the ids of its workers."""
    script = tmp_path / "load.py"
    script.write_text(textwrap.dedent(SCRIPT))
    path = os.pathsep.join([str(Path.cwd()), *sys.path])
    process = subprocess.Popen(
        [sys.executable, str(script), str(dataset.reader.location.path), "3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        yield process, [int(pid) for pid in process.stdout.readline().split()]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("how", ["killed", "interrupted", "ended"])
def test_nothing_is_left_of_a_process_that_ended(tmp_path: Path, clips: swm.data.Clips, how: str) -> None:
    with running(tmp_path, clips.dataset) as (process, pids):
        assert len(pids) == 2
        if how == "killed":
            process.kill()
        elif how == "interrupted":
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
        _, complaint = process.communicate()
        deadline = time.monotonic() + 30
        while any(map(is_running, pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(is_running, pids))
    if how == "killed":
        return
    assert process.returncode == (0 if how == "ended" else -signal.SIGINT)
    assert complaint.count("Traceback") == (how == "interrupted")
    assert "resource_tracker" not in complaint


def test_what_must_not_be_copied_is_refused(clips: swm.data.Clips) -> None:
    class Refusing(type(clips.dataset.reader)):  # type: ignore[misc]
        def __reduce__(self) -> Any:
            raise DatasetError("a snapshot lives in one process")

    clips.dataset.reader.__class__ = Refusing
    with pytest.raises(DatasetError, match="lives in one process"):
        next(iter(swm.data.Loader(clips, BATCH, seed=0, num_workers=1)))
    with pytest.raises(DatasetError):
        pickle.dumps(clips)
