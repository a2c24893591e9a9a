"""Datasets of stable-worldmodel give the values that its own readers give, as transitions between observations."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

import swm.data
from swm.core.errors import DatasetError
from swm.data.encoded import EncodedPictures
from swm.data.formats.stable_worldmodel.reader import detect

GOLDEN = Path(__file__).parents[2] / "golden" / "stable_worldmodel"
LAYOUTS = ("lance", "folder", "video", "views", "lance_video")
ARRIVAL = ("reward", "terminated", "truncated", "success")


def expected(layout: str) -> dict[int, dict[str, Any]]:
    """Row tables by episode, as the package's own readers gave them, pictures last channel last."""
    found: dict[int, dict[str, Any]] = {}
    sources = [GOLDEN / f"{layout}.npz"]
    if layout == "lance_video":  # its numbers are those of the table with pictures
        sources.insert(0, GOLDEN / "views.npz")
    for source in sources:
        for key, values in np.load(source).items():
            episode, _, name = key.partition("/")
            if name.startswith("pixels") or name == "goal":
                values = values if values.shape[-1] in (1, 3) else values.transpose(0, 2, 3, 1)
            found.setdefault(int(episode), {})[name] = values
    return found


def rows_of(layout: str) -> list[dict[str, Any]]:
    return [rows for _, rows in sorted(expected(layout).items()) if len(rows["action"]) > 1]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_value_is_that_of_the_own_reader(layout: str) -> None:
    dataset = swm.data.open(GOLDEN / layout)
    tables = rows_of(layout)
    assert dataset.num_episodes == len(tables) == 3
    compared = set()
    for index, rows in enumerate(tables):
        episode = dataset.episode(index)
        assert episode.num_steps == len(rows["action"]) - 1
        np.testing.assert_array_equal(episode.action, rows["action"][:-1], strict=True)
        np.testing.assert_array_equal(episode.payload["final.action"], rows["action"][-1:], strict=True)
        for name, values in episode.observation.items():
            source = rows[name.replace("pixels.", "pixels_")]
            if name == "task":
                assert (values == str(source)).all(), name
            elif values.shape[-1:] == (1,) and source.shape[-1:] == (3,):  # it shows grey pictures in colour
                np.testing.assert_array_equal(np.repeat(values, 3, axis=-1), source, strict=True)
            else:
                np.testing.assert_array_equal(values, source, name, strict=True)
            compared.add(name.replace("pixels.", "pixels_"))
        for name in ARRIVAL:
            values = getattr(episode, name)
            if name in rows:
                source = rows[name].reshape(-1).astype(values.dtype)
                np.testing.assert_array_equal(values, source[1:], strict=True)
                np.testing.assert_array_equal(episode.payload[f"initial.{name}"], source[:1], strict=True)
            else:
                assert not values.any()
    left = set(tables[0]) - compared - {"action", *ARRIVAL}
    gone = {"goal", "task"} if layout == "lance_video" else set()
    assert {name for name in left if not name.startswith("variation")} <= {"id", "seed", "step_idx"} | gone


@pytest.mark.parametrize("layout", ["lance", "folder", "video"])
def test_an_action_leads_to_the_next_observation(layout: str) -> None:
    """TwoRoom moves by 5 pixels per unit of action where no wall is near, as in the first episode."""
    episode = swm.data.open(GOLDEN / layout).episode(0)
    state = episode.observation["state"]
    np.testing.assert_allclose(np.diff(state, axis=0), 5 * episode.action, atol=1e-4)
    goal = episode.observation["goal_state"]
    np.testing.assert_allclose(
        episode.observation["distance_to_target"].reshape(-1), np.linalg.norm(state - goal, axis=1), rtol=1e-5
    )
    assert episode.truncated.tolist() == [False, False, False, True]


def test_facts_of_the_episode_are_metadata() -> None:
    for layout, key in (("lance", "agent_color"), ("folder", "agent.color"), ("video", "agent.color")):
        facts = swm.data.open(GOLDEN / layout).episodes[1]["metadata"]
        assert facts["variation"][key] == [14, 53, 225]
    dataset = swm.data.open(GOLDEN / "lance_video")
    assert [facts["metadata"]["seed"] for facts in dataset.episodes] == [40, 42, 43]
    assert dataset.episodes[1]["metadata"]["variation"] == {"block_size": [1.0]}
    assert dataset.episodes[1]["metadata"]["tries"] == 3
    payload = dataset.episode(1).payload
    assert payload["scene"] == np.array("<scene 2/>")
    assert payload["mesh"].tolist() == [1, 2]
    assert payload["camera"].tolist() == [1.0, 2.0]


def test_notes_name_what_is_missing() -> None:
    notes = " ".join(swm.data.open(GOLDEN / "views").reader.notes)
    for words in ("no truncated", "1 episodes of a single row", "float32", "final.action", "Splits"):
        assert words in notes
    assert "no success" not in notes


