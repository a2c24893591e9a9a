"""Compaction, tags and versions: the content stays what it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import pytest

import swm.data
from swm.core.errors import DatasetError, InvalidValueError
from swm.data.formats.lance import tables

Same = Callable[[swm.data.Episode, swm.data.Episode], None]
LAYOUTS = pytest.mark.parametrize("codec", ["png", "h264-lossless"])


@pytest.fixture
def scattered(tmp_path: Path, make_episode: Any) -> Callable[[str], Path]:
    """A dataset of many commits by several recorders, one of which died between two commits."""

    def make(codec: str) -> Path:
        path = tmp_path / codec
        writers = [
            swm.data.create(path, mode="append", codec=codec, shard_size=1, recorder=f"r{i}")  # type: ignore[arg-type]
            for i in range(3)
        ]
        for seed in range(9):
            writers[seed % 3].write(make_episode(seed, 2 + seed % 4))
        for writer in writers:
            writer.close()
        return path

    return make


def assert_content(path: Path, make_episode: Any, same: Same, version: Any = None) -> swm.data.Dataset:
    dataset = swm.data.open(path, version=version)
    assert dataset.verify().problems == ()
    for index, episode in enumerate(dataset.episodes):
        same(dataset.episode(index), make_episode(episode["metadata"]["seed"], episode["length"]))
    return dataset


@LAYOUTS
def test_compaction_keeps_the_content_and_the_order(codec: str, scattered: Any, make_episode: Any, same: Same) -> None:
    path = scattered(codec)
    before = assert_content(path, make_episode, same)
    report = swm.data.compact(path)
    assert report.files_before >= 18
    assert report.files_after == (3 if codec == "h264-lossless" else 2)
    after = assert_content(path, make_episode, same)
    assert after.fingerprint == before.fingerprint
    assert [e["metadata"]["seed"] for e in after.episodes] == [e["metadata"]["seed"] for e in before.episodes]
    with swm.data.create(path, mode="append") as writer:
        writer.write(make_episode(9))
    assert len(assert_content(path, make_episode, same)) == 10


@LAYOUTS
def test_rows_that_no_episode_claims_are_removed(
    codec: str, scattered: Any, make_episode: Any, same: Same, die_between_commits: Any
) -> None:
    path = scattered(codec)
    with swm.data.create(path, mode="append") as writer:
        writer.write(make_episode(20))
        die_between_commits(writer)
    steps = lance.dataset(str(path / tables.STEPS))
    torn = steps.count_rows() - sum(length + 1 for length in (2 + seed % 4 for seed in range(9)))
    assert torn == 8
    episodes = lance.dataset(str(path / tables.EPISODES))
    pinned = lance.write_dataset(
        episodes.to_table().set_column(
            episodes.schema.get_field_index("steps_version"), "steps_version", [[steps.version] * 9]
        ),
        episodes.uri,
        mode="overwrite",
    )
    assert pinned.count_rows() == 9  # as if another recorder had committed after the one that died
    with pytest.warns(UserWarning, match="8 rows of unfinished"):
        before = assert_content(path, make_episode, same)
    report = swm.data.compact(path)
    assert report.torn_rows == 8
    after = assert_content(path, make_episode, same)
    assert after.torn_rows == 0
    assert after.fingerprint == before.fingerprint


@LAYOUTS
def test_a_tagged_version_survives_compaction(codec: str, scattered: Any, make_episode: Any, same: Same) -> None:
    path = scattered(codec)
    fingerprint = swm.data.open(path).fingerprint
    version = swm.data.tag(path, "paper")
    with swm.data.create(path, mode="append") as writer:
        writer.write(make_episode(9))
    swm.data.compact(path)
    assert assert_content(path, make_episode, same, "paper").fingerprint == fingerprint
    assert len(assert_content(path, make_episode, same)) == 10
    listed = {entry["version"]: entry["tags"] for entry in swm.data.versions(path)}
    assert listed[version] == ["paper"]
    assert set(listed) == {version, swm.data.open(path).version}


def test_an_interrupted_compaction_is_undone_by_the_next_writer(
    scattered: Any, make_episode: Any, same: Same, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scattered("png")
    before = swm.data.open(path).fingerprint
    with monkeypatch.context() as patch:
        patch.setattr(tables, "replace_table", lambda place, rows: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(DatasetError, match="cannot be compacted: killed"):
            swm.data.compact(path)
    assert assert_content(path, make_episode, same).fingerprint == before
    with swm.data.create(path, mode="append", recorder="late") as writer:
        writer.write(make_episode(9))
    assert len(assert_content(path, make_episode, same)) == 10


def test_compaction_waits_for_no_writer(scattered: Any) -> None:
    path = scattered("png")
    with (
        swm.data.create(path, mode="append", recorder="busy"),
        pytest.raises(DatasetError, match="another writer has"),
    ):
        swm.data.compact(path)


def test_bad_requests_are_refused(scattered: Any, make_episode: Any) -> None:
    path = scattered("png")
    swm.data.tag(path, "v1.0-rc_1")
    with pytest.raises(DatasetError, match=r"tag 'v1\.0-rc_1' is taken by version"):
        swm.data.tag(path, "v1.0-rc_1")
    with pytest.raises(InvalidValueError, match="letters, digits"):
        swm.data.tag(path, "best one")
    for call in (swm.data.compact, swm.data.versions):
        with pytest.raises(DatasetError, match="the path does not exist"):
            call(path.parent / "nowhere")
    with swm.data.create(path.parent / "flat.h5", format="hdf5") as writer:
        writer.write(make_episode(0))
    with pytest.raises(DatasetError, match="of the format 'hdf5': only Lance datasets"):
        swm.data.compact(path.parent / "flat.h5")
    with pytest.raises(DatasetError, match=r"has no version 'nine'.*v1\.0-rc_1"):
        swm.data.open(path, version="nine")
