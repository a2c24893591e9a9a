"""What is written is what is read: exactly, but for lossy pictures."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import swm.data
from swm.core.errors import DatasetError, ShapeError
from swm.data.columns import DTYPES, escape, unescape
from swm.data.formats.lance.arrow import Blobs

Same = Callable[[swm.data.Episode, swm.data.Episode], None]


def arrays(rows: int) -> st.SearchStrategy[Any]:
    """Arrays of `rows` steps with any storable dtype and any small shape, every bit pattern allowed."""
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
    numbers = st.tuples(st.sampled_from(DTYPES[:-1]), shapes).flatmap(
        lambda kind: hnp.arrays(kind[0], (rows, *kind[1]), elements=None)
    )
    return numbers | hnp.arrays(
        "U5", rows, elements=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
    )


@st.composite
def episodes(draw: st.DrawFn) -> swm.data.Episode:
    length = draw(st.integers(1, 4))
    names = draw(st.lists(st.text(max_size=4).filter(lambda n: n not in swm.data.TRANSITIONS), min_size=1, max_size=4))
    flags = [draw(hnp.arrays(np.bool_, length)) for _ in range(3)]
    return swm.data.Episode(
        observation={name: draw(arrays(length + 1)) for name in names if name.isprintable()}
        or {"x": np.ones(length + 1)},
        action=draw(arrays(length)),
        reward=draw(hnp.arrays(draw(st.sampled_from(["float32", "float64", "int64"])), length)),
        terminated=flags[0],
        truncated=flags[1],
        success=flags[2],
        payload=draw(st.dictionaries(st.text(max_size=3), arrays(draw(st.integers(0, 3))), max_size=2)),
        metadata=draw(st.dictionaries(st.text(max_size=3), st.integers() | st.floats(allow_nan=False) | st.none())),
    )


@settings(deadline=None, max_examples=60)
@given(episode=episodes(), codec=st.sampled_from(["png", "raw", "h264-lossless"]), budget=st.sampled_from([0, 1 << 30]))
def test_any_episode_comes_back_exactly(episode: swm.data.Episode, codec: Any, budget: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with swm.data.create(folder + "/d", codec=codec, shard_size=3) as writer:
            writer.write(episode)
            writer.write(episode)
        dataset = swm.data.open(folder + "/d", cache_bytes=budget)
        assert dataset.verify().problems == ()
        for index in (0, 1):
            got = dataset.episode(index)
            assert dict(got.metadata) == dict(episode.metadata)
            assert list(got.payload) == list(episode.payload)
            for name, expected in episode.payload.items():
                np.testing.assert_array_equal(got.payload[name], expected, strict=True)
            for name, expected in episode.arrays().items():
                assert got.arrays()[name].dtype.kind == expected.dtype.kind
                assert expected.dtype.kind == "U" or got.arrays()[name].dtype == expected.dtype
                np.testing.assert_array_equal(got.arrays()[name], expected, err_msg=name)


@given(name=st.text(st.characters()))
def test_column_names_are_stored_without_loss_and_without_forbidden_characters(name: str) -> None:
    stored = escape(name)
    assert unescape(stored) == name
    assert stored
    assert not set(stored) - set("%-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    assert not stored.startswith("_")


def smooth_pictures(channels: int, rng: np.random.Generator) -> Any:
    rows, columns = np.mgrid[0:32, 0:32]
    phase = rng.uniform(0, 6, (5, 1, 1, channels))
    return (127 + 100 * np.sin(rows[..., None] / 6 + columns[..., None] / 9 + phase)).round().astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_keeps_its_quality_and_spares_every_other_column(channels: int, tmp_path: Path, make_episode: Any) -> None:
    base = make_episode(0, 4)
    pictures = smooth_pictures(channels, np.random.default_rng(0))
    noise = np.random.default_rng(1).integers(0, 256, (5, 9, 9, channels), dtype=np.uint8)
    observation = {"pixels": pictures, "pixels.wrist": pictures, "mask": noise}
    with swm.data.create(tmp_path / "d") as writer:
        writer.write(swm.data.Episode(**{**vars(base), "observation": observation}))
    dataset = swm.data.open(tmp_path / "d")
    assert [dataset.columns[name].codec for name in observation] == ["jpeg", "jpeg", "png"]
    got = dataset.episode(0).observation
    for name in ("pixels", "pixels.wrist"):
        error = np.mean((got[name].astype(float) - pictures) ** 2)
        assert error > 0
        assert 10 * np.log10(255**2 / error) > 40
        assert got[name].shape == pictures.shape
    np.testing.assert_array_equal(got["mask"], noise, strict=True)


def test_the_last_row_of_an_episode_is_null_in_the_transition_columns(make_dataset: Any) -> None:
    dataset = make_dataset((2, 3))
    table = lance.dataset(dataset.uri + "/steps.lance").to_table()
    for name, column in dataset.columns.items():
        null = np.array(table[column.stored_name].is_null())
        last = [2, 6] if column.role == "transition" else []
        assert np.flatnonzero(null).tolist() == last, name


def test_actions_belong_to_the_observations_before_them(tmp_path: Path) -> None:
    length = 6
    positions = np.concatenate([[0.0], np.cumsum(np.arange(length) + 1.0)])
    flags = np.zeros(length, np.bool_)
    episode = swm.data.Episode(
        observation={"position": positions},
        action=np.diff(positions)[:, None],
        reward=positions[1:],
        terminated=flags,
        truncated=flags,
        success=positions[1:] > 5,
    )
    with swm.data.create(tmp_path / "d") as writer:
        for _ in range(3):
            writer.write(episode)
    got = swm.data.open(tmp_path / "d").episode(-1)
    np.testing.assert_array_equal(got.observation["position"][:-1] + got.action[:, 0], got.observation["position"][1:])
    np.testing.assert_array_equal(got.reward, got.observation["position"][1:])
    np.testing.assert_array_equal(got.success, got.observation["position"][1:] > 5)


@pytest.mark.parametrize("dtype", ["complex64", "datetime64[s]", "S3", "O"])
def test_dtypes_that_have_no_column_are_refused(dtype: str, tmp_path: Path, make_episode: Any) -> None:
    base = make_episode(0)
    odd = swm.data.Episode(**{**vars(base), "observation": {"odd": np.zeros(8, dtype)}})
    with swm.data.create(tmp_path / "d") as writer, pytest.raises(ShapeError, match=r"'odd'.*bool, int8.*float64"):
        writer.write(odd)


def test_big_endian_values_are_kept(tmp_path: Path, make_episode: Any) -> None:
    base = make_episode(0)
    values = np.arange(8, dtype=">f8")
    with swm.data.create(tmp_path / "d") as writer:
        writer.write(swm.data.Episode(**{**vars(base), "observation": {"x": values}}))
    got = swm.data.open(tmp_path / "d").episode(0).observation["x"]
    np.testing.assert_array_equal(got, values.astype("f8"), strict=True)


def test_a_budget_smaller_than_the_data_changes_nothing(make_dataset: Any, same: Same) -> None:
    kept = make_dataset()
    for budget in (0, 300, 2000):
        streamed = swm.data.open(kept.uri, cache_bytes=budget)
        for index in range(len(kept)):
            same(streamed.episode(index), kept.episode(index))


def test_a_damaged_picture_is_named(make_dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset()
    intact = Blobs.take

    def damaged(blobs: Blobs, rows: Any) -> list[Any]:
        return [b"junk" if row == 7 else blob for row, blob in zip(rows, intact(blobs, rows), strict=True)]

    monkeypatch.setattr(Blobs, "take", damaged)
    dataset.episode(0)
    with pytest.raises(DatasetError, match=r"column 'pixels', row 7: the png picture cannot be decoded.*swm verify"):
        dataset.episode(1)
