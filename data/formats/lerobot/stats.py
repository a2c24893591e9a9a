"""The statistics that LeRobot keeps of every feature, per episode and of the whole dataset."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.data.columns import Array

Figures = dict[str, NDArray[Any]]
"""By name in `KEYS`: each of the shape of one value, ``count`` of shape (1,)."""

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
KEYS = ("min", "max", "mean", "std", "count", *QUANTILES)

MAX_PICTURES = 32
"""Of an episode, evenly spaced, enter its statistics."""


def sample_steps(num_frames: int) -> NDArray[np.int64]:
    """The frames whose pictures enter the statistics."""
    return np.unique(np.linspace(0, num_frames - 1, min(num_frames, MAX_PICTURES)).astype(np.int64))


def number_figures(values: Array) -> Figures:
    """Figures of N values of shape (N, ...): least and greatest in their own dtype, the others in float64."""
    with np.errstate(all="ignore"):
        wide = values.astype(np.float64)
        quantiles = np.quantile(wide, list(QUANTILES.values()), axis=0)
        return {
            "min": values.min(axis=0),
            "max": values.max(axis=0),
            "mean": wide.mean(axis=0),
            "std": wide.std(axis=0),
            "count": np.array([len(values)]),
            **dict(zip(QUANTILES, quantiles, strict=True)),
        }


def picture_figures(pictures: NDArray[np.uint8]) -> Figures:
    """Figures of N pictures, per channel, of intensities in [0, 1]: each of shape (3, 1, 1)."""
    channels = [_intensity_figures(pictures[..., channel]) for channel in range(pictures.shape[-1])]
    channels *= 3 // len(channels)
    figures = {key: np.array([facts[key] for facts in channels]).reshape(3, 1, 1) for key in channels[0]}
    return {**figures, "count": np.array([len(pictures)])}


def _intensity_figures(values: NDArray[np.uint8]) -> dict[str, float]:
    """Exact figures of 8-bit numbers from their histogram, each divided by 255."""
    histogram = np.bincount(values.reshape(-1), minlength=256)
    levels = np.arange(256) / 255
    total = histogram.sum()
    mean = float(histogram @ levels / total)
    present = levels[histogram > 0]
    ranks = np.cumsum(histogram)
    quantiles = {name: float(levels[np.searchsorted(ranks, share * total)]) for name, share in QUANTILES.items()}
    variance = float(histogram @ (levels - mean) ** 2 / total)
    return {"min": float(present[0]), "max": float(present[-1]), "mean": mean, "std": variance**0.5, **quantiles}


class Pool:
    """Figures of many episodes together, in constant memory.

    Mean and spread are those of all values; quantiles are the mean of the episodes' quantiles
    weighted by their counts, as LeRobot aggregates them.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._figures: dict[str, Figures] = {}

    def add(self, name: str, new: Figures) -> None:
        """Take the figures of one feature in one episode."""
        self._figures[name] = _pooled(self._figures[name], new) if name in self._figures else new

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Feature -> figure -> nested lists."""
        return {name: {key: figures[key].tolist() for key in KEYS} for name, figures in self._figures.items()}


def _pooled(old: Mapping[str, Any], new: Mapping[str, Any]) -> Figures:
    count = old["count"] + new["count"]
    share = new["count"].item() / count.item()
    with np.errstate(all="ignore"):
        shift = new["mean"] - old["mean"]
        variance = old["std"] ** 2 * (1 - share) + new["std"] ** 2 * share + shift**2 * share * (1 - share)
        return {
            "min": np.minimum(old["min"], new["min"]),
            "max": np.maximum(old["max"], new["max"]),
            "std": np.sqrt(variance),
            "count": count,
            **{name: old[name] + (new[name] - old[name]) * share for name in ("mean", *QUANTILES)},
        }
