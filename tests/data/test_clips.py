"""A clip is a slice of one episode, and costs exactly the pictures that it shows."""

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import swm.data
from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.data import codecs
from swm.data.goals import Goals
from swm.data.returns import NStep

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


@settings(deadline=None, max_examples=40)
@given(num_steps=st.integers(1, 5), frame_skip=st.integers(1, 4), budget=st.sampled_from([0, 1 << 20]), data=st.data())
def test_padded_clips_say_what_is_real(
    dataset: swm.data.Dataset, num_steps: int, frame_skip: int, budget: int, data: st.DataObject
) -> None:
    opened = swm.data.open(dataset.uri, cache_bytes=budget)
    names = ["state", "clock", "action", "reward", "success"]
    clips = opened.clips(num_steps=num_steps, frame_skip=frame_skip, split="all", columns=names, pad=True)
    starts = [(e, s) for e, length in enumerate(LENGTHS) for s in range(length + (num_steps == 1))]
    assert len(clips) == len(starts)
    assert clips.num_short_episodes == 0
    indices = data.draw(st.lists(st.integers(0, len(clips) - 1), min_size=1, max_size=6))
    batch = clips.__getitems__(indices)
    assert list(batch) == [*names, "observation_mask", "transition_mask"]
    for place, index in enumerate(indices):
        episode, start = starts[index]
        whole, length = opened.episode(episode), LENGTHS[episode]
        for k in range(num_steps):
            step = start + k * frame_skip
            assert batch["observation_mask"][place, k] == (step <= length)
            for name in ("state", "clock"):
                np.testing.assert_array_equal(batch[name][place, k], whole.observation[name][min(step, length)])
        actions = batch["action"].reshape(len(indices), num_steps - 1, frame_skip, 2)
        for k in range(num_steps - 1):
            for j in range(frame_skip):
                step = start + k * frame_skip + j
                real = step < length
                assert batch["transition_mask"][place, k, j] == real
                np.testing.assert_array_equal(actions[place, k, j], whole.action[step] if real else 0)
                assert batch["reward"][place, k, j] == (whole.reward[step] if real else 0)
                assert batch["success"][place, k, j] == (whole.success[step] if real else False)
    assert batch["observation_mask"].dtype == batch["transition_mask"].dtype == np.bool_


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 6),
    discount=st.floats(0, 1),
    num_steps=st.integers(1, 3),
    pad=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_n_step_returns_are_those_of_a_loop(
    tmp_path_factory: pytest.TempPathFactory, n: int, discount: float, num_steps: int, pad: bool, seed: int
) -> None:
    dataset = flagged_dataset(tmp_path_factory)
    wish = NStep(num_steps=n, discount=discount, columns=["clock"])
    clips = dataset.clips(num_steps=num_steps, split="all", columns=["state"], pad=pad, n_step=wish)
    assert len(clips) == sum(length - (0 if pad else max(num_steps - 2, 0)) for length in LENGTHS if length >= 1)
    indices = np.random.default_rng(seed).integers(0, len(clips), 5)
    batch = clips.__getitems__(indices)
    for place, (episode, start) in enumerate(zip(*clips.locate(indices), strict=True)):
        whole = dataset.episode(int(episode))
        total, factor, step, terminal = 0.0, 1.0, int(start), False
        for _ in range(n):
            total += factor * whole.reward[step]
            factor *= discount
            terminal = bool(whole.terminated[step])
            step += 1
            if terminal or whole.truncated[step - 1] or step == whole.num_steps:
                break
        np.testing.assert_allclose(batch["n_step_return"][place], total, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(batch["n_step_discount"][place], 0.0 if terminal else factor, rtol=1e-12)
        np.testing.assert_array_equal(batch["next.clock"][place], whole.observation["clock"][step])


_FLAGGED: list[swm.data.Dataset] = []


def flagged_dataset(factory: pytest.TempPathFactory) -> swm.data.Dataset:
    """Episodes with terminations and truncations anywhere, alone and together."""
    if not _FLAGGED:
        path = factory.mktemp("flagged") / "d"
        with swm.data.create(path) as writer:
            for seed, length in enumerate(LENGTHS):
                rng = np.random.default_rng(seed)
                writer.write(
                    swm.data.Episode(
                        observation={"state": rng.normal(size=(length + 1, 4)), "clock": np.arange(length + 1)},
                        action=rng.normal(size=(length, 2)),
                        reward=rng.normal(size=length),
                        terminated=rng.random(length) < 0.2,
                        truncated=rng.random(length) < 0.2,
                        success=np.zeros(length, bool),
                        metadata={"seed": seed},
                    )
                )
        _FLAGGED.append(swm.data.open(path))
    return _FLAGGED[0]


@pytest.mark.parametrize("codec", ["png", "jpeg", "raw"])
def test_pictures_come_at_another_size(make_dataset: Any, codec: str) -> None:
    dataset: swm.data.Dataset = make_dataset((6, 4), codec=codec, val_fraction=0.0)
    clips = dataset.clips(num_steps=3, image_size=(4, 4), goals=Goals())
    whole = dataset.clips(num_steps=3, goals=Goals())
    batch, full = clips.__getitems__([0, 3, 4]), whole.__getitems__([0, 3, 4])
    for name in ("pixels", "goal.pixels"):
        blocks = full[name].reshape(*full[name].shape[:-3], 4, 2, 4, 2, 3).mean((-4, -2))
        assert np.abs(batch[name] - blocks).max() <= (1 if codec != "jpeg" else 255)
        assert batch[name].dtype == np.uint8
    np.testing.assert_array_equal(batch["state"], full["state"])
    assert clips.kinds()["pixels"] == ("uint8", (3, 4, 4, 3))


def test_texts_come_as_arrays_of_texts(tmp_path: Path) -> None:
    with swm.data.create(tmp_path / "d", val_fraction=0.0) as writer:
        for seed in range(3):
            texts = np.array([f"step {'x' * step} of {seed}" for step in range(5)])
            writer.write(
                swm.data.Episode(
                    observation={"instruction": texts},
                    action=np.zeros((4, 1)),
                    reward=np.zeros(4),
                    terminated=np.zeros(4, bool),
                    truncated=np.zeros(4, bool),
                    success=np.zeros(4, bool),
                )
            )
    clips = swm.data.open(tmp_path / "d").clips(num_steps=2, pad=True, goals=Goals())
    batch = clips.__getitems__([0, 5, 3])
    assert batch["instruction"].tolist() == [
        ["step  of 0", "step x of 0"],
        ["step x of 1", "step xx of 1"],
        ["step xxx of 0", "step xxxx of 0"],
    ]
    assert batch["goal.instruction"].shape == (3,)
    assert clips.kinds()["instruction"] == ("str", (2,))


def test_kinds_are_those_of_the_clips(dataset: swm.data.Dataset) -> None:
    names = ["state", "pixels", "action", "reward", "terminated"]
    clips = dataset.clips(
        num_steps=3, frame_skip=2, columns=names, pad=True, image_size=(3, 2), goals=Goals(), n_step=NStep(num_steps=2)
    )
    assert clips.kinds() == {name: (str(values.dtype), values.shape) for name, values in clips[0].items()}


def test_a_computed_column_hides_none_of_the_dataset(tmp_path: Path) -> None:
    zeros = np.zeros(3)
    flags = np.zeros(3, bool)
    with swm.data.create(tmp_path / "d", val_fraction=0.0) as writer:
        writer.write(
            swm.data.Episode(
                observation={name: np.zeros(4) for name in ("x", "goal.x", "observation_mask")},
                action=zeros,
                reward=zeros,
                terminated=flags,
                truncated=flags,
                success=flags,
            )
        )
    dataset = swm.data.open(tmp_path / "d")
    with pytest.raises(InvalidValueError, match=r"two columns called 'goal.x'"):
        dataset.clips(num_steps=2, goals=Goals())
    with pytest.raises(InvalidValueError, match=r"two columns called 'observation_mask'"):
        dataset.clips(num_steps=2, pad=True)
    batch = dataset.clips(num_steps=2, columns=["x"], pad=True, goals=Goals(columns=["x"]))[0]
    assert list(batch) == ["x", "observation_mask", "transition_mask", "goal.x", "goal_steps"]


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
    with pytest.raises(InvalidValueError, match=r"image_size must be a height and a width of at least 2, got \(8, 1\)"):
        dataset.clips(image_size=(8, 1))
    with pytest.raises(InvalidValueError, match=r"image_size must be a height and a width of at least 2, got 8"):
        dataset.clips(image_size=8)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match=r"goals must be a swm\.data\.Goals, got 'future'"):
        dataset.clips(goals="future")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="no picture is among the columns 'state'"):
        dataset.clips(image_size=(8, 8), columns=["state"])
    with pytest.raises(InvalidValueError, match="num_steps of the n-step return must be at least 1, got 0"):
        NStep(num_steps=0)
    with pytest.raises(InvalidValueError, match="discount of the n-step return"):
        NStep(discount=1.1)
    with pytest.raises(InvalidValueError, match="'reward' belong to transitions"):
        dataset.clips(n_step=NStep(columns=["reward"]))
    with pytest.raises(
        DatasetError, match=r"no clip of 14 observations 1 apart \(13 transitions\).*6 episodes the longest has 12"
    ):
        dataset.clips(num_steps=14, split="all")
    clips = dataset.clips()
    with pytest.raises(IndexError, match="there are"):
        clips[len(clips)]
    with pytest.raises(InvalidValueError, match="there are"):
        clips.__getitems__([0, len(clips)])
