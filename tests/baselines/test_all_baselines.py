"""Every baseline keeps the contract of world models."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from swm.baselines import BASELINES, build, preset
from swm.baselines.base import Baseline
from swm.baselines.presets import presets
from swm.core.errors import UnknownNameError
from swm.testing.models import check_world_model

TINY: dict[str, list[dict[str, Any]]] = {
    "lewm": [
        {},
        {"history": 1, "dropout": 0.0},
        {"encoder": "vit", "patch_size": 8, "vit_depth": 1, "vit_heads": 2, "vit_hidden": 16, "latent_dim": 16},
        {"num_frames": 5, "prediction_steps": 3, "inverse_dynamics_weight": 0.5, "temporal_similarity_weight": 0.1},
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


def test_presets_are_named() -> None:
    assert {"paper", "tiny"} <= set(presets("lewm"))
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny'"):
        preset("lewm", "tyni")


class Broken:
    """Ways to break a model, each of which the suite must find."""

    @staticmethod
    def sees_the_future(model: Baseline) -> None:
        inner = model.rollout
        replace(model, "rollout", lambda context, actions: inner(context, actions.flip(2)))

    @staticmethod
    def ignores_actions(model: Baseline) -> None:
        inner = model.rollout
        replace(model, "rollout", lambda context, actions: inner(context, torch.zeros_like(actions)))

    @staticmethod
    def mixes_candidates(model: Baseline) -> None:
        inner = model.rollout

        def mixed(context: Any, actions: Tensor) -> Tensor:
            out = inner(context, actions)
            return out + out.mean(1, keepdim=True)

        replace(model, "rollout", mixed)

    @staticmethod
    def encodes_with_batch_statistics(model: Baseline) -> None:
        inner = model.encode_images

        def mixed(images: Tensor) -> Tensor:
            out = inner(images)
            return out - out.mean(0)

        replace(model, "encode_images", mixed)

    @staticmethod
    def encodes_backwards(model: Baseline) -> None:
        inner = model.encode_images
        replace(model, "encode_images", lambda images: inner(images.flip(1)))

    @staticmethod
    def forgets_to_denormalise(model: Baseline) -> None:
        replace(model, "denormalize_actions", lambda actions: actions)

    @staticmethod
    def takes_any_picture(model: Baseline) -> None:
        replace(model, "encode", lambda pixels: pixels[..., :8, 0, 0].float())


def replace(model: Baseline, name: str, value: Callable[..., Tensor]) -> None:
    kind = type(model)
    model.__class__ = type(kind.__name__, (kind,), {name: lambda self, *args: value(*args)})


@pytest.mark.parametrize("fault", [name for name in vars(Broken) if not name.startswith("_")])
def test_a_broken_model_is_found(fault: str, toy: Any) -> None:
    model = toy.model()
    model.set_action_statistics([0.1, -0.2], [0.5, 2.0])
    getattr(Broken, fault)(model)
    with pytest.raises(AssertionError):
        check_world_model(model)
