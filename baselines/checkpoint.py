"""Checkpoints: a directory of weights, configuration and provenance.

```
model.safetensors   parameters and buffers, the normalisers included
config.json         format version, registry name, config dataclass, ModelSpec
provenance.json     where it comes from
```

Loading runs no code that the files name: the registry decides which class a name means. The layout
is that of the Hugging Face hub.
"""

import dataclasses
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from swm.baselines import BASELINES
from swm.baselines.base import Baseline, build
from swm.baselines.common.device import pick_device
from swm.core.config import from_json, to_json, write_json
from swm.core.errors import CheckpointError, InvalidValueError, MissingExtraError
from swm.core.protocols import ModelSpec

FORMAT_VERSION = 1
WEIGHTS, CONFIG, PROVENANCE = "model.safetensors", "config.json", "provenance.json"
_HUB = "hf://"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Header:
    """What ``config.json`` holds."""

    format_version: int
    name: str
    config: dict[str, Any]
    spec: ModelSpec


def registry_name(model: Baseline) -> str:
    """The name under which `BASELINES` holds the class of `model`.

    Raises:
        CheckpointError: it holds it under none, so that no file could be loaded again.
    """
    for name, row in BASELINES.items():
        if row.target.endswith(f":{type(model).__name__}") and BASELINES.load(name) is type(model):
            return name
    raise CheckpointError(
        f"{type(model).__name__} is not in the registry of baselines, so its checkpoint could not be loaded again. "
        f"Add a row to swm.baselines.BASELINES, or an entry point of the group {BASELINES.group!r}."
    )


def save(model: Baseline, path: str | Path, provenance: Mapping[str, Any] | None = None) -> Path:
    """Write a checkpoint; each file is replaced as a whole.

    Args:
        model: what to save.
        path: the directory; made if it is not there.
        provenance: JSON-ready facts about where the weights come from.

    Returns:
        The directory.

    Raises:
        CheckpointError: the model's class is not registered.
    """
    path = Path(path)
    header = _Header(
        format_version=FORMAT_VERSION, name=registry_name(model), config=to_json(model.config), spec=model.spec
    )
    path.mkdir(parents=True, exist_ok=True)
    part = path / f".{WEIGHTS}.part"
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, part, metadata={"format": "pt"})
    write_json(path / PROVENANCE, dict(provenance or {}))
    write_json(path / CONFIG, header)
    part.replace(path / WEIGHTS)
    return path


def load(path: str | Path, device: str = "auto") -> Baseline:
    """Read a checkpoint.

    Args:
        path: a directory, or ``"hf://user/name"`` to download one from the Hugging Face hub.
        device: where to put the model; ``"auto"`` is the accelerator if there is one.

    Returns:
        The model, in evaluation mode.

    Raises:
        CheckpointError: a file is missing, damaged, of another format, or does not fit the model.
        UnknownNameError: the registry does not know the baseline, or its config a key.
    """
    folder = _download(str(path)) if str(path).startswith(_HUB) else Path(path)
    header = _read_header(folder)
    config = from_json(BASELINES.load(header.name).config_type, header.config)
    model = build(
        header.name,
        config,
        image_size=header.spec.image_size,
        action_dim=header.spec.action_dim,
        env_id=header.spec.env_id,
    )
    if model.spec != header.spec:
        raise CheckpointError(f"{folder / CONFIG}: its spec {header.spec} is not that of its config, {model.spec}.")
    _load_weights(model, folder / WEIGHTS)
    return model.to(pick_device(device)).eval()


def read_provenance(path: str | Path) -> dict[str, Any]:
    """Read where a checkpoint comes from."""
    data: dict[str, Any] = _read_json(Path(path) / PROVENANCE)
    return data


def _read_header(folder: Path) -> _Header:
    data = _read_json(folder / CONFIG)
    found = data.get("format_version") if isinstance(data, dict) else None
    if found != FORMAT_VERSION:
        raise CheckpointError(
            f"{folder / CONFIG} has format version {found!r}; this version of swm reads {FORMAT_VERSION}. "
            "Use the version of swm that wrote it, which its provenance.json names."
        )
    try:
        return from_json(_Header, data)
    except InvalidValueError as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        needed = ", ".join((WEIGHTS, CONFIG, PROVENANCE))
        raise CheckpointError(f"{path} does not exist. A checkpoint is a directory with {needed}.") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error


def _load_weights(model: Baseline, path: Path) -> None:
    try:
        found = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    expected = model.state_dict()
    problems = [f"missing {name}" for name in expected.keys() - found.keys()]
    problems += [f"unexpected {name}" for name in found.keys() - expected.keys()]
    problems += [
        f"{name} is {_kind(found[name])}, the model has {_kind(expected[name])}"
        for name in expected.keys() & found.keys()
        if _kind(found[name]) != _kind(expected[name])
    ]
    if problems:
        raise CheckpointError(f"{path} does not fit its {CONFIG}: {'; '.join(sorted(problems))}.")
    model.load_state_dict(found)


def _kind(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _download(address: str) -> Path:
    try:
        snapshot_download = importlib.import_module("huggingface_hub").snapshot_download
    except ImportError as error:
        raise MissingExtraError(f"loading {address}", "hub") from error
    return Path(snapshot_download(address.removeprefix(_HUB), allow_patterns=[WEIGHTS, CONFIG, PROVENANCE]))
