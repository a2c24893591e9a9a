"""Image encoders: normalised pictures (N, 3, height, width) to feature vectors (N, out_features)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from swm.baselines.common.blocks import NORM_EPS, Block, learned_positions
from swm.core.errors import InvalidValueError


class ViT(nn.Module):
    """Vision transformer trained from scratch; the feature is the final [CLS] token.

    Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv 2010.11929. With width 192,
    depth 12, 3 heads, hidden 768 and patches of 14 on 224 x 224 it has 5,501,376 parameters.
    """

    def __init__(
        self, image_size: tuple[int, int], *, patch_size: int, width: int, depth: int, heads: int, hidden: int
    ) -> None:
        """Make the encoder.

        Args:
            image_size: height and width of the pictures.
            patch_size: side of a patch in pixels.
            width: features of a token, a multiple of `heads`.
            depth: number of blocks.
            heads: attention heads of a block.
            hidden: features between the two layers of a feed-forward half.

        Raises:
            InvalidValueError: the picture is not a whole number of patches, or `width` of heads.
        """
        super().__init__()
        height, breadth = image_size
        if height % patch_size or breadth % patch_size:
            raise InvalidValueError(
                f"patches of {patch_size} do not tile pictures of {height} x {breadth}. "
                "Choose a patch size that divides both sides."
            )
        if width % heads:
            raise InvalidValueError(f"a ViT of width {width} cannot have {heads} heads: the width must be a multiple.")
        self.out_features = width
        self.patches = nn.Conv2d(3, width, patch_size, stride=patch_size)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = learned_positions(1 + (height // patch_size) * (breadth // patch_size), width)
        self.blocks = nn.Sequential(*(Block(width, heads, hidden) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.apply(_init_linear)

    def forward(self, images: Tensor) -> Tensor:
        """Encode (N, 3, height, width) to (N, width)."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(tokens), -1, -1), tokens], dim=1) + self.positions
        features: Tensor = self.norm(self.blocks(tokens)[:, 0])
        return features


def _init_linear(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class ConvEncoder(nn.Module):
    """A small convolutional encoder for small pictures.

    Each stage is a 3x3 convolution of stride 2, GroupNorm if asked for, and GELU. The last feature
    map is flattened, not pooled: where something is matters more here than what it is.
    """

    def __init__(self, image_size: tuple[int, int], *, channels: Sequence[int], norm: bool, out_features: int) -> None:
        """Make the encoder.

        Args:
            image_size: height and width of the pictures.
            channels: channels of each stage, multiples of 8.
            norm: whether each convolution is followed by a GroupNorm of 8 channels per group.
            out_features: length of the feature vector.

        Raises:
            InvalidValueError: there is no stage, or its channels are not a multiple of 8.
        """
        super().__init__()
        if not channels or any(count % 8 for count in channels):
            raise InvalidValueError(f"channels of a conv encoder must be multiples of 8, got {tuple(channels)}.")
        self.out_features = out_features
        layers: list[nn.Module] = []
        before = 3
        for count in channels:
            layers.append(nn.Conv2d(before, count, 3, stride=2, padding=1))
            if norm:
                layers.append(nn.GroupNorm(count // 8, count))
            layers.append(nn.GELU())
            before = count
        self.stages = nn.Sequential(*layers)
        height, width = (-(-side // 2 ** len(channels)) for side in image_size)
        self.out = nn.Linear(before * height * width, out_features)

    def forward(self, images: Tensor) -> Tensor:
        """Encode (N, 3, height, width) to (N, out_features)."""
        features: Tensor = self.out(self.stages(images).flatten(1))
        return features
