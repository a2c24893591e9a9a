"""The stream of batches: a function of seed and position, whoever reads it."""

import gc
import itertools
import json
import multiprocessing
import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import swm.data
from swm.core.errors import DatasetError, InvalidValueError
from swm.data import codecs


@pytest.fixture
def clips(make_dataset: Any) -> swm.data.Clips:
    dataset: swm.data.Dataset = make_dataset((9, 6, 12, 7), val_fraction=0.0)
    return dataset.clips(num_steps=3, frame_skip=2)


def take(batches: Iterator[Any], count: int) -> list[dict[str, torch.Tensor]]:
    return list(itertools.islice(batches, count))


def assert_equal(got: list[dict[str, torch.Tensor]], expected: list[dict[str, torch.Tensor]]) -> None:
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert list(one) == list(other)
        for name in one:
            assert one[name].dtype == other[name].dtype
            assert torch.equal(one[name], other[name]), name


def test_batches_are_tensors_with_uint8_pixels(clips: swm.data.Clips) -> None:
    (batch,) = take(iter(swm.data.Loader(clips, 4, seed=0)), 1)
    assert {name: (tuple(values.shape), values.dtype) for name, values in batch.items()} == {
        "pixels": ((4, 3, 8, 8, 3), torch.uint8),
        "state": ((4, 3, 4), torch.float64),
        "action": ((4, 2, 4), torch.float32),
    }


def test_each_epoch_is_another_permutation_of_all_clips(clips: swm.data.Clips) -> None:
    loader = swm.data.Loader(clips, 5, seed=0, drop_last=False)
    assert len(loader) == -(-len(clips) // 5)
    whole = clips.__getitems__(np.arange(len(clips)))["state"].reshape(len(clips), -1)
    epochs = [
        np.concatenate(
            [batch["state"].numpy().reshape(len(batch["state"]), -1) for batch in take(iter(loader), len(loader))]
        )
        for _ in range(2)
    ]
    assert not np.array_equal(epochs[0], epochs[1])
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch, axis=0), np.sort(whole, axis=0))


def test_the_seed_alone_decides_the_order(clips: swm.data.Clips) -> None:
    first, second, other = (take(iter(swm.data.Loader(clips, 4, seed=seed)), 9) for seed in (3, 3, 4))
    assert_equal(first, second)
    assert not torch.equal(first[0]["state"], other[0]["state"])


@pytest.mark.parametrize("drop_last", [True, False])
def test_an_interrupted_stream_goes_on_as_if_it_had_not_been(clips: swm.data.Clips, drop_last: bool) -> None:
    def make() -> swm.data.Loader:
        return swm.data.Loader(clips, 4, seed=1, drop_last=drop_last)

    through = take(iter(make()), 3 * len(make()) + 2)
    for stop in range(len(through) - 2):
        loader = make()
        take(iter(loader), stop)
        resumed = make()
        resumed.load_state_dict(loader.state_dict())
        assert_equal(take(iter(resumed), 3), through[stop : stop + 3])
        assert_equal(take(iter(loader), 1), through[stop : stop + 1])


