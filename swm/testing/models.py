"""Conformance of world models: what planning relies on, as one function for any model."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from swm.baselines.base import Baseline
from swm.core.errors import ShapeError
from swm.core.protocols import Context, WorldModel

_OVERFIT_STEPS = 60
_OVERFIT_TO = 0.7
"""Fraction of the first loss that overfitting one batch must get below."""


def check_world_model(model: WorldModel, *, seed: int = 0) -> None:
    """Check that `model` keeps the contract of `swm.core.protocols.WorldModel`.

    Latents do not see the future; candidates and batch entries do not see each other; any number of
    context frames from one to the model's history will do; actions matter; wrong sizes are refused.
    A `Baseline` must also be able to overfit one batch. The model itself is left as it is.

    Args:
        model: a `torch.nn.Module`, its weights trained or fresh.
        seed: of the random inputs.

    Raises:
        AssertionError: the first promise that is not kept, in words.
    """
    assert isinstance(model, torch.nn.Module), f"{type(model).__name__} is not a torch.nn.Module"
    assert isinstance(model, WorldModel), f"{type(model).__name__} lacks a method or the spec of a WorldModel"
    probe = _Probe(model, seed)
    check_encoding(probe)
    check_rollout(probe)
    check_context(probe)
    check_distance(probe)
    check_actions(probe)
    check_refusals(probe)
    if isinstance(model, Baseline):
        check_overfitting(model, seed)


class _Probe:
    """A copy of the model in evaluation mode, with random inputs of its sizes."""

    def __init__(self, model: WorldModel, seed: int) -> None:
        self.model = copy.deepcopy(model)
        assert isinstance(self.model, torch.nn.Module)
        self.device = next(self.model.parameters()).device
        self.spec = model.spec
        self.block = self.spec.frame_skip * self.spec.action_dim
        self.generator = torch.Generator().manual_seed(seed)
        _stir(self.model, self.generator)
        self.model.eval()

    def pixels(self, batch: int, frames: int) -> Tensor:
        shape = (batch, frames, *self.spec.image_size, 3)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=self.generator).to(self.device)

    def actions(self, *shape: int) -> Tensor:
        return torch.randn(*shape, self.block, generator=self.generator).to(self.device)

    @torch.no_grad()
    def context(self, batch: int, frames: int) -> Context:
        return Context(latents=self.model.encode(self.pixels(batch, frames)), actions=self.actions(batch, frames - 1))


def _stir(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Move every parameter a little: layers that begin at zero would hide what they do."""
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator).to(parameter)
            parameter.add_(noise, alpha=0.02)


@torch.no_grad()
def check_encoding(probe: _Probe) -> None:
    """Encoding is deterministic, sees no later frame, and treats batch entries apart."""
    frames = probe.spec.history + 1
    pixels = probe.pixels(3, frames)
    latents = probe.model.encode(pixels)
    assert latents.shape[:2] == (3, frames), f"encode() made {tuple(latents.shape)} of 3 clips of {frames} frames"
    assert torch.isfinite(latents).all(), "encode() gives numbers that are not finite"
    _same(probe.model.encode(pixels), latents, "encode() gives another result the second time", exact=True)
    changed = pixels.clone()
    changed[:, -1] = 255 - changed[:, -1]
    _same(probe.model.encode(changed)[:, :-1], latents[:, :-1], "a frame changes the latents of earlier frames")
    assert not torch.equal(probe.model.encode(changed)[:, -1], latents[:, -1]), "encode() ignores the pixels"
    _same(probe.model.encode(pixels[1:2]), latents[1:2], "a latent depends on the other entries of the batch")


@torch.no_grad()
def check_rollout(probe: _Probe) -> None:
    """Predictions see no later action and no other candidate, and every action matters."""
    context, actions = probe.context(2, probe.spec.history), probe.actions(2, 3, 4)
    predicted = probe.model.rollout(context, actions)
    expected = (2, 3, 4, *context.latents.shape[2:])
    assert predicted.shape == expected, f"rollout() made {tuple(predicted.shape)} where {expected} is due"
    assert torch.isfinite(predicted).all(), "rollout() gives numbers that are not finite"
    for step in range(4):
        changed = actions.clone()
        changed[:, :, step] += 1
        other = probe.model.rollout(context, changed)
        _same(other[:, :, :step], predicted[:, :, :step], f"action {step} changes predictions before it")
        assert not torch.equal(other[:, :, step], predicted[:, :, step]), f"action {step} does not matter"
    alone = Context(latents=context.latents[1:], actions=context.actions[1:])
    _same(probe.model.rollout(alone, actions[1:])[0], predicted[1], "a problem depends on the others of the batch")
    _same(probe.model.rollout(context, actions[:, 1:2])[:, 0], predicted[:, 1], "a candidate depends on the others")
    _same(probe.model.rollout(context, actions[:, :, :1]), predicted[:, :, :1], "the horizon changes the first step")


