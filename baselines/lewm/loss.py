r"""The objective of LeWorldModel, as named terms.

    L = L_pred + \lambda SIGReg(z)

with z the projected embeddings of a clip. L_pred is the mean squared error of the predicted next
latents under teacher forcing; the targets carry gradient. SIGReg tests the batch at each time step
for itself and is averaged over time. The further terms of the config have weight 0 in the paper.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from swm.baselines.common.losses import Terms, temporal_similarity
from swm.baselines.common.sigreg import sigreg
from swm.core.protocols import Context

if TYPE_CHECKING:
    from swm.baselines.lewm.model import LeWorldModel


def objective(model: "LeWorldModel", latents: Tensor, actions: Tensor, generator: torch.Generator | None) -> Terms:
    """Compute every term of non-zero weight, and ``prediction`` and ``sigreg`` always.

    Args:
        model: gives the predictor, the heads and the weights.
        latents: encoded clips (B, T, D).
        actions: normalised blocks (B, T - 1, frame_skip * A).
        generator: where SIGReg draws its directions.
    """
    config = model.config
    terms = {
        "prediction": (1 / config.prediction_steps, teacher_forced_error(model, latents, actions)),
        "sigreg": (config.sigreg_weight, sigreg(latents.transpose(0, 1), config.sigreg_slices, generator)),
    }
    if config.prediction_steps > 1:
        weight = (config.prediction_steps - 1) / config.prediction_steps
        terms["open_loop"] = (weight, open_loop_error(model, latents, actions))
    if model.inverse_dynamics is not None:
        terms["inverse_dynamics"] = (config.inverse_dynamics_weight, model.inverse_dynamics(latents, actions))
    if config.temporal_similarity_weight:
        terms["temporal_similarity"] = (config.temporal_similarity_weight, temporal_similarity(latents))
    return terms


def teacher_forced_error(model: "LeWorldModel", latents: Tensor, actions: Tensor) -> Tensor:
    """Mean squared error of the next latent, given true latents, in every window of the history."""
    history = model.spec.history
    known, target = (windows(part, history) for part in (latents[:, :-1], latents[:, 1:]))
    embedded = windows(model.action_embedder(actions), history)
    return F.mse_loss(model.predict(known, embedded), target)


def open_loop_error(model: "LeWorldModel", latents: Tensor, actions: Tensor) -> Tensor:
    """Mean squared error of steps 2 to `prediction_steps` after the first `history` frames."""
    history, steps = model.spec.history, model.config.prediction_steps
    context = Context(latents=latents[:, :history], actions=actions[:, : history - 1])
    future = actions[:, None, history - 1 : history - 1 + steps]
    return F.mse_loss(model.rollout(context, future)[:, 0, 1:], latents[:, history + 1 : history + steps])


def windows(sequence: Tensor, length: int) -> Tensor:
    """All windows of `length` consecutive rows of (B, T, D), as (B * (T - length + 1), length, D)."""
    return sequence.unfold(1, length, 1).transpose(-1, -2).flatten(0, 1)
