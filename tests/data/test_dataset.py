"""Opening, describing, measuring and checking datasets."""

import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

import swm.data
from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.core.registry import load_target


def test_a_dataset_describes_itself(make_dataset: Any) -> None:
    dataset = make_dataset((5, 9, 3))
    assert (dataset.num_episodes, len(dataset), dataset.num_steps) == (3, 3, 17)
    assert dataset.lengths.tolist() == [5, 9, 3]
    assert dataset.offsets.tolist() == [0, 6, 16]
    assert dataset.columns["state"] == swm.data.Column(name="state", dtype="float64", shape=(4,), role="observation")
    assert dataset.columns["action"].role == "transition"
    assert dataset.columns["pixels"].codec == "png"
    assert dataset.rows(np.array([2, 0]), "transition").tolist() == [16, 17, 18, 0, 1, 2, 3, 4]
    assert "3 episodes, 17 steps" in repr(dataset)


def test_an_episode_can_be_read_in_part(make_dataset: Any, make_episode: Any) -> None:
    dataset = make_dataset()
    part = dataset.episode(1, ["state"])
    assert list(part.observation) == ["state"]
    np.testing.assert_array_equal(part.action, make_episode(1, 9).action)
    with pytest.raises(UnknownNameError, match=r"column: 'stat'.*'state'"):
        dataset.episode(0, ["stat"])
    with pytest.raises(InvalidValueError, match=r"episode 4 of .*there are 4"):
        dataset.episode(4)


def test_the_fingerprint_is_of_the_content_alone(make_dataset: Any, tmp_path: Path) -> None:
    one, again = make_dataset(name="one"), make_dataset(name="again", shard_size=1000)
    assert one.version != again.version
    assert one.fingerprint == again.fingerprint
    assert make_dataset((5, 9, 3), name="shorter").fingerprint != one.fingerprint
    shutil.copytree(one.uri, tmp_path / "copy")
    assert swm.data.open(tmp_path / "copy").fingerprint == one.fingerprint


# ---------------------------------------------------------------------------------------- verify


def test_verify_finds_nothing_in_a_sound_dataset(make_dataset: Any) -> None:
    dataset = make_dataset()
    report = dataset.verify()
    assert report.ok
    assert report == swm.data.VerifyReport(
        uri=dataset.uri, version=dataset.version, num_episodes=4, num_steps=29, torn_rows=0, problems=()
    )


def rewrite(dataset: swm.data.Dataset, change: Any) -> swm.data.Dataset:
    """Change one of the tables behind the dataset's back: ``change(rows)`` returns the new rows."""
    steps, episodes = (lance.dataset(f"{dataset.uri}/{name}.lance") for name in ("steps", "episodes"))
    changed = lance.write_dataset(change(steps.to_table()), steps.uri, mode="overwrite", data_storage_version="2.2")
    rows = episodes.to_table().to_pylist()
    for row in rows:
        row["steps_version"] = changed.version
    lance.write_dataset(
        pa.Table.from_pylist(rows, schema=episodes.schema), episodes.uri, mode="overwrite", data_storage_version="2.2"
    )
    return swm.data.open(dataset.uri)


def set_cell(rows: pa.Table, name: str, index: int, value: Any) -> pa.Table:
    values = rows[name].to_pylist()
    values[index] = value
    return rows.set_column(rows.schema.get_field_index(name), name, pa.array(values, rows.schema.field(name).type))


def test_verify_names_what_is_damaged(make_dataset: Any) -> None:
    sound = make_dataset()
    damaged = rewrite(sound, lambda rows: set_cell(set_cell(rows, "pixels", 7, b"junk"), "reward", 20, 1234.5))
    report = damaged.verify()
    assert not report.ok
    assert [problem.partition(" (")[0] for problem in report.problems] == [
        "episode 1: frame 1 of 'pixels' cannot be decoded",
        "episode 1: its content is not what was written",
        "episode 3: its content is not what was written",
    ]
    misplaced = rewrite(sound, lambda rows: set_cell(rows, "reward", 2, None))
    assert "column 'reward' is null in other rows than the last" in misplaced.verify().problems[0]


def test_missing_rows_are_noticed_on_opening(make_dataset: Any) -> None:
    with pytest.raises(DatasetError, match="is damaged: its episodes need 33 rows of steps, the table has 32"):
        rewrite(make_dataset(), lambda rows: rows.slice(0, 32))


def test_unreadable_files_are_reported(make_dataset: Any) -> None:
    dataset = make_dataset()
    for data in (dataset.reader.location.path / "steps.lance" / "data").iterdir():
        data.write_bytes(b"\0" * data.stat().st_size)
    problems = swm.data.open(dataset.uri).verify().problems
    assert "their rows cannot be read" in problems[0]


# -------------------------------------------------------------------------------- refusing to open


def test_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="the path does not exist"):
        swm.data.open(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="the folder is empty"):
        swm.data.open(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DatasetError, match=r"is not a dataset of a known format \(frames"):
        swm.data.open(tmp_path)
    for nothing in ("", None, 3):
        with pytest.raises(InvalidValueError, match="named by a path or a URI, got"):
            swm.data.open(nothing)  # type: ignore[arg-type]


