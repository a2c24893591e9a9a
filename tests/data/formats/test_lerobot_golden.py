"""Datasets that the lerobot package wrote are read as what was handed to it; damaged ones are refused."""

import json
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import swm.data
from swm.core.errors import DatasetError
from swm.data.formats.lerobot import detect

GOLDEN = Path(__file__).parents[2] / "golden" / "lerobot"
VERSIONS = ("v3.0", "v2.1")
KEPT = (0, 2, 3)
"""Episodes of more than one frame."""


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return runpy.run_path(str(Path(__file__).with_name("make_lerobot_golden.py")))


@pytest.fixture(params=VERSIONS)
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(GOLDEN / request.param, tmp_path / "d"))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_value_is_the_recorded_one(version: str, made: dict[str, Any]) -> None:
    dataset = swm.data.open(GOLDEN / version)
    assert detect(GOLDEN / version)
    assert dataset.verify().ok
    names = {"state": "observation.state", "mass": "observation.mass", "note": "observation.note"}
    names |= {"contacts": "contacts", "task": "task", "pixels": "observation.image"}
    names |= {"pose": "observation.pose"} if version == "v2.1" else {}
    moves = {"action": "action", "reward": "next.reward", "terminated": "next.done", "success": "next.success"}
    assert set(dataset.columns) == {*names, "pixels.top", *swm.data.TRANSITIONS}
    assert dataset.num_episodes == len(KEPT)
    for index, source in enumerate(KEPT):
        rows, episode = made["rows"](source), dataset.episode(index)
        expected = {feature: np.stack([row[feature] for row in rows]) for feature in rows[0]}
        for name, feature in names.items():
            got = episode.observation[name]
            np.testing.assert_array_equal(got, expected[feature].reshape(got.shape), err_msg=name)
            assert got.dtype == expected[feature].dtype or got.dtype.kind == "U"
        for name, feature in moves.items():
            values = expected[feature]
            got, last = getattr(episode, name), episode.payload[f"final.{name}"]
            np.testing.assert_array_equal(np.concatenate([got, last]).reshape(values.shape), values, err_msg=name)
        top = expected["observation.images.top"].astype(int)
        assert abs(episode.observation["pixels.top"] - top).mean() < 3
        assert not episode.truncated.any()
        assert episode.metadata == {"index": source}


@pytest.mark.parametrize("version", VERSIONS)
def test_writing_it_again_gives_the_same_rows_and_reading_that_the_same_episodes(version: str, tmp_path: Path) -> None:
    source = swm.data.open(GOLDEN / version)
    with swm.data.create(tmp_path / "d", format="lerobot", codec="h264-lossless") as writer:
        for index in range(source.num_episodes):
            writer.write(source.episode(index))
    assert not any("repeated" in note for note in writer.notes)
    written = swm.data.open(tmp_path / "d")
    for index in range(source.num_episodes):
        one, two = source.episode(index), written.episode(index)
        for name, array in {**one.arrays(), **one.payload}.items():
            np.testing.assert_array_equal({**two.arrays(), **two.payload}[name], array, err_msg=name)
        assert one.metadata == two.metadata
    rows = pq.read_table(tmp_path / "d/data/chunk-000/file-000.parquet")
    assert rows["frame_index"].to_pylist() == [step for length in (5, 8, 3) for step in range(length)]
    assert rows["next.done"].to_pylist() == [step == length - 1 for length in (5, 8, 3) for step in range(length)]


def test_tables_are_of_the_types_that_the_package_writes(tmp_path: Path) -> None:
    source = swm.data.open(GOLDEN / "v3.0")
    with swm.data.create(tmp_path / "d", format="lerobot") as writer:
        writer.write(source.episode(0))
    for name in ("data", "meta/episodes"):
        file = f"{name}/chunk-000/file-000.parquet"
        ours = pq.read_schema(tmp_path / "d" / file)
        for field in pq.read_schema(GOLDEN / "v3.0" / file):
            if field.name == "observation.image":
                continue  # a video in ours
            known = field.name.removeprefix("stats/").partition("/")[0]
            renamed = field.name.replace(known, f"observation.{known}") if known == "contacts" else field.name
            assert ours.field(renamed).type == field.type, field.name
    theirs, own = (json.loads((root / "meta/info.json").read_text()) for root in (GOLDEN / "v3.0", tmp_path / "d"))
    assert theirs.keys() == own.keys()
    assert theirs["features"]["next.reward"] == own["features"]["next.reward"]
    one, two = theirs["features"]["observation.images.top"], own["features"]["observation.images.top"]
    assert {**one, "info": sorted(one["info"])} == {**two, "info": sorted(two["info"])}


def test_frames_are_found_in_any_order() -> None:
    dataset = swm.data.open(GOLDEN / "v3.0")
    everything = np.concatenate([dataset.episode(index).observation["pixels.top"] for index in range(3)])
    for seed in range(3):
        rows = np.random.default_rng(seed).permutation(16)[:9]
        np.testing.assert_array_equal(dataset.reader.read(["pixels.top"], rows)["pixels.top"], everything[rows])


def test_what_this_package_keeps_is_ignored_once_others_change_the_dataset(copy: Path) -> None:
    (copy / "meta/swm").mkdir()
    (copy / "meta/swm/info.json").write_text('{"belongs_to": {"total_episodes": 9}}')
    assert any("ignored" in note for note in swm.data.open(copy).reader.notes)


