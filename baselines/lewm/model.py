"""LeWorldModel: an encoder and a causal predictor, trained together from pixels."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from swm.baselines.base import Baseline, Batch
from swm.baselines.common.blocks import (
    NORM_EPS,
    ActionEmbedder,
    ConditionalBlock,
    Projector,
    learned_positions,
)
from swm.baselines.common.encoders import ConvEncoder, ViT
from swm.baselines.common.losses import InverseDynamics, weighted_sum
from swm.baselines.lewm.loss import objective
from swm.core.errors import InvalidValueError
from swm.core.protocols import Context, ModelSpec

Encoder = Literal["vit", "conv"]


@dataclass(frozen=True, kw_only=True)
class LeWMConfig:
    """Sizes and loss of a LeWorldModel; the defaults are the paper's."""

    encoder: Encoder = "vit"
    patch_size: int = 14
    """Of the ViT, pixels."""
    vit_depth: int = 12
    vit_heads: int = 3
    vit_hidden: int = 768
    conv_channels: tuple[int, ...] = (32, 64, 128, 256)
    """Channels of the conv encoder's stages: the first of stride 4, the others of stride 2."""
    encoder_width: int = 192
    """Features that the encoder hands to the projector."""
    latent_dim: int = 192
    projector_hidden: int = 2048
    """Of the projectors behind encoder and predictor."""
    predictor_width: int = 192
    predictor_depth: int = 6
    predictor_heads: int = 16
    predictor_head_dim: int = 64
    predictor_hidden: int = 2048
    dropout: float = 0.1
    """In the predictor."""
    action_bottleneck: int = 10
    action_hidden: int = 768
    history: int = 3
    """Frames that the predictor sees."""
    frame_skip: int = 5
    """Environment steps per model step."""
    num_frames: int = 4
    """Frames of a training clip: at least ``history + prediction_steps``."""
    prediction_steps: int = 1
    """Steps predicted without seeing a frame; 1 is the published loss, with teacher forcing alone."""
    sigreg_weight: float = 0.09
    sigreg_slices: int = 1024
    inverse_dynamics_weight: float = 0.0
    """Weight of predicting the action block from the latents around it; 0 builds no such head."""
    inverse_dynamics_hidden: int = 0
    """Hidden units of that head; 0 makes it linear."""
    temporal_similarity_weight: float = 0.0
    """Weight of the mean squared difference of consecutive latents."""

    def __post_init__(self) -> None:
        """Check names and sizes."""
        if self.encoder not in get_args(Encoder):
            raise InvalidValueError(f"encoder must be one of {', '.join(get_args(Encoder))}, got {self.encoder!r}.")
        for name in ("history", "frame_skip", "prediction_steps", "latent_dim", "sigreg_slices"):
            if getattr(self, name) < 1:
                raise InvalidValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 <= self.dropout < 1:
            raise InvalidValueError(f"dropout must be in [0, 1), got {self.dropout}.")
        if self.num_frames < self.history + self.prediction_steps:
            raise InvalidValueError(
                f"clips of num_frames={self.num_frames} are too short for history={self.history} and "
                f"prediction_steps={self.prediction_steps}: at least {self.history + self.prediction_steps} are needed."
            )


class Predictor(nn.Module):
    """Causal transformer over frames, each modulated by the action that leaves it."""

    def __init__(self, config: LeWMConfig) -> None:
        super().__init__()
        width = config.predictor_width
        self.enter = nn.Identity() if config.latent_dim == width else nn.Linear(config.latent_dim, width)
        self.positions = learned_positions(config.history, width)
        self.blocks = nn.ModuleList(
            ConditionalBlock(
                width,
                width,
                config.predictor_heads,
                config.predictor_head_dim,
                config.predictor_hidden,
                config.dropout,
            )
            for _ in range(config.predictor_depth)
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)

    def forward(self, latents: Tensor, actions: Tensor, last: bool = False) -> Tensor:
        """Run the transformer.

        Args:
            latents: frames (N, T, D), T up to the history.
            actions: embeddings (N, T, width) of the action blocks that leave the frames.
            last: whether only the last frame's output is wanted.

        Returns:
            Shape (N, T, width), or (N, 1, width) with `last`.
        """
        x = self.enter(latents) + self.positions[: latents.shape[1]]
        for index, block in enumerate(self.blocks):
            x = block(x, actions, last=last and index == len(self.blocks) - 1)
        out: Tensor = self.norm(x)
        return out


