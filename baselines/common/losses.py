"""Named terms of a training objective, and their weighted sum. Latents are (B, T, D)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Terms = Mapping[str, tuple[float, Tensor]]
"""Name -> weight and unweighted scalar."""


def weighted_sum(terms: Terms) -> tuple[Tensor, dict[str, Tensor]]:
    """Add the terms up.

    Returns:
        The total, and for the log the detached total under ``loss`` and each term under its name.
    """
    total = torch.stack([weight * value for weight, value in terms.values()]).sum()
    return total, {"loss": total.detach(), **{name: value.detach() for name, (_, value) in terms.items()}}


def temporal_similarity(latents: Tensor) -> Tensor:
    """Mean squared difference of consecutive latents (PLDM's time-similarity term)."""
    return F.mse_loss(latents[:, 1:], latents[:, :-1])


class InverseDynamics(nn.Module):
    """Predicts the action block between two latents; its error keeps what actions move in the latent.

    Without a hidden layer, what an action does must be a straight step of the same length wherever
    it happens, so that the latent is a linear picture of what the actions control. With one, any
    curved or folded picture will do.
    """

    def __init__(self, latent_dim: int, block: int, *, hidden: int = 0) -> None:
        super().__init__()
        self.net: nn.Module
        if hidden:
            self.net = nn.Sequential(nn.Linear(2 * latent_dim, hidden), nn.GELU(), nn.Linear(hidden, block))
        else:
            self.net = nn.Linear(2 * latent_dim, block)

    def forward(self, latents: Tensor, actions: Tensor) -> Tensor:
        """Mean squared error on normalised `actions` (B, T - 1, block) between `latents` (B, T, D)."""
        return F.mse_loss(self.net(torch.cat([latents[:, :-1], latents[:, 1:]], dim=-1)), actions)
