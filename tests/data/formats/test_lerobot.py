"""LeRobot datasets that we write are read back exactly, but for lossy pictures."""

import gc
import json
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import swm.data
from swm.core.errors import DatasetError, InvalidValueError
from swm.data.columns import DTYPES
from swm.data.encoded import EncodedPictures
from swm.data.formats.lerobot import FileSizes, LeRobotWriter
from swm.data.formats.lerobot.layout import DATA_FILE
from swm.data.formats.lerobot.naming import component_of, feature_of
from swm.data.formats.lerobot.sinks import TableSink
from swm.data.formats.lerobot.stats import Pool, number_figures, picture_figures
from swm.data.location import Location
from swm.data.options import Mode, WriteOptions

Array = np.ndarray[Any, Any]


def smooth(count: int, shape: tuple[int, int, int], seed: int) -> Array:
    """Pictures that a lossy codec keeps well, each clearly another than its neighbours."""
    step, y, x, channel = np.meshgrid(*(np.arange(size) for size in (count, *shape)), indexing="ij")
    waves = 60 * np.sin(x / 9 + channel + seed) + 40 * np.cos(y / 11)
    picture: Array = np.clip(70 + waves + 20 * (step % 5), 0, 255).astype(np.uint8)
    return picture


def episode_of(seed: int, length: int = 7, shape: tuple[int, int, int] = (32, 48, 3)) -> swm.data.Episode:
    rng = np.random.default_rng(seed)
    rows = length + 1
    return swm.data.Episode(
        observation={
            "pixels.top": smooth(rows, shape, seed),
            "mask": rng.integers(0, 256, (rows, 5, 7, 1), dtype=np.uint8),
            "state": rng.normal(size=(rows, 4)).astype(np.float32),
            "task": np.array([f"push the T {(seed + step // 3) % 2}" for step in range(rows)]),
        },
        action=rng.normal(size=(length, 2)).astype(np.float32),
        reward=rng.normal(size=length),
        terminated=np.arange(length) == length - 1,
        truncated=rng.random(length) < 0.5,
        success=rng.random(length) < 0.5,
        payload={"goal": rng.integers(0, 9, (2, 3))} if seed % 2 else {},
        metadata={"seed": seed, "variation": {"agent.color": [seed, 0, 0]}},
    )


def write(
    path: Path, episodes: list[swm.data.Episode], sizes: FileSizes | None = None, **options: Any
) -> LeRobotWriter:
    with LeRobotWriter(Location.parse(path), WriteOptions(**options), sizes) as writer:
        for episode in episodes:
            writer.write(episode)
    return writer


def assert_same(got: swm.data.Episode, expected: swm.data.Episode, lossy: tuple[str, ...] = ()) -> None:
    assert list(got.arrays()) == list(expected.arrays())
    for name, array in expected.arrays().items():
        found = got.arrays()[name]
        assert found.shape == array.shape, name
        assert found.dtype == array.dtype or array.dtype.kind == "U", name
        if name in lossy:
            assert psnr(found, array) > 30, name
        else:
            np.testing.assert_array_equal(found, array, err_msg=name)
    assert dict(got.metadata) == dict(expected.metadata)
    assert list(got.payload) == list(expected.payload)
    for name, array in expected.payload.items():
        np.testing.assert_array_equal(got.payload[name], array, err_msg=name, strict=True)


def psnr(got: Array, expected: Array) -> float:
    """Peak signal-to-noise ratio in decibels of the worst picture."""
    errors = ((got.astype(float) - expected) ** 2).reshape(len(got), -1).mean(1)
    return float(10 * np.log10(255**2 / max(errors.max(), 1e-9)))


def arrays(rows: int) -> st.SearchStrategy[Any]:
    shapes = hnp.array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=2)
    return st.tuples(st.sampled_from([kind for kind in DTYPES if kind != "str"]), shapes).flatmap(
        lambda kind: hnp.arrays(kind[0], (rows, *kind[1]))
    )


@st.composite
def episodes(draw: st.DrawFn) -> swm.data.Episode:
    length = draw(st.integers(1, 3))
    names = st.text(max_size=4).filter(lambda name: name.isprintable() and name not in swm.data.TRANSITIONS)
    texts = st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=length + 1, max_size=length + 1)
    values = arrays(length + 1) | texts.map(np.array)
    flags = [draw(hnp.arrays(np.bool_, length)) for _ in range(3)]
    return swm.data.Episode(
        observation=draw(st.dictionaries(names | st.sampled_from(["task", "x", "x.y", "image"]), values, min_size=1)),
        action=draw(arrays(length)),
        reward=draw(hnp.arrays(draw(st.sampled_from(["float32", "float64", "int64"])), length)),
        terminated=flags[0],
        truncated=flags[1],
        success=flags[2],
        payload=draw(st.dictionaries(st.text(max_size=3), arrays(2), max_size=2)),
        metadata=draw(st.dictionaries(st.text(max_size=3), st.integers() | st.none())),
    )


