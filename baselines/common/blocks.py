"""Transformer blocks, projection heads and the action embedder."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NORM_EPS = 1e-6


class Attention(nn.Module):
    """Multi-head self-attention with its own LayerNorm on the input."""

    def __init__(
        self, width: int, heads: int, head_dim: int, *, causal: bool = False, bias: bool = True, dropout: float = 0.0
    ) -> None:
        """Make the layer.

        Args:
            width: features of a token.
            heads: number of heads.
            head_dim: features of a head; ``heads * head_dim`` need not be `width`.
            causal: whether a token sees only itself and earlier tokens.
            bias: whether queries, keys and values have a bias.
            dropout: on the attention weights and on the output, in [0, 1).
        """
        super().__init__()
        self.heads, self.inner, self.causal = heads, heads * head_dim, causal
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.qkv = nn.Linear(width, 3 * self.inner, bias=bias)
        self.out = nn.Linear(self.inner, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, last: bool = False) -> Tensor:
        """Attend.

        Args:
            x: tokens (N, T, width).
            last: whether only the output of the last token is wanted.

        Returns:
            Shape (N, T, width), or (N, 1, width) with `last`.
        """
        x = self.norm(x)
        drop = self.dropout.p if self.training else 0.0
        if x.shape[1] == 1 and not drop:  # a lone token attends to itself with weight 1
            bias = None if self.qkv.bias is None else self.qkv.bias[2 * self.inner :]
            alone: Tensor = self.out(F.linear(x, self.qkv.weight[2 * self.inner :], bias))
            return alone
        parts = self.qkv(x).view(*x.shape[:2], 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        if last:
            query = query[:, :, -1:]
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=drop, is_causal=self.causal and not last)
        out: Tensor = self.dropout(self.out(mixed.transpose(1, 2).flatten(-2)))
        return out


def feed_forward(width: int, hidden: int, dropout: float = 0.0) -> nn.Sequential:
    """Make the feed-forward half of a block, with its own LayerNorm on the input."""
    return nn.Sequential(
        nn.LayerNorm(width, eps=NORM_EPS),
        nn.Linear(width, hidden),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, width),
        nn.Dropout(dropout),
    )


class Block(nn.Module):
    """A pre-norm transformer block: attention, then feed-forward, each added to its input."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads, width // heads)
        self.mlp = feed_forward(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (N, T, width) to the same shape."""
        x = x + self.attention(x)
        x = x + self.mlp(x)
        return x


class ConditionalBlock(nn.Module):
    """A causal transformer block modulated by one condition vector per token (AdaLN-zero).

    The condition gives shift, scale and gate of the attention, then of the feed-forward half,
    through a layer that starts at zero, so that a new block is the identity.

    Source: Peebles and Xie, "Scalable Diffusion Models with Transformers", arXiv 2212.09748, section 3.2.
    """

    def __init__(
        self, width: int, condition_width: int, heads: int, head_dim: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=NORM_EPS)
        self.attention = Attention(width, heads, head_dim, causal=True, bias=False, dropout=dropout)
        self.mlp = feed_forward(width, hidden, dropout)
        self.modulation = nn.Linear(condition_width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor, last: bool = False) -> Tensor:
        """Run the block.

        Args:
            x: tokens (N, T, width).
            condition: what modulates each token, (N, T, condition_width).
            last: whether only the last token's output is wanted.

        Returns:
            Shape (N, T, width), or (N, 1, width) with `last`.
        """
        parts = self.modulation(F.silu(condition)).chunk(6, -1)
        mixed = self.attention(self.norm(x) * (1 + parts[1]) + parts[0], last)
        if last:
            x, parts = x[:, -1:], [part[:, -1:] for part in parts]
        x = x + parts[2] * mixed
        x = x + parts[5] * self.mlp(self.norm(x) * (1 + parts[4]) + parts[3])
        return x


class Projector(nn.Module):
    """Linear, BatchNorm, GELU, Linear, on the last axis.

    BatchNorm undoes the LayerNorm before it, which would hold the embeddings on a sphere that no
    regulariser could turn into a Gaussian (arXiv 2603.19312, section 3.1).
    """

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.outer = nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., out); in training the statistics are over all leading axes."""
        hidden = self.norm(self.inner(x.flatten(0, -2)))
        out: Tensor = self.outer(F.gelu(hidden))
        return out.view(*x.shape[:-1], -1)


class ActionEmbedder(nn.Sequential):
    """Blocks of actions (..., frame_skip * A) to embeddings (..., width).

    The first layer is the published 1x1 convolution over time, which is a linear map per block.
    """

    def __init__(self, block: int, bottleneck: int, hidden: int, width: int) -> None:
        layers: list[Any] = [nn.Linear(block, bottleneck), nn.Linear(bottleneck, hidden), nn.SiLU()]
        super().__init__(*layers, nn.Linear(hidden, width))


def learned_positions(length: int, width: int) -> nn.Parameter:
    """Make a positional embedding (length, width), drawn with standard deviation 0.02."""
    return nn.Parameter(torch.randn(length, width) * 0.02)
