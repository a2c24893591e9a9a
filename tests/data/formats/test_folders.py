"""Laws of both formats that keep a dataset as a folder of files: round trips, modes, what a failure leaves."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import swm.data
from swm.core.errors import DatasetError, InvalidValueError
from swm.data.formats import FORMATS

LOSSLESS = [("mp4", "h264-lossless"), ("images", "png")]
FORMAT_NAMES = ["mp4", "images"]


@pytest.fixture(name="rich")
def _rich(make_episode: Any) -> Any:
    """Episodes with everything that an episode may hold."""

    def make(seed: int, length: int = 6) -> swm.data.Episode:
        episode: swm.data.Episode = make_episode(seed, length, 12)
        pixels = episode.observation["pixels"]
        extra = {
            "pixels.top view/é": pixels[:, :7, :5, :1],
            "mask": pixels[:, ::2, ::3],
            "instruction": np.array(["push", "", "naïve", "x" * seed] * length)[: length + 1],
            "": np.arange(length + 1, dtype=np.int8),
            "nothing": np.zeros((length + 1, 0), np.float16),
        }
        payload = {"goal": pixels[0], "file": np.zeros((0, 2), np.uint16), "a.b/c": np.array("text")}
        return replace(episode, observation={**episode.observation, **extra}, payload=payload)

    return make


def write(place: Path, name: str, codec: str | None, episodes: Any, **options: Any) -> swm.data.Dataset:
    with swm.data.create(place, format=name, codec=codec, **options) as writer:  # type: ignore[arg-type]
        for episode in episodes:
            writer.write(episode)
    return swm.data.open(place)


def problems_of(place: Path) -> tuple[str, ...]:
    """What opening or verifying a dataset complains of."""
    try:
        return swm.data.open(place).verify().problems
    except DatasetError as error:
        return (str(error),)


def assert_same_payload(got: swm.data.Episode, expected: swm.data.Episode) -> None:
    assert list(got.payload) == list(expected.payload)
    for name, array in expected.payload.items():
        np.testing.assert_array_equal(got.payload[name], array, strict=True)


@pytest.mark.parametrize(("name", "codec"), LOSSLESS)
def test_everything_comes_back(tmp_path: Path, name: str, codec: str, rich: Any, same: Any) -> None:
    episodes = [rich(seed, 4 + seed) for seed in range(3)]
    dataset = write(tmp_path / "d", name, codec, episodes, provenance={"run": 1})
    for got, expected in zip(map(dataset.episode, range(3)), episodes, strict=True):
        same(got, expected)
        assert_same_payload(got, expected)
        assert got.metadata == expected.metadata
    assert dataset.verify().ok
    assert [column.codec for column in dataset.columns.values() if column.codec] == [codec] * 3
    assert dataset.provenance[0]["run"] == 1
    assert set(dataset.reader.disk_bytes()) == set(dataset.columns)


@pytest.mark.parametrize(("name", "codec"), LOSSLESS)
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_are_those_of_the_whole(
    tmp_path: Path, name: str, codec: str, make_episode: Any, data: st.DataObject
) -> None:
    place = tmp_path / name
    if not place.exists():
        write(place, name, codec, [make_episode(seed, 3 + seed) for seed in range(3)])
    dataset = swm.data.open(place)
    whole = {
        key: np.concatenate([dataset.episode(i).observation[key] for i in range(3)]) for key in ("pixels", "state")
    }
    rows = np.array(data.draw(st.permutations(range(15))))[: data.draw(st.integers(0, 15))]
    for key, array in dataset.reader.read(["pixels", "state"], rows).items():
        np.testing.assert_array_equal(array, whole[key][rows], strict=True)
    assert dataset.reader.read(["pixels"], rows, (4, 6))["pixels"].shape == (len(rows), 4, 6, 3)


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_a_copy_without_decoding_is_the_same_dataset(tmp_path: Path, name: str, rich: Any) -> None:
    dataset = write(tmp_path / "d", name, None, [rich(seed) for seed in range(3)])
    copy = write(tmp_path / "copy", name, None, [dataset.episode(i, decode=False) for i in range(3)])
    assert copy.fingerprint == dataset.fingerprint
    files = [file for file in (tmp_path / "d").rglob("*") if file.suffix in (".mp4", ".png")]
    assert files
    for file in files:
        assert file.read_bytes() == (tmp_path / "copy" / file.relative_to(tmp_path / "d")).read_bytes()


@pytest.mark.parametrize(("name", "codec"), LOSSLESS)
def test_modes(tmp_path: Path, name: str, codec: str, make_episode: Any, same: Any) -> None:
    place = tmp_path / "d"
    write(place, name, codec, map(make_episode, range(2)))
    with pytest.raises(DatasetError, match="exists already"):
        swm.data.create(place, format=name)
    dataset = write(place, name, None, map(make_episode, range(2, 4)), mode="append")
    for seed in range(4):
        same(dataset.episode(seed), make_episode(seed))
    assert [entry["first_episode"] for entry in dataset.provenance] == [0, 2]
    dataset = write(place, name, codec, [make_episode(7)], mode="overwrite")
    assert dataset.num_episodes == 1
    same(dataset.episode(0), make_episode(7))
    fresh = write(tmp_path / "fresh", name, codec, [make_episode(7)])
    assert fresh.fingerprint == dataset.fingerprint
    assert len(list(place.rglob("*"))) == len(list((tmp_path / "fresh").rglob("*"))), "the old files are gone"


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_an_exception_keeps_the_whole_episodes_alone(tmp_path: Path, name: str, make_episode: Any) -> None:
    def record() -> None:
        with swm.data.create(tmp_path / "d", format=name) as writer:
            writer.write(make_episode(0))
            files.update((tmp_path / "d").rglob("*"))
            writer.write(make_episode(1, size=9))

    files: set[Path] = set()
    with pytest.raises(DatasetError, match="does not fit"):
        record()
    dataset = swm.data.open(tmp_path / "d")
    assert dataset.num_episodes == 1
    assert set((tmp_path / "d").rglob("*")) == files
    assert dataset.verify().ok


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_an_overwrite_that_fails_at_once_keeps_the_old(tmp_path: Path, name: str, make_episode: Any) -> None:
    before = write(tmp_path / "d", name, None, [make_episode(0)]).fingerprint
    bad = replace(make_episode(1), metadata={"bad": object()})
    with pytest.raises(InvalidValueError, match="JSON"):
        write(tmp_path / "d", name, None, [bad], mode="overwrite")
    assert swm.data.open(tmp_path / "d").fingerprint == before
    assert swm.data.open(tmp_path / "d").verify().ok


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_what_is_not_committed_does_not_exist(tmp_path: Path, name: str, make_episode: Any) -> None:
    place = tmp_path / "d"
    writer = swm.data.create(place, format=name)
    writer.write(make_episode(0))
    with pytest.raises(DatasetError, match="no committed episode"):
        swm.data.open(place)
    with pytest.raises(DatasetError, match="another writer"):
        swm.data.create(place, format=name, mode="append")
    writer.flush()
    writer.write(make_episode(1))
    assert swm.data.open(place).num_episodes == 1
    writer._release()  # type: ignore[attr-defined]  # as if its process had been killed
    assert any("episode_000001" in str(file) for file in place.rglob("*"))
    swm.data.create(place, format=name, mode="append").close()
    assert not any("episode_000001" in str(file) for file in place.rglob("*"))
    dataset = write(place, name, None, [make_episode(2)], mode="append")
    assert [episode["metadata"]["seed"] for episode in dataset.episodes] == [0, 2]
    assert dataset.verify().ok


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_damage_is_found_and_named(tmp_path: Path, name: str, make_episode: Any) -> None:
    dataset = write(tmp_path / "d", name, None, map(make_episode, range(3)))
    files = sorted(file for file in (tmp_path / "d").rglob("*") if file.suffix in (".mp4", ".png", ".npz"))
    for file in files[:: max(1, len(files) // 6)]:
        content = file.read_bytes()
        file.write_bytes(content[:-20] + bytes(20))
        assert len(dataset.verify().problems) == 1, file
        file.unlink()
        assert len(swm.data.open(tmp_path / "d").verify().problems) == 1
        file.write_bytes(content)
    assert dataset.verify().ok


@pytest.mark.parametrize("name", FORMAT_NAMES)
@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_cut_anywhere_is_an_error(tmp_path: Path, name: str, make_episode: Any, data: st.DataObject) -> None:
    place = tmp_path / name
    if not place.exists():
        write(place, name, None, [make_episode(0)])
    file = data.draw(
        st.sampled_from(sorted(f for f in place.rglob("*") if f.suffix in (".mp4", ".npz", ".png", ".json")))
    )
    content = file.read_bytes()
    cut = data.draw(st.integers(0, len(content) - 3))
    try:
        file.write_bytes(content[:cut])
        assert problems_of(place), (file, cut)
    finally:
        file.write_bytes(content)


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_a_description_from_elsewhere_is_refused(tmp_path: Path, name: str, make_episode: Any) -> None:
    write(tmp_path / "d", name, None, [make_episode(0)])
    file = tmp_path / "d" / "dataset.json"
    facts = json.loads(file.read_text())
    for change in (
        {"schema_version": 99},
        {"columns": [{"name": "x"}]},
        {"episodes": [{"name": "x"}]},
        {"columns": 3},
        {"episodes": [{**facts["episodes"][0], "length": "7"}]},
        {"episodes": [{**facts["episodes"][0], "name": "../x_0"}]},
        {"columns": [{**facts["columns"][0], "codec": "gif"}]},
        {"provenance": [3]},
    ):
        file.write_text(json.dumps({**facts, **change}))
        with pytest.raises(DatasetError, match=r"schema version 99|does not describe|cannot hold"):
            swm.data.open(tmp_path / "d")
    file.write_text(json.dumps(facts))
    with pytest.raises(DatasetError, match="no version 2"):
        swm.data.open(tmp_path / "d", version=2)
    other = "images" if name == "mp4" else "mp4"
    with pytest.raises(DatasetError, match=name):
        FORMATS.load(other)(swm.data.open(tmp_path / "d").reader.location, None, 1)


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_readers_pickle_small_and_wrong_codecs_are_named(tmp_path: Path, name: str, make_episode: Any) -> None:
    dataset = write(tmp_path / "d", name, None, [make_episode(0)])
    pickled = pickle.dumps(dataset)
    assert len(pickled) < 1000
    np.testing.assert_array_equal(
        pickle.loads(pickled).episode(0).observation["pixels"], dataset.episode(0).observation["pixels"]
    )
    with pytest.raises(DatasetError, match="stores"):
        swm.data.create(tmp_path / "e", format=name, codec="raw")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").touch()
    with pytest.raises(DatasetError, match="not a dataset"):
        swm.data.create(tmp_path / "full", format=name)
