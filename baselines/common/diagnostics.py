"""What to watch while a world model trains: collapse of the latent, and error over the horizon."""

from collections.abc import Iterable

import torch
from torch import Tensor

from swm.baselines.base import Baseline, Batch
from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Context

COLLAPSED_STD = 0.02
COLLAPSED_RANK = 1.5


def effective_rank(latents: Tensor) -> float:
    """Exponential of the entropy of the singular values of the centred latents.

    Source: Roy and Vetterli, "The effective rank", EUSIPCO 2007.

    Args:
        latents: shape (N, D).

    Returns:
        From 1 (a line) to min(N - 1, D); 0 if all rows are equal.
    """
    latents = latents.cpu().double()
    values = torch.linalg.svdvals(latents - latents.mean(0))
    share = values / values.sum()
    return float(torch.exp(torch.special.entr(share).sum())) if values.sum() > 0 else 0.0


def latent_statistics(latents: Tensor) -> dict[str, float]:
    """Effective rank, and the standard deviation over the batch: least, mean and greatest of the dimensions.

    Args:
        latents: shape (N, D).
    """
    std = latents.std(0, correction=0)
    return {
        "effective_rank": effective_rank(latents),
        "latent_std_min": float(std.min()),
        "latent_std_mean": float(std.mean()),
        "latent_std_max": float(std.max()),
    }


def is_collapsed(statistics: dict[str, float]) -> bool:
    """Whether the latents vary along a line at most, or hardly at all."""
    return statistics["effective_rank"] < COLLAPSED_RANK or statistics["latent_std_mean"] < COLLAPSED_STD


def validate(model: Baseline, batches: Iterable[Batch], generator: torch.Generator) -> dict[str, float]:
    """Measure a model on validation clips.

    Args:
        model: in evaluation mode.
        batches: clips of at least ``model.num_frames`` frames, and of more than its history.
        generator: where the loss draws its random numbers.

    Returns:
        The means of ``loss`` and its terms over the batches, what `latent_statistics` says, and
        ``horizon_error/k`` for each step k after the history (see `horizon_errors`).

    Raises:
        InvalidValueError: there is no batch.
    """
    frames = model.num_frames
    rows, pairs = [], []
    for batch in batches:
        clips = {"pixels": batch["pixels"][:, :frames], "action": batch["action"][:, : frames - 1]}
        rows.append({name: float(value) for name, value in model.loss(clips, generator)[1].items()})
        pairs.append(open_loop_predictions(model, batch))
    if not rows:
        raise InvalidValueError("the validation split has no clip: it needs longer episodes or more of them.")
    predicted, encoded = (torch.cat(parts).float() for parts in zip(*pairs, strict=True))
    return {
        **{name: sum(row[name] for row in rows) / len(rows) for name in rows[0]},
        **latent_statistics(encoded.flatten(0, 1).flatten(1)),
        **{f"horizon_error/{k}": error for k, error in enumerate(horizon_errors(predicted, encoded), 1)},
    }


def open_loop_predictions(model: Baseline, batch: Batch) -> tuple[Tensor, Tensor]:
    """Predict all that follows the first `history` frames of each clip, from those frames and the actions.

    Args:
        model: in evaluation mode.
        batch: clips of T frames, T above the model's history.

    Returns:
        Predicted and encoded latents, (B, T - history, ...) each.

    Raises:
        ShapeError: the clips end where the prediction would begin.
    """
    history, frames = model.spec.history, batch["pixels"].shape[1]
    if frames <= history:
        raise ShapeError("pixels of a batch", f"more than {history} frames", f"{frames} frames")
    latents, actions = model.encode(batch["pixels"]), model.normalize_blocks(batch["action"])
    context = Context(latents=latents[:, :history], actions=actions[:, : history - 1])
    return model.rollout(context, actions[:, None, history - 1 :])[:, 0], latents[:, history:]


def horizon_errors(predicted: Tensor, encoded: Tensor) -> list[float]:
    """Squared error of each step in units of the latents' variance; 1 is no better than their mean.

    Args:
        predicted: shape (N, H, ...).
        encoded: the truth, same shape.
    """
    error = (predicted - encoded).square().flatten(2).sum(-1).mean(0)
    variance = (encoded - encoded.mean(0)).square().flatten(2).sum(-1).mean(0)
    return [float(value) for value in error / variance.clamp_min(torch.finfo(variance.dtype).tiny)]
