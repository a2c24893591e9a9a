"""Episodes to try a dataset format with, and what differs between what was written and what is read."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from swm.core.protocols import Array
from swm.data.columns import Column
from swm.data.episode import TRANSITIONS, Episode

LENGTHS = (5, 1, 12, 3)
SIZE = (32, 48)
"""Height and width of the pictures: even, as video wants them, and not square."""

LOSSY = ("jpeg", "h264", "av1")
NO_EXCUSE = ""
"""Stands for the name of the thing where no note makes a difference good."""

MIN_PSNR = 30.0
"""Of lossy pictures, in dB. The pictures here are smooth."""


def sample(seed: int, length: int, cameras: Sequence[str] = ("pixels",)) -> Episode:
    """An episode with what every format must hold: pictures, vectors, scalars, whole numbers, truth values."""
    rng = np.random.default_rng(seed)
    last = np.arange(length) == length - 1
    observation: dict[str, Any] = {name: _pictures(seed + place, length + 1) for place, name in enumerate(cameras)}
    observation.update(
        mask=rng.integers(0, 2, (length + 1, *SIZE, 1), dtype=np.uint8),
        state=rng.normal(size=(length + 1, 3)),
        height=rng.normal(size=length + 1).astype(np.float32),
        counts=rng.integers(-5, 5, (length + 1, 2, 2), dtype=np.int32),
        contact=rng.random(length + 1) < 0.5,
    )
    return Episode(
        observation=observation,
        action=rng.uniform(-1, 1, (length, 2)).astype(np.float32),
        reward=rng.normal(size=length),
        terminated=last & (seed % 2 == 0),
        truncated=last & (seed % 2 == 1),
        success=rng.random(length) < 0.5,
        payload={
            "goal": _pictures(seed, 1)[0],
            "camera.matrix": rng.normal(size=(3, 3)),
            "task": np.array("go there \N{SNOWMAN}"),
            "count": np.array(2**62 + 1),
        },
        metadata={"seed": seed, "variation": {"agent.color": [seed, 0, 255]}, "policy": {"name": "noise", "std": 0.5}},
    )


def odd_samples(length: int = 4) -> Iterator[Episode]:
    """Episodes with one unusual component each (beside ``state``): a format keeps it, notes it, or refuses it."""
    rows = length + 1
    odd: dict[str, Array] = {
        "text": np.array([f"go {step} \N{SNOWMAN}" for step in range(rows)]),
        "dotted.name": np.arange(rows, dtype=np.int64),
        "slashed/name": np.arange(rows, dtype=np.int16),
        "with space": np.arange(rows, dtype=np.uint8),
        "gr\N{LATIN SMALL LETTER O WITH DIAERESIS}\N{LATIN SMALL LETTER SHARP S}e": np.linspace(0, 1, rows),
        "_underscore": np.linspace(0, 1, rows, dtype=np.float16),
        "pixels_flat": np.arange(rows * 6, dtype=np.uint8).reshape(rows, 6),
        "large": np.full((rows, 1), 2**62 + 1, np.int64),
        "unsigned": np.full(rows, 2**64 - 1, np.uint64),
        "not_finite": np.array([[np.nan, np.inf, -np.inf]] * rows),
        "volume": np.arange(rows * 8, dtype=np.float32).reshape(rows, 2, 2, 2),
        "nothing": np.zeros((rows, 0), np.float32),
    }
    for seed, (name, values) in enumerate(odd.items()):
        yield _plain(seed, {name: values}, np.zeros((length, 2)))
    for action in (np.arange(length), np.zeros((length, 2, 3), np.float32)):
        yield _plain(40, {}, action)


def _plain(seed: int, extra: Mapping[str, Array], action: Array) -> Episode:
    length = len(action)
    no = np.zeros(length, np.bool_)
    return Episode(
        observation={"state": np.random.default_rng(seed).normal(size=(length + 1, 3)), **extra},
        action=action,
        reward=np.arange(length, dtype=np.float32),
        terminated=no,
        truncated=no,
        success=no,
        metadata={"seed": seed},
    )


def _pictures(seed: int, count: int) -> Array:
    """Smooth pictures (count, *SIZE, 3) whose colours move with time."""
    y, x = np.meshgrid(np.linspace(0, 1, SIZE[0]), np.linspace(0, 1, SIZE[1]), indexing="ij")
    time = np.arange(count)[:, None, None]
    waves = [np.sin(2 * (x + y) + 0.3 * time + seed + place) for place in range(3)]
    return (127 + 100 * np.stack(np.broadcast_arrays(*waves), -1)).astype(np.uint8)


def differences(expected: Episode, got: Episode, columns: Mapping[str, Column]) -> Iterator[tuple[str, str]]:
    """What reading gave back otherwise than it was written: the name of the thing, and a sentence."""
    wanted, found = expected.arrays(), got.arrays()
    for name in [*wanted, *(name for name in found if name not in wanted)]:
        if name not in found:
            yield name, f"{name!r} is lost"
        elif name not in wanted:
            yield name, f"{name!r} was never written"
        else:
            codec = columns[name].codec if name not in TRANSITIONS else None
            yield from _compare(name, wanted[name], found[name], codec)
    for name in sorted(set(expected.payload) | set(got.payload)):
        if name not in got.payload or name not in expected.payload:
            yield "payload", f"the payload {name!r} is {'lost' if name in expected.payload else 'new'}"
        else:
            yield from _compare("payload", expected.payload[name], got.payload[name], None)
    if expected.metadata != got.metadata:
        yield "metadata", f"the metadata {dict(expected.metadata)} became {dict(got.metadata)}"


def _compare(name: str, wanted: Array, found: Array, codec: str | None) -> Iterator[tuple[str, str]]:
    kinds = [array.dtype.kind if array.dtype.kind == "U" else array.dtype for array in (wanted, found)]
    if kinds[0] != kinds[1]:
        yield name, f"{name!r} has the dtype {found.dtype} instead of {wanted.dtype}"
    if wanted.shape != found.shape:
        yield name, f"{name!r} has the shape {found.shape} instead of {wanted.shape}"
    elif codec in LOSSY:
        if (decibels := psnr(wanted, found)) < MIN_PSNR:
            yield NO_EXCUSE, f"{name!r} has {decibels:.1f} dB after {codec}, less than {MIN_PSNR}"
    elif not np.array_equal(wanted, found, equal_nan=wanted.dtype.kind == "f" and found.dtype.kind == "f"):
        yield name, f"{name!r} has other values"


def psnr(a: Array, b: Array) -> float:
    """Peak signal-to-noise ratio of two arrays of pictures, in dB."""
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def unexplained(found: Iterable[tuple[str, str]], notes: Iterable[str]) -> list[str]:
    """The differences whose thing no note names."""
    text = "\n".join(notes)
    return [
        sentence
        for thing, sentence in found
        if thing == NO_EXCUSE or not re.search(rf"(?<!\w){re.escape(thing)}(?!\w)", text)
    ]
