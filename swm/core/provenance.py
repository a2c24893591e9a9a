"""Where a number or a file came from: code, libraries, hardware. Loads nothing heavy by itself."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from swm.core.version import __version__

LIBRARIES = ("torch", "numpy", "gymnasium", "mujoco", "pymunk", "pylance", "av")


def describe_software() -> dict[str, str | None]:
    """Versions of Python, this package and the libraries that can change a result, and the git commit if known."""
    versions: dict[str, str | None] = {
        "python": platform.python_version(),
        "swm": __version__,
        "git_commit": _git_commit(),
    }
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def describe_hardware() -> dict[str, Any]:
    """Processor, cores and, where torch is loaded and sees one, the accelerator."""
    hardware: dict[str, Any] = {"machine": platform.machine(), "processor": _processor(), "cores": os.cpu_count()}
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        hardware["accelerator"] = torch.cuda.get_device_name()
    return hardware


def _git_commit() -> str | None:
    """The commit of the clone that this package runs from; None where it is installed."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