@pytest.mark.parametrize("layout", LAYOUTS)
def test_parts_are_slices_of_the_whole(layout: str) -> None:
    dataset = swm.data.open(GOLDEN / layout)
    rng = np.random.default_rng(0)
    for role in ("observation", "transition"):
        names = [column.name for column in dataset.columns.values() if column.role == role]
        rows = dataset.rows(np.arange(dataset.num_episodes), role)
        whole = dataset.reader.read(names, rows)
        for _ in range(5):
            part = rng.permutation(len(rows))[: rng.integers(1, len(rows))]
            read = dataset.reader.read(names, rows[part])
            for name in names:
                np.testing.assert_array_equal(read[name], whole[name][part], name, strict=True)
    batch = dataset.clips(num_steps=2, columns=["state", "action", "reward"], split="all").__getitems__([0, 1, 3])
    assert batch["action"].shape == (3, 1, 2)
    small = dataset.reader.read([next(iter(dataset.clips(split="all", num_steps=1).columns))], np.arange(2), (8, 8))
    assert all(len(values) == 2 for values in small.values())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_roles_in_one_read(layout: str) -> None:
    dataset = swm.data.open(GOLDEN / layout)
    rows = dataset.rows(np.arange(3), "transition")
    both = dataset.reader.read(["state", "reward", "action"], rows)
    for name in both:
        np.testing.assert_array_equal(both[name], dataset.reader.read([name], rows)[name], strict=True)


@pytest.mark.parametrize("layout", ["lance", "folder", "views"])
def test_conversion_keeps_the_bytes_of_the_pictures(layout: str, tmp_path: Path) -> None:
    source = swm.data.open(GOLDEN / layout)
    name = "pixels" if "pixels" in source.columns else "pixels.side"
    stored = source.reader.encoded(name, 0)
    assert isinstance(stored, EncodedPictures)
    assert stored.codec == "jpeg"
    np.testing.assert_array_equal(stored.decode(), source.episode(0).observation[name], strict=True)
    assert source.episode(0, decode=False).observation[name].shape == stored.shape


def test_a_reader_pickles_and_verifies() -> None:
    for layout in LAYOUTS:
        dataset = swm.data.open(GOLDEN / layout)
        copy = pickle.loads(pickle.dumps(dataset))
        np.testing.assert_array_equal(copy.episode(-1).action, dataset.episode(-1).action)
        assert copy.fingerprint == dataset.fingerprint
        assert dataset.verify().ok
        assert set(dataset.reader.disk_bytes()) == set(dataset.columns)
        assert all(size > 0 for name, size in dataset.reader.disk_bytes().items() if name not in ARRIVAL)


def test_statistics_beside_the_data_change_nothing(tmp_path: Path) -> None:
    for layout in ("folder", "lance"):
        shutil.copytree(GOLDEN / layout, tmp_path / layout)
        place = tmp_path / layout / "tworoom.lance" if layout == "lance" else tmp_path / layout
        dataset = swm.data.open(place)
        dataset.statistics("state", "all")
        again = swm.data.open(place)
        assert (again.fingerprint, list(again.columns)) == (dataset.fingerprint, list(dataset.columns))


def test_detection(tmp_path: Path) -> None:
    for layout in LAYOUTS:
        assert detect(GOLDEN / layout)
    assert detect(GOLDEN / "lance" / "tworoom.lance")
    assert detect(GOLDEN / "lance_video" / "views.lance")
    for place in (GOLDEN, GOLDEN / "folder.npz", GOLDEN / "nothing", GOLDEN / "lance_video" / "views_videos.lance"):
        assert not detect(place)
    with swm.data.create(tmp_path / "own") as writer:
        writer.write(swm.data.open(GOLDEN / "folder").episode(0))
    assert not detect(tmp_path / "own")
    assert not detect(tmp_path / "own" / "steps.lance")


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    both = tmp_path / "both"
    shutil.copytree(GOLDEN / "lance", both)
    shutil.copytree(GOLDEN / "views" / "views.lance", both / "views.lance")
    with pytest.raises(DatasetError, match=r"several datasets: tworoom\.lance, views\.lance"):
        swm.data.open(both)
    assert swm.data.open(both / "views.lance").num_episodes == 3
    with pytest.raises(DatasetError, match="no version 3"):
        swm.data.open(GOLDEN / "folder", version=3)
    with pytest.raises(DatasetError, match="9"):
        swm.data.open(GOLDEN / "lance", version=9)
    for name, table, message in (
        ("foreign", pa.table({"x": [1, 2]}), "without the column 'episode_idx'"),
        ("torn", pa.table({"episode_idx": [0, 1, 0]}), "do not follow one another"),
        ("bare", pa.table({"episode_idx": [0, 0], "state": [0.0, 1.0]}), "an action and an observation are needed"),
        ("single", pa.table({"episode_idx": [0, 1], "state": [0.0, 1.0], "action": [0.0, 1.0]}), "two rows or more"),
    ):
        lance.write_dataset(table, str(tmp_path / f"{name}.lance"))
        with pytest.raises(DatasetError, match=message):
            swm.data.open(tmp_path / f"{name}.lance")