def edit_info(**changes: Any) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        path = root / "meta/info.json"
        facts = {**json.loads(path.read_text()), **changes}
        path.write_text(json.dumps({name: value for name, value in facts.items() if value is not ...}))

    return edit


def truncate_info(root: Path) -> None:
    (root / "meta/info.json").write_text('{"codebase_version": ')


def edit_episodes(name: str, change: Callable[[list[Any]], list[Any]]) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        (path,) = (root / "meta/episodes").glob("*/*.parquet")
        table = pq.read_table(path)
        place = table.column_names.index(name)
        values = pa.array(change(table[name].to_pylist()), table.schema.field(name).type)
        pq.write_table(table.set_column(place, name, values), path)

    return edit


BOTH: dict[str, tuple[Callable[[Path], None], str]] = {
    "a future version": (edit_info(codebase_version="v4.0"), r"version 'v4.0'; v3.0, v2.1, v2.0 are read"),
    "another storage": (edit_info(storage_format="lance"), "storage_format 'lance' is not read"),
    "no features": (edit_info(features=...), "KeyError"),
    "no rate": (edit_info(fps=0), "fps is 0"),
    "fewer episodes than promised": (edit_info(total_episodes=5), "promises 5 episodes"),
    "fewer frames than promised": (edit_info(total_frames=99), "with 99 frames"),
    "a path out of the dataset": (edit_info(data_path="../{chunk_index}{episode_index}"), "info.json cannot be read"),
    "an unknown field": (edit_info(data_path="data/{nothing}"), "info.json cannot be read"),
    "no video path": (edit_info(video_path=None), "no video_path"),
    "no JSON": (truncate_info, "JSONDecodeError"),
    "no data": (lambda root: shutil.rmtree(root / "data"), "is missing"),
    "no videos": (lambda root: shutil.rmtree(root / "videos"), "is missing"),
}
V3: dict[str, tuple[Callable[[Path], None], str]] = {
    "unfinished": (lambda root: shutil.rmtree(root / "meta/episodes"), "was not finished"),
    "scrambled offsets": (edit_episodes("dataset_from_index", lambda v: [v[0], v[2], v[1], v[3]]), "scrambled"),
    "a number twice": (edit_episodes("episode_index", lambda v: [0, 1, 1, 3]), "without gaps"),
    "no frames": (edit_episodes("length", lambda v: [0, *v[1:]]), "has 0 frames"),
    "the wrong file": (edit_episodes("data/file_index", lambda v: [0, 0, 0, 1]), "file-001.parquet is missing"),
}


@pytest.mark.parametrize("case", BOTH)
def test_what_contradicts_itself_is_refused(case: str, copy: Path) -> None:
    damage, message = BOTH[case]
    damage(copy)
    with pytest.raises(DatasetError, match=message):
        swm.data.open(copy, format="lerobot")


@pytest.mark.parametrize("case", V3)
def test_tables_that_contradict_each_other_are_refused(case: str, tmp_path: Path) -> None:
    root = Path(shutil.copytree(GOLDEN / "v3.0", tmp_path / "d"))
    damage, message = V3[case]
    damage(root)
    with pytest.raises(DatasetError, match=message):
        swm.data.open(root)


def test_rows_of_another_episode_and_frames_of_another_time_are_never_returned(tmp_path: Path) -> None:
    root = Path(shutil.copytree(GOLDEN / "v3.0", tmp_path / "d"))
    video = "videos/observation.images.top/from_timestamp"
    edit_episodes(video, lambda times: [time + 0.06 for time in times[:-1]] + [99.0])(root)
    path = root / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.take([*range(5), *range(6, 14), 5, *range(14, 17)]), path)
    dataset = swm.data.open(root)
    with pytest.raises(DatasetError, match="not the frames of episode 2"):
        dataset.episode(1, ["state"])
    with pytest.raises(DatasetError, match="no frame at"):
        dataset.episode(2, ["pixels.top"])
    assert len(dataset.verify().problems) >= 2


def test_no_damage_to_any_file_escapes_as_another_error(copy: Path) -> None:
    rng = np.random.default_rng(0)
    for path in sorted(path for path in copy.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for part in (whole[: len(whole) // 2], b"", *(_flipped(whole, rng) for _ in range(4))):
            path.write_bytes(part)
            try:
                swm.data.open(copy, format="lerobot").verify()
            except DatasetError:
                continue
        path.write_bytes(whole)
    assert swm.data.open(copy).verify().ok


def _flipped(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for place in rng.integers(0, len(damaged), 5).tolist():
        damaged[place] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def test_every_damage_to_what_we_wrote_is_noticed(tmp_path: Path) -> None:
    source = swm.data.open(GOLDEN / "v3.0")
    with swm.data.create(tmp_path / "d", format="lerobot") as writer:
        writer.write(source.episode(0))
    rng = np.random.default_rng(1)
    files = [path for path in (tmp_path / "d").rglob("*") if path.is_file()]
    assert len(files) == 10
    for path in files:
        whole = path.read_bytes()
        for part in (whole[:-20], *(_flipped(whole, rng) for _ in range(5))):
            path.write_bytes(part)
            try:
                assert not swm.data.open(tmp_path / "d", format="lerobot").verify().ok
            except DatasetError:
                continue
        path.write_bytes(whole)
    assert swm.data.open(tmp_path / "d").verify().ok
