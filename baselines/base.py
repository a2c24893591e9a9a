"""What every baseline shares: the sizes it was built for, its normalisers, and the checks of its inputs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from swm.baselines import BASELINES
from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Context, ModelSpec

if TYPE_CHECKING:
    from pathlib import Path

Batch = Mapping[str, Tensor]
"""A batch of clips: ``pixels`` (B, T, height, width, 3) uint8 and ``action`` (B, T - 1, frame_skip * A)."""

_PIXEL_MEAN = (0.485, 0.456, 0.406)
_PIXEL_STD = (0.229, 0.224, 0.225)
_CONSTANT = 1e-6
"""Action columns whose standard deviation is below this are centred and not scaled."""


class Baseline(nn.Module, ABC):
    """A world model (`swm.core.protocols.WorldModel`) with a loss.

    A subclass is its network: `encode_images`, `rollout` and `loss`. Actions in a batch are those of
    the environment; a model normalises them with statistics that it carries in its buffers.
    """

    config_type: ClassVar[type[Any]]
    """The dataclass that configures it."""
    config: Any
    spec: ModelSpec
    pixel_mean: Tensor
    pixel_std: Tensor
    action_mean: Tensor
    action_std: Tensor

    def __init__(self, config: Any, spec: ModelSpec) -> None:
        """Keep the sizes and make identity action statistics."""
        super().__init__()
        self.config, self.spec = config, spec
        self.register_buffer("pixel_mean", 255 * torch.tensor(_PIXEL_MEAN))
        self.register_buffer("pixel_std", 255 * torch.tensor(_PIXEL_STD))
        self.register_buffer("action_mean", torch.zeros(spec.action_dim))
        self.register_buffer("action_std", torch.ones(spec.action_dim))

    # ------------------------------------------------------------------------------ for subclasses

    @property
    @abstractmethod
    def num_frames(self) -> int:
        """Frames T of a training clip."""

    @abstractmethod
    def encode_images(self, images: Tensor) -> Tensor:
        """Encode normalised pictures (B, T, 3, height, width) to latents (B, T, ...)."""

    @abstractmethod
    def rollout(self, context: Context, actions: Tensor) -> Tensor:
        """Predict the latents (B, S, H, ...) after each block of normalised `actions` (B, S, H, frame_skip * A)."""

    @abstractmethod
    def loss(self, batch: Batch, generator: torch.Generator | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the training objective.

        Args:
            batch: clips of `num_frames` frames.
            generator: where the loss draws its random numbers; None is the global generator.

        Returns:
            The scalar to minimise, and detached scalars for the log: ``loss`` and every term by name.
        """

    # ---------------------------------------------------------------------------------- world model

    def encode(self, pixels: Tensor) -> Tensor:
        """Encode pictures (B, T, height, width, 3) uint8 to latents (B, T, ...).

        Raises:
            ShapeError: the pictures are not 8-bit, or not of the size that the model was built for.
        """
        expected = (*self.spec.image_size, 3)
        if pixels.ndim != 5 or tuple(pixels.shape[2:]) != expected or pixels.dtype != torch.uint8:
            raise ShapeError(
                "pixels of encode()",
                f"(B, T, {', '.join(map(str, expected))}) uint8",
                f"{tuple(pixels.shape)} {str(pixels.dtype).removeprefix('torch.')}",
                "Render at the size that the model was trained on: it is in model.spec.image_size.",
            )
        mean, std = self.pixel_mean[:, None, None], self.pixel_std[:, None, None]
        images = pixels.permute(0, 1, 4, 2, 3).to(mean.dtype, memory_format=torch.contiguous_format)
        return self.encode_images(images.sub_(mean).div_(std))

    def distance(self, predicted: Tensor, goal: Tensor) -> Tensor:
        """Squared Euclidean distance (B, S) of latents (B, S, ...) to goal latents (B, ...)."""
        return (predicted - goal.unsqueeze(1)).square().flatten(2).sum(-1)

    def normalize_actions(self, actions: Tensor) -> Tensor:
        """Environment actions (..., A) to zero mean and unit variance over the train split."""
        self._check_last(actions, self.spec.action_dim, "actions of normalize_actions()")
        return (actions - self.action_mean) / self.action_std

    def denormalize_actions(self, actions: Tensor) -> Tensor:
        """The inverse of `normalize_actions`."""
        self._check_last(actions, self.spec.action_dim, "actions of denormalize_actions()")
        return actions * self.action_std + self.action_mean

    def normalize_blocks(self, blocks: Tensor) -> Tensor:
        """Normalise blocks (..., frame_skip * A) of environment actions, first action first."""
        self._check_last(blocks, self.block_dim, "action blocks")
        steps = blocks.reshape(*blocks.shape[:-1], self.spec.frame_skip, self.spec.action_dim)
        return self.normalize_actions(steps).flatten(-2)

    def set_action_statistics(self, mean: Any, std: Any) -> None:
        """Set what `normalize_actions` uses, from the train split.

        Args:
            mean: shape (A,).
            std: shape (A,), at least 0; columns that never vary are centred only.

        Raises:
            ShapeError: the shape is not (A,).
            InvalidValueError: a number is not finite.
        """
        for name, value in (("mean", mean), ("std", std)):
            array = np.asarray(value, np.float32)
            if array.shape != (self.spec.action_dim,):
                raise ShapeError(f"action {name}", (self.spec.action_dim,), array.shape)
            if not np.isfinite(array).all():
                raise InvalidValueError(f"action {name} must be finite, got {array.tolist()}.")
            if name == "std":
                array = np.where(array < _CONSTANT, np.float32(1), array)
            getattr(self, f"action_{name}").copy_(torch.from_numpy(array))

    # -------------------------------------------------------------------------------------- helpers

    @property
    def block_dim(self) -> int:
        """Numbers in an action block: ``frame_skip * action_dim``."""
        return self.spec.frame_skip * self.spec.action_dim

    @property
    def device(self) -> torch.device:
        """Where the model's tensors are."""
        return self.action_mean.device

    def check_rollout(self, context: Context, actions: Tensor) -> None:
        """Check the arguments of `rollout`.

        Raises:
            ShapeError: sizes that do not fit each other or the model.
        """
        if actions.ndim != 4 or actions.shape[-1] != self.block_dim:
            raise ShapeError("actions of rollout()", f"(B, S, H, {self.block_dim})", tuple(actions.shape))
        batch, frames = context.latents.shape[:2]
        if not 1 <= frames <= self.spec.history:
            raise ShapeError(
                "context.latents of rollout()",
                f"1 to {self.spec.history} frames",
                f"{frames} frames",
                "Give the newest frames only.",
            )
        if batch != len(actions):
            raise ShapeError("actions of rollout()", f"a batch of {batch}, as context.latents", len(actions))
        expected = (batch, frames - 1, self.block_dim)
        if tuple(context.actions.shape) != expected:
            raise ShapeError(
                "context.actions of rollout()",
                f"{expected}: the blocks between the {frames} frames",
                tuple(context.actions.shape),
            )

    def check_batch(self, batch: Batch) -> None:
        """Check that a batch holds clips that the loss can use.

        Raises:
            ShapeError: too few frames, or actions that do not fit the frames or the model.
        """
        count, frames = batch["pixels"].shape[:2]
        if frames < self.num_frames:
            raise ShapeError("pixels of a batch", f"at least {self.num_frames} frames", f"{frames} frames")
        expected = (count, frames - 1, self.block_dim)
        if tuple(batch["action"].shape) != expected:
            raise ShapeError(
                "action of a batch",
                f"{expected}: a block of {self.spec.frame_skip} x {self.spec.action_dim} between frames",
                tuple(batch["action"].shape),
            )

    @staticmethod
    def _check_last(actions: Tensor, size: int, what: str) -> None:
        if actions.shape[-1:] != (size,):
            raise ShapeError(what, f"(..., {size})", tuple(actions.shape))

    # ---------------------------------------------------------------------------------- checkpoints

    def save_pretrained(self, path: "str | Path", provenance: Mapping[str, Any] | None = None) -> None:
        """Write a checkpoint directory (see `swm.baselines.save`)."""
        from swm.baselines import checkpoint

        checkpoint.save(self, path, provenance)

    @classmethod
    def from_pretrained(cls, path: "str | Path", device: str = "auto") -> Self:
        """Read a checkpoint of this class (see `swm.baselines.load`)."""
        from swm.baselines import checkpoint

        model = checkpoint.load(path, device=device)
        if not isinstance(model, cls):
            raise InvalidValueError(f"{path} holds a {type(model).__name__}, not a {cls.__name__}.")
        return model


def build(
    name: str,
    config: Any = None,
    *,
    image_size: tuple[int, int],
    action_dim: int,
    env_id: str = "",
    seed: int = 0,
) -> Baseline:
    """Build a baseline with fresh weights, on the CPU.

    Args:
        name: a name of `BASELINES`.
        config: its config dataclass; None is the defaults.
        image_size: height and width of ``pixels``.
        action_dim: dimensions of one environment action.
        env_id: the environment it is for, empty if unknown.
        seed: of the weights; the global generators stay as they are.

    Raises:
        UnknownNameError: no baseline has this name.
        InvalidValueError: `config` is that of another baseline.
    """
    kind: type[Baseline] = BASELINES.load(name)
    if config is None:
        config = kind.config_type()
    if type(config) is not kind.config_type:
        raise InvalidValueError(
            f"baseline {name!r} takes a {kind.config_type.__name__} as config, got a {type(config).__name__}."
        )
    spec = ModelSpec(
        env_id=env_id,
        image_size=image_size,
        action_dim=action_dim,
        frame_skip=config.frame_skip,
        history=config.history,
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return kind(config, spec)
