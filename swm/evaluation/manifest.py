"""Where a result came from: policy, libraries and hardware, for the record beside every number."""

import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from swm.core.protocols import Policy

LIBRARIES = ("torch", "numpy", "gymnasium", "mujoco", "pymunk", "pylance", "av")


def library_versions() -> dict[str, str]:
    """Return the versions of Python, this package, and the libraries that can change a result."""
    versions = {"python": platform.python_version(), "swm": str(getattr(sys.modules.get("swm"), "__version__", ""))}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def describe_policy(policy: Policy) -> dict[str, Any]:
    """Return the policy's own description and, if a model with weights is behind it, the hash of these.

    Two checkpoints of one architecture describe themselves alike; only the weights tell them apart.
    """
    described = dict(policy.describe())
    state_dict = getattr(getattr(policy, "model", None), "state_dict", None)
    if state_dict is not None:
        described["weights_sha256"] = _hash_tensors(state_dict())
    return described


def _hash_tensors(tensors: Mapping[str, Any]) -> str:
    """Hash names, dtypes, shapes and bytes of tensors."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def describe_hardware() -> dict[str, Any]:
    """Return processor, cores and, where torch is loaded and sees one, the accelerator."""
    hardware: dict[str, Any] = {"machine": platform.machine(), "processor": _processor(), "cores": os.cpu_count()}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        hardware["accelerator"] = torch.cuda.get_device_name()
    return hardware


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