@settings(deadline=None, max_examples=40)
@given(episode=episodes(), budget=st.sampled_from([0, 1 << 30]))
def test_any_episode_comes_back_exactly(episode: swm.data.Episode, budget: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "d", [episode, episode], codec="png")
        dataset = swm.data.open(folder + "/d", cache_bytes=budget)
        assert dataset.verify().problems == ()
        for index in (0, 1):
            assert_same(dataset.episode(index), episode)


@given(name=st.text(max_size=6), taken=st.sets(st.text(max_size=12), max_size=3))
def test_features_have_names_that_lerobot_takes_and_that_are_free(name: str, taken: set[str]) -> None:
    feature = feature_of(name, taken)
    assert feature not in taken
    assert not set(feature) & set("/\\:*\n\0")


@pytest.mark.parametrize("name", ["pixels", "pixels.top", "pixels.left wrist", "state", "joints.velocity"])
def test_usual_names_map_both_ways(name: str) -> None:
    assert component_of(feature_of(name, ()), ()) == name


@pytest.mark.parametrize("codec", ["h264", "h264-lossless", "av1", "png", "jpeg", "raw", None])
@pytest.mark.parametrize("shape", [(32, 48, 3), (33, 47, 3), (32, 32, 1)])
def test_pictures_of_any_codec(tmp_path: Path, codec: Any, shape: tuple[int, int, int]) -> None:
    lengths = (4, 7, 1)
    written = [episode_of(seed, length, shape) for seed, length in enumerate(lengths)]
    write(tmp_path / "d", written, codec=codec)
    dataset = swm.data.open(tmp_path / "d")
    lossy = ("pixels.top",) if codec in ("h264", "av1", "jpeg", None) else ()
    for index, episode in enumerate(written):
        assert_same(dataset.episode(index), episode, lossy)
    assert dataset.verify().ok
    rows = np.random.default_rng(0).permutation(sum(lengths) + 3)
    together = np.concatenate([dataset.episode(index).observation["pixels.top"] for index in range(3)])
    got = dataset.reader.read(["pixels.top"], rows)["pixels.top"]
    np.testing.assert_array_equal(got, together[rows])
    assert dataset.reader.read(["pixels.top"], rows[:2], size=(8, 8))["pixels.top"].shape == (2, 8, 8, shape[2])


def test_files_roll_over_and_the_episodes_know_theirs(tmp_path: Path) -> None:
    lengths = (5, 30, 1, 40, 8, 3, 50, 2)
    written = [episode_of(seed, length) for seed, length in enumerate(lengths)]
    write(tmp_path / "d", written, FileSizes(chunks_size=2, data_megabytes=0.01, video_megabytes=0.003))
    for folder, least in (("data", 3), ("videos/observation.images.top", 3)):
        files = sorted((tmp_path / "d" / folder).rglob("file-*"))
        assert len(files) >= least
        chunks = [divmod(number, 2) for number in range(len(files))]
        assert [f"{path.parent.name}/{path.stem}" for path in files] == [
            f"chunk-{c:03d}/file-{f:03d}" for c, f in chunks
        ]
    dataset = swm.data.open(tmp_path / "d")
    assert dataset.verify().ok
    for index in reversed(range(len(lengths))):
        assert_same(dataset.episode(index), written[index], ("pixels.top",))


@pytest.mark.parametrize("codec", ["h264", "h264-lossless", "av1", "png"])
def test_the_same_episodes_give_the_same_bytes(codec: Any, tmp_path: Path) -> None:
    written = [episode_of(seed, 40, (64, 64, 3)) for seed in range(2)]
    for name in ("a", "b"):
        write(tmp_path / name, written, codec=codec)
    assert swm.data.open(tmp_path / "a").fingerprint == swm.data.open(tmp_path / "b").fingerprint


