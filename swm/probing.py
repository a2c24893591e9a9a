"""What a latent knows: linear probes from latents to physical quantities."""

from dataclasses import dataclass

import numpy as np

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Array


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """How well a linear map reads the targets from held-out latents; one entry per target dimension."""

    r: Array
    """Pearson correlation of prediction and truth, in [-1, 1]; NaN where the held-out truth is constant."""
    r2: Array
    """Coefficient of determination, at most 1; 0 is no better than the held-out mean. NaN as `r`."""
    mse: Array
    """Mean squared error in units of the train split's variance."""


def linear_probe(
    latents: Array,
    targets: Array,
    held_out_latents: Array,
    held_out_targets: Array,
    *,
    ridge: float = 1e-6,
) -> ProbeResult:
    """Fit ``targets = latents W + b`` by ridge regression and measure it on held-out data.

    Both sides are standardised with the statistics of the fit. Split by episode: neighbouring frames
    on both sides would make any latent look good.

    Args:
        latents: shape (N, D), to fit on.
        targets: shape (N, K), in any unit.
        held_out_latents: shape (M, D), to measure on.
        held_out_targets: shape (M, K).
        ridge: weight of the squared norm of W, per sample.

    Raises:
        ShapeError: shapes that do not fit each other.
        InvalidValueError: fewer than two rows, or numbers that are not finite.
    """
    x, y = np.asarray(latents, np.float64), np.asarray(targets, np.float64)
    x_out, y_out = np.asarray(held_out_latents, np.float64), np.asarray(held_out_targets, np.float64)
    _check(x, y, x_out, y_out)
    x, x_out, _ = _standardise(x, x_out)
    y, y_out, y_std = _standardise(y, y_out)
    weights = np.linalg.solve(x.T @ x / len(x) + ridge * np.eye(x.shape[1]), x.T @ y / len(x))
    predicted = x_out @ weights
    error = ((predicted - y_out) ** 2).mean(0)
    variance = y_out.var(0)
    covariance = ((predicted - predicted.mean(0)) * (y_out - y_out.mean(0))).mean(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = covariance / (predicted.std(0) * y_out.std(0))
        r2 = 1 - error / variance
    known = (variance > 0) & (y_std > 0)
    return ProbeResult(r=np.where(known, r, np.nan), r2=np.where(known, r2, np.nan), mse=error)


def _standardise(fit: Array, held_out: Array) -> tuple[Array, Array, Array]:
    mean, std = fit.mean(0), fit.std(0)
    scale = np.where(std > 0, std, 1.0)
    return (fit - mean) / scale, (held_out - mean) / scale, std


def _check(x: Array, y: Array, x_out: Array, y_out: Array) -> None:
    for name, latents, targets in (("fit", x, y), ("held-out", x_out, y_out)):
        if latents.ndim != 2 or targets.ndim != 2 or len(latents) != len(targets):
            raise ShapeError(f"{name} data of linear_probe()", "(N, D) and (N, K)", f"{latents.shape}, {targets.shape}")
        if len(latents) < 2:
            raise InvalidValueError(f"a probe needs at least two {name} rows, got {len(latents)}.")
        if not (np.isfinite(latents).all() and np.isfinite(targets).all()):
            raise InvalidValueError(f"the {name} data of linear_probe() hold numbers that are not finite.")
    if x.shape[1] != x_out.shape[1] or y.shape[1] != y_out.shape[1]:
        raise ShapeError("held-out data of linear_probe()", (x.shape[1], y.shape[1]), (x_out.shape[1], y_out.shape[1]))
