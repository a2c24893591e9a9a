"""Every baseline keeps the contract of world models."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from swm.baselines import BASELINES, build, preset
from swm.baselines.base import Baseline, Batch
from swm.baselines.presets import presets
from swm.core.errors import UnknownNameError
from swm.core.protocols import Context
from swm.testing.models import check_world_model

TINY: dict[str, list[dict[str, Any]]] = {
    "lewm": [
        {},
        {"history": 1, "dropout": 0.0},
        {"encoder": "vit", "patch_size": 8, "vit_depth": 1, "vit_heads": 2, "vit_hidden": 16, "latent_dim": 16},
        {
            "num_frames": 5,
            "prediction_steps": 3,
            "inverse_dynamics_weight": 0.5,
            "inverse_dynamics_hidden": 8,
            "temporal_similarity_weight": 0.1,
        },
    ],
}
CASES = [(name, changes) for name, variants in TINY.items() for changes in variants]


def test_every_row_is_tested() -> None:
    assert set(TINY) == set(BASELINES)


@pytest.mark.parametrize(("name", "changes"), CASES)
def test_conformance(name: str, changes: dict[str, Any], toy: Any) -> None:
    model = build(name, toy.config(**changes), image_size=(toy.size, toy.size), action_dim=toy.action_dim)
    model.set_action_statistics([0.1, -0.2], [0.5, 0.0])
    check_world_model(model)


@pytest.mark.parametrize("name", BASELINES)
def test_the_tiny_preset_builds_and_runs(name: str) -> None:
    config = preset(name, "tiny").model
    model = build(name, config, image_size=(64, 64), action_dim=2)
    pixels = torch.randint(0, 256, (4, model.num_frames, 64, 64, 3), dtype=torch.uint8)
    loss, metrics = model.loss({"pixels": pixels, "action": torch.randn(4, model.num_frames - 1, model.block_dim)})
    assert torch.isfinite(loss)
    assert "loss" in metrics


def test_listing_the_baselines_loads_no_torch() -> None:
    program = (
        "import sys; import swm.baselines; assert list(swm.baselines.BASELINES); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


def test_presets_are_named() -> None:
    assert {"paper", "tiny"} <= set(presets("lewm"))
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny'"):
        preset("lewm", "tyni")


def replaced(model: Baseline, name: str, method: Callable[..., Any]) -> Baseline:
    """Put `method(self, original, *args)` in the place of a method of `model`, copies included."""
    original = getattr(type(model), name)
    members = {name: lambda self, *args: method(self, original, *args)}
    model.__class__ = type(type(model).__name__, (type(model),), members)
    return model


def sees_the_future(self: Baseline, rollout: Any, context: Context, actions: Tensor) -> Any:
    return rollout(self, context, actions.cumsum(2).flip(2))


def ignores_actions(self: Baseline, rollout: Any, context: Context, actions: Tensor) -> Any:
    return rollout(self, context, torch.zeros_like(actions))


def mixes_candidates(self: Baseline, rollout: Any, context: Context, actions: Tensor) -> Any:
    predicted = rollout(self, context, actions)
    return predicted + predicted.mean(1, keepdim=True)


def uses_batch_statistics(self: Baseline, encode_images: Any, images: Tensor) -> Any:
    latents = encode_images(self, images)
    return latents - latents[:, :1].mean(0)


def encodes_backwards(self: Baseline, encode_images: Any, images: Tensor) -> Any:
    return encode_images(self, images.flip(1))


def forgets_to_denormalise(self: Baseline, denormalize: Any, actions: Tensor) -> Any:
    return actions


def takes_any_picture(self: Baseline, encode: Any, pixels: Tensor) -> Any:
    return encode(self, pixels[:, :, : self.spec.image_size[0]].to(torch.uint8))


def does_not_learn(self: Baseline, loss: Any, batch: Batch, generator: torch.Generator) -> Any:
    value, metrics = loss(self, batch, generator)
    return 1 + 0 * value, metrics


@pytest.mark.parametrize(
    ("method", "fault", "message"),
    [
        ("rollout", sees_the_future, "action 1 changes predictions before it"),
        ("rollout", ignores_actions, "action 0 does not matter"),
        ("rollout", mixes_candidates, "a candidate depends on the others"),
        ("encode_images", uses_batch_statistics, "depends on the other entries of the batch"),
        ("encode_images", encodes_backwards, "changes the latents of earlier frames"),
        ("denormalize_actions", forgets_to_denormalise, "is not the inverse"),
        ("encode", takes_any_picture, "pictures of another size must raise ShapeError"),
        ("loss", does_not_learn, "on one batch bring the loss"),
    ],
)
def test_a_broken_model_is_found(method: str, fault: Callable[..., Any], message: str, toy: Any) -> None:
    model = toy.model()
    model.set_action_statistics([0.1, -0.2], [0.5, 2.0])
    with pytest.raises(AssertionError, match=message):
        check_world_model(replaced(model, method, fault))