def test_encoded_pictures_are_stored_as_they_come(tmp_path: Path) -> None:
    swm.data.create(tmp_path / "first", format="lerobot", codec="jpeg").__exit__(None, None, None)
    write(tmp_path / "a", [episode_of(0)], codec="jpeg")
    stored = swm.data.open(tmp_path / "a").episode(0, decode=False)
    write(tmp_path / "b", [stored], codec="jpeg")
    again = swm.data.open(tmp_path / "b").episode(0, decode=False)
    for name in ("pixels.top", "mask"):
        one, two = stored.observation[name], again.observation[name]
        assert isinstance(one, EncodedPictures)
        assert isinstance(two, EncodedPictures)
        assert list(one.blobs) == list(two.blobs)
    assert not (tmp_path / "first").exists()


def test_the_task_comes_from_texts_or_metadata_or_the_environment(tmp_path: Path) -> None:
    base = episode_of(0)
    numbers = {"state": base.observation["state"]}
    texts = np.array(["lift"] * 4 + ["drop"] * 4)
    cases: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
        "steps": ({**numbers, "language_instruction": texts}, {}, ["lift", "drop"]),
        "metadata": (numbers, {"task": "open", "env_id": "swm/TwoRoom-v0"}, ["open"]),
        "env": (numbers, {"env_id": "swm/TwoRoom-v0"}, ["swm/TwoRoom-v0"]),
    }
    for name, (observation, metadata, tasks) in cases.items():
        episode = swm.data.Episode(
            observation=observation,
            metadata=metadata,
            **{key: getattr(base, key) for key in swm.data.TRANSITIONS},
        )
        write(tmp_path / name, [episode])
        assert pq.read_table(tmp_path / name / "meta/tasks.parquet")["task"].to_pylist() == tasks
        assert_same(swm.data.open(tmp_path / name).episode(0), episode)


def test_splits_and_provenance_come_back(tmp_path: Path) -> None:
    written = [episode_of(seed, 2) for seed in range(20)]
    writer = write(tmp_path / "d", written, val_fraction=0.4, provenance={"command": "collect"})
    with swm.data.create(tmp_path / "frames", val_fraction=0.4) as frames:
        for episode in written:
            frames.write(episode)
    dataset = swm.data.open(tmp_path / "d")
    np.testing.assert_array_equal(dataset.split("val"), swm.data.open(tmp_path / "frames").split("val"))
    assert any("held out" in note for note in writer.notes)
    assert dataset.provenance[0]["command"] == "collect"
    assert dataset.provenance[0]["first_episode"] == 0