def test_a_place_near_a_dataset_names_it(make_dataset: Any, tmp_path: Path) -> None:
    make_dataset(name="discs")
    with pytest.raises(DatasetError, match=r"Did you mean '.*/discs'"):
        swm.data.open(tmp_path / "dics")
    with pytest.raises(DatasetError, match="holds some: discs"):
        swm.data.open(tmp_path)
    with pytest.raises(DatasetError, match=r"is a part of the dataset .*/discs"):
        swm.data.open(tmp_path / "discs" / "steps.lance")
    shutil.rmtree(tmp_path / "discs" / "steps.lance")
    with pytest.raises(DatasetError, match="incomplete or damaged"):
        swm.data.open(tmp_path / "discs")


def test_what_is_no_opened_dataset_is_refused(make_dataset: Any, make_episode: Any, tmp_path: Path) -> None:
    uri = make_dataset().uri
    for call in (swm.data.summarize, swm.data.write_card, swm.data.ReplayBuffer.from_dataset):
        with pytest.raises(InvalidValueError, match=r"an opened dataset was expected, got .* Use swm\.data\.open"):
            call(uri)
    with pytest.raises(InvalidValueError, match=r"an opened dataset was expected"):
        swm.data.write_preview(uri, tmp_path / "film.mp4")
    with pytest.raises(InvalidValueError, match="whole number"):
        swm.data.open(uri).episode(1.5)  # type: ignore[arg-type]
    with (
        pytest.raises(InvalidValueError, match=r"takes a swm\.data\.Episode, got dict"),
        swm.data.create(tmp_path / "new") as writer,
    ):
        writer.write({"action": 1})  # type: ignore[arg-type]


def test_tables_of_others_are_refused_and_left_alone(tmp_path: Path) -> None:
    for name in ("steps", "episodes"):
        lance.write_dataset(pa.table({"x": [1]}), str(tmp_path / f"{name}.lance"))
    with pytest.raises(DatasetError, match=r"not written by swm\.data"):
        swm.data.open(tmp_path)
    with pytest.raises(DatasetError, match=r"not written by swm\.data"):
        swm.data.create(tmp_path, mode="overwrite")
    assert lance.dataset(str(tmp_path / "steps.lance")).count_rows() == 1


def test_a_newer_schema_is_refused(make_dataset: Any) -> None:
    dataset = make_dataset()
    table = lance.dataset(dataset.uri + "/episodes.lance")
    facts = json.loads(table.schema.metadata[b"swm"])
    facts["schema_version"] += 1
    rows = table.to_table().replace_schema_metadata({b"swm": json.dumps(facts).encode()})
    lance.write_dataset(rows, table.uri, mode="overwrite", data_storage_version="2.2")
    with pytest.raises(DatasetError, match=r"schema version 3; this installation reads up to 2\. Upgrade"):
        swm.data.open(dataset.uri)


def test_a_missing_version_is_refused(make_dataset: Any) -> None:
    with pytest.raises(DatasetError, match=r"has no version 77\. Versions there: \[1, 2"):
        swm.data.open(make_dataset().uri, version=77)


def test_the_other_lance_package_is_recognised(make_dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = make_dataset().uri
    monkeypatch.setitem(sys.modules, "lance", types.ModuleType("lance"))
    with pytest.raises(DatasetError, match=r"pip uninstall -y lance pylance && pip install --force-reinstall 'pylance"):
        swm.data.open(uri)


# -------------------------------------------------------------------------------- other processes


def read_elsewhere(dataset: swm.data.Dataset, index: int) -> tuple[int, Any]:
    return os.getpid(), dataset.episode(index).observation["pixels"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_an_open_dataset_crosses_to_other_processes(make_dataset: Any, make_episode: Any, method: str) -> None:
    dataset = make_dataset()
    dataset.episode(0)
    with multiprocessing.get_context(method).Pool(1) as pool:
        process, pixels = pool.apply(_call, (pickle.dumps((dataset, 1)),))
    assert process != os.getpid()
    np.testing.assert_array_equal(pixels, make_episode(1, 9).observation["pixels"])


def _call(packed: bytes) -> tuple[int, Any]:
    return read_elsewhere(*pickle.loads(packed))


def test_a_copy_sees_the_version_that_was_opened(make_dataset: Any, make_episode: Any) -> None:
    dataset = make_dataset()
    with swm.data.create(dataset.uri, mode="append") as writer:
        writer.write(make_episode(9))
    copy = pickle.loads(pickle.dumps(dataset))
    assert (len(copy), copy.version, copy.fingerprint) == (4, dataset.version, dataset.fingerprint)


def test_importing_the_room_loads_nothing_heavy() -> None:
    heavy = "{'lance', 'pyarrow', 'torch', 'av', 'simplejpeg'}"
    program = f"import sys, swm.data; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_every_public_name_exists() -> None:
    assert all(hasattr(swm.data, name) for name in swm.data.__all__)
    for name, row in swm.data.FORMATS.items():
        assert swm.data.FORMATS.load(name)
        assert load_target(row.detect)
        assert row.writer is None or load_target(row.writer)
