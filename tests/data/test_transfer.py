"""Laws of transfers: what is kept, what is refused before a byte is written, and what a stop leaves behind."""

import itertools
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swm.data
from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.data import EncodedPictures, Episode, FormatRow, Location
from swm.data.columns import describe_episode
from swm.data.formats.episodic import EpisodicReader, make_index
from swm.data.provenance import recordings, unfinished

TRANSITIONS = swm.data.TRANSITIONS
MANY = range(3, 13)
"""Lengths of ten episodes, some of each split."""


# ------------------------------------------------------- a format of one file that is written at close() alone


class PickleReader(EpisodicReader):
    notes = ("A pickle has no note of where it comes from.",)

    def __init__(self, location: Location, version: int | None, cache_bytes: int) -> None:
        self.location = location
        self.episodes: list[Episode] = pickle.loads(location.path.read_bytes())
        self.columns = describe_episode(self.episodes[0], "raw")
        self.index = make_index([e.num_steps for e in self.episodes], [e.metadata for e in self.episodes])

    def read_steps(self, episode: int, names: Sequence[str], steps: Any) -> dict[str, Any]:
        return {name: self.episodes[episode].arrays()[name][steps] for name in names}

    def files(self) -> list[Path]:
        return [self.location.path]

    def payload(self, episode: int) -> dict[str, Any]:
        return dict(self.episodes[episode].payload)


class PickleWriter:
    def __init__(self, location: Location, options: Any) -> None:
        self.location, self.episodes, self.num_episodes = location, list[Episode](), 0
        self.notes = ["A pickle holds no codec."]

    def write(self, episode: Episode) -> None:
        assert all(isinstance(array, np.ndarray) for array in episode.arrays().values())
        self.episodes.append(episode)

    def close(self) -> None:
        self.location.path.write_bytes(pickle.dumps(self.episodes))
        self.num_episodes = len(self.episodes)

    def __enter__(self) -> "PickleWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def detect(path: Path) -> bool:
    return path.suffix == ".pickle" and path.is_file()


@pytest.fixture(autouse=True)
def _pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    row = FormatRow(
        target=f"{__name__}:PickleReader",
        writer=f"{__name__}:PickleWriter",
        detect=f"{__name__}:detect",
        summary="a test",
    )
    monkeypatch.setitem(swm.data.FORMATS._all(), "pickle", row)


def contents(dataset: swm.data.Dataset) -> list[tuple[str, str]]:
    """Everything of each episode but its split in the metadata: numbers, metadata, and its split."""
    found = []
    for index, facts in enumerate(dataset.episodes):
        episode = dataset.episode(index)
        arrays = {name: (str(array.dtype), array.tolist()) for name, array in sorted(episode.arrays().items())}
        payload = {name: array.tolist() for name, array in episode.payload.items()}
        metadata = {name: value for name, value in episode.metadata.items() if name != "split"}
        found.append((json.dumps([arrays, payload, metadata], sort_keys=True), facts["split"]))
    return found


