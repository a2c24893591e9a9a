"""The replay buffer against a list of episodes: what is kept, what leaves, what is drawn, what is written."""

import json
import pickle
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import swm.data
from swm.core.errors import DatasetError, InvalidValueError, ShapeError, UnknownNameError
from swm.data.replay import ReplayBuffer
from swm.data.replay.pages import PAGE_ROWS


class Memory:
    """A writer that keeps the episodes."""

    num_episodes = 0
    notes: Sequence[str] = ()

    def __init__(self) -> None:
        self.episodes: list[swm.data.Episode] = []

    def write(self, episode: swm.data.Episode) -> None:
        self.episodes.append(episode)

    def flush(self) -> None:
        self.num_episodes = len(self.episodes)


def episode_of(seed: int, length: int) -> swm.data.Episode:
    """Every value tells its episode and step."""
    steps = np.arange(length + 1)
    observation = {"pixels": np.zeros((length + 1, 2, 2, 1), np.uint8), "state": seed * 1000.0 + steps[:, None]}
    observation["pixels"][:, 0, 0, 0], observation["pixels"][:, 1, 1, 0] = seed % 256, steps
    last = steps[1:] == length
    return swm.data.Episode(
        observation=observation,
        action=(seed * 1000 + steps[:-1, None] + [0.0, 0.5]).astype(np.float32),
        reward=seed * 1000.0 + steps[:-1],
        terminated=last,
        truncated=~last & False,
        success=last,
        metadata={"seed": seed},
    )


def vector(episodes: Sequence[swm.data.Episode], steps: Sequence[int]) -> dict[str, Any]:
    """What environments show when each is at a step of an episode."""
    names = episodes[0].observation
    return {n: np.stack([e.observation[n][t] for e, t in zip(episodes, steps, strict=True)]) for n in names}


def step_all(buffer: ReplayBuffer, episodes: Sequence[swm.data.Episode], steps: Sequence[int], mask: Any) -> None:
    """Let each environment in the mask go from a step to the next."""

    def row(name: str) -> Any:
        return np.stack([getattr(e, name)[min(t, e.num_steps - 1)] for e, t in zip(episodes, steps, strict=True)])

    names = ("action", "reward", "terminated", "truncated", "success")
    after = [min(t + 1, e.num_steps) for e, t in zip(episodes, steps, strict=True)]
    buffer.add_steps(**{name: row(name) for name in names}, observation=vector(episodes, after), mask=np.array(mask))


