"""Checkpoints: bit-equal in a fresh process, and refused by name when anything does not fit."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import swm.baselines
from swm.baselines import checkpoint
from swm.baselines.base import Baseline
from swm.baselines.lewm import LeWorldModel
from swm.core.errors import CheckpointError, InvalidValueError, MissingExtraError, UnknownNameError
from swm.core.protocols import Context


@pytest.fixture
def saved(toy: Any, tmp_path: Path) -> Path:
    model = toy.model(seed=7)
    model.set_action_statistics([0.5, -0.5], [2.0, 0.0])
    model.train()
    model.loss(toy.clips(8, 3, seed=0))  # moves the running statistics
    return checkpoint.save(model, tmp_path / "checkpoint", {"note": "a test"})


def outputs(model: Baseline, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        latents = model.encode(batch["pixels"])
        actions = model.normalize_blocks(batch["action"])
        context = Context(latents=latents[:, :1], actions=actions[:, :0])
        return {"latents": latents, "rollout": model.rollout(context, actions[:, None])}


FRESH = """
import sys
import torch
from safetensors.torch import load_file, save_file
import swm.baselines
from swm.core.protocols import Context

torch.set_num_threads(1)
model = swm.baselines.load(sys.argv[1], device="cpu")
batch = load_file(sys.argv[2])
with torch.no_grad():
    latents = model.encode(batch["pixels"])
    actions = model.normalize_blocks(batch["action"])
    rollout = model.rollout(Context(latents=latents[:, :1], actions=actions[:, :0]), actions[:, None])
save_file({"latents": latents, "rollout": rollout}, sys.argv[3])
"""


def test_a_fresh_process_gives_the_same_bits(saved: Path, toy: Any, tmp_path: Path) -> None:
    batch = toy.clips(4, 3, seed=1)
    save_file(batch, tmp_path / "batch.safetensors")
    arguments = [str(saved), str(tmp_path / "batch.safetensors"), str(tmp_path / "out.safetensors")]
    subprocess.run([sys.executable, "-c", FRESH, *arguments], check=True, cwd=Path(__file__).parents[2])
    expected = outputs(swm.baselines.load(saved, device="cpu"), batch)
    found = load_file(tmp_path / "out.safetensors")
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_everything_comes_back(saved: Path, toy: Any) -> None:
    before = torch.get_rng_state()
    model = swm.baselines.load(saved, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert isinstance(model, LeWorldModel)
    assert model.config == toy.config()
    assert model.spec == toy.model().spec
    assert not model.training
    assert model.action_mean.tolist() == [0.5, -0.5]
    assert model.action_std.tolist() == [2.0, 1.0]
    assert checkpoint.read_provenance(saved) == {"note": "a test"}
    assert sorted(path.name for path in saved.iterdir()) == ["config.json", "model.safetensors", "provenance.json"]


def test_the_methods_are_the_same_thing(saved: Path, tmp_path: Path) -> None:
    model = LeWorldModel.from_pretrained(saved, device="cpu")
    model.save_pretrained(tmp_path / "again", {"note": "a test"})
    for name in ("config.json", "provenance.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()

    class Other(LeWorldModel):
        pass

    with pytest.raises(InvalidValueError, match="holds a LeWorldModel, not a Other"):
        Other.from_pretrained(saved)


def edit(saved: Path, **changes: Any) -> None:
    data = json.loads((saved / "config.json").read_text())
    for path, value in changes.items():
        *groups, last = path.split("__")
        place = data
        for group in groups:
            place = place[group]
        place[last] = value
    (saved / "config.json").write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"format_version": 9}, CheckpointError, "has format version 9; this version of swm reads 1"),
        ({"format_version": None}, CheckpointError, "has format version None"),
        ({"config__latnt_dim": 3}, UnknownNameError, "unknown field of LeWMConfig: 'latnt_dim'. Did you mean"),
        ({"speed": 3}, CheckpointError, "'speed'"),
        ({"name": "lewn"}, UnknownNameError, "unknown baseline: 'lewn'. Did you mean 'lewm'"),
        ({"name": "os:system"}, UnknownNameError, "unknown baseline: 'os:system'"),
        ({"spec__history": 5}, CheckpointError, "is not that of its config"),
        ({"config__latent_dim": 4}, CheckpointError, r"projector.outer.weight is \(8, 32\) float32, the model has \(4"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    saved: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    edit(saved, **changes)
    with pytest.raises(error, match=message):
        swm.baselines.load(saved)


def test_tensors_that_do_not_fit_are_named(saved: Path) -> None:
    tensors = load_file(saved / "model.safetensors")
    tensors["stranger"] = tensors.pop("action_mean")
    save_file(tensors, saved / "model.safetensors")
    with pytest.raises(
        CheckpointError, match=r"does not fit its config\.json: missing action_mean; unexpected stranger"
    ):
        swm.baselines.load(saved)


def test_missing_and_damaged_files_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"A checkpoint is a directory with model\.safetensors, config\.json"):
        swm.baselines.load(tmp_path / "nowhere")
    (saved / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read"):
        swm.baselines.load(saved)
    (saved / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json is not JSON"):
        swm.baselines.load(saved)


def test_a_class_outside_the_registry_cannot_be_saved(toy: Any, tmp_path: Path) -> None:
    model = toy.model()
    model.__class__ = type("LeWorldModel", (LeWorldModel,), {})
    with pytest.raises(CheckpointError, match="is not in the registry of baselines"):
        checkpoint.save(model, tmp_path)


def test_the_hub_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"loading hf://someone/model needs the extra 'hub'"):
        swm.baselines.load("hf://someone/model")


def test_the_hub_gives_a_folder(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hub:
        @staticmethod
        def snapshot_download(repo_id: str, allow_patterns: list[str]) -> str:
            assert repo_id == "someone/model"
            assert "model.safetensors" in allow_patterns
            return str(saved)

    monkeypatch.setitem(sys.modules, "huggingface_hub", Hub)
    assert isinstance(swm.baselines.load("hf://someone/model", device="cpu"), LeWorldModel)
