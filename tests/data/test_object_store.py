"""Datasets in an object store: written, read, trained from, and lost in mid-read, over real S3 requests."""

import itertools
import pickle
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import swm.data
from swm.core.errors import DatasetError
from tests.data.s3 import Counter, serve

Same = Callable[[swm.data.Episode, swm.data.Episode], None]


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[Counter, dict[str, str]]]:
    with serve("bucket") as running:
        yield running


@pytest.fixture
def uri() -> str:
    return f"s3://bucket/{uuid.uuid4().hex}"


@pytest.mark.parametrize(("layout", "codec"), [("frames", "png"), ("video", "h264-lossless")])
def test_what_is_recorded_into_a_bucket_is_read_from_it(
    layout: str, codec: Any, store: Any, uri: str, make_episode: Any, same: Same
) -> None:
    options = store[1]
    for begin in (0, 3):
        with swm.data.create(
            uri, format=layout, mode="append", codec=codec, shard_size=8, storage_options=options
        ) as writer:
            assert writer.num_episodes == begin
            for seed in range(begin, begin + 3):
                writer.write(make_episode(seed))
    dataset = swm.data.open(uri, storage_options=options)
    assert dataset.uri == uri
    assert dataset.verify().ok
    for seed in range(6):
        same(dataset.episode(seed), make_episode(seed))
    np.testing.assert_array_equal(
        dataset.statistics("state").mean, swm.data.open(uri, storage_options=options).statistics("state").mean
    )
    assert dataset.reader.location.names("statistics")


def test_several_recorders_lose_nothing_in_a_bucket(store: Any, uri: str, make_episode: Any, same: Same) -> None:
    def record(recorder: int) -> None:
        with swm.data.create(
            uri, mode="append", codec="png", shard_size=8, recorder=f"r{recorder}", storage_options=store[1]
        ) as writer:
            for seed in range(recorder, 20, 4):
                writer.write(make_episode(seed))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record, range(4)))
    dataset = swm.data.open(uri, storage_options=store[1])
    assert sorted(episode["metadata"]["seed"] for episode in dataset.episodes) == list(range(20))
    assert dataset.verify().ok
    for index, episode in enumerate(dataset.episodes):
        same(dataset.episode(index), make_episode(episode["metadata"]["seed"]))


def test_worker_processes_train_from_a_bucket(store: Any, uri: str, make_episode: Any) -> None:
    with swm.data.create(uri, codec="png", storage_options=store[1]) as writer:
        for seed in range(6):
            writer.write(make_episode(seed, 12))
    clips = swm.data.open(uri, storage_options=store[1]).clips(num_steps=3, split="all")
    here = list(itertools.islice(swm.data.Loader(clips, 8, seed=0), 4))
    there = list(itertools.islice(swm.data.Loader(clips, 8, seed=0, num_workers=2), 4))
    for one, other in zip(here, there, strict=True):
        assert all((one[name] == other[name]).all() for name in one)


@pytest.mark.parametrize("layout", ["frames", "video"])
def test_random_clips_move_at_most_twice_what_they_contain(layout: str, store: Any, uri: str) -> None:
    counter, options = store
    rng = np.random.default_rng(0)
    flags = np.zeros(60, np.bool_)
    with swm.data.create(uri, format=layout, storage_options=options) as writer:
        for seed in range(12):
            waves = 127 + 90 * np.sin(
                np.arange(61)[:, None, None, None] / 9 + np.mgrid[0:64, 0:64].sum(0)[..., None] / 7
            )
            pixels = np.clip(waves + rng.normal(0, 8, (61, 64, 64, 3)), 0, 255).astype(np.uint8)
            writer.write(
                swm.data.Episode(
                    observation={"pixels": pixels},
                    action=rng.normal(size=(60, 2)),
                    reward=np.zeros(60),
                    terminated=flags,
                    truncated=flags,
                    success=flags,
                    metadata={"seed": seed},
                )
            )
    dataset = swm.data.open(uri, storage_options=options, format=layout, cache_bytes=0)
    clips = dataset.clips(num_steps=4, frame_skip=5, split="all")
    batches = rng.permutation(len(clips))[:320].reshape(5, 64)
    clips.__getitems__(batches[0])
    for batch in batches[1:]:
        before = counter.sent
        clips.__getitems__(batch)
        assert counter.sent - before < 2 * content(dataset, clips, batch)


def content(dataset: swm.data.Dataset, clips: swm.data.Clips, batch: Any) -> int:
    """Bytes of the frames that a batch shows: of each JPEG, or of the groups of pictures up to each frame."""
    episodes, starts = clips.locate(batch)
    steps = {(int(e), int(s) + 5 * k) for e, s in zip(episodes, starts, strict=True) for k in range(4)}
    total = 0
    for episode in sorted({e for e, _ in steps}):
        wanted = [step for e, step in steps if e == episode]
        stored = dataset.reader.encoded("pixels", episode)
        if isinstance(stored, swm.data.EncodedPictures):
            total += sum(len(stored.blobs[step]) for step in wanted)
        else:
            assert stored is not None
            group = np.searchsorted(stored.keyframes, wanted, side="right") - 1
            last: dict[int, int] = {}
            for number, step in zip(group.tolist(), wanted, strict=True):
                last[number] = max(last.get(number, 0), step)
            total += sum(
                int(stored.frame_offsets[step + 1] - stored.frame_offsets[stored.keyframes[number]])
                for number, step in last.items()
            )
    return total


def test_credentials_are_never_shown(store: Any, uri: str, make_episode: Any) -> None:
    with swm.data.create(uri, codec="png", storage_options=store[1]) as writer:
        writer.write(make_episode(0))
    dataset = swm.data.open(uri, storage_options=store[1])
    assert "secret" not in repr(dataset) + repr(dataset.reader.location) + str(dataset.provenance)
    with pytest.raises(DatasetError) as missing:
        swm.data.open(uri, version=77, storage_options=store[1])
    assert "secret" not in str(missing.value)
    assert len(pickle.loads(pickle.dumps(dataset))) == 1


def test_a_lost_network_is_one_clear_error(store: Any, uri: str, make_episode: Any) -> None:
    counter, options = store
    with swm.data.create(uri, codec="png", storage_options=options) as writer:
        writer.write(make_episode(0))
    dataset = swm.data.open(uri, storage_options=options)
    counter.broken = True
    try:
        with pytest.raises(DatasetError, match=r"s3://bucket/.*cannot be read"):
            dataset.episode(0)
        with pytest.raises(DatasetError, match="s3://bucket/"):
            swm.data.open(uri, storage_options=options)
        with pytest.raises(DatasetError, match="s3://bucket/"):
            swm.data.create(f"{uri}-new", storage_options=options)
    finally:
        counter.broken = False
    dataset.episode(0)


def test_an_empty_place_is_no_dataset(store: Any, uri: str) -> None:
    with pytest.raises(DatasetError, match="holds no committed episode"):
        swm.data.open(uri, storage_options=store[1])


def test_other_formats_are_for_local_disks(store: Any, uri: str) -> None:
    with pytest.raises(DatasetError, match="'hdf5' is written on local disks alone"):
        swm.data.create(uri, format="hdf5", storage_options=store[1])
