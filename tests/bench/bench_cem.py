"""What CEM costs per iteration, and why it clamps: ``python tests/bench/bench_cem.py`` from the repository root.

Prints the median time of an iteration with a cost that takes next to none, and the gap that four ways to
keep candidates within the bounds leave on quadratics with a known optimum.
"""

import math
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from torch import Tensor

from swm import solvers
from swm.core.protocols import PlanningProblem

Confine = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(mean (B, 1, D), std (B, 1, D), noise (S, D)) -> candidates (B, S, D) within [-1, 1]."""


def clamp(mean: Tensor, std: Tensor, noise: Tensor) -> Tensor:
    return (mean + std * noise).clamp(-1, 1)


def truncate(mean: Tensor, std: Tensor, noise: Tensor) -> Tensor:
    std = std.clamp(min=1e-12)
    low, high = (torch.special.ndtr((bound - mean) / std) for bound in (-1, 1))
    level = low + torch.special.ndtr(noise) * (high - low)
    drawn: Tensor = torch.special.ndtri(level.clamp(1e-12, 1 - 1e-12))
    return (mean + std * drawn).clamp(-1, 1)


def reflect(mean: Tensor, std: Tensor, noise: Tensor) -> Tensor:
    folded = (mean + std * noise + 1) % 4
    return torch.minimum(folded, 4 - folded) - 1


def free(mean: Tensor, std: Tensor, noise: Tensor) -> Tensor:
    return mean + std * noise


def gap(confine: Confine, weight: Tensor, rotation: Tensor, optimum: Tensor, iterations: int = 30) -> float:
    """Median over problems of what is left of the cost of zero, for the best candidate moved into the bounds."""
    generator = torch.Generator().manual_seed(0)

    def cost(x: Tensor) -> Tensor:
        return (((x - optimum[:, None]) @ rotation).square() * weight).sum(dim=-1)

    mean, std = torch.zeros_like(optimum), torch.ones_like(optimum)
    best = torch.full(optimum.shape[:1], math.inf, dtype=optimum.dtype)
    for _ in range(iterations):
        noise = torch.randn(300, optimum.shape[1], generator=generator, dtype=optimum.dtype)
        x = confine(mean[:, None], std[:, None], noise)
        best = torch.minimum(best, cost(x.clamp(-1, 1)).amin(dim=1))
        elites = x.gather(1, cost(x).topk(30, dim=1, largest=False).indices[..., None].expand(-1, -1, x.shape[2]))
        mean, std = elites.mean(dim=1), elites.std(dim=1)
    return float((best / cost(torch.zeros_like(optimum)[:, None])[:, 0]).median())


def compare_bounds(batch: int = 32, dim: int = 20) -> None:
    """Optimum on the diagonal at a share of the way to the bounds, condition 1000, along the axes and rotated."""
    generator = torch.Generator().manual_seed(1)
    sign = torch.randint(0, 2, (batch, dim), generator=generator).double() * 2 - 1
    turned = torch.linalg.qr(torch.randn(batch, dim, dim, generator=generator, dtype=torch.float64))[0]
    straight = torch.eye(dim, dtype=torch.float64).expand(batch, dim, dim)
    for condition, name, rotation in (
        (1, "straight", straight),
        (1000, "straight", straight),
        (1000, "turned", turned),
    ):
        weight = torch.logspace(0, math.log10(condition), dim, dtype=torch.float64)
        for share in (0.3, 0.95, 1.0):
            gaps = [f"{way.__name__} {gap(way, weight, rotation, share * sign):.1e}" for way in WAYS]
            print(f"condition {condition:4d} {name:8s} optimum at {share:4.2f}: " + "  ".join(gaps))


WAYS: tuple[Confine, ...] = (clamp, truncate, reflect, free)


def time_iterations(repeats: int = 20) -> None:
    """S = 300, H = 5, A = 10, one thread, float32."""
    torch.set_num_threads(1)
    solver = solvers.make("cem")
    for batch in (1, 8, 50):
        low = -torch.ones(10)
        problem = PlanningProblem(
            cost=lambda x: x[..., 0, 0],
            batch_size=batch,
            horizon=5,
            low=low,
            high=-low,
            generator=[torch.Generator().manual_seed(row) for row in range(batch)],
        )
        times = []
        for _ in range(repeats):
            start = perf_counter()
            solver.solve(problem)
            times.append((perf_counter() - start) / 30 / batch * 1e3)
        print(f"B = {batch:2d}: {statistics.median(times):.3f} ms per iteration and problem (least {min(times):.3f})")


if __name__ == "__main__":
    time_iterations()
    compare_bounds()
