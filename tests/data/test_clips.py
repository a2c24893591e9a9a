"""A clip is a slice of one episode, and costs exactly the pictures that it shows."""

import pickle
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import swm.data
from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.data import codecs

LENGTHS = (5, 1, 9, 3, 12, 2)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> swm.data.Dataset:
    path = tmp_path_factory.mktemp("clips") / "d"
    with swm.data.create(path, codec="png", val_fraction=0.4) as writer:
        for seed, length in enumerate(LENGTHS):
            rng = np.random.default_rng(seed)
            flags = rng.random(length) < 0.5
            writer.write(
                swm.data.Episode(
                    observation={
                        "pixels": rng.integers(0, 256, (length + 1, 6, 5, 3), dtype=np.uint8),
                        "state": rng.normal(size=(length + 1, 4)),
                        "clock": np.arange(length + 1),
                    },
                    action=rng.normal(size=(length, 2)),
                    reward=rng.normal(size=length),
                    terminated=flags,
                    truncated=flags,
                    success=flags,
                    metadata={"seed": seed},
                )
            )
    return swm.data.open(path)


@settings(deadline=None, max_examples=40)
@given(
    num_steps=st.integers(1, 5),
    frame_skip=st.integers(1, 3),
    split=st.sampled_from(["train", "val", "all"]),
    budget=st.sampled_from([0, 1 << 20]),
    data=st.data(),
)
def test_each_clip_is_a_slice_of_its_episode(
    dataset: swm.data.Dataset, num_steps: int, frame_skip: int, split: str, budget: int, data: st.DataObject
) -> None:
    opened = swm.data.open(dataset.uri, cache_bytes=budget)
    span = (num_steps - 1) * frame_skip
    starts = [
        (episode, start) for episode in opened.split(split) for start in range(opened.lengths[episode] - span + 1)
    ]
    if not starts:
        with pytest.raises(DatasetError, match="has no clip of"):
            opened.clips(num_steps=num_steps, frame_skip=frame_skip, split=split)
        return
    names = ["state", "action", "pixels", "reward", "success", "clock"]
    clips = opened.clips(num_steps=num_steps, frame_skip=frame_skip, split=split, columns=names)
    assert len(clips) == len(starts)
    assert clips.num_short_episodes == sum(opened.lengths[opened.split(split)] < span)
    indices = data.draw(st.lists(st.integers(0, len(clips) - 1), min_size=1, max_size=6))
    batch = clips.__getitems__(indices)
    assert list(batch) == names
    for place, index in enumerate(indices):
        episode, start = starts[index]
        whole = opened.episode(int(episode))
        seen = slice(start, start + span + 1, frame_skip)
        between = slice(start, start + span)
        expected = {
            **{name: whole.observation[name][seen] for name in ("pixels", "state", "clock")},
            "action": whole.action[between].reshape(num_steps - 1, frame_skip * 2),
            "reward": whole.reward[between].reshape(num_steps - 1, frame_skip),
            "success": whole.success[between].reshape(num_steps - 1, frame_skip),
        }
        for name in names:
            np.testing.assert_array_equal(batch[name][place], expected[name], err_msg=name, strict=True)
            np.testing.assert_array_equal(clips[index][name], expected[name], err_msg=name, strict=True)


def test_clips_are_ordered_and_all_there(dataset: swm.data.Dataset) -> None:
    clips = dataset.clips(num_steps=2, frame_skip=2, split="all")
    episode, start = clips.locate(np.arange(len(clips)))
    expected = [(e, s) for e, length in enumerate(LENGTHS) for s in range(length - 1)]
    assert list(zip(episode.tolist(), start.tolist(), strict=True)) == expected


@pytest.mark.parametrize("budget", [0, 1 << 20])
def test_a_batch_decodes_each_of_its_pictures_once_and_no_other(
    dataset: swm.data.Dataset, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: Counter[bytes] = Counter()
    original = codecs._DECODERS["png"]

    def counting(blob: Any, out: Any) -> None:
        decoded[bytes(blob)] += 1
        original(blob, out)

    monkeypatch.setitem(codecs._DECODERS, "png", counting)
    clips = swm.data.open(dataset.uri, cache_bytes=budget).clips(num_steps=3, frame_skip=2, split="all")
    batch = clips.__getitems__([0, 1, 2, 3, 4, 5, 0])
    distinct = {picture.tobytes() for picture in batch["pixels"].reshape(-1, 6 * 5 * 3)}
    assert set(decoded.values()) == {1}
    assert len(decoded) == len(distinct)


def test_a_batch_takes_its_pictures_from_disk_in_one_read(
    dataset: swm.data.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = swm.data.open(dataset.uri, cache_bytes=0)
    table = opened.reader._steps  # type: ignore[attr-defined]
    asked = []

    class Counting:
        def take(self, rows: Any, columns: Any) -> Any:
            asked.append((sorted(rows), columns))
            return table.take(rows, columns=columns)

        def __getattr__(self, name: str) -> Any:
            return getattr(table, name)

    monkeypatch.setattr(type(opened.reader), "_steps", Counting())
    opened.clips(num_steps=3, split="all", columns=["pixels", "state"]).__getitems__([0, 1, 2])
    assert asked == [([0, 1, 2, 3, 4], ["pixels", "state"])]


def test_default_columns_are_what_a_world_model_needs(dataset: swm.data.Dataset) -> None:
    clips = dataset.clips(num_steps=4, frame_skip=2)
    assert clips.columns == ("pixels", "state", "clock", "action")
    assert {name: values.shape for name, values in clips[0].items()} == {
        "pixels": (4, 6, 5, 3),
        "state": (4, 4),
        "clock": (4,),
        "action": (3, 4),
    }


def test_clips_pickle_small_and_read_the_same(dataset: swm.data.Dataset) -> None:
    clips = dataset.clips(num_steps=3)
    clips[0]
    packed = pickle.dumps(clips)
    assert len(packed) < 4000
    copy = pickle.loads(packed)
    for name, values in clips[7].items():
        np.testing.assert_array_equal(copy[7][name], values)


def test_iteration_ends(dataset: swm.data.Dataset) -> None:
    clips = dataset.clips(num_steps=9, split="all")
    assert len(list(clips)) == len(clips)  # type: ignore[call-overload]


def test_bad_requests_are_answered(dataset: swm.data.Dataset) -> None:
    with pytest.raises(UnknownNameError, match=r"column: 'pixel'.*'pixels'"):
        dataset.clips(columns=["pixel"])
    with pytest.raises(InvalidValueError, match=r"the string 'pixels'. Use \['pixels'\]"):
        dataset.clips(columns="pixels")
    with pytest.raises(UnknownNameError, match="split: 'test'"):
        dataset.clips(split="test")
    with pytest.raises(InvalidValueError, match="frame_skip must be at least 1, got 0"):
        dataset.clips(frame_skip=0)
    with pytest.raises(
        DatasetError, match=r"no clip of 14 observations 1 apart \(13 transitions\).*6 episodes the longest has 12"
    ):
        dataset.clips(num_steps=14, split="all")
    clips = dataset.clips()
    with pytest.raises(IndexError, match="there are"):
        clips[len(clips)]
    with pytest.raises(InvalidValueError, match="there are"):
        clips.__getitems__([0, len(clips)])