@torch.no_grad()
def check_context(probe: _Probe) -> None:
    """Any number of frames from one to the history is enough, and the newest frame matters."""
    for frames in {1, probe.spec.history}:
        context, actions = probe.context(2, frames), probe.actions(2, 1, 1)
        predicted = probe.model.rollout(context, actions)
        expected = (2, 1, 1, *context.latents.shape[2:])
        assert predicted.shape == expected, f"{frames} frames of context give {tuple(predicted.shape)}, not {expected}"
        moved = Context(latents=context.latents + 1, actions=context.actions)
        assert not torch.equal(probe.model.rollout(moved, actions), predicted), "the context does not matter"


@torch.no_grad()
def check_distance(probe: _Probe) -> None:
    """The distance is zero at the goal, positive elsewhere, and one number per candidate."""
    goal = probe.model.encode(probe.pixels(2, 1))[:, 0]
    candidates = torch.stack([goal, goal + 1, goal - 2], dim=1)
    distance = probe.model.distance(candidates, goal)
    assert distance.shape == (2, 3), f"distance() made {tuple(distance.shape)} of 3 candidates of 2 problems"
    assert (distance[:, 0] == 0).all(), "distance() is not 0 at the goal"
    assert (distance[:, 1:] > 0).all(), "distance() is 0 away from the goal"


@torch.no_grad()
def check_actions(probe: _Probe) -> None:
    """Normalisation goes back and forth, for any leading axes."""
    actions = torch.randn(2, 3, probe.spec.action_dim, generator=probe.generator).to(probe.device)
    there = probe.model.normalize_actions(actions)
    assert there.shape == actions.shape, "normalize_actions() changes the shape"
    assert torch.isfinite(there).all(), "normalize_actions() gives numbers that are not finite"
    _same(probe.model.denormalize_actions(there), actions, "denormalize_actions() is not the inverse")


def check_refusals(probe: _Probe) -> None:
    """Pictures and actions of the wrong size are refused before anything is computed."""
    height, width = probe.spec.image_size
    context, wide = probe.context(1, 1), torch.zeros(1, 1, 1, probe.block + 1, device=probe.device)
    frames = probe.spec.history + 1
    latents = context.latents.repeat(1, frames, *(1 for _ in context.latents.shape[2:]))
    long = Context(latents=latents, actions=probe.actions(1, frames - 1))
    calls: dict[str, Callable[[], Tensor]] = {
        "pictures of another size": lambda: probe.model.encode(
            torch.zeros(1, 1, height + 1, width, 3, dtype=torch.uint8, device=probe.device)
        ),
        "pictures that are not 8-bit": lambda: probe.model.encode(
            torch.zeros(1, 1, height, width, 3, device=probe.device)
        ),
        "blocks of the wrong length": lambda: probe.model.rollout(context, wide),
        "more context than the history": lambda: probe.model.rollout(long, probe.actions(1, 1, 1)),
        "actions of the wrong dimension": lambda: probe.model.normalize_actions(
            torch.zeros(probe.spec.action_dim + 1, device=probe.device)
        ),
    }
    for what, call in calls.items():
        try:
            call()
        except ShapeError:
            continue
        raise AssertionError(f"{what} must raise ShapeError")


def check_overfitting(model: Baseline, seed: int) -> None:
    """A few optimiser steps on one batch bring the loss down."""
    probe, frames = _Probe(model, seed), model.num_frames
    learner = probe.model
    assert isinstance(learner, Baseline)
    learner.train()
    batch = {"pixels": probe.pixels(16, frames), "action": probe.actions(16, frames - 1)}
    optimizer = torch.optim.Adam(learner.parameters(), lr=1e-3)
    losses = []
    with torch.random.fork_rng(devices=[]):
        for _ in range(_OVERFIT_STEPS):
            loss, _ = learner.loss(batch, torch.Generator(probe.device).manual_seed(seed))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
    first, last = losses[0], min(losses[-5:])
    assert last < _OVERFIT_TO * first, f"{_OVERFIT_STEPS} steps on one batch bring the loss from {first} to {last} only"


def _same(got: Tensor, expected: Tensor, message: str, *, exact: bool = False) -> None:
    tolerance = 0.0 if exact else 1e-4 * (1 + float(expected.abs().max()) if expected.numel() else 1)
    assert got.shape == expected.shape, f"{message} ({tuple(got.shape)}, {tuple(expected.shape)})"
    difference = float((got - expected).abs().max()) if got.numel() else 0.0
    assert difference <= tolerance, f"{message} (by {difference:.3g})"
