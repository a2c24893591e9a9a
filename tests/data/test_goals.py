"""Goals are distributed as they say, and depend on seed and position alone."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import swm.data
from swm.core.errors import InvalidValueError, UnknownNameError
from swm.data import codecs
from swm.data.goals import Goals, GoalSampler
from swm.data.order import make_keys

COUNT = 40_000


def draw(goals: Goals, start: int, length: int, lengths: tuple[int, ...] = (4, 9, 2), seed: int = 0) -> Any:
    """Goals of clips at step `start` of the second of some episodes, which begins at row 100."""
    offsets = np.array([0, 100, 200])
    sampler = GoalSampler(goals, offsets, np.array(lengths))
    full = [np.full(COUNT, value) for value in (100, start, length)]
    return sampler.draw(make_keys(seed, np.arange(COUNT)), *full)


def assert_distributed(counts: dict[int, int], expected: dict[int, float]) -> None:
    """Compare with the probabilities by chi-square, rare outcomes taken together."""
    assert set(counts) <= {outcome for outcome, share in expected.items() if share > 0}
    assert sum(expected.values()) == pytest.approx(1)
    pairs = [(counts.get(outcome, 0), share * COUNT) for outcome, share in expected.items() if share * COUNT >= 10]
    pairs.append((COUNT - sum(found for found, _ in pairs), COUNT - sum(wanted for _, wanted in pairs)))
    statistic = sum((found - wanted) ** 2 / wanted for found, wanted in pairs if wanted > 1)
    freedom = max(len(pairs) - 1, 1)
    assert statistic < freedom + 5 * np.sqrt(2 * freedom)


def tally(values: Any) -> dict[int, int]:
    return dict(zip(*(part.tolist() for part in np.unique(values, return_counts=True)), strict=True))


@settings(deadline=None, max_examples=25)
@given(discount=st.sampled_from([0.0, 0.3, 0.9, 0.99]), length=st.integers(1, 30), data=st.data())
def test_geometric_futures_end_at_the_last_observation(discount: float, length: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, length))
    goals = Goals(current=0, future=1, random=0, discount=discount)
    drawn = draw(goals, start, length)
    expected = {0: 1.0} if start == length else {}
    for k in range(1, length - start + 1):
        beyond = discount ** (k - 1)
        expected[k] = beyond if k == length - start else (1 - discount) * beyond
    assert_distributed(tally(drawn.steps), expected)
    np.testing.assert_array_equal(drawn.rows, 100 + start + drawn.steps)


@settings(deadline=None, max_examples=15)
@given(length=st.integers(1, 30), data=st.data())
def test_uniform_futures_are_the_steps_that_are_left(length: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, length))
    drawn = draw(Goals(current=0, future=1, random=0, future_distribution="uniform"), start, length)
    left = length - start
    assert_distributed(tally(drawn.steps), {k: 1 / left for k in range(1, left + 1)} if left else {0: 1.0})


def test_random_goals_are_any_observation_of_the_split() -> None:
    drawn = draw(Goals(current=0, future=0, random=1), 3, 9)
    rows = [*range(0, 5), *range(100, 110), *range(200, 203)]
    assert_distributed(tally(drawn.rows), {row: 1 / len(rows) for row in rows})
    assert set(drawn.steps) == {-1}


@pytest.mark.parametrize("shares", [(0.2, 0.5, 0.3), (1, 0, 0), (0.25, 0.75, 0), (0, 0.1, 0.9)])
def test_origins_have_their_probabilities(shares: tuple[float, float, float]) -> None:
    drawn = draw(Goals(current=shares[0], future=shares[1], random=shares[2]), 3, 9)
    origins = np.where(drawn.steps == -1, 2, np.minimum(drawn.steps, 1))
    assert_distributed(tally(origins), dict(enumerate(shares)))
    np.testing.assert_array_equal(drawn.rows[origins == 0], 103)


def test_the_key_decides() -> None:
    one, same, other = (draw(Goals(), 3, 9, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.rows, same.rows)
    assert not np.array_equal(one.rows, other.rows)


@pytest.fixture
def dataset(make_dataset: Any) -> swm.data.Dataset:
    found: swm.data.Dataset = make_dataset((9, 6, 12, 7, 3), val_fraction=0.3)
    return found


def test_goals_are_observations_of_the_split(dataset: swm.data.Dataset) -> None:
    clips = dataset.clips(num_steps=2, columns=["state", "action"], goals=Goals(columns=["pixels", "state"]))
    indices = np.tile(np.arange(len(clips)), 5)
    batch = clips.read(indices, make_keys(0, np.arange(len(indices))))
    assert list(batch) == ["state", "action", "goal.pixels", "goal.state", "goal_steps"]
    whole = {int(e): dataset.episode(int(e)) for e in dataset.split("train")}
    everywhere = {
        state.tobytes(): pixels.tobytes()
        for episode in whole.values()
        for state, pixels in zip(episode.observation["state"], episode.observation["pixels"], strict=True)
    }
    for place, (episode, start) in enumerate(zip(*clips.locate(indices), strict=True)):
        state, pixels = batch["goal.state"][place], batch["goal.pixels"][place]
        assert everywhere[state.tobytes()] == pixels.tobytes()
        if (steps := batch["goal_steps"][place]) >= 0:
            np.testing.assert_array_equal(state, whole[int(episode)].observation["state"][start + steps])
    assert set(np.unique(batch["goal_steps"])) >= {-1, 0, 1, 2}


def test_goals_are_read_together_with_the_clips(dataset: swm.data.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = dataset.clips(num_steps=3, columns=["pixels"], goals=Goals(current=0.5, future=0.5, random=0))
    asked, decoded = [], []
    read, decode = dataset.reader.read, codecs.decode

    def reading(names: Any, rows: Any, size: Any = None) -> Any:
        asked.append((tuple(names), rows.tolist()))
        return read(names, rows, size)

    def decoding(codec: str, blobs: Any, *rest: Any) -> None:
        decoded.append(len(blobs))
        decode(codec, blobs, *rest)

    monkeypatch.setattr(dataset.reader, "read", reading)
    monkeypatch.setattr(codecs, "decode", decoding)
    clips.__getitems__([0, 1, 2, 3])
    ((names, rows),) = asked
    assert names == ("pixels",)
    assert decoded == [len(set(rows))]
    assert decoded[0] < len(rows) == 4 * 4


def test_batches_have_the_same_goals_whoever_loads_them(dataset: swm.data.Dataset) -> None:
    clips = dataset.clips(num_steps=2, columns=["state"], goals=Goals())

    def take(loader: swm.data.Loader, count: int) -> list[dict[str, Any]]:
        return list(itertools.islice(loader, count))

    expected = take(swm.data.Loader(clips, 4, seed=5), 12)
    loader = swm.data.Loader(clips, 4, seed=5, num_workers=2)
    got = take(loader, 5)
    resumed = swm.data.Loader(clips, 4, seed=5)
    resumed.load_state_dict(loader.state_dict())
    got += take(resumed, 7)
    for one, other in zip(got, expected, strict=True):
        for name in ("state", "goal.state", "goal_steps"):
            assert torch.equal(one[name], other[name])
    ranks = [take(swm.data.Loader(clips, 2, seed=5, rank=rank, world_size=2), 12) for rank in range(2)]
    for parts, other in zip(zip(*ranks, strict=True), expected, strict=True):
        assert torch.equal(torch.cat([part["goal.state"] for part in parts]), other["goal.state"])
    first, second = (list(swm.data.Loader(clips, 4, seed=5).epoch()) for _ in range(2))
    assert all(torch.equal(a["goal.state"], b["goal.state"]) for a, b in zip(first, second, strict=True))
    epochs = np.stack([np.concatenate([batch["goal_steps"] for batch in expected[i : i + 3]]) for i in (0, 6)])
    assert not np.array_equal(epochs[0], epochs[1])


def test_bad_requests_are_answered(dataset: swm.data.Dataset) -> None:
    with pytest.raises(InvalidValueError, match=r"must sum to 1, got 0.5 \+ 0.5 \+ 0.5 = 1.5"):
        Goals(current=0.5, future=0.5, random=0.5)
    with pytest.raises(InvalidValueError, match="must sum to 1"):
        Goals(current=-0.5, future=1, random=0.5)
    with pytest.raises(UnknownNameError, match="future distribution: 'geometrical'"):
        Goals(future_distribution="geometrical")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match=r"discount of the goals must be in \[0, 1\), got 1"):
        Goals(discount=1)
    with pytest.raises(UnknownNameError, match="column: 'stat'"):
        dataset.clips(num_steps=2, goals=Goals(columns=["stat"]))
    with pytest.raises(InvalidValueError, match="'action' belong to transitions"):
        dataset.clips(num_steps=2, goals=Goals(columns=["action"]))
