"""Episodes with every dtype, texts, odd names and a payload, as functions of a seed."""

from typing import Any

import numpy as np

import swm.data

NUMBERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32")
TEXTS = ("", "push the block", "zwölf 箱 🙂", 'quote " and \\ and %2F')
NAMES = ("a/b", "pixels.front", ".", "%", "a%2Fb", "空 間", "state")


def rich_episode(seed: int, length: int = 4, *, nul: bool = True) -> swm.data.Episode:
    """One episode; `nul` adds texts with zero bytes and lone surrogates, which few formats hold."""
    rng = np.random.default_rng(seed)
    count = length + 1
    texts = (*TEXTS, "zero\0inside", "\ud800") if nul else TEXTS
    observation: dict[str, Any] = {
        "pixels": rng.integers(0, 256, (count, 8, 6, 3), dtype=np.uint8),
        "mask": rng.integers(0, 5, (count, 8, 6, 1), dtype=np.uint8),
        "instruction": np.array([texts[i % len(texts)] for i in range(seed, seed + count)]),
        "nothing": np.zeros((count, 0), np.float32),
    }
    for dtype in NUMBERS:
        observation[f"n.{dtype}"] = rng.integers(0, 2, (count, 3)).astype(dtype)
    for name in NAMES:
        observation[name] = rng.normal(size=(count, 2, 3))
    return swm.data.Episode(
        observation=observation,
        action=rng.normal(size=(length, 2)).astype(np.float32),
        reward=rng.normal(size=length).astype(np.float32),
        terminated=rng.random(length) < 0.5,
        truncated=rng.random(length) < 0.5,
        success=rng.random(length) < 0.5,
        payload={
            "goal/pixels": rng.integers(0, 256, (8, 6, 3), dtype=np.uint8),
            "matrix": rng.normal(size=(3, 3)),
            "scalar": np.array(seed),
            "empty": np.zeros((0, 2), np.int16),
            "texts": np.array([["a", ""], ["ü", "long text"]]),
            "times": np.array(["2020-01-01", "2021-02-03"], "datetime64[D]"),
            "complex": np.array([1 + 2j]),
        },
        metadata={"seed": seed, "variation": {"agent.color": [1, 2, 3]}, "nan": [1e-300, 0.1], "text": "ü"},
    )


def assert_equal(got: swm.data.Episode, expected: swm.data.Episode) -> None:
    """Everything is the same: columns and their order, values, dtypes, payload, metadata."""
    assert list(got.arrays()) == list(expected.arrays())
    for name, array in expected.arrays().items():
        same_array(got.arrays()[name], array, name)
    assert set(got.payload) == set(expected.payload)
    for name, array in expected.payload.items():
        same_array(got.payload[name], array, name)
    assert got.metadata == expected.metadata


def same_array(got: Any, expected: Any, name: str) -> None:
    """Same values and dtype; of texts, whose dtype only tells the longest, the same values."""
    if expected.dtype.kind == "U":
        assert (got.dtype.kind, got.shape) == ("U", expected.shape), name
        assert got.tolist() == expected.tolist(), name
    else:
        np.testing.assert_array_equal(got, expected, err_msg=name, strict=True)
