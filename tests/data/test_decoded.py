"""The cache of decoded pictures reads as if it were not there, and decodes each picture once."""

import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import swm.data
from swm.core.errors import DatasetError, InvalidValueError
from swm.data import codecs, kept_pictures
from swm.data.decoded import DecodedCache

LENGTHS = (9, 4, 12)
ROWS = sum(LENGTHS) + len(LENGTHS)
PICTURE = 8 * 8 * 3


@pytest.fixture
def dataset(make_dataset: Any) -> swm.data.Dataset:
    found: swm.data.Dataset = make_dataset(LENGTHS, val_fraction=0.0)
    return found


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each picture that is decoded."""
    calls: list[int] = []
    original = codecs._DECODERS["png"]

    def counting(blob: Any, out: Any) -> None:
        calls.append(len(blob))
        original(blob, out)

    monkeypatch.setitem(codecs._DECODERS, "png", counting)
    return calls


def assert_reads_the_same(cache: DecodedCache, reader: Any, rows: Any, size: tuple[int, int] | None = None) -> None:
    got = cache.read(["state", "pixels"], np.asarray(rows), size)
    distinct, place = np.unique(rows, return_inverse=True)
    expected = reader.read(["state", "pixels"], distinct, size)
    assert list(got) == ["state", "pixels"]
    for name, values in got.items():
        np.testing.assert_array_equal(values, expected[name][place], strict=True)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    reads=st.lists(
        st.tuples(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=12), st.sampled_from([None, (4, 4), (3, 5)])),
        max_size=6,
    ),
    num_pictures=st.integers(0, ROWS + 5),
    in_file=st.booleans(),
)
def test_every_read_is_that_of_the_reader(
    dataset: swm.data.Dataset,
    tmp_path_factory: pytest.TempPathFactory,
    reads: list[tuple[list[int], tuple[int, int] | None]],
    num_pictures: int,
    in_file: bool,
) -> None:
    path = tmp_path_factory.mktemp("decoded") if in_file else None
    cache = DecodedCache(dataset.reader, num_pictures * PICTURE, path)
    for rows, size in reads:
        assert_reads_the_same(cache, dataset.reader, rows, size)
    if path:
        sizes = [file.stat().st_size for file in path.glob("*.decoded")]
        assert sum(sizes) <= num_pictures * PICTURE + len(sizes) * 3 * 4096
    again = DecodedCache(dataset.reader, num_pictures * PICTURE, path)
    for rows, size in reads:
        assert_reads_the_same(again, dataset.reader, rows, size)


@pytest.mark.parametrize("in_file", [False, True])
def test_each_picture_is_decoded_once(
    dataset: swm.data.Dataset, decoded: list[int], in_file: bool, tmp_path: Path
) -> None:
    path = tmp_path / "kept" if in_file else None
    cache = DecodedCache(dataset.reader, 10**6, path)
    clips = swm.data.Dataset(cache).clips(num_steps=3)
    plain = dataset.clips(num_steps=3)
    for _ in range(2):
        batch = clips.__getitems__(np.arange(len(clips)))
        assert len(decoded) == ROWS
    np.testing.assert_array_equal(batch["pixels"], plain.__getitems__(np.arange(len(clips)))["pixels"])
    decoded.clear()
    DecodedCache(dataset.reader, 10**6, path).read(["pixels"], np.arange(ROWS))
    assert len(decoded) == (0 if in_file else ROWS)
    decoded.clear()
    cache.read(["pixels"], np.arange(ROWS), (4, 4))
    cache.read(["pixels"], np.arange(ROWS), (4, 4))
    assert len(decoded) == ROWS


def test_what_does_not_fit_is_decoded_and_the_rest_stays(dataset: swm.data.Dataset, decoded: list[int]) -> None:
    cache = DecodedCache(dataset.reader, 10 * PICTURE + 100)
    rows = np.random.default_rng(0).permutation(ROWS)
    for _ in range(3):
        decoded.clear()
        assert_reads_the_same(cache, dataset.reader, rows)
    assert len(decoded) == (ROWS - 10) + ROWS  # what the cache lacks, and the comparison


def test_other_content_gets_another_file(make_dataset: Any, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    first = make_dataset((5, 4), name="a", val_fraction=0.0)
    DecodedCache(first.reader, 10**6, path).read(["pixels"], np.arange(11))
    other = make_dataset((4, 5), name="b", val_fraction=0.0)
    cache = DecodedCache(other.reader, 10**6, path)
    assert_reads_the_same(cache, other.reader, np.arange(11))
    assert len(list(path.glob("*.decoded"))) == 2
    copy = make_dataset((5, 4), name="copy", val_fraction=0.0)
    DecodedCache(copy.reader, 10**6, path).read(["pixels"], np.arange(11))
    assert len(list(path.glob("*.decoded"))) == 2


@pytest.mark.parametrize("damage", ["header", "length", "facts", "empty"])
def test_a_damaged_file_is_made_anew(dataset: swm.data.Dataset, tmp_path: Path, damage: str) -> None:
    DecodedCache(dataset.reader, 10**6, tmp_path).read(["pixels"], np.arange(ROWS))
    (file,) = tmp_path.glob("*.decoded")
    content = bytearray(file.read_bytes())
    content[-PICTURE:] = bytes(PICTURE)
    if damage == "header":
        content[0] = 255
    elif damage == "length":
        del content[-10:]
    elif damage == "facts":
        content = content.replace(b'"column": "pixels"', b'"column": "pixelz"', 1)
    else:
        content.clear()
    file.write_bytes(content)
    assert_reads_the_same(DecodedCache(dataset.reader, 10**6, tmp_path), dataset.reader, np.arange(ROWS))


@pytest.mark.parametrize("complete", [False, True])
def test_after_a_restart_only_a_complete_file_is_trusted(
    dataset: swm.data.Dataset, decoded: list[int], tmp_path: Path, complete: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    DecodedCache(dataset.reader, 10**6, tmp_path).read(["pixels"], np.arange(ROWS if complete else ROWS - 1))
    monkeypatch.setattr(kept_pictures, "_boot", lambda: "another")
    decoded.clear()
    DecodedCache(dataset.reader, 10**6, tmp_path).read(["pixels"], np.arange(ROWS - 1))
    assert len(decoded) == (0 if complete else ROWS - 1)


def _read_in_child(cache: DecodedCache, rows: list[int], results: Any) -> None:
    results.put(cache.read(["pixels"], np.array(rows))["pixels"])


def test_processes_share_a_file(dataset: swm.data.Dataset, decoded: list[int], tmp_path: Path) -> None:
    cache = DecodedCache(dataset.reader, 10**6, tmp_path)
    packed = pickle.dumps(cache)
    assert len(packed) < 1000
    context = multiprocessing.get_context("forkserver")
    results = context.SimpleQueue()
    children = [
        context.Process(target=_read_in_child, args=(pickle.loads(packed), rows, results))
        for rows in (list(range(20)), list(range(15, ROWS)))
    ]
    for child in children:
        child.start()
    found = [results.get() for _ in children]
    for child in children:
        child.join()
    assert sorted(len(pictures) for pictures in found) == sorted([20, ROWS - 15])
    decoded.clear()
    got = cache.read(["pixels"], np.arange(ROWS))["pixels"]
    assert not decoded
    np.testing.assert_array_equal(got, dataset.reader.read(["pixels"], np.arange(ROWS))["pixels"])


def test_a_dataset_behind_the_cache_is_the_same(dataset: swm.data.Dataset) -> None:
    cached = swm.data.Dataset(pickle.loads(pickle.dumps(DecodedCache(dataset.reader, 10**6))))
    assert cached.fingerprint == dataset.fingerprint
    assert cached.uri == dataset.uri
    assert cached.verify() == dataset.verify()
    np.testing.assert_array_equal(cached.episode(1).observation["pixels"], dataset.episode(1).observation["pixels"])
    assert cached.reader.disk_bytes() == dataset.reader.disk_bytes()
    assert cached.reader.encoded("pixels", 0) is not None


def test_bad_requests_are_answered(dataset: swm.data.Dataset, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="must be 0 or more, got -1"):
        DecodedCache(dataset.reader, -1)
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match=r"cannot be kept in .*make room, allow fewer, or choose another folder"):
        DecodedCache(dataset.reader, 10**6, tmp_path / "file" / "folder").read(["pixels"], np.arange(3))
