r"""SIGReg: how far a batch of embeddings is from a standard Gaussian.

The embeddings are projected on random directions, and each projection is tested by the statistic of
Epps and Pulley against N(0, 1):

    T = N \int |phi_N(t) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt,    phi_N(t) = mean_n exp(i t x_n)

The integral is a trapezoid sum over 17 knots on [0, 3], doubled because the integrand is even. For
Gaussian samples its expectation is 1.0525 whatever N is; for a collapsed batch it is 0.402 N.

Source: Balestriero and LeCun, "LeJEPA", arXiv 2511.08544; knots as in the released code (the text
of arXiv 2603.19312 has [0.2, 4]).
"""

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

KNOTS = 17
T_MAX = 3.0


def sigreg(latents: Tensor, num_slices: int, generator: torch.Generator | None = None) -> Tensor:
    """Measure the distance of `latents` from a standard Gaussian.

    With `torch.distributed` initialised the samples of all processes count as one batch. The
    processes must then draw the same directions: give generators of the same state.

    Args:
        latents: shape (..., N, D): N samples; the leading axes are independent tests, averaged.
        num_slices: random unit directions, drawn anew each call.
        generator: where the directions are drawn from; None is the global generator of the CPU.

    Returns:
        A scalar, at least 0.
    """
    with torch.autocast(latents.device.type, enabled=False):
        latents = latents.to(torch.promote_types(latents.dtype, torch.float32))
        slices = random_slices(latents.shape[-1], num_slices, generator)
        return epps_pulley(latents @ slices.to(latents)).mean()


def random_slices(dim: int, count: int, generator: torch.Generator | None = None) -> Tensor:
    """Draw `count` directions uniformly from the unit sphere: (dim, count), on the generator's device."""
    device = None if generator is None else generator.device
    return F.normalize(torch.randn(dim, count, generator=generator, device=device), dim=0)


def epps_pulley(samples: Tensor) -> Tensor:
    """Test each column of `samples` (..., N, M) against N(0, 1); returns the statistics (..., M)."""
    knots = torch.linspace(0, T_MAX, KNOTS, dtype=samples.dtype, device=samples.device)
    gauss = torch.exp(-(knots**2) / 2)
    weights = 2 * (T_MAX / (KNOTS - 1)) * gauss
    weights[[0, -1]] /= 2
    angles = samples.unsqueeze(-1) * knots
    sums = torch.stack([angles.cos().sum(-3), angles.sin().sum(-3)])
    count = sums.new_tensor(samples.shape[-2])
    if dist.is_available() and dist.is_initialized():
        sums, count = _sum_over_processes(sums), _sum_over_processes(count)
    real, imaginary = sums / count
    statistic: Tensor = count * (((real - gauss) ** 2 + imaginary**2) * weights).sum(-1)
    return statistic


def _sum_over_processes(value: Tensor) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(value)  # type: ignore[no-untyped-call]
    return total


class _SumOverProcesses(torch.autograd.Function):
    """All-reduce by sum; the gradient of a sum is the sum of the processes' gradients.

    Each process computes the same value, so its gradient is the world size times its share: what
    remains after data-parallel averaging is the gradient of the whole batch.
    """

    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        value = value.clone()
        dist.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> Tensor:
        total = grads[0].clone()
        dist.all_reduce(total)
        return total
