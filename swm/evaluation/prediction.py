"""Open-loop prediction error of a world model, by horizon step."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from swm.core.errors import InvalidValueError
from swm.core.protocols import Array, Context, WorldModel
from swm.rollout import EpisodeRecord

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class PredictionError:
    """Squared latent errors, summed over latent dimensions and averaged over episodes; one entry per model step."""

    error: tuple[float, ...]
    """Of the model's open-loop prediction."""
    persistence: tuple[float, ...]
    """Of predicting that nothing changes."""
    variance: float
    """Of the true latents of all episodes and steps around their mean."""

    @property
    def skill(self) -> Array:
        """Error as a fraction of that of predicting no change: 0 is perfect, 1 has learnt no dynamics. Shape (H,)."""
        return np.array(self.error) / np.maximum(self.persistence, np.finfo(np.float64).tiny)

    @property
    def relative(self) -> Array:
        """Error as a fraction of the variance of the latents. Shape (H,)."""
        return np.array(self.error) / max(self.variance, np.finfo(np.float64).tiny)


def steps_needed(model: WorldModel, horizon: int) -> int:
    """Return the environment steps an episode needs for `prediction_error`."""
    return (model.spec.history - 1 + horizon) * model.spec.frame_skip


def prediction_error(model: WorldModel, records: Sequence[EpisodeRecord], horizon: int) -> PredictionError:
    """Predict H model steps ahead with the actions that were taken, and compare with what was seen.

    Args:
        model: any world model; a module is put into evaluation mode.
        records: episodes with ``pixels``, each of `steps_needed` environment steps at least.
        horizon: model steps H.

    Raises:
        InvalidValueError: an episode is too short.
    """
    import torch

    needed, skip, past = steps_needed(model, horizon), model.spec.frame_skip, model.spec.history
    short = [len(record.action) for record in records if len(record.action) < needed]
    if short or not records:
        raise InvalidValueError(
            f"{horizon} steps ahead needs episodes of {needed} environment steps (history {past}, frame skip {skip}); "
            f"got {len(records)} episodes, {len(short)} of them shorter: {short[:5]}."
        )
    if isinstance(model, torch.nn.Module):
        model.eval()
    device = _device(model)
    frames = np.stack([record.observation["pixels"][: needed + 1 : skip] for record in records])
    actions = np.stack([record.action[:needed] for record in records])
    with torch.no_grad():
        latents = model.encode(torch.as_tensor(frames, device=device))
        normal = model.normalize_actions(torch.as_tensor(actions, dtype=torch.float32, device=device))
        blocks = normal.reshape(len(records), past - 1 + horizon, -1)
        context = Context(latents=latents[:, :past], actions=blocks[:, : past - 1])
        predicted = model.rollout(context, blocks[:, None, past - 1 :])[:, 0]
    flat = latents.double().flatten(2)
    future, now = flat[:, past:], flat[:, past - 1 : past]
    return PredictionError(
        error=_squared(predicted.double().flatten(2) - future),
        persistence=_squared(now - future),
        variance=float((flat - flat.mean(dim=(0, 1))).square().sum(dim=-1).mean()),
    )


def _squared(difference: "torch.Tensor") -> tuple[float, ...]:
    """(B, H, D) -> H: squared norm, averaged over episodes."""
    return tuple(difference.square().sum(dim=-1).mean(dim=0).tolist())


def _device(model: WorldModel) -> "torch.device | None":
    """Where the model's weights are, None (the default device) if it has none."""
    parameters = getattr(model, "parameters", None)
    first = None if parameters is None else next(iter(parameters()), None)
    return None if first is None else first.device