def stop_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process be interrupted when it reads the next episode after `count`."""
    read, calls = swm.data.Dataset.episode, itertools.count()

    def episode(self: swm.data.Dataset, *args: Any, **options: Any) -> Episode:
        if next(calls) == count:
            raise KeyboardInterrupt
        return read(self, *args, **options)

    monkeypatch.setattr(swm.data.Dataset, "episode", episode)


# -------------------------------------------------------------------------------------------------- convert


def test_a_conversion_keeps_everything(make_dataset: Any, tmp_path: Path) -> None:
    source = make_dataset(MANY, val_fraction=0.5, provenance={"recording": {"env_id": "x", "seed": 7}})
    report = swm.data.convert(source, tmp_path / "copy", progress=False)
    copy = swm.data.open(tmp_path / "copy")
    assert contents(copy) == contents(source)
    assert {split for _, split in contents(copy)} == {"train", "val"}
    assert (report.episodes, report.steps, report.copied, report.notes) == (10, 75, ("pixels",), ())
    assert (copy.columns, copy.verify().ok) == (source.columns, True)
    (entry,) = copy.provenance
    assert entry["transfer"]["operation"] == "convert"
    (origin,) = entry["transfer"]["sources"]
    assert (origin["uri"], origin["version"], origin["fingerprint"]) == (source.uri, source.version, source.fingerprint)
    assert list(recordings(copy.provenance)) == [{"env_id": "x", "seed": 7}]


def test_the_chain_of_sources_goes_on(make_dataset: Any, tmp_path: Path) -> None:
    source = make_dataset(provenance={"recording": {"seed": 7}})
    swm.data.convert(source, tmp_path / "b", progress=False)
    swm.data.filter(tmp_path / "b", tmp_path / "c", episodes=[1, 2], progress=False)
    last = swm.data.open(tmp_path / "c").provenance
    assert last[0]["transfer"]["sources"][0]["provenance"][0]["transfer"]["sources"][0]["uri"] == source.uri
    assert list(recordings(last)) == [{"seed": 7}]


@pytest.mark.parametrize("codec", ["jpeg", "png", "raw"])
def test_pictures_are_copied_byte_by_byte(make_dataset: Any, tmp_path: Path, codec: str) -> None:
    source = make_dataset(codec=codec)
    report = swm.data.convert(source, tmp_path / "copy", progress=False)
    copy = swm.data.open(tmp_path / "copy")
    for index in range(len(source)):
        pair: list[Any] = [each.episode(index, decode=False).observation["pixels"] for each in (source, copy)]
        assert all(isinstance(pictures, EncodedPictures) for pictures in pair)
        one, other = ([bytes(blob) for blob in pictures.blobs] for pictures in pair)
        assert one == other
    assert report.copied == ("pixels",)


def test_pictures_are_encoded_again_where_asked(make_dataset: Any, tmp_path: Path) -> None:
    source = make_dataset(codec="jpeg")
    exact = swm.data.convert(source, tmp_path / "exact", codec="png", progress=False)
    assert exact.notes == (
        "The pictures of 'pixels' were decoded (jpeg) and encoded again (png), which loses nothing.",
    )
    assert contents(swm.data.open(tmp_path / "exact")) == contents(source)
    smaller = swm.data.convert(source, tmp_path / "smaller", quality=20, progress=False)
    assert smaller.copied == ()
    assert "is lossy" in smaller.notes[0]
    size = {name: swm.data.open(tmp_path / name).reader.disk_bytes()["pixels"] for name in ("dataset", "smaller")}
    assert size["smaller"] < size["dataset"]


def test_another_format_and_back(make_dataset: Any, tmp_path: Path) -> None:
    source = make_dataset(MANY, val_fraction=0.5)
    there = swm.data.convert(source, tmp_path / "d.pickle", format="pickle", progress=False)
    assert there.copied == ()
    assert "A pickle holds no codec." in there.notes
    assert "(png) and encoded again (raw), which loses nothing" in there.notes[1]
    assert not any("went to the other split" in note for note in there.notes)
    back = swm.data.convert(tmp_path / "d.pickle", tmp_path / "back", progress=False)
    assert PickleReader.notes[0] in back.notes
    moved = contents(swm.data.open(tmp_path / "d.pickle"))
    assert contents(swm.data.open(tmp_path / "back")) == moved
    assert [text for text, _ in moved] == [text for text, _ in contents(source)]


def with_goal(episode: Episode) -> Episode:
    goal = {"goal.pixels": episode.observation["pixels"][-1], "goal": episode.observation["state"][-1]}
    return Episode(**{**vars(episode), "payload": goal})


@pytest.mark.parametrize("format", ["frames", "video", "pickle"])
def test_payloads_are_kept(make_episode: Any, tmp_path: Path, format: str) -> None:
    with swm.data.create(tmp_path / "d", codec="png") as writer:
        for seed in range(3):
            writer.write(with_goal(make_episode(seed)))
    name = "d.pickle" if format == "pickle" else "copy"
    swm.data.convert(tmp_path / "d", tmp_path / name, format=format, progress=False)
    for index in range(3):
        expected = with_goal(make_episode(index)).payload
        got = swm.data.open(tmp_path / name).episode(index).payload
        assert sorted(got) == sorted(expected)
        assert all(np.array_equal(got[key], expected[key]) for key in expected)


def test_videos_are_copied_and_made(make_dataset: Any, tmp_path: Path) -> None:
    source = make_dataset()
    exact = swm.data.convert(source, tmp_path / "exact", format="video", codec="h264-lossless", progress=False)
    assert "which loses nothing" in exact.notes[0]
    assert contents(swm.data.open(tmp_path / "exact")) == contents(source)
    copy = swm.data.convert(tmp_path / "exact", tmp_path / "copy", format="video", progress=False)
    assert (copy.copied, copy.notes) == (("pixels",), ())
    assert swm.data.open(tmp_path / "copy").columns["pixels"].codec == "h264-lossless"
    back = swm.data.convert(tmp_path / "copy", tmp_path / "back", progress=False)
    assert (back.copied, swm.data.open(tmp_path / "back").columns) == ((), source.columns)
    assert contents(swm.data.open(tmp_path / "back")) == contents(source)


def test_columns_may_be_left_out(make_dataset: Any, tmp_path: Path) -> None:
    swm.data.convert(make_dataset(), tmp_path / "state", columns=["state"], progress=False)
    assert list(swm.data.open(tmp_path / "state").columns) == ["state", *TRANSITIONS]


# ---------------------------------------------------------------------------------------------------- merge


def test_a_merge_puts_one_behind_the_other(make_dataset: Any, tmp_path: Path) -> None:
    first, second = make_dataset((5, 9), "one"), make_dataset((3, 4, 8), "two")
    report = swm.data.merge([first, second], tmp_path / "all", progress=False)
    assert contents(swm.data.open(tmp_path / "all")) == contents(first) + contents(second)
    assert (report.episodes, report.steps) == (5, 29)
    sources = swm.data.open(tmp_path / "all").provenance[0]["transfer"]["sources"]
    assert [(source["uri"], source["episodes"]) for source in sources] == [(first.uri, 2), (second.uri, 3)]


def test_codecs_may_differ_and_nothing_is_lost(make_dataset: Any, tmp_path: Path) -> None:
    first, second = make_dataset((5, 9), "one", codec="jpeg"), make_dataset((3, 4), "two", codec="raw")
    report = swm.data.merge([first, second], tmp_path / "all", progress=False)
    merged = swm.data.open(tmp_path / "all")
    assert merged.columns["pixels"].codec == "png"
    assert contents(merged) == contents(first) + contents(second)
    assert "decoded (jpeg or raw) and encoded again (png), which loses nothing" in report.notes[0]


def test_every_difference_is_named(make_dataset: Any, make_episode: Any, tmp_path: Path) -> None:
    first = make_dataset((5,), "one")
    other = make_episode(0)
    observation = {"pixels": other.observation["pixels"][:, :6], "depth": np.zeros(8), "state": np.zeros((8, 4))}
    with swm.data.create(tmp_path / "two", codec="png") as writer:
        writer.write(Episode(**{**vars(other), "observation": observation, "action": np.zeros((7, 2))}))
    with pytest.raises(DatasetError) as caught:
        swm.data.merge([first, tmp_path / "two"], tmp_path / "all", progress=False)
    text = str(caught.value)
    assert f"'pixels' has shape (8, 8, 3) in {first.uri}, (6, 8, 3) in {tmp_path / 'two'}" in text
    assert "'action' has dtype float32" in text
    assert f"'depth' is missing in {first.uri}" in text
    assert "columns='common'" in text
    with pytest.raises(DatasetError, match=r"'action' has dtype float32[^;]*$"):
        swm.data.merge([first, tmp_path / "two"], tmp_path / "all", columns="common", progress=False)
    assert not (tmp_path / "all").exists()


def test_common_and_named_columns_are_merged(make_dataset: Any, make_episode: Any, tmp_path: Path) -> None:
    first = make_dataset((5,), "one")
    with swm.data.create(tmp_path / "two", codec="png") as writer:
        other = make_episode(1)
        writer.write(Episode(**{**vars(other), "observation": {**other.observation, "depth": np.zeros(8)}}))
    swm.data.merge([first, tmp_path / "two"], tmp_path / "common", columns="common", progress=False)
    assert list(swm.data.open(tmp_path / "common").columns) == ["pixels", "state", *TRANSITIONS]
    swm.data.merge([tmp_path / "two", first], tmp_path / "named", columns=["state"], progress=False)
    assert list(swm.data.open(tmp_path / "named").columns) == ["state", *TRANSITIONS]
    with pytest.raises(DatasetError, match=f"'depth' is missing in {first.uri}"):
        swm.data.merge([tmp_path / "two", first], tmp_path / "x", columns=["depth"], progress=False)


# ------------------------------------------------------------------------------------------ filter and split


def test_a_filter_keeps_what_fulfils_it(make_dataset: Any, tmp_path: Path) -> None:
    source = make_dataset((5, 9, 3, 12), val_fraction=0.5)
    whole = contents(source)
    text = swm.data.filter(source, tmp_path / "text", "length > 4 and return > -100", progress=False)
    assert contents(swm.data.open(tmp_path / "text")) == [whole[0], whole[1], whole[3]]
    assert text.episodes == 3
    swm.data.filter(source, tmp_path / "call", lambda episode: episode.length > 4, progress=False)
    assert contents(swm.data.open(tmp_path / "call")) == [whole[0], whole[1], whole[3]]
    swm.data.filter(source, tmp_path / "both", "length > 4", episodes=[-1, 0, 2], progress=False)
    assert contents(swm.data.open(tmp_path / "both")) == [whole[0], whole[3]]
    options = swm.data.open(tmp_path / "text").provenance[0]["transfer"]["options"]
    assert options["where"] == "length > 4 and return > -100"


def test_a_condition_sees_return_success_and_variation(make_dataset: Any, make_episode: Any, tmp_path: Path) -> None:
    lengths = (5, 9, 3, 12)
    episodes = [make_episode(seed, length) for seed, length in enumerate(lengths)]
    seen: list[Any] = []
    with pytest.raises(DatasetError, match="no episode is left"):
        swm.data.filter(make_dataset(lengths), tmp_path / "none", lambda e: bool(seen.append(e)), progress=False)  # type: ignore[func-returns-value]
    assert [e.index for e in seen] == [0, 1, 2, 3]
    np.testing.assert_allclose([e.return_ for e in seen], [e.reward.sum() for e in episodes])
    assert [e.success for e in seen] == [e.success.any() for e in episodes]
    assert [e.variation for e in seen] == [e.metadata["variation"] for e in episodes]


def test_shares_cover_the_dataset_and_do_not_overlap(make_dataset: Any, tmp_path: Path) -> None:
    source = make_dataset(range(2, 22))
    shares: dict[str, float | str] = {"train": 0.7, "val": 0.2, "test": 0.1}
    reports = swm.data.split(source, tmp_path / "parts", shares, seed=1, progress=False)
    assert {name: report.episodes for name, report in reports.items()} == {"train": 14, "val": 4, "test": 2}
    found = [contents(swm.data.open(tmp_path / "parts" / name)) for name in shares]
    assert sorted(itertools.chain(*found)) == sorted(contents(source))
    again = swm.data.split(source, tmp_path / "again", shares, seed=1, progress=False)
    assert [contents(swm.data.open(report.uri)) for report in again.values()] == found
    other = swm.data.split(source, tmp_path / "other", shares, seed=2, progress=False)
    assert [contents(swm.data.open(report.uri)) for report in other.values()] != found


def test_episodes_of_one_seed_stay_together(make_episode: Any, tmp_path: Path) -> None:
    with swm.data.create(tmp_path / "d") as writer:
        for number in range(40):
            writer.write(make_episode(number // 4, 3))
    swm.data.split(tmp_path / "d", tmp_path / "parts", {"a": 0.5, "b": 0.5}, progress=False)
    seeds = [
        {episode["metadata"]["seed"] for episode in swm.data.open(tmp_path / "parts" / name).episodes} for name in "ab"
    ]
    assert [len(each) for each in seeds] == [5, 5]
    assert not seeds[0] & seeds[1]


def test_the_stored_splits_become_datasets(make_dataset: Any, tmp_path: Path) -> None:
    source = make_dataset(MANY, val_fraction=0.5)
    swm.data.split(source, tmp_path / "parts", {"seen": "train", "held out": "val"}, progress=False)
    for name, stored in (("seen", "train"), ("held out", "val")):
        part = swm.data.open(tmp_path / "parts" / name)
        assert contents(part) == [each for each in contents(source) if each[1] == stored]


# --------------------------------------------------------------------------------------- refused beforehand


def test_nonsense_is_refused_before_anything_is_written(make_dataset: Any, tmp_path: Path) -> None:
    source, other = make_dataset((5, 9), "one"), make_dataset((5, 9, 3), "two")
    before = sorted(tmp_path.rglob("*"))
    new = tmp_path / "new"
    convert, merge, split, filter_ = swm.data.convert, swm.data.merge, swm.data.split, swm.data.filter
    with pytest.raises(DatasetError, match="is the source"):
        convert(source, source.uri, overwrite=True)
    with pytest.raises(DatasetError, match="in it, or around it"):
        convert(source, tmp_path / "one" / "inside")
    with pytest.raises(DatasetError, match="in it, or around it"):
        convert(source, tmp_path, overwrite=True)
    with pytest.raises(DatasetError, match="exists already and is no part of this transfer"):
        convert(source, tmp_path / "two")
    with pytest.raises(UnknownNameError, match=r"'stat'.*Did you mean 'state'"):
        convert(source, new, columns=["stat"])
    with pytest.raises(InvalidValueError, match="no observation component"):
        convert(source, new, columns=["action"])
    with pytest.raises(UnknownNameError, match=r"'frame'.*Did you mean 'frames'"):
        convert(source, new, format="frame")
    with pytest.raises(DatasetError, match="can only be read"):
        convert(source, new, format="stable-worldmodel")
    with pytest.raises(InvalidValueError, match="two or more sources"):
        merge([source], new)
    with pytest.raises(DatasetError, match="hold the same episodes"):
        merge([source, other, source.uri], new)
    with pytest.raises(InvalidValueError, match="neither"):
        filter_(source, new)
    with pytest.raises(DatasetError, match="no episode is left"):
        filter_(source, new, "length > 1000")
    with pytest.raises(InvalidValueError, match="there are 2"):
        filter_(source, new, episodes=[2])
    with pytest.raises(InvalidValueError, match="sum to at most 1"):
        split(source, new, {"a": 0.8, "b": 0.3})
    with pytest.raises(InvalidValueError, match="must be in"):
        split(source, new, {"a": 0.0})
    with pytest.raises(InvalidValueError, match="all shares or all stored splits"):
        split(source, new, {"a": 0.5, "b": "val"})
    with pytest.raises(UnknownNameError, match="'test'"):
        split(source, new, {"a": "test"})
    with pytest.raises(InvalidValueError, match="named like a folder"):
        split(source, new, {"../a": 0.5})
    with pytest.raises(DatasetError, match="no episode is left"):
        split(source, new, {"a": 0.9, "b": 0.1})
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_no_dataset_is_never_replaced(make_dataset: Any, tmp_path: Path) -> None:
    source = make_dataset()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    (tmp_path / "mine.pickle").mkdir()
    (tmp_path / "mine.pickle" / "a.txt").write_text("mine")
    for format, place in (("frames", "notes"), ("pickle", "mine.pickle")):
        for overwrite in (False, True):
            with pytest.raises(DatasetError):
                swm.data.convert(source, tmp_path / place, format=format, overwrite=overwrite, progress=False)
        assert (tmp_path / place / "a.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


# ------------------------------------------------------------------------------------------------- stopped


def test_a_stopped_transfer_goes_on(make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, whole = make_dataset(MANY), tmp_path / "whole"
    swm.data.convert(source, whole, progress=False)
    with monkeypatch.context() as patched:
        stop_after(6, patched)
        with pytest.raises(KeyboardInterrupt):
            swm.data.convert(source, tmp_path / "copy", progress=False)
    part = swm.data.open(tmp_path / "copy")
    assert len(part) == 6
    assert "6 of 10 episodes" in str(unfinished(part.provenance, len(part)))
    assert unfinished(swm.data.open(whole).provenance, 10) is None
    with pytest.raises(DatasetError, match="is no part of this transfer"):
        swm.data.convert(source, tmp_path / "copy", codec="raw", progress=False)
    report = swm.data.convert(source, tmp_path / "copy", progress=False)
    assert (report.episodes, report.copied) == (10, ("pixels",))
    assert swm.data.open(tmp_path / "copy").fingerprint == swm.data.open(whole).fingerprint
    again = swm.data.convert(source, tmp_path / "copy", progress=False)
    assert again.notes == (f"{tmp_path / 'copy'} was complete already: nothing was written.",)


def test_a_stopped_split_goes_on(make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_dataset(MANY)
    shares: dict[str, float | str] = {"a": 0.5, "b": 0.5}
    with monkeypatch.context() as patched:
        stop_after(7, patched)
        with pytest.raises(KeyboardInterrupt):
            swm.data.split(source, tmp_path / "parts", shares, progress=False)
    assert [len(swm.data.open(tmp_path / "parts" / name)) for name in "ab"] == [5, 2]
    swm.data.split(source, tmp_path / "parts", shares, progress=False)
    found = [contents(swm.data.open(tmp_path / "parts" / name)) for name in "ab"]
    assert sorted(itertools.chain(*found)) == sorted(contents(source))


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_format_without_commits_appears_whole_or_not_at_all(
    make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    source, dest = make_dataset(MANY), tmp_path / "out" / "d.pickle"
    dest.parent.mkdir()
    if overwrite:
        swm.data.filter(source, dest, episodes=[0], format="pickle", progress=False)
    with monkeypatch.context() as patched:
        stop_after(6, patched)
        with pytest.raises(KeyboardInterrupt):
            swm.data.convert(source, dest, format="pickle", overwrite=overwrite, progress=False)
    assert [path.name for path in dest.parent.iterdir()] == (["d.pickle"] if overwrite else [])
    assert not overwrite or len(swm.data.open(dest)) == 1
    swm.data.convert(source, dest, format="pickle", overwrite=overwrite, progress=False)
    assert len(swm.data.open(dest)) == 10
    assert [path.name for path in dest.parent.iterdir()] == ["d.pickle"]
    with pytest.raises(DatasetError, match="exists already"):
        swm.data.convert(source, dest, format="pickle", progress=False)


def test_what_was_to_be_replaced_survives_any_step(
    make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, dest = make_dataset(), tmp_path / "out" / "d.pickle"
    swm.data.filter(source, dest, episodes=[0], format="pickle", progress=False)
    rename, calls = Path.rename, itertools.count()

    def broken(self: Path, target: Path) -> Path:
        if next(calls) == 1:
            raise OSError("the disk is full")
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", broken)
        with pytest.raises(OSError, match="the disk is full"):
            swm.data.convert(source, dest, format="pickle", overwrite=True, progress=False)
    assert len(swm.data.open(dest)) == 1
    aside = tmp_path / "out" / ".d.pickle.partial"
    aside.mkdir()
    dest.rename(aside / "d.pickle.replaced")  # as a kill between the two steps leaves it
    with pytest.raises(DatasetError, match="no episode is left"):
        swm.data.filter(source, dest, "length > 1000", format="pickle", progress=False)
    swm.data.convert(source, dest, format="pickle", overwrite=True, progress=False)
    assert len(swm.data.open(dest)) == 4
    assert [path.name for path in dest.parent.iterdir()] == ["d.pickle"]


def test_one_episode_is_in_memory_at_a_time(make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer gets each episode before the next one is read."""
    order: list[str] = []

    def watch(owner: Any, name: str, word: str) -> None:
        call = getattr(owner, name)

        def watched(*args: Any, **options: Any) -> Any:
            order.append(word)
            return call(*args, **options)

        monkeypatch.setattr(owner, name, watched)

    watch(swm.data.Dataset, "episode", "read")
    watch(PickleWriter, "write", "write")
    swm.data.convert(make_dataset(), tmp_path / "d.pickle", format="pickle", progress=False)
    assert order == ["read", "write"] * 4