class Model:
    """What a buffer should do, with lists: whole pages, oldest first, running episodes stay."""

    def __init__(self, capacity: int, num_envs: int) -> None:
        self.pages = -(-capacity // PAGE_ROWS)
        self.kept: dict[int, tuple[swm.data.Episode, int]] = {}
        self.gone: list[int] = []
        self.running: list[int | None] = [None] * num_envs

    def used(self) -> int:
        return sum(-(-(length + 1) // PAGE_ROWS) for _, length in self.kept.values())

    def fits(self, pages: int) -> bool:
        """Make room if it can be made."""
        stay = sum(-(-(self.kept[n][1] + 1) // PAGE_ROWS) for n in self.running if n is not None)
        if stay + pages > self.pages:
            return False
        while self.used() + pages > self.pages:
            oldest = next(number for number in self.kept if number not in self.running)
            self.gone.append(oldest)
            del self.kept[oldest]
        return True


NUM_ENVS = 3

actions = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 40)),
        st.tuples(st.just("begin"), st.lists(st.booleans(), min_size=NUM_ENVS, max_size=NUM_ENVS)),
        st.tuples(st.just("steps"), st.integers(1, 40)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(actions, st.integers(30, 200), st.integers(1, 5), st.integers(1, 4), st.randoms(use_true_random=False))
def test_the_buffer_does_what_lists_would(
    todo: list[Any], capacity: int, num_steps: int, frame_skip: int, random: Any
) -> None:
    writer = Memory()
    buffer, model = ReplayBuffer(capacity, spill=writer), Model(capacity, NUM_ENVS)  # type: ignore[arg-type]
    arrived = 0
    for what, value in todo:
        if what == "add":
            episode = episode_of(arrived, value)
            if model.fits(-(-(value + 1) // PAGE_ROWS)):
                buffer.add(episode)
                model.kept[arrived] = episode, value
                arrived += 1
            else:
                with pytest.raises(InvalidValueError, match="Use a larger capacity"):
                    buffer.add(episode)
        elif what == "begin":
            arrived = begin(buffer, model, value, arrived, random)
        else:
            for _ in range(value):
                run_one_step(buffer, model, random)
    check_content(buffer, model)
    check_windows(buffer, model, num_steps, frame_skip)
    check_written(buffer, model, writer)


def begin(buffer: ReplayBuffer, model: Model, mask: list[bool], arrived: int, random: Any) -> int:
    """Begin an episode in each environment of the mask; running ones are cut."""
    fresh = [episode_of(arrived + i, random.randint(1, 40)) for i in range(NUM_ENVS)]
    for env, number in enumerate(model.running):
        if mask[env] and number is not None:
            episode, length = model.kept.pop(number)
            if length:
                cut = swm.data.Episode(
                    observation={n: values[: length + 1] for n, values in episode.observation.items()},
                    truncated=np.arange(length) == length - 1,
                    metadata=episode.metadata,
                    **{n: getattr(episode, n)[:length] for n in ("action", "reward", "terminated", "success")},
                )
                model.kept[number] = cut, length
                model.kept = dict(sorted(model.kept.items()))
            model.running[env] = None
    observation, metadata = vector(fresh, [0] * NUM_ENVS), [episode.metadata for episode in fresh]
    if not model.fits(sum(mask)):
        with pytest.raises(InvalidValueError, match="Use a larger capacity"):
            buffer.begin(observation, np.array(mask), metadata)
        return arrived
    envs = np.flatnonzero(mask).tolist()
    metadata_of = {env: {"seed": arrived + i} for i, env in enumerate(envs)}
    chosen = [fresh[envs.index(env)] if env in envs else fresh[0] for env in range(NUM_ENVS)]
    buffer.begin(vector(chosen, [0] * NUM_ENVS), np.array(mask), [metadata_of.get(e, {}) for e in range(NUM_ENVS)])
    for i, env in enumerate(envs):
        model.kept[arrived + i], model.running[env] = (fresh[i], 0), arrived + i
    return arrived + len(envs)


def run_one_step(buffer: ReplayBuffer, model: Model, random: Any) -> None:
    """Step a random subset of the running environments."""
    mask = [number is not None and random.random() < 0.8 for number in model.running]
    if not any(mask):
        return
    spare = next(n for n in model.running if n is not None)
    places = [model.kept[spare if number is None else number] for number in model.running]
    episodes, steps = [episode for episode, _ in places], [length for _, length in places]
    full = sum(m and (length + 1) % PAGE_ROWS == 0 for m, length in zip(mask, steps, strict=True))
    if not model.fits(full):
        with pytest.raises(InvalidValueError, match="Use a larger capacity"):
            step_all(buffer, episodes, steps, mask)
        return
    step_all(buffer, episodes, steps, mask)
    for env, number in enumerate(model.running):
        if mask[env]:
            assert number is not None
            episode, length = model.kept[number]
            model.kept[number] = episode, length + 1
            if length + 1 == episode.num_steps:
                model.running[env] = None


def check_content(buffer: ReplayBuffer, model: Model) -> None:
    """The snapshot holds the kept episodes, oldest first, as far as they got."""
    kept = [(episode, length) for _, (episode, length) in model.kept.items() if length]
    assert (buffer.num_episodes, buffer.num_steps) == (len(kept), sum(length for _, length in kept))
    assert buffer.num_evicted == len(model.gone)
    if not kept:
        with pytest.raises(DatasetError, match="buffer is empty"):
            buffer.dataset()
        return
    dataset = buffer.dataset()
    assert dataset.lengths.tolist() == [length for _, length in kept]
    for index, (episode, length) in enumerate(kept):
        got = dataset.episode(index)
        assert got.metadata == episode.metadata
        for name, array in episode.arrays().items():
            count = length + (name in episode.observation)
            np.testing.assert_array_equal(got.arrays()[name], array[:count], err_msg=name, strict=True)


def check_windows(buffer: ReplayBuffer, model: Model, num_steps: int, frame_skip: int) -> None:
    """Drawn clips are clips of the snapshot: within one episode, none beyond its newest step."""
    span = (num_steps - 1) * frame_skip
    if not any(length >= max(span, 1) for _, length in model.kept.values()):
        with pytest.raises(DatasetError, match="no clip"):
            buffer.sample(4, num_steps=num_steps, frame_skip=frame_skip)
        return
    columns = [*buffer.columns]
    batch = buffer.sample(50, num_steps=num_steps, frame_skip=frame_skip, columns=columns)
    clips = buffer.dataset().clips(num_steps=num_steps, frame_skip=frame_skip, columns=columns)
    every = clips.__getitems__(range(len(clips)))
    number = {float(state): index for index, state in enumerate(every["state"][:, 0, 0])}
    chosen = [number[float(state)] for state in batch["state"][:, 0, 0]]
    assert list(batch) == list(every)
    for name, values in batch.items():
        np.testing.assert_array_equal(values, every[name][chosen], err_msg=name, strict=True)


def check_written(buffer: ReplayBuffer, model: Model, writer: Memory) -> None:
    """What left was written, once, in the order of leaving; a flush adds what is finished, once."""
    assert [episode.metadata["seed"] for episode in writer.episodes] == model.gone
    running = set(model.running)
    rest = [number for number in model.kept if number not in running]
    assert buffer.flush() == len(rest)
    assert buffer.flush() == 0
    assert [episode.metadata["seed"] for episode in writer.episodes] == [*model.gone, *rest]
    assert writer.num_episodes == len(writer.episodes)


# ------------------------------------------------------------------------------------------ chance


def test_every_window_is_as_likely() -> None:
    buffer = ReplayBuffer(200, seed=3)
    lengths = (3, 17, 30, 4, 8, 45)
    for seed, length in enumerate(lengths):
        buffer.add(episode_of(seed, length))
    num_windows = sum(max(0, length - 6 + 1) for length in lengths)
    drawn = buffer.sample(40 * num_windows, num_steps=4, frame_skip=2, columns=["state"])["state"][:, 0, 0]
    _, counts = np.unique(drawn, return_counts=True)
    assert len(counts) == num_windows
    chi_square = ((counts - 40) ** 2 / 40).sum()
    freedom = num_windows - 1
    assert abs(chi_square - freedom) < 4 * np.sqrt(2 * freedom)


def test_the_seed_decides_what_is_drawn() -> None:
    buffers = [ReplayBuffer(100, seed=seed) for seed in (0, 0, 1)]
    for buffer in buffers:
        buffer.add(episode_of(0, 60))
    one, same, other = (buffer.sample(20)["state"] for buffer in buffers)
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    first, again = (buffers[0].sample(20, rng=np.random.default_rng(5))["state"] for _ in range(2))
    np.testing.assert_array_equal(first, again)


# ---------------------------------------------------------------------------------------- datasets


def test_a_spilled_buffer_is_the_whole_history(tmp_path: Path, make_episode: Any, same: Any) -> None:
    with swm.data.create(tmp_path / "history", codec="png", shard_size=16) as writer:
        buffer = ReplayBuffer(40, spill=writer)
        for seed in range(6):
            buffer.add(make_episode(seed, 5 + seed))
        assert (buffer.num_episodes, buffer.num_evicted) == (3, 3)
        buffer.flush()
    dataset = swm.data.open(tmp_path / "history")
    assert dataset.num_episodes == 6
    for seed in range(6):
        same(dataset.episode(seed), make_episode(seed, 5 + seed))
        assert dataset.episodes[seed]["metadata"]["seed"] == seed


def test_a_dataset_fills_a_buffer_and_is_not_written_again(make_dataset: Any, make_episode: Any, same: Any) -> None:
    dataset = make_dataset((5, 20, 3), val_fraction=0.0)
    writer = Memory()
    buffer = ReplayBuffer.from_dataset(dataset, spill=writer)  # type: ignore[arg-type]
    assert buffer.capacity == 16 + 32 + 16
    for index in range(3):
        same(buffer.dataset().episode(index), dataset.episode(index))
    buffer.add(make_episode(9, 40))
    buffer.add(make_episode(10, 5))
    assert (buffer.num_evicted, buffer.num_episodes) == (3, 2)
    assert buffer.flush() == 2
    assert [episode.metadata["seed"] for episode in writer.episodes] == [9, 10]
    for capacity, lengths in ((16, [3]), (47, [20, 3]), (49, [5, 20, 3])):
        assert ReplayBuffer.from_dataset(dataset, capacity=capacity).dataset().lengths.tolist() == lengths
    with pytest.raises(InvalidValueError, match="do not fit"):
        ReplayBuffer.from_dataset(make_dataset((5, 20), name="long", val_fraction=0.0), capacity=16)


def test_a_snapshot_is_a_dataset(make_episode: Any) -> None:
    buffer = ReplayBuffer(48)
    buffer.add(make_episode(0, 9))
    dataset = buffer.dataset()
    assert dataset.statistics("state").count == 10
    assert dataset.normalizer("action").offset.shape == (2,)
    assert dataset.verify().ok
    assert dataset.columns["pixels"].codec == "raw"
    before = dataset.fingerprint
    buffer.add(make_episode(1, 9))
    assert dataset.num_episodes == 1
    assert buffer.dataset().fingerprint != before
    assert buffer.dataset().version > dataset.version
    buffer.add(make_episode(2, 20))
    with pytest.raises(DatasetError, match=r"\[0\] of this snapshot have left"):
        dataset.episode(0)
    with pytest.raises(InvalidValueError, match="num_workers=0"):
        pickle.dumps(dataset)


def test_payload_texts_and_encoded_pictures_are_kept(make_dataset: Any) -> None:
    encoded = make_dataset((5,), val_fraction=0.0).episode(0, decode=False)
    texts = np.array(["", "push", "a much longer task", "ü", "x", "y"])
    episode = swm.data.Episode(
        observation={**encoded.observation, "task": texts},
        payload={"goal": np.arange(3)},
        **{name: getattr(encoded, name) for name in swm.data.TRANSITIONS},
    )
    buffer = ReplayBuffer(20)
    buffer.add(episode)
    got = buffer.dataset().episode(0)
    np.testing.assert_array_equal(got.observation["task"], texts)
    np.testing.assert_array_equal(got.observation["pixels"], encoded.observation["pixels"].decode())
    np.testing.assert_array_equal(got.payload["goal"], np.arange(3), strict=True)
    assert len(buffer.dataset().fingerprint) == 64
    assert sorted(set(buffer.sample(50, num_steps=1)["task"][:, 0])) == sorted(texts)
    buffer.begin({"pixels": np.zeros((2, 8, 8, 3), np.uint8), "state": np.zeros((2, 4)), "task": np.array(["a", "bc"])})


# ------------------------------------------------------------------------------- limits and errors


def test_memory_is_allocated_once() -> None:
    buffer = ReplayBuffer(1000)
    assert buffer.nbytes == 0
    buffer.add(episode_of(0, 10))
    expected = buffer.capacity * (4 + 8 + 8 + 8 + 3)
    assert (buffer.capacity, buffer.nbytes) == (1008, expected)
    for seed in range(50):
        buffer.add(episode_of(seed, 100))
    assert buffer.nbytes == expected
    assert buffer.num_steps + buffer.num_episodes <= buffer.capacity
    assert f"capacity 1008, {expected / 2**20:.1f} MiB" in repr(buffer)


def test_what_does_not_fit_is_refused() -> None:
    buffer = ReplayBuffer(40)
    with pytest.raises(InvalidValueError, match="GiB for 1000000000000000 observations cannot be had"):
        ReplayBuffer(10**15).add(episode_of(0, 1))
    with pytest.raises(InvalidValueError, match="spill must be a writer"):
        ReplayBuffer(capacity=16, spill="runs/x")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="capacity must be at least 1"):
        ReplayBuffer(0)
    with pytest.raises(DatasetError, match="no clip of 4 observations"):
        buffer.sample(1)
    episode = episode_of(0, 5)
    buffer.add(episode)
    with pytest.raises(InvalidValueError, match="do not fit into a buffer of 48"):
        buffer.add(episode_of(1, 60))
    parts: dict[str, Any] = {name: getattr(episode, name) for name in swm.data.TRANSITIONS}
    with pytest.raises(InvalidValueError, match=r"'pixels' is missing.*'state' is float32 .* in the buffer float64"):
        buffer.add(swm.data.Episode(observation={"state": np.zeros((6, 1), np.float32)}, **parts))
    with pytest.raises(InvalidValueError, match="no writer"):
        buffer.flush()
    with pytest.raises(InvalidValueError, match="num_steps must be at least 1"):
        buffer.sample(1, num_steps=0)
    with pytest.raises(UnknownNameError, match="column: 'stat'"):
        buffer.sample(1, columns=["stat"])
    assert buffer.num_episodes == 1


def test_steps_without_a_beginning_are_refused() -> None:
    buffer, episodes = ReplayBuffer(100), [episode_of(0, 2), episode_of(1, 5)]
    with pytest.raises(InvalidValueError, match=r"environments \[0, 1\] have no running episode"):
        step_all(buffer, episodes, [0, 0], [True, True])
    buffer.begin(vector(episodes, [0, 0]))
    for step in range(2):
        step_all(buffer, episodes, [step, step], [True, True])
    with pytest.raises(InvalidValueError, match=r"environments \[0\] have no running episode"):
        step_all(buffer, episodes, [1, 2], [True, True])
    with pytest.raises(ShapeError, match="one row for each of 2 environments"):
        buffer.begin(vector([episodes[0]] * 3, [0] * 3))
    with pytest.raises(ShapeError, match=r"mask: expected shape \(2,\), bool"):
        buffer.begin(vector(episodes, [0, 0]), np.array([0, 1]))
    with pytest.raises(InvalidValueError, match="metadata must be JSON-ready"):
        buffer.begin(vector(episodes, [0, 0]), metadata=[{"x": {1, 2}}, {}])
    with pytest.raises(InvalidValueError, match="'state' is int64"):
        buffer.begin({**vector(episodes, [0, 0]), "state": np.zeros((2, 1), np.int64)})
    assert buffer.dataset().lengths.tolist() == [2, 2]
    assert json.loads(buffer.dataset().reader.index.metadata[0]) == {}


def test_one_thread_adds_while_another_samples() -> None:
    buffer = ReplayBuffer(300)
    buffer.add(episode_of(0, 50))
    errors: list[BaseException] = []

    def sample() -> None:
        try:
            for _ in range(200):
                batch = buffer.sample(16, num_steps=3, frame_skip=2, columns=["state", "action"])
                state = batch["state"][:, :, 0]
                assert (np.diff(state, axis=1) == 2).all()
                assert (batch["action"][:, 0, 0] == state[:, 0]).all()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=sample)
    thread.start()
    for seed in range(1, 300):
        buffer.add(episode_of(seed % 250, 5 + seed % 60))
    thread.join()
    assert not errors
