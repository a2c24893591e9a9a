"""LeWorldModel: sizes, causality, the rollout, the objective, and what it refuses."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from swm.baselines import build, preset
from swm.baselines.common.blocks import Attention
from swm.baselines.common.encoders import ConvEncoder, ViT
from swm.baselines.lewm import LeWMConfig, LeWorldModel
from swm.baselines.lewm.loss import open_loop_error, teacher_forced_error, windows
from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Context


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("action_dim", "total", "embedder"), [(2, 18_034_478, 156_206), (5, 18_034_628, 156_356)])
def test_the_paper_preset_has_the_published_size(action_dim: int, total: int, embedder: int) -> None:
    with torch.device("meta"):
        model = LeWorldModel(preset("lewm", "paper").model, paper_spec(action_dim))
    assert count(model.encoder) == 5_501_376
    assert count(model.projector) == count(model.prediction_projector) == 792_768
    assert count(model.predictor) == 10_791_360
    assert count(model.action_embedder) == embedder
    assert count(model) == total


def paper_spec(action_dim: int) -> Any:
    from swm.core.protocols import ModelSpec

    return ModelSpec(env_id="", image_size=(224, 224), action_dim=action_dim, frame_skip=5, history=3)


def test_the_predictor_is_causal(toy: Any) -> None:
    model = toy.model(history=3, num_frames=4).eval()
    torch.nn.init.normal_(model.predictor.blocks[0].modulation.weight)
    latents = torch.randn(2, 3, 8, requires_grad=True)
    actions = torch.randn(2, 3, 16, requires_grad=True)
    for position in range(3):
        out = model.predict(latents, actions)[:, position].sum()
        for grad in torch.autograd.grad(out, (latents, actions)):
            assert (grad[:, position + 1 :] == 0).all()
            assert (grad[:, : position + 1].abs().amax((0, 2)) > 0).all()


def test_the_last_position_alone_is_the_last_of_all(toy: Any) -> None:
    model = toy.model(history=3, num_frames=4).eval()
    latents, actions = torch.randn(2, 3, 8), torch.randn(2, 3, 16)
    whole, last = model.predict(latents, actions), model.predict(latents, actions, last=True)
    torch.testing.assert_close(last, whole[:, -1:])


def test_a_lone_token_takes_the_short_way_to_the_same_result() -> None:
    attention = Attention(12, 3, 5, causal=True, bias=True)
    tokens = torch.randn(4, 2, 12)
    torch.testing.assert_close(attention(tokens[:, :1]), attention(tokens)[:, :1])


@pytest.mark.parametrize(("history", "frames"), [(1, 1), (3, 1), (3, 2), (3, 3)])
def test_the_rollout_slides_a_window(history: int, frames: int, toy: Any) -> None:
    model = toy.model(history=history, num_frames=history + 1).eval()
    torch.nn.init.normal_(model.predictor.blocks[0].modulation.weight)
    context = Context(latents=torch.randn(2, frames, 8), actions=torch.randn(2, frames - 1, 4))
    actions = torch.randn(2, 5, 4, 4)
    found = model.rollout(context, actions)
    for problem, candidate in ((0, 0), (1, 3)):
        latents = context.latents[problem : problem + 1]
        blocks = torch.cat([context.actions[problem], actions[problem, candidate]])[None]
        for _ in range(4):
            now = latents.shape[1]
            begin = max(0, now - history)
            embedded = model.action_embedder(blocks[:, begin:now])
            latents = torch.cat([latents, model.predict(latents[:, begin:], embedded)[:, -1:]], 1)
        torch.testing.assert_close(found[problem, candidate], latents[0, frames:])


def test_windows_are_all_of_them() -> None:
    sequence = torch.arange(2 * 4 * 3).view(2, 4, 3)
    expected = torch.stack([sequence[b, start : start + 2] for b in range(2) for start in range(3)])
    assert torch.equal(windows(sequence, 2), expected)


def test_the_objective_is_the_sum_of_its_terms(toy: Any) -> None:
    model = toy.model(
        num_frames=5,
        prediction_steps=3,
        dropout=0.0,
        inverse_dynamics_weight=0.5,
        temporal_similarity_weight=0.25,
        sigreg_weight=0.1,
    ).eval()
    batch = toy.clips(8, 5, seed=0)
    total, metrics = model.loss(batch, torch.Generator().manual_seed(0))
    weights = {
        "prediction": 1 / 3,
        "open_loop": 2 / 3,
        "sigreg": 0.1,
        "inverse_dynamics": 0.5,
        "temporal_similarity": 0.25,
    }
    assert set(metrics) == {"loss", *weights}
    torch.testing.assert_close(total.detach(), sum(weight * metrics[name] for name, weight in weights.items()))
    latents = model.encode(batch["pixels"])
    torch.testing.assert_close(metrics["temporal_similarity"], latents.diff(dim=1).square().mean().detach())


def test_prediction_errors_are_those_of_the_rollout(toy: Any) -> None:
    """One step after a full history, teacher forcing and the rollout agree; later steps are open loop."""
    model = toy.model(history=1, num_frames=2, dropout=0.0).eval()
    latents, actions = torch.randn(6, 2, 8), torch.randn(6, 1, 4)
    predicted = model.rollout(Context(latents=latents[:, :1], actions=actions[:, :0]), actions[:, None])[:, 0]
    torch.testing.assert_close(teacher_forced_error(model, latents, actions), F.mse_loss(predicted, latents[:, 1:]))
    model = toy.model(history=1, num_frames=4, prediction_steps=3, dropout=0.0).eval()
    latents, actions = torch.randn(6, 4, 8), torch.randn(6, 3, 4)
    predicted = model.rollout(Context(latents=latents[:, :1], actions=actions[:, :0]), actions[:, None])[:, 0]
    torch.testing.assert_close(open_loop_error(model, latents, actions), F.mse_loss(predicted[:, 1:], latents[:, 2:]))


def test_targets_carry_gradient(toy: Any) -> None:
    model = toy.model(history=1, num_frames=2)
    latents = torch.randn(8, 2, 8, requires_grad=True)
    (grad,) = torch.autograd.grad(teacher_forced_error(model, latents, torch.randn(8, 1, 4)), latents)
    assert (grad[:, 1] != 0).any()


def test_terms_of_weight_zero_cost_nothing(toy: Any) -> None:
    plain = toy.model()
    assert set(plain.loss(toy.clips(4, 3, seed=0))[1]) == {"loss", "prediction", "sigreg"}
    assert count(plain) < count(toy.model(inverse_dynamics_weight=1.0))


def test_the_loss_sees_actions_normalised(toy: Any) -> None:
    batch = toy.clips(8, 3, seed=1)
    plain, scaled = toy.model(dropout=0.0), toy.model(dropout=0.0)
    scaled.set_action_statistics([3.0, -1.0], [2.0, 0.5])
    raw = batch["action"].view(8, 2, 2, 2) * torch.tensor([2.0, 0.5]) + torch.tensor([3.0, -1.0])
    for model in (plain, scaled):
        torch.nn.init.ones_(model.predictor.blocks[0].modulation.weight)
    first = plain.loss(batch, torch.Generator().manual_seed(0))[0]
    second = scaled.loss({**batch, "action": raw.flatten(2)}, torch.Generator().manual_seed(0))[0]
    torch.testing.assert_close(first, second)


def test_constant_action_columns_are_centred_only(toy: Any) -> None:
    model = toy.model()
    model.set_action_statistics([0.5, 7.0], [2.0, 0.0])
    assert model.normalize_actions(torch.tensor([2.5, 7.0])).tolist() == [1.0, 0.0]
    assert model.denormalize_actions(torch.tensor([1.0, 0.0])).tolist() == [2.5, 7.0]


def test_the_same_seed_builds_the_same_weights(toy: Any) -> None:
    before = torch.get_rng_state()
    same = [toy.model(seed=3).state_dict(), toy.model(seed=3).state_dict(), toy.model(seed=4).state_dict()]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(same[0][name], same[1][name]) for name in same[0])
    assert not torch.equal(same[0]["projector.inner.weight"], same[2]["projector.inner.weight"])


def test_wrong_sizes_are_refused_with_both_values(toy: Any) -> None:
    model = toy.model()
    with pytest.raises(ShapeError, match=r"\(B, T, 16, 16, 3\) uint8, got \(1, 1, 64, 64, 3\) uint8"):
        model.encode(torch.zeros(1, 1, 64, 64, 3, dtype=torch.uint8))
    with pytest.raises(ShapeError, match=r"\(\.\.\., 2\), got \(1, 3\)"):
        model.normalize_actions(torch.zeros(1, 3))
    with pytest.raises(ShapeError, match="at least 3 frames, got 2 frames"):
        model.loss(toy.clips(2, 2, seed=0))
    with pytest.raises(ShapeError, match=r"\(2, 2, 4\): a block of 2 x 2 between frames, got \(2, 2, 3\)"):
        model.loss({**toy.clips(2, 3, seed=0), "action": torch.zeros(2, 2, 3)})
    context = Context(latents=torch.zeros(2, 2, 8), actions=torch.zeros(2, 2, 4))
    with pytest.raises(ShapeError, match=r"the blocks between the 2 frames, got \(2, 2, 4\)"):
        model.rollout(context, torch.zeros(2, 1, 1, 4))
    with pytest.raises(ShapeError, match=r"action std: expected \(2,\), got \(3,\)"):
        model.set_action_statistics([0, 0], [1, 1, 1])
    with pytest.raises(InvalidValueError, match="must be finite"):
        model.set_action_statistics([0, float("nan")], [1, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "resnet"}, "encoder must be one of vit, conv, got 'resnet'"),
        ({"history": 0}, "history must be at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"history": 3, "num_frames": 3}, "num_frames=3 are too short for history=3"),
    ],
)
def test_bad_configs_are_refused(changes: dict[str, Any], message: str, toy: Any) -> None:
    with pytest.raises(InvalidValueError, match=message):
        toy.config(**changes)


def test_bad_encoders_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="patches of 14 do not tile pictures of 64 x 64"):
        build("lewm", image_size=(64, 64), action_dim=2)
    with pytest.raises(InvalidValueError, match="cannot have 5 heads"):
        ViT((28, 28), patch_size=14, width=12, depth=1, heads=5, hidden=8)
    with pytest.raises(InvalidValueError, match=r"multiples of 8, got \(64, 60\)"):
        ConvEncoder((64, 60), channels=(8, 12), out_features=4)
    with pytest.raises(InvalidValueError, match="takes a LeWMConfig as config, got a dict"):
        build("lewm", {}, image_size=(64, 64), action_dim=2)


def test_the_conv_encoder_takes_oblong_pictures() -> None:
    encoder = ConvEncoder((64, 32), channels=(8, 8, 8), out_features=5)
    assert encoder(torch.zeros(2, 3, 64, 32)).shape == (2, 5)


def test_defaults_are_the_paper() -> None:
    assert preset("lewm", "paper").model == LeWMConfig()
    assert LeWMConfig().sigreg_weight == 0.09