def test_workers_hand_out_the_same_batches_and_resume(clips: swm.data.Clips) -> None:
    expected = take(iter(swm.data.Loader(clips, 4, seed=2, drop_last=False)), 12)
    loader = swm.data.Loader(clips, 4, seed=2, num_workers=2, drop_last=False)
    assert_equal(take(iter(loader), 5), expected[:5])
    assert_equal(take(iter(loader), 4), expected[5:9])
    assert_equal(list(loader.epoch()), list(swm.data.Loader(clips, 4, seed=2, drop_last=False).epoch()))
    assert_equal(take(iter(loader), 3), expected[9:])


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch_size=st.integers(1, 4), world_size=st.integers(1, 4), drop_last=st.booleans(), seed=st.integers(0, 99))
def test_ranks_share_out_the_stream_of_one_process(
    clips: swm.data.Clips, batch_size: int, world_size: int, drop_last: bool, seed: int
) -> None:
    whole, total = batch_size * world_size, len(clips)
    options: Any = {"seed": seed, "drop_last": drop_last}
    if (drop_last and total < whole) or (not drop_last and 0 < total % whole < world_size):
        with pytest.raises(InvalidValueError, match=f"{total} clips"):
            swm.data.Loader(clips, batch_size, world_size=world_size, **options)
        return
    single = swm.data.Loader(clips, whole, **options)
    ranks = [
        swm.data.Loader(clips, batch_size, rank=rank, world_size=world_size, **options) for rank in range(world_size)
    ]
    count = 2 * len(single) + 1
    expected = take(iter(single), count)
    shares = [take(iter(rank), count) for rank in ranks]
    for number, batch in enumerate(expected):
        parts = [share[number] for share in shares]
        sizes = [len(part["state"]) for part in parts]
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) >= 1
        for name, values in batch.items():
            assert torch.equal(torch.cat([part[name] for part in parts]), values)
    assert all(rank.state_dict() == single.state_dict() for rank in ranks)
    seen = torch.cat([batch["state"] for rank in ranks for batch in rank.epoch()])
    assert (
        len(np.unique(seen.flatten(1).numpy(), axis=0)) == len(seen) == (total - total % whole if drop_last else total)
    )
    other = swm.data.Loader(clips, whole, **options)
    other.load_state_dict(ranks[-1].state_dict())
    assert_equal(take(iter(other), 1), take(iter(single), 1))


def test_the_state_is_plain_json(clips: swm.data.Clips) -> None:
    loader = swm.data.Loader(clips, 4, seed=1)
    take(iter(loader), 7)
    state = json.loads(json.dumps(loader.state_dict()))
    resumed = swm.data.Loader(clips, 4, seed=1)
    resumed.load_state_dict(state)
    assert_equal(take(iter(resumed), 2), take(iter(loader), 2))


def test_tensors_are_pinned_on_request(clips: swm.data.Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.shape)
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    expected = take(iter(swm.data.Loader(clips, 4, seed=1, pin_memory=False)), 1)
    assert not pinned
    assert_equal(take(iter(swm.data.Loader(clips, 4, seed=1, pin_memory=True)), 1), expected)
    assert pinned
    pinned.clear()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    take(iter(swm.data.Loader(clips, 4, seed=1)), 1)
    assert pinned


@pytest.mark.parametrize("num_workers", [0, 1])
def test_texts_pass_through(tmp_path: Path, num_workers: int) -> None:
    flags = np.zeros(3, bool)
    with swm.data.create(tmp_path / "d", val_fraction=0.0) as writer:
        writer.write(
            swm.data.Episode(
                observation={"instruction": np.array(["a", "bb", "ccc", "dddd"])},
                action=np.zeros(3, np.uint16),
                reward=np.zeros(3),
                terminated=flags,
                truncated=flags,
                success=flags,
            )
        )
    clips = swm.data.open(tmp_path / "d").clips(num_steps=2)
    (batch,) = swm.data.Loader(clips, 3, seed=0, num_workers=num_workers).epoch()
    assert batch["instruction"].tolist() == [["a", "bb"], ["bb", "ccc"], ["ccc", "dddd"]]
    assert batch["action"].dtype == torch.uint16


def test_workers_end_with_their_loader(clips: swm.data.Clips) -> None:
    before = set(multiprocessing.active_children())
    loader = swm.data.Loader(clips, 4, seed=2, num_workers=2)
    stream = iter(loader)
    next(stream)
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == 2
    del stream, loader
    gc.collect()
    for worker in workers:
        worker.join(timeout=20)
        assert not worker.is_alive()


