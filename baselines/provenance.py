"""Where a checkpoint comes from: code, libraries, hardware, data."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import swm

_LIBRARIES = ("torch", "numpy", "gymnasium", "mujoco", "pylance")


def describe_software() -> dict[str, Any]:
    """Versions of the suite, of Python and of the libraries, and the suite's git commit if it runs from a clone."""
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"swm": swm.__version__, "git_commit": _git_commit(), "python": platform.python_version(), **libraries}


def describe_hardware(device: torch.device) -> dict[str, Any]:
    """The machine and the device that a model runs on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {"device": device.type, "name": name, "threads": torch.get_num_threads(), "system": platform.system()}


def describe_dataset(dataset: Any) -> dict[str, Any]:
    """What identifies a dataset: uri, version, fingerprint."""
    return {name: getattr(dataset, name, None) for name in ("uri", "version", "fingerprint")}


def _git_commit() -> str | None:
    folder = Path(swm.__file__).resolve().parent
    if not (folder.parent / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
