"""SIGReg against closed forms, its symmetries, and two processes against one."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from swm.baselines.common.sigreg import KNOTS, T_MAX, epps_pulley, random_slices, sigreg

GRID = (torch.arange(40_000, dtype=torch.float64) + 0.5) / 40_000


def gaussian(std: float) -> Tensor:
    samples: Tensor = std * torch.special.ndtri(GRID)
    return samples


def laplace() -> Tensor:
    centred = GRID - 0.5
    return -centred.sign() * torch.log1p(-2 * centred.abs()) / 2**0.5


def statistic(samples: Tensor) -> float:
    return float(epps_pulley(samples.unsqueeze(-1)))


@pytest.mark.parametrize(
    ("samples", "per_sample", "tolerance"),
    [
        (torch.zeros(128), 0.40205, 1e-5),
        (torch.ones(128), 1.1860, 1e-4),
        (gaussian(0.1), 0.3869, 1e-4),
        (gaussian(0.5), 0.1512, 1e-4),
        (gaussian(0.9), 0.00514, 1e-5),
        (gaussian(1.1), 0.00450, 1e-5),
        (gaussian(2.0), 0.2361, 1e-4),
        (gaussian(10.0), 1.1452, 1e-4),
        (3**0.5 * (2 * GRID - 1), 0.01609, 1e-5),
        (laplace(), 0.01638, 2e-5),
        ((GRID - 0.5).sign(), 0.10283, 1e-5),
    ],
    ids=["collapse", "one", "s.1", "s.5", "s.9", "s1.1", "s2", "s10", "uniform", "laplace", "rademacher"],
)
def test_known_distributions(samples: Tensor, per_sample: float, tolerance: float) -> None:
    assert statistic(samples) / len(samples) == pytest.approx(per_sample, abs=tolerance)


@pytest.mark.parametrize("count", [4, 128])
def test_gaussian_samples_score_the_same_at_any_batch_size(count: int) -> None:
    samples = torch.randn(count, 20_000, generator=torch.Generator().manual_seed(0))
    values = epps_pulley(samples)
    assert float(values.mean()) == pytest.approx(1.0525, abs=0.03)
    if count == 128:
        assert float(values.std()) == pytest.approx(0.960, abs=0.04)


def test_the_floor_is_the_quadrature_of_the_variance() -> None:
    """Mean and standard deviation of a weighted sum of squares of Gaussians, from their covariance."""
    knots = torch.linspace(0, T_MAX, KNOTS, dtype=torch.float64)
    gauss = torch.exp(-(knots**2) / 2)
    weights = 2 * gauss * T_MAX / (KNOTS - 1)
    weights[[0, -1]] /= 2
    near = torch.exp(-((knots[:, None] - knots) ** 2) / 2) / 2
    far = torch.exp(-((knots[:, None] + knots) ** 2) / 2) / 2
    parts = [weights * (near + far - gauss[:, None] * gauss), weights * (near - far)]
    assert sum(float(part.trace()) for part in parts) == pytest.approx(1.0525, abs=5e-5)
    assert sum(2 * float((part @ part).trace()) for part in parts) ** 0.5 == pytest.approx(0.960, abs=5e-4)


def test_one_dimension_needs_no_slices() -> None:
    latents = torch.randn(64, 1, generator=torch.Generator().manual_seed(1))
    assert float(sigreg(latents, 7)) == pytest.approx(statistic(latents[:, 0]), rel=1e-5)


def test_order_and_sign_do_not_matter() -> None:
    generator = torch.Generator().manual_seed(2)
    samples = torch.randn(32, 5, generator=generator, dtype=torch.float64) + 0.3
    shuffled = samples[torch.randperm(32, generator=generator)]
    torch.testing.assert_close(epps_pulley(shuffled), epps_pulley(samples))
    torch.testing.assert_close(epps_pulley(-samples), epps_pulley(samples))


def test_time_steps_are_tested_apart() -> None:
    latents = torch.randn(3, 32, 6, generator=torch.Generator().manual_seed(3))
    together = sigreg(latents, 8, torch.Generator().manual_seed(4))
    apart = torch.stack([sigreg(step, 8, torch.Generator().manual_seed(4)) for step in latents]).mean()
    torch.testing.assert_close(together, apart)
    assert float(together) != pytest.approx(float(sigreg(latents.flatten(0, 1), 8, torch.Generator().manual_seed(4))))


def test_the_gradient_is_that_of_finite_differences() -> None:
    latents = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: sigreg(z, 4, torch.Generator().manual_seed(6)), latents)


def test_the_gradient_vanishes_at_collapse() -> None:
    norms = []
    for radius in (1.0, 1e-2, 0.0):
        latents = (radius * torch.randn(64, 4, generator=torch.Generator().manual_seed(7))).requires_grad_()
        sigreg(latents, 32, torch.Generator().manual_seed(8)).backward()  # type: ignore[no-untyped-call]
        assert latents.grad is not None
        norms.append(float(latents.grad.norm()))
    assert norms[0] > norms[2]
    assert norms[2] == 0.0


def test_descending_it_makes_samples_gaussian() -> None:
    generator = torch.Generator().manual_seed(9)
    latents = (0.1 * torch.randn(128, 2, generator=generator) + 1).requires_grad_()
    optimizer = torch.optim.Adam([latents], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        sigreg(latents, 16, generator).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = latents.detach()
    torch.testing.assert_close(found.mean(0), torch.zeros(2), atol=0.15, rtol=0)
    torch.testing.assert_close(found.T.cov(), torch.eye(2), atol=0.25, rtol=0)


def test_slices_are_unit_vectors_drawn_anew() -> None:
    generator = torch.Generator().manual_seed(10)
    first, second = random_slices(5, 100, generator), random_slices(5, 100, generator)
    torch.testing.assert_close(first.norm(dim=0), torch.ones(100))
    assert not torch.equal(first, second)
    assert torch.equal(first, random_slices(5, 100, torch.Generator().manual_seed(10)))


def test_half_precision_is_computed_in_single() -> None:
    latents = torch.randn(64, 4, generator=torch.Generator().manual_seed(11)).bfloat16()
    value = sigreg(latents, 8, torch.Generator().manual_seed(12))
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, sigreg(latents.float(), 8, torch.Generator().manual_seed(12)))


TWO_PROCESSES = """
import sys
import torch
import torch.distributed as dist
from swm.baselines.common.sigreg import sigreg

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
mine = torch.load(f"{folder}/latents.pt")[:, 24 * rank : 24 + 8 * rank].clone().requires_grad_()
value = sigreg(mine, 8, torch.Generator().manual_seed(0))
value.backward()
torch.save({"value": value.detach(), "grad": mine.grad / 2}, f"{folder}/{rank}.pt")  # data parallel averages
dist.destroy_process_group()
"""


def test_two_processes_equal_one(tmp_path: Path) -> None:
    """Shards of 24 and 8 samples give the value and the gradient of the batch of 32."""
    latents = torch.randn(3, 32, 6, generator=torch.Generator().manual_seed(13), requires_grad=True)
    torch.save(latents.detach(), tmp_path / "latents.pt")
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen([sys.executable, "-c", TWO_PROCESSES, str(rank), str(tmp_path)], cwd=root) for rank in (0, 1)
    ]
    expected = sigreg(latents, 8, torch.Generator().manual_seed(0))
    expected.backward()  # type: ignore[no-untyped-call]
    assert [process.wait(120) for process in processes] == [0, 0]
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    for result in found:
        torch.testing.assert_close(result["value"], expected.detach())
    torch.testing.assert_close(torch.cat([result["grad"] for result in found], 1), latents.grad)