def test_nothing_is_there_before_close_and_nothing_is_left_of_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = LeRobotWriter(Location.parse(tmp_path / "d"), WriteOptions())
    writer.write(episode_of(0))
    writer.flush()
    assert not (tmp_path / "d").exists()
    assert writer.num_episodes == 0
    with pytest.raises(DatasetError, match="does not fit the dataset"):
        writer.write(episode_of(1, shape=(32, 32, 3)))
    writer.close()
    assert writer.num_episodes == 1
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    with pytest.raises(DatasetError, match="closed"):
        writer.write(episode_of(0))

    def fail(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("swm.data.formats.lerobot.sinks.TableSink.write", fail)
    broken = LeRobotWriter(Location.parse(tmp_path / "e"), WriteOptions())
    with pytest.raises(DatasetError, match=r"no space left.*Nothing was kept"):
        broken.write(episode_of(0))
    broken.close()
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_modes(tmp_path: Path) -> None:
    write(tmp_path / "d", [episode_of(0)])
    for mode, message in (("error", "exists already"), ("append", "cannot be continued")):
        with pytest.raises(DatasetError, match=message):
            swm.data.create(tmp_path / "d", format="lerobot", mode=mode)  # type: ignore[arg-type]
    with swm.data.create(tmp_path / "d", mode="overwrite") as writer:
        writer.write(episode_of(1))
        writer.write(episode_of(2))
        assert swm.data.open(tmp_path / "d").num_episodes == 1
    assert swm.data.open(tmp_path / "d").num_episodes == 2
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    with pytest.raises(InvalidValueError, match="whole number"):
        swm.data.create(tmp_path / "f", format="lerobot", fps=12.5)


def test_what_is_no_dataset_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/thesis.txt").write_text("precious")
    modes: tuple[Mode, ...] = ("error", "overwrite", "append")
    for mode in modes:
        with pytest.raises(DatasetError, match="nothing was touched"):
            LeRobotWriter(Location.parse(tmp_path / "d"), WriteOptions(mode=mode))


def test_an_interrupted_recording_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("swm.data.formats.lerobot.sinks.CameraSink.write", interrupt)
    with pytest.raises(KeyboardInterrupt), swm.data.create(tmp_path / "d", format="lerobot") as writer:
        writer.write(episode_of(0))
    assert not list(tmp_path.iterdir())


def test_a_damaged_picture_is_refused_and_the_others_are_kept(tmp_path: Path) -> None:
    base = episode_of(0)
    blobs = [b"no picture"] * 8
    mask = EncodedPictures(codec="png", blobs=blobs, picture=(5, 7, 1))
    bad = swm.data.Episode(
        observation={**base.observation, "mask": mask},  # type: ignore[dict-item]
        **{key: getattr(base, key) for key in swm.data.TRANSITIONS},
    )
    with swm.data.create(tmp_path / "d", format="lerobot") as writer:
        with pytest.raises(DatasetError, match="picture 0"):
            writer.write(bad)
        writer.write(base)
    assert_same(swm.data.open(tmp_path / "d").episode(0), base, ("pixels.top",))


def test_a_text_that_utf8_cannot_hold_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    base = episode_of(0)
    bad = np.array(["\ud800"] * 8)
    with swm.data.create(tmp_path / "d", format="lerobot") as writer:
        writer.write(base)
        with pytest.raises(InvalidValueError, match="no Unicode"):
            writer.write(
                swm.data.Episode(
                    observation={**base.observation, "task": bad},
                    **{key: getattr(base, key) for key in swm.data.TRANSITIONS},
                )
            )
    assert swm.data.open(tmp_path / "d").verify().ok


def test_statistics_are_those_of_all_values(tmp_path: Path) -> None:
    written = [episode_of(seed, length) for seed, length in enumerate((4, 9, 2))]
    write(tmp_path / "d", written)
    stats = json.loads((tmp_path / "d/meta/stats.json").read_text())
    values = np.concatenate([episode.observation["state"] for episode in written]).astype(float)
    for key, expected in (
        ("min", values.min(0)),
        ("max", values.max(0)),
        ("mean", values.mean(0)),
        ("std", values.std(0)),
    ):
        np.testing.assert_allclose(stats["observation.state"][key], expected, rtol=1e-6)
    assert stats["observation.state"]["count"] == [len(values)]
    pictures = np.concatenate([episode.observation["pixels.top"] for episode in written]) / 255
    top = stats["observation.images.top"]
    np.testing.assert_allclose(np.array(top["mean"])[:, 0, 0], pictures.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(np.array(top["std"])[:, 0, 0], pictures.std((0, 1, 2)), rtol=1e-6)
    assert np.shape(stats["observation.mask"]["q01"]) == (3, 1, 1)
    assert "observation.task" not in stats
    shapes = {name: np.shape(figures["mean"]) for name, figures in stats.items()}
    assert {shapes[name] for name in ("timestamp", "task_index", "next.reward", "next.done")} == {(1,)}


@given(values=hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.just(3))))
def test_picture_figures_are_exact(values: Array) -> None:
    figures = picture_figures(values)
    flat = values.reshape(-1, 3) / 255
    for key, expected in (("min", flat.min(0)), ("max", flat.max(0)), ("mean", flat.mean(0)), ("std", flat.std(0))):
        np.testing.assert_allclose(figures[key].reshape(3), expected, atol=1e-9)
    lower = np.quantile(flat, 0.5, axis=0, method="inverted_cdf")
    np.testing.assert_allclose(figures["q50"].reshape(3), lower)


def test_pooled_figures_do_not_depend_on_how_episodes_are_cut() -> None:
    values = np.random.default_rng(0).normal(size=(50, 3))
    pools = []
    for cuts in ((10, 20), (1, 49)):
        pool = Pool()
        for part in np.split(values, cuts):
            pool.add("x", number_figures(part))
        pools.append(pool.to_json()["x"])
    for key in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(pools[0][key], pools[1][key])


def test_a_reader_crosses_to_another_process(tmp_path: Path) -> None:
    write(tmp_path / "d", [episode_of(0)])
    dataset = swm.data.open(tmp_path / "d")
    dataset.episode(0)
    copy = pickle.loads(pickle.dumps(dataset))
    assert_same(copy.episode(0), dataset.episode(0))
    assert copy.fingerprint == dataset.fingerprint


def test_a_table_that_is_thrown_away_says_nothing(tmp_path: Path) -> None:
    sink = TableSink(tmp_path, DATA_FILE, 1000, 1e6)
    table = pa.table({"x": [1]})
    sink.room_for(table)
    sink.write(table)
    sink.discard()
    del sink
    gc.collect()  # what a destructor raises is a warning, and warnings are errors here
