"""Image encoders: normalised pictures (N, 3, height, width) to feature vectors (N, out_features)."""

from collections.abc import Sequence
from itertools import pairwise

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
    """A small convolutional encoder for small pictures, cheap on a CPU.

    The first convolution is 6x6 with stride 4, the others are 3x3 with stride 2, each with GELU. The
    last feature map is flattened, not pooled: where something is matters more here than what it is.
    """

    def __init__(self, image_size: tuple[int, int], *, channels: Sequence[int], out_features: int) -> None:
        """Make the encoder.

        Args:
            image_size: height and width of the pictures, multiples of the total stride.
            channels: channels of each stage; the total stride is ``2 ** (len(channels) + 1)``.
            out_features: length of the feature vector.

        Raises:
            InvalidValueError: there is no stage, or the pictures are not a multiple of the stride.
        """
        super().__init__()
        stride = 2 ** (len(channels) + 1)
        if not channels or any(side % stride for side in image_size):
            raise InvalidValueError(
                f"a conv encoder with channels {tuple(channels)} needs pictures whose sides are multiples of {stride}, "
                f"got {tuple(image_size)}."
            )
        self.out_features = out_features
        layers: list[nn.Module] = [nn.Conv2d(3, channels[0], 6, stride=4, padding=1), nn.GELU()]
        for before, count in pairwise(channels):
            layers += [nn.Conv2d(before, count, 3, stride=2, padding=1), nn.GELU()]
        self.stages = nn.Sequential(*layers)
        height, width = (side // stride for side in image_size)
        self.out = nn.Linear(channels[-1] * height * width, out_features)

    def forward(self, images: Tensor) -> Tensor:
        """Encode (N, 3, height, width) to (N, out_features)."""
        features: Tensor = self.out(self.stages(images).flatten(1))
        return features