def test_forks_of_a_loading_process_do_not_matter(clips: swm.data.Clips) -> None:
    """The loader's threads are at work in the moment of the fork; neither side may stand still."""
    expected = take(iter(swm.data.Loader(clips, 4, seed=2)), 8)
    stream = iter(swm.data.Loader(clips, 4, seed=2))
    got = take(stream, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lance and Python 3.12 advise against it
        children = [multiprocessing.get_context("fork").Process(target=int) for _ in range(3)]
        for child in children:
            child.start()
    got += take(stream, 2)
    for child in children:
        child.join(timeout=60)
        assert child.exitcode == 0
    loader = swm.data.Loader(clips, 4, seed=2, num_workers=1)
    assert_equal(take(iter(loader), 8), expected)
    assert_equal(got + take(stream, 4), expected)


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux to measure memory")
@pytest.mark.parametrize("batches", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_memory_stays_flat(clips: swm.data.Clips, batches: int) -> None:
    stream = iter(swm.data.Loader(clips, 4, seed=2))
    take(stream, 200)
    before = resident_bytes()
    for _ in itertools.islice(stream, batches):
        pass
    assert resident_bytes() - before < 8 << 20


def test_an_epoch_for_validation_shows_each_clip_once_in_order(clips: swm.data.Clips) -> None:
    loader = swm.data.Loader(clips, 4, seed=0, drop_last=False)
    state = loader.state_dict()
    for _ in range(2):
        seen = np.concatenate([batch["state"].numpy() for batch in loader.epoch()])
        np.testing.assert_array_equal(seen, clips.__getitems__(np.arange(len(clips)))["state"])
    shuffled = np.concatenate([batch["state"].numpy() for batch in loader.epoch(shuffle=True)])
    assert not np.array_equal(shuffled, seen)
    assert loader.state_dict() == state


def test_an_abandoned_stream_leaves_no_thread(clips: swm.data.Clips) -> None:
    loader = swm.data.Loader(clips, 4, seed=0)
    for _ in range(3):
        stream = iter(loader)
        next(stream)
        del stream
    gc.collect()
    for thread in threading.enumerate():
        if thread.name.startswith("swm-loader"):
            thread.join(timeout=10)
            assert not thread.is_alive()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_error_while_reading_reaches_the_caller(clips: swm.data.Clips, num_workers: int) -> None:
    for data in (clips.dataset.reader.location.path / "steps.lance" / "data").iterdir():
        data.write_bytes(b"\0" * data.stat().st_size)
    loader = swm.data.Loader(clips, 20, seed=0, num_workers=num_workers)
    with pytest.raises(DatasetError, match="cannot be read"):
        take(iter(loader), 2)


def test_a_decoding_error_is_raised_once_and_the_stream_can_go_on(
    clips: swm.data.Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = swm.data.Loader(clips, 4, seed=0)
    expected = take(iter(swm.data.Loader(clips, 4, seed=0)), 1)
    with monkeypatch.context() as patch:
        patch.setitem(codecs._DECODERS, "png", lambda blob, out: codecs._check_shape((0,), out.shape))
        with pytest.raises(DatasetError, match=r"column 'pixels'.*cannot be decoded"):
            next(iter(loader))
    assert_equal(take(iter(loader), 1), expected)


def test_bad_requests_are_answered(clips: swm.data.Clips) -> None:
    with pytest.raises(InvalidValueError, match="batch_size must be at least 1"):
        swm.data.Loader(clips, 0, seed=0)
    with pytest.raises(InvalidValueError, match=f"{len(clips)} clips do not fill a batch of 1000"):
        swm.data.Loader(clips, 1000, seed=0)
    state = swm.data.Loader(clips, 4, seed=0).state_dict()
    with pytest.raises(InvalidValueError, match="seed 0, this loader 1"):
        swm.data.Loader(clips, 4, seed=1).load_state_dict(state)
    with pytest.raises(InvalidValueError, match="rank must be in 0 to world_size - 1, got rank 2 of 2"):
        swm.data.Loader(clips, 4, seed=0, rank=2, world_size=2)
    with pytest.raises(InvalidValueError, match="do not fill a batch of 8 for each of 4 ranks"):
        swm.data.Loader(clips, 8, seed=0, world_size=4)
    with pytest.raises(InvalidValueError, match="global_batch_size 4, this loader 5"):
        swm.data.Loader(clips, 5, seed=0).load_state_dict(state)
