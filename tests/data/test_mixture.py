"""A mixture is its components' clips, as often as the weights say."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import swm.data
from swm.core.errors import InvalidValueError, UnknownNameError
from swm.data.goals import Goals
from swm.data.mixture import Mixture


@pytest.fixture
def parts(make_dataset: Any) -> dict[str, swm.data.Clips]:
    lengths = {"short": (4, 3), "long": (20, 17, 9), "other": (7,)}
    return {
        name: make_dataset(sizes, name=name, val_fraction=0.0).clips(num_steps=3) for name, sizes in lengths.items()
    }


def test_each_clip_is_its_component_s(parts: dict[str, swm.data.Clips]) -> None:
    mixture = Mixture(parts)
    assert len(mixture) == sum(len(clips) for clips in parts.values())
    every = mixture.__getitems__(np.arange(len(mixture)))
    mixed = mixture.__getitems__(np.arange(len(mixture))[::-1])
    begin = 0
    for number, clips in enumerate(parts.values()):
        own = clips.__getitems__(np.arange(len(clips)))
        end = begin + len(clips)
        for name, values in own.items():
            np.testing.assert_array_equal(every[name][begin:end], values, strict=True)
            np.testing.assert_array_equal(mixed[name][::-1][begin:end], values, strict=True)
        assert set(every["source"][begin:end]) == {number}
        begin = end
    np.testing.assert_array_equal(mixture[-1]["state"], every["state"][-1])
    assert every["source"].dtype == np.int64


def test_without_weights_each_clip_comes_once_per_epoch(parts: dict[str, swm.data.Clips]) -> None:
    mixture = Mixture(parts)
    loader = swm.data.Loader(mixture, 5, seed=0, drop_last=False)
    whole = np.sort(mixture.__getitems__(np.arange(len(mixture)))["state"].reshape(len(mixture), -1), axis=0)
    stream = iter(loader)
    for _ in range(2):
        batches = list(itertools.islice(stream, len(loader)))
        states = np.concatenate([batch["state"].numpy() for batch in batches]).reshape(len(mixture), -1)
        np.testing.assert_array_equal(np.sort(states, axis=0), whole)


def test_weights_decide_how_often_a_component_comes(parts: dict[str, swm.data.Clips]) -> None:
    weights = {"long": 0.25, "short": 0.5, "other": 0.25}
    loader = swm.data.Loader(Mixture(parts, weights), 8, seed=0)
    batches = list(itertools.islice(loader, 30))
    for batch in batches:
        counts = np.bincount(batch["source"], minlength=3)
        assert (np.abs(counts - [4, 2, 2]) <= 1).all()
    source = torch.cat([batch["source"] for batch in batches])
    states = torch.cat([batch["state"] for batch in batches])
    for number, clips in enumerate(parts.values()):
        own = states[source == number].reshape(-1, 12).numpy()
        expected = np.sort(clips.__getitems__(np.arange(len(clips)))["state"].reshape(-1, 12), axis=0)
        for begin in range(0, len(own) - len(clips), len(clips)):  # the component's own epochs
            np.testing.assert_array_equal(np.sort(own[begin : begin + len(clips)], axis=0), expected)


@pytest.mark.parametrize("weights", [None, {"short": 3, "long": 1, "other": 2}])
def test_a_mixture_resumes_and_is_shared_out(parts: dict[str, swm.data.Clips], weights: Any) -> None:
    mixture = Mixture(parts, weights)

    def batches(loader: swm.data.Loader, count: int) -> list[dict[str, Any]]:
        return list(itertools.islice(loader, count))

    through = batches(swm.data.Loader(mixture, 6, seed=1), 20)
    for stop in (1, 6, 13):
        loader = swm.data.Loader(mixture, 6, seed=1)
        batches(loader, stop)
        resumed = swm.data.Loader(mixture, 6, seed=1)
        resumed.load_state_dict(loader.state_dict())
        for one, other in zip(batches(resumed, 3), through[stop : stop + 3], strict=True):
            assert all(torch.equal(one[name], other[name]) for name in one)
    ranks = [batches(swm.data.Loader(mixture, 2, seed=1, rank=rank, world_size=3), 20) for rank in range(3)]
    for shares, other in zip(zip(*ranks, strict=True), through, strict=True):
        assert torch.equal(torch.cat([share["pixels"] for share in shares]), other["pixels"])
    with pytest.raises(InvalidValueError, match="the loader's state has weights"):
        swm.data.Loader(Mixture(parts, {"short": 9, "long": 1, "other": 2}), 6, seed=1).load_state_dict(
            swm.data.Loader(mixture, 6, seed=1).state_dict()
        )


def test_random_goals_come_from_the_own_component(make_dataset: Any) -> None:
    goals = Goals(current=0, future=0, random=1)
    clips = {
        name: make_dataset(lengths, name=name, val_fraction=0.0).clips(num_steps=2, goals=goals)
        for name, lengths in (("a", (5, 5)), ("b", (30,)))
    }
    b_only = make_dataset((30,), name="b2", val_fraction=0.0).episode(0).observation["state"][6:]
    batch = Mixture(clips).__getitems__(np.arange(10))
    assert not np.isin(batch["goal.state"], b_only).any()


def test_texts_of_different_lengths_are_kept(tmp_path: Path) -> None:
    clips = {}
    for name, text in (("brief", "go"), ("wordy", "go to the other room")):
        with swm.data.create(tmp_path / name, val_fraction=0.0) as writer:
            flags = np.zeros(2, bool)
            writer.write(
                swm.data.Episode(
                    observation={"instruction": np.array([text] * 3)},
                    action=np.zeros(2),
                    reward=np.zeros(2),
                    terminated=flags,
                    truncated=flags,
                    success=flags,
                )
            )
        clips[name] = swm.data.open(tmp_path / name).clips(num_steps=1)
    for mixture in (Mixture(clips), Mixture(dict(reversed(clips.items())))):
        texts = mixture.__getitems__([0, 3, 1, 4])["instruction"][:, 0].tolist()
        assert sorted(set(texts)) == ["go", "go to the other room"]
        (batch,) = swm.data.Loader(mixture, 6, seed=0).epoch()
        assert sorted(batch["instruction"][:, 0].tolist()) == ["go"] * 3 + ["go to the other room"] * 3


def test_bad_requests_are_answered(parts: dict[str, swm.data.Clips], make_dataset: Any) -> None:
    for wrong in ([parts["long"]], {"a": parts["long"].dataset}):
        with pytest.raises(InvalidValueError, match="a mixture is made of named clips"):
            Mixture(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="at least one component"):
        Mixture({})
    with pytest.raises(UnknownNameError, match="component of the mixture: 'shor'"):
        Mixture(parts, {"shor": 1})
    with pytest.raises(InvalidValueError, match="weights has no value for 'other'"):
        Mixture(parts, {"short": 1, "long": 1})
    with pytest.raises(InvalidValueError, match="weight of 'long' must be positive and finite, got 0"):
        Mixture(parts, {"short": 1, "long": 0, "other": 1})
    longer = parts["long"].dataset.clips(num_steps=4)
    with pytest.raises(
        InvalidValueError, match=r"'pixels' is uint8 \(3, 8, 8, 3\) in 'a', uint8 \(4, 8, 8, 3\) in 'b'"
    ):
        Mixture({"a": parts["long"], "b": longer})
    fewer = parts["long"].dataset.clips(num_steps=3, columns=["pixels", "action"])
    with pytest.raises(InvalidValueError, match=r"'state' is float64 .* in 'a', absent in 'b'"):
        Mixture({"a": parts["long"], "b": fewer})
    mixture = Mixture(parts)
    with pytest.raises(IndexError, match="there are"):
        mixture[len(mixture)]
    with pytest.raises(InvalidValueError, match="there are"):
        mixture.__getitems__([len(mixture)])
