"""Statistics of columns: equal to NumPy's, in chunks, with holes in the data, and as cached files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import swm.data
from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.data.measure import picture_statistics, show_when_slow, stream_statistics
from swm.data.statistics import (
    LEVELS,
    NUM_BINS,
    Statistics,
)


def chunked(values: Any, size: int) -> Iterator[Any]:
    return (values[i : i + size] for i in range(0, len(values), size))


def assert_figures(got: Statistics, values: Any) -> None:
    """Compare with what NumPy says of (n, *S), all finite."""
    values = values.astype(np.float64)
    assert got.count == got.num_sampled == len(values)
    for figure, expected in [
        (got.mean, values.mean(axis=0)),
        (got.std, values.std(axis=0)),
        (got.minimum, values.min(axis=0)),
        (got.maximum, values.max(axis=0)),
        (got.quantiles, np.quantile(values, LEVELS, axis=0)),
    ]:
        np.testing.assert_allclose(figure, expected, rtol=1e-12, atol=1e-9)
        assert figure.shape == expected.shape
    assert (got.histogram.sum(axis=0) == len(values)).all()
    flat, histogram, edges = values.reshape(len(values), -1), got.histogram.reshape(NUM_BINS, -1), got.edges
    for entry in range(flat.shape[1]):
        expected, _ = np.histogram(flat[:, entry], edges.reshape(NUM_BINS + 1, -1)[:, entry])
        np.testing.assert_array_equal(histogram[:, entry], expected)


def assert_equal(got: Statistics, expected: Statistics) -> None:
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(got, name), value, err_msg=name)


@pytest.mark.parametrize("split", ["train", "val", "all"])
@pytest.mark.parametrize("name", ["state", "action", "reward", "success", "pixels"])
def test_statistics_are_those_of_numpy(make_dataset: Any, name: str, split: str) -> None:
    dataset = make_dataset((5, 9, 3, 12, 4, 6), val_fraction=0.5)
    rows = np.concatenate([dataset.episode(int(i)).arrays()[name] for i in dataset.split(split)])
    assert_figures(dataset.statistics(name, split), rows.reshape(-1, 3) if name == "pixels" else rows)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (0,)])
def test_every_dtype_and_shape_is_measured(dtype: str, shape: tuple[int, ...]) -> None:
    values = (np.random.default_rng(0).normal(size=(100, *shape)) * 20).astype("int64").astype(dtype)
    for size in (1, 7, 100):
        assert_figures(stream_statistics(chunked(values, size), shape), values)


def test_streamed_statistics_keep_their_digits_far_from_zero() -> None:
    values = 1e9 + np.random.default_rng(0).normal(size=(1000, 2))
    for size in (1, 7, 1000):
        got = stream_statistics(chunked(values, size), (2,))
        np.testing.assert_allclose(got.std, values.std(axis=0), rtol=1e-6)
        np.testing.assert_allclose(got.mean, values.mean(axis=0), rtol=1e-15)


@given(st.floats(-1e30, 1e30), st.integers(1, 40), st.integers(1, 7))
def test_what_never_varies_has_exactly_no_spread(value: float, count: int, size: int) -> None:
    got = stream_statistics(chunked(np.full((count, 1), value), size), (1,))
    assert got.std[0] == 0.0
    assert got.mean[0] == got.minimum[0] == got.maximum[0] == value
    assert (got.quantiles == value).all()


@given(
    arrays(np.float64, st.tuples(st.integers(1, 30), st.just(2)), elements=st.floats(-1e6, 1e6)),
    arrays(np.bool_, (30, 2)),
    st.integers(1, 9),
)
def test_values_that_are_not_finite_are_counted_and_left_out(values: Any, holes: Any, size: int) -> None:
    holes = holes[: len(values)]
    broken = np.where(
        holes, np.array([np.nan, np.inf, -np.inf])[np.arange(values.size) % 3].reshape(values.shape), values
    )
    got = stream_statistics(chunked(broken, size), (2,))
    np.testing.assert_array_equal(got.num_nonfinite, holes.sum(axis=0))
    for entry in range(2):
        rest = values[~holes[:, entry], entry]
        figures = (got.mean, got.std, got.minimum, got.maximum)
        if not len(rest):
            assert all(np.isnan(figure[entry]) for figure in figures)
            assert np.isnan(got.quantiles[:, entry]).all()
            continue
        expected = (rest.mean(), rest.std(), rest.min(), rest.max())
        np.testing.assert_allclose([figure[entry] for figure in figures], expected, rtol=1e-9, atol=1e-7)
        np.testing.assert_allclose(got.quantiles[:, entry], np.quantile(rest, LEVELS), rtol=1e-9, atol=1e-7)
        assert got.histogram[:, entry].sum() == len(rest)


def test_a_sample_stays_within_its_error() -> None:
    """In a sorted stream, the hardest order, the rank of every quantile is off by less than `rank_error`."""
    values = np.arange(200_000, dtype=np.float32)[:, None]
    got = stream_statistics(chunked(values, 999), (1,), sample_bytes=4 * 5000)
    assert not got.is_exact
    assert got.num_sampled == got.histogram.sum() == 5000
    assert got.count == 200_000
    assert got.maximum[0] == values.max()
    assert got.rank_error < 0.025
    assert np.abs(got.quantiles[:, 0] / 200_000 - LEVELS).max() < got.rank_error
    again = stream_statistics(chunked(values, 999), (1,), sample_bytes=4 * 5000)
    assert_equal(again, got)


def test_every_row_is_as_likely_to_be_sampled() -> None:
    """Each stretch of the stream has its share of the sample."""
    got = stream_statistics(chunked(np.arange(100_000)[:, None], 512), (1,), sample_bytes=8 * 6400)
    expected = 6400 / NUM_BINS
    chi_square = ((got.histogram[:, 0] - expected) ** 2 / expected).sum()
    assert chi_square < 103  # 0.999 quantile of 63 degrees of freedom


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_measured_exactly(channels: int) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(3, 250, (20, 5, 4, channels), dtype=np.uint8)
    pictures[..., 0] = 7
    got = picture_statistics(chunked(pictures, 6), channels)
    assert_figures(got, pictures.reshape(-1, channels))
    assert got.is_exact
    assert got.std[0] == 0.0


def test_json_gives_everything_back() -> None:
    values = np.random.default_rng(0).normal(size=(50, 2, 3))
    values[:, 0, 0], values[3, 1, 1] = np.nan, np.inf
    got = stream_statistics([values], (2, 3))
    assert_equal(Statistics.from_json(json.loads(json.dumps(got.to_json(), allow_nan=False))), got)
    with pytest.raises(InvalidValueError, match="schema 2"):
        Statistics.from_json({"mean": [0.0], "std": [1.0]})
    with pytest.raises(InvalidValueError, match="quantiles has shape"):
        Statistics.from_json({**got.to_json(), "quantiles": [1.0]})
    with pytest.raises(InvalidValueError, match="at the levels"):
        got.quantile(0.1)


# --------------------------------------------------------------------------------- of a dataset


def test_statistics_are_kept_per_content(make_dataset: Any, make_episode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset()
    first = dataset.statistics("state")
    reopened = swm.data.open(dataset.uri)
    monkeypatch.setattr(reopened.reader, "read", None)
    assert_equal(reopened.statistics("state"), first)
    with swm.data.create(dataset.uri, mode="append", val_fraction=0.0) as writer:
        writer.write(make_episode(5))
    assert swm.data.open(dataset.uri).statistics("state").count > first.count


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}", b"[1]", b'{"mean": [0], "std": [1], "count": 3}'])
def test_an_old_or_broken_cached_file_is_computed_again(make_dataset: Any, content: bytes) -> None:
    dataset = make_dataset()
    expected = dataset.statistics("state")
    (file,) = Path(dataset.uri, "statistics").iterdir()
    good = file.read_bytes()
    file.write_bytes(content)
    assert_equal(dataset.statistics("state"), expected)
    assert file.read_bytes() == good
    half = good[: len(good) // 2]
    file.write_bytes(half)
    assert_equal(dataset.statistics("state"), expected)


def test_the_train_split_is_the_default(make_dataset: Any) -> None:
    dataset = make_dataset((5, 9, 3, 12, 4, 6), val_fraction=0.5)
    assert 0 < len(dataset.split("train")) < dataset.num_episodes
    assert dataset.statistics("action").count == dataset.lengths[dataset.split("train")].sum()


def test_statistics_of_nothing_are_refused(make_dataset: Any) -> None:
    dataset = make_dataset(val_fraction=0.0)
    with pytest.raises(DatasetError, match="no episode in the split 'val'"):
        dataset.statistics("state", "val")
    with pytest.raises(UnknownNameError, match="column: 'stat'"):
        dataset.statistics("stat")


def test_non_finite_values_of_a_dataset_are_named(tmp_path: Path, make_episode: Any) -> None:
    episode = make_episode(0)
    episode.observation["state"][2:4, 1] = np.nan
    episode.reward[0] = np.inf
    with swm.data.create(tmp_path / "holes", val_fraction=0.0) as writer:
        writer.write(episode)
    dataset = swm.data.open(tmp_path / "holes")
    for _ in range(2):  # measured, then from the cached file
        with pytest.warns(UserWarning, match=r"2 values of 'state' .* in the entries \[1\]"):
            got = dataset.statistics("state")
        assert got.num_nonfinite.tolist() == [0, 2, 0, 0]
        assert np.isfinite(got.mean).all()
    with pytest.warns(UserWarning, match=r"1 values of 'reward' .* in the entries \[0\]"):
        assert dataset.statistics("reward").num_nonfinite == 1


def test_texts_are_refused(make_dataset: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset()
    text = swm.data.Column(name="task", dtype="str", shape=(), role="observation")
    monkeypatch.setattr(dataset.reader, "columns", {**dataset.columns, "task": text})
    with pytest.raises(InvalidValueError, match=r"'task' of .* holds texts.*Ask for pixels, state"):
        dataset.statistics("task")


def test_slow_measuring_shows_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chunks = [np.zeros(10)] * 3
    assert len(list(show_when_slow(chunks, "measure x", 30))) == 3
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("swm.data.measure._QUIET_S", -1.0)
    assert len(list(show_when_slow(chunks, "measure x", 30))) == 3
    assert "measure x: 30/30 rows" in capsys.readouterr().err
