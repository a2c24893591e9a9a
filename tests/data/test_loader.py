"""The stream of batches: a function of seed and position, whoever reads it."""

import gc
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

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
    with pytest.raises(InvalidValueError, match="batch_size 4, this loader 5"):
        swm.data.Loader(clips, 5, seed=0).load_state_dict(state)