class LeWorldModel(Baseline):
    """LeWorldModel, a joint-embedding world model trained end to end without a stop-gradient.

    Source: arXiv 2603.19312, "LeWorldModel" (2026), sections 3.1 and appendix D. `docs/world_models.md`
    has the equations and the choices where the paper and its code differ.
    """

    config_type: ClassVar[type[LeWMConfig]] = LeWMConfig
    config: LeWMConfig

    def __init__(self, config: LeWMConfig, spec: ModelSpec) -> None:
        """Make the networks; `swm.baselines.build` is the way in."""
        super().__init__(config, spec)
        self.encoder: ViT | ConvEncoder
        if config.encoder == "vit":
            self.encoder = ViT(
                spec.image_size,
                patch_size=config.patch_size,
                width=config.encoder_width,
                depth=config.vit_depth,
                heads=config.vit_heads,
                hidden=config.vit_hidden,
            )
        else:
            self.encoder = ConvEncoder(
                spec.image_size, channels=config.conv_channels, out_features=config.encoder_width
            )
        width = config.predictor_width
        self.projector = Projector(config.encoder_width, config.projector_hidden, config.latent_dim)
        self.action_embedder = ActionEmbedder(self.block_dim, config.action_bottleneck, config.action_hidden, width)
        self.predictor = Predictor(config)
        self.prediction_projector = Projector(width, config.projector_hidden, config.latent_dim)
        self.inverse_dynamics = (
            InverseDynamics(config.latent_dim, self.block_dim, hidden=config.inverse_dynamics_hidden)
            if config.inverse_dynamics_weight
            else None
        )

    @property
    def num_frames(self) -> int:
        """Frames of a training clip."""
        return self.config.num_frames

    def encode_images(self, images: Tensor) -> Tensor:
        """Encode normalised pictures (B, T, 3, height, width) to latents (B, T, D)."""
        features: Tensor = self.encoder(images.flatten(0, 1))
        latents: Tensor = self.projector(features.view(*images.shape[:2], -1))
        return latents

    def predict(self, latents: Tensor, actions: Tensor, last: bool = False) -> Tensor:
        """Predict the next latent at each position, or at the last one only.

        Args:
            latents: shape (N, T, D), T up to the history.
            actions: embeddings (N, T, width) of the action blocks that leave the frames.
            last: whether only the prediction after the last frame is wanted.

        Returns:
            Shape (N, T, D), or (N, 1, D) with `last`.
        """
        predicted: Tensor = self.prediction_projector(self.predictor(latents, actions, last))
        return predicted

    def rollout(self, context: Context, actions: Tensor) -> Tensor:
        """Predict open loop, over a sliding window of the last `history` frames.

        Args:
            context: the past; shared by all candidates of a problem.
            actions: normalised blocks (B, S, H, frame_skip * A).

        Returns:
            Latents (B, S, H, D) after each block.

        Raises:
            ShapeError: sizes that do not fit each other or the model.
        """
        self.check_rollout(context, actions)
        batch, candidates, horizon, _ = actions.shape
        frames = context.latents.shape[1]
        past = self.action_embedder(context.actions).unsqueeze(1).expand(-1, candidates, -1, -1)
        embedded = torch.cat([past, self.action_embedder(actions)], dim=2).flatten(0, 1)
        window = context.latents.unsqueeze(1).expand(-1, candidates, -1, -1).flatten(0, 1)
        predictions = []
        for now in range(frames, frames + horizon):
            window = window[:, -self.spec.history :]
            predicted = self.predict(window, embedded[:, now - window.shape[1] : now], last=True)
            predictions.append(predicted)
            window = torch.cat([window, predicted], dim=1)
        return torch.cat(predictions, dim=1).view(batch, candidates, horizon, -1)

    def loss(self, batch: Batch, generator: torch.Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the objective of `swm.baselines.lewm.loss` on clips of at least `num_frames` frames."""
        self.check_batch(batch)
        latents = self.encode(batch["pixels"][:, : self.num_frames])
        actions = self.normalize_blocks(batch["action"][:, : self.num_frames - 1])
        return weighted_sum(objective(self, latents, actions, generator))
