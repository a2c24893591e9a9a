"""Appending, replacing, refusing, and what a stopped writer leaves behind."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swm.data
from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.data.formats.lance import tables

Same = Callable[[swm.data.Episode, swm.data.Episode], None]


def test_sessions_add_up_and_keep_their_provenance(tmp_path: Path, make_episode: Any, same: Same) -> None:
    for first in (0, 3):
        with swm.data.create(
            tmp_path / "d", mode="append", codec="png", provenance={"run": first, "at": np.float64(0.5)}
        ) as writer:
            assert writer.num_episodes == first
            for seed in range(first, first + 3):
                writer.write(make_episode(seed))
        assert writer.num_episodes == first + 3
    dataset = swm.data.open(tmp_path / "d")
    for seed in range(6):
        same(dataset.episode(seed), make_episode(seed))
    assert [(s["first_episode"], s["run"], s["at"]) for s in dataset.provenance] == [(0, 0, 0.5), (3, 3, 0.5)]
    assert dataset.episodes[4] == {
        "index": 4,
        "length": 7,
        "split": dataset.episodes[4]["split"],
        "metadata": make_episode(4).metadata,
    }


def test_an_appended_dataset_keeps_its_codec(make_dataset: Any, make_episode: Any, same: Same) -> None:
    dataset = make_dataset(codec="png")
    with swm.data.create(dataset.uri, mode="append") as writer:
        writer.write(make_episode(9))
    same(swm.data.open(dataset.uri).episode(4), make_episode(9))
    with (
        swm.data.create(dataset.uri, mode="append", codec="jpeg") as writer,
        pytest.raises(DatasetError, match="'pixels' has codec jpeg, the dataset png"),
    ):
        writer.write(make_episode(9))


def test_an_existing_dataset_is_not_touched_unless_told(make_dataset: Any) -> None:
    dataset = make_dataset()
    with pytest.raises(DatasetError, match=r"exists already.*append.*overwrite"):
        swm.data.create(dataset.uri)
    assert swm.data.open(dataset.uri).fingerprint == dataset.fingerprint


def test_a_foreign_directory_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for mode in ("error", "append", "overwrite"):
        with pytest.raises(DatasetError, match="is not a dataset: nothing was touched"):
            swm.data.create(tmp_path, mode=mode)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_overwriting_replaces_columns_and_frees_the_disk(make_dataset: Any, make_episode: Any) -> None:
    dataset = make_dataset()
    base = make_episode(0)
    other = swm.data.Episode(**{**vars(base), "observation": {"only": np.arange(8)}})
    with swm.data.create(dataset.uri, mode="overwrite") as writer:
        assert swm.data.open(dataset.uri).fingerprint == dataset.fingerprint
        writer.write(other)
    replaced = swm.data.open(dataset.uri)
    assert len(replaced) == 1
    assert "pixels" not in replaced.columns
    assert len(list(Path(dataset.uri, "steps.lance", "data").iterdir())) == 1
    with pytest.raises(DatasetError, match=r"has no version 1\. Versions there"):
        swm.data.open(dataset.uri, version=1)


def test_every_version_stays_readable_while_a_dataset_grows(make_dataset: Any, make_episode: Any) -> None:
    dataset = make_dataset()
    with swm.data.create(dataset.uri, mode="append") as writer:
        writer.write(make_episode(9))
    now, then = swm.data.open(dataset.uri), swm.data.open(dataset.uri, version=dataset.version)
    assert (len(now), len(then)) == (5, 4)
    assert then.fingerprint == dataset.fingerprint != now.fingerprint


def test_differing_columns_are_named(make_dataset: Any, make_episode: Any) -> None:
    dataset = make_dataset()
    base = make_episode(0)
    state, pixels = base.observation["state"], base.observation["pixels"]
    with swm.data.create(dataset.uri, mode="append") as writer:
        for observation, text in [
            ({"pixels": pixels}, "'state' is missing"),
            ({"pixels": pixels, "state": state, "extra": state}, "'extra' is not a column"),
            ({"pixels": pixels, "state": state.astype(np.float32)}, "'state' has dtype float32, the dataset float64"),
            ({"pixels": pixels[:, :4], "state": state}, r"'pixels' has shape \(4, 8, 3\), the dataset \(8, 8, 3\)"),
        ]:
            with pytest.raises(DatasetError, match=text):
                writer.write(swm.data.Episode(**{**vars(base), "observation": observation}))
        writer.write(base)
    assert len(swm.data.open(dataset.uri)) == 5


def test_a_refused_episode_leaves_no_trace(tmp_path: Path, make_episode: Any) -> None:
    bad = swm.data.Episode(**{**vars(make_episode(0, size=12)), "metadata": {"when": object()}})
    with swm.data.create(tmp_path / "d") as writer:
        with pytest.raises(InvalidValueError, match="metadata must be JSON-ready: a object"):
            writer.write(bad)
        writer.write(make_episode(1))
    assert swm.data.open(tmp_path / "d").columns["pixels"].shape == (8, 8, 3)


def test_a_refused_provenance_leaves_the_place_free(tmp_path: Path, make_episode: Any) -> None:
    with pytest.raises(InvalidValueError, match="metadata must be JSON-ready: a object"):
        swm.data.create(tmp_path / "d", provenance={"policy": object()})
    swm.data.create(tmp_path / "d").close()


def test_the_caller_may_reuse_its_arrays(tmp_path: Path, make_episode: Any, same: Same) -> None:
    episode = make_episode(0)
    with swm.data.create(tmp_path / "d", codec="raw") as writer:
        writer.write(episode)
        for array in episode.arrays().values():
            array[...] = 0
    same(swm.data.open(tmp_path / "d").episode(0), make_episode(0))


def test_an_exception_in_the_block_loses_no_whole_episode(tmp_path: Path, make_episode: Any) -> None:
    def record() -> None:
        with swm.data.create(tmp_path / "d") as writer:
            writer.write(make_episode(0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record()
    assert len(swm.data.open(tmp_path / "d")) == 1


def test_a_closed_writer_refuses(tmp_path: Path, make_episode: Any) -> None:
    writer = swm.data.create(tmp_path / "d")
    writer.close()
    writer.close()
    with pytest.raises(DatasetError, match=r"closed.*append"):
        writer.write(make_episode(0))


def test_a_second_writer_is_refused_until_the_first_closes(tmp_path: Path, make_episode: Any) -> None:
    with swm.data.create(tmp_path / "d") as writer:
        writer.write(make_episode(0))
        for mode in ("error", "append", "overwrite"):
            with pytest.raises(DatasetError, match=r"another writer has .* open \(process \d+\)"):
                swm.data.create(tmp_path / "d", mode=mode)
    swm.data.create(tmp_path / "d", mode="append").close()


def test_a_reader_sees_commits_of_a_running_writer_without_a_warning(tmp_path: Path, make_episode: Any) -> None:
    with swm.data.create(tmp_path / "d", shard_size=1) as writer:
        for count in (1, 2, 3):
            writer.write(make_episode(count))
            assert len(swm.data.open(tmp_path / "d")) == count == writer.num_episodes


@pytest.mark.parametrize(
    ("option", "kind", "text"),
    [
        ({"mode": "appned"}, UnknownNameError, "mode: 'appned'.*'append'"),
        ({"codec": "jpg"}, UnknownNameError, "codec: 'jpg'.*'jpeg'"),
        ({"quality": 0}, InvalidValueError, r"quality must be in \[1, 100\], got 0"),
        ({"shard_size": 0}, InvalidValueError, "shard_size must be at least 1"),
        ({"val_fraction": 1.5}, InvalidValueError, r"val_fraction must be in \[0, 1\], got 1.5"),
    ],
)
def test_bad_options_are_refused(option: dict[str, Any], kind: type[Exception], text: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=text):
        swm.data.create(tmp_path / "d", **option)
    assert not (tmp_path / "d").exists()


def test_a_codec_of_the_other_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"'frames' has no codec 'h264': it has jpeg, png, raw"):
        swm.data.create(tmp_path / "d", format="frames", codec="h264")
    with pytest.raises(InvalidValueError, match=r"'video' has no codec 'png': it has h264, h264-lossless, av1"):
        swm.data.create(tmp_path / "d", format="video", codec="png")
    assert not (tmp_path / "d").exists()


def test_an_unknown_scheme_is_refused() -> None:
    for opened in (swm.data.open, swm.data.create):
        with pytest.raises(DatasetError, match=r"no store is known for ftp://.*s3://, gs://.*hf://"):
            opened("ftp://host/d")


# ------------------------------------------------------------------------------------ splits


def test_an_episode_keeps_its_split_while_the_data_grow(tmp_path: Path, make_episode: Any) -> None:
    for count in (10, 40):
        with swm.data.create(tmp_path / str(count), val_fraction=0.3) as writer:
            for seed in range(count):
                writer.write(make_episode(seed, 1))
    small, large = (swm.data.open(tmp_path / str(count)) for count in (10, 40))
    np.testing.assert_array_equal(small.split("val"), [i for i in large.split("val") if i < 10])
    assert 4 <= len(large.split("val")) <= 20
    assert sorted([*large.split("train"), *large.split("val")]) == large.split("all").tolist() == list(range(40))


def test_the_same_seed_never_lands_on_both_sides(tmp_path: Path, make_episode: Any) -> None:
    with swm.data.create(tmp_path / "d", val_fraction=0.5) as writer:
        for seed in [*range(12), *range(12)]:
            writer.write(make_episode(seed, 1))
    splits = [episode["split"] for episode in swm.data.open(tmp_path / "d").episodes]
    assert splits[:12] == splits[12:]
    assert set(splits) == {"train", "val"}


@pytest.mark.parametrize(("fraction", "name"), [(0.0, "train"), (1.0, "val")])
def test_the_extreme_fractions_put_every_episode_on_one_side(fraction: float, name: str, make_dataset: Any) -> None:
    assert len(make_dataset(val_fraction=fraction).split(name)) == 4


def test_an_unknown_split_is_named(make_dataset: Any) -> None:
    with pytest.raises(UnknownNameError, match=r"split: 'trian'.*'train'"):
        make_dataset().split("trian")


# ------------------------------------------------------------------------ stopped between two commits


def stop_before(monkeypatch: pytest.MonkeyPatch, table: str, commits: int) -> None:
    """Make the commit number `commits` to `table` fail, as a full disk does."""
    seen = {"count": 0}

    def stopping(place_of: int, real: Any) -> Any:
        @functools.wraps(real)
        def stopped(*args: Any) -> Any:
            here = args[place_of].uri.endswith(table)
            seen["count"] += here
            if here and seen["count"] == commits:
                raise OSError("no space left on device")
            return real(*args)

        return stopped

    monkeypatch.setattr(tables, "commit", stopping(1, tables.commit))
    monkeypatch.setattr(tables, "replace_table", stopping(0, tables.replace_table))


@pytest.mark.parametrize("table", [tables.STEPS, tables.EPISODES])
def test_a_failed_commit_loses_its_shard_alone(
    table: str, tmp_path: Path, make_episode: Any, same: Same, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_before(monkeypatch, table, 3)
    writer = swm.data.create(tmp_path / "d", codec="png", shard_size=16)
    for seed in range(5):
        writer.write(make_episode(seed))
    with pytest.raises(DatasetError, match=r"no space left.*4 episodes are safe, the last 2 are not.*append"):
        writer.write(make_episode(5))
    with pytest.raises(DatasetError, match="broken by a failed commit"):
        writer.write(make_episode(6))
    writer.close()
    monkeypatch.undo()

    torn = 16 if table == tables.EPISODES else 0
    if torn:
        with pytest.warns(UserWarning, match="16 rows of unfinished episodes are ignored, 4 episodes are complete"):
            dataset = swm.data.open(tmp_path / "d")
    else:
        dataset = swm.data.open(tmp_path / "d")
    assert (len(dataset), dataset.torn_rows) == (4, torn)
    assert dataset.verify().ok

    with swm.data.create(tmp_path / "d", mode="append") as writer:
        assert writer.num_episodes == 4
        for seed in range(4, 8):
            writer.write(make_episode(seed))
    repaired = swm.data.open(tmp_path / "d")
    assert (len(repaired), repaired.torn_rows) == (8, 0)
    assert repaired.verify().ok
    for seed in range(8):
        same(repaired.episode(seed), make_episode(seed))
    same(swm.data.open(tmp_path / "d", version=dataset.version).episode(3), make_episode(3))


def test_a_failed_overwrite_leaves_the_old_data(
    make_dataset: Any, make_episode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset()
    stop_before(monkeypatch, tables.EPISODES, 1)
    writer = swm.data.create(dataset.uri, mode="overwrite")
    writer.write(make_episode(7))
    with pytest.raises(DatasetError, match="no space left"):
        writer.flush()
    writer.close()
    monkeypatch.undo()
    survived = swm.data.open(dataset.uri)
    assert survived.fingerprint == dataset.fingerprint
    assert survived.verify().ok


def test_before_the_first_commit_there_is_no_dataset(
    tmp_path: Path, make_episode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_before(monkeypatch, tables.EPISODES, 1)
    writer = swm.data.create(tmp_path / "d")
    writer.write(make_episode(0))
    with pytest.raises(DatasetError, match="0 episodes are safe"):
        writer.flush()
    writer.close()
    monkeypatch.undo()
    with pytest.raises(DatasetError, match=r"no committed episode.*append"):
        swm.data.open(tmp_path / "d")
    with swm.data.create(tmp_path / "d") as writer:
        writer.write(make_episode(1))
    dataset = swm.data.open(tmp_path / "d")
    assert (len(dataset), dataset.torn_rows) == (1, 0)
    assert json.loads(dataset.reader.index.metadata[0])["seed"] == 1