def test_scalars_nulls_and_odd_columns_of_other_writers(tmp_path: Path) -> None:
    place = tmp_path / "other.lance"
    table = pa.table(
        {
            "episode_idx": [4, 4, 7, 7],
            "action": pa.array([1, 2, 3, 4], pa.int64()),
            "state": [0.5, 1.5, 2.5, 3.5],
            "mask": [True, False, True, True],
            "odd": [[1], [2, 3], [], [4]],
        }
    )
    lance.write_dataset(table, str(place))
    dataset = swm.data.open(place)
    assert dataset.columns["action"].dtype == "int64"
    assert dataset.episode(1).observation["mask"].tolist() == [True, True]
    assert "odd" not in dataset.columns
    assert any("'odd'" in note for note in dataset.reader.notes)
    lance.write_dataset(pa.table({**{n: table[n] for n in table.schema.names}, "state": [0.5, None, 1.0, 2.0]}),
                        str(place), mode="overwrite")  # fmt: skip
    with pytest.raises(DatasetError, match="'state' has 1 rows without a value"):
        swm.data.open(place).episode(0)
    assert swm.data.open(place, version=1).episode(0).observation["state"].tolist() == [0.5, 1.5]


def test_videos_in_the_second_blob_encoding(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "lance_video" / "views.lance", tmp_path / "views.lance")
    old = lance.dataset(str(GOLDEN / "lance_video" / "views_videos.lance"))
    files = old.take_blobs("video_bytes", indices=list(range(old.count_rows())))
    contents = [file.readall() for file in files if file is not None]
    keys = old.to_table(columns=["episode_idx", "video_key"])
    schema = pa.schema([*keys.schema, lance.blob_field("video_bytes")])
    table = pa.table([*keys.columns, lance.blob_array(contents)], schema=schema)
    lance.write_dataset(table, str(tmp_path / "views_videos.lance"), data_storage_version="2.2")
    for index in range(3):
        np.testing.assert_array_equal(
            swm.data.open(tmp_path).episode(index).observation["pixels.top"],
            swm.data.open(GOLDEN / "lance_video").episode(index).observation["pixels.top"],
            strict=True,
        )


def test_long_videos_are_read_from_any_frame(tmp_path: Path) -> None:
    import av

    from swm.data.formats.foreign_video import opened

    file, count = tmp_path / "long.mp4", 60
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", 10, options={"crf": "1", "g": "12", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for level in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 4 * level, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    rng = np.random.default_rng(0)
    with opened(file, file) as video:
        for _ in range(10):
            frames = np.sort(rng.permutation(count)[: rng.integers(1, 6)])
            levels = video.read(frames, (32, 32, 3)).mean(axis=(1, 2, 3))
            assert np.abs(levels - 4 * frames).max() < 2
    with pytest.raises(DatasetError, match="has 60 frames, frame 60 was asked for"), opened(file, file) as video:
        video.read(np.array([60]), (32, 32, 3))
    with pytest.raises(DatasetError, match="are 32 x 32, not 16 x 32"), opened(file, file) as video:
        video.read(np.array([6]), (16, 32, 3))


def test_damage_is_named(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "folder", tmp_path / "folder")
    dataset = swm.data.open(tmp_path / "folder")
    (tmp_path / "folder" / "pixels" / "ep_1_step_2.jpeg").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"ep_1_step_2\.jpeg cannot be decoded"):
        dataset.episode(1)
    assert [problem.partition(":")[0] for problem in dataset.verify().problems] == ["episode 1"]
    (tmp_path / "folder" / "state.npz").write_bytes(b"no archive")
    with pytest.raises(DatasetError, match=r"state\.npz: the column cannot be read"):
        swm.data.open(tmp_path / "folder")
    shutil.copytree(GOLDEN / "video", tmp_path / "video")
    (tmp_path / "video" / "pixels" / "ep_1.mp4").write_bytes(b"no video")
    with pytest.raises(DatasetError, match=r"ep_1\.mp4 cannot be read as a video"):
        swm.data.open(tmp_path / "video").episode(1)


def test_a_factor_that_changes_is_a_problem(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "folder", tmp_path / "folder")
    file = tmp_path / "folder" / "variation.agent.color.npz"
    colors = np.load(file)["arr_0"]
    colors[7] += 1
    np.savez_compressed(file, colors)
    (problem,) = swm.data.open(tmp_path / "folder").verify().problems
    assert problem.startswith("episode 1: 'variation.agent.color' changes within it")


def test_metadata_is_json() -> None:
    for layout in LAYOUTS:
        for text in swm.data.open(GOLDEN / layout).reader.index.metadata:
            json.loads(text)
