"""Where a result came from: libraries and hardware, for the record beside every number."""

import os
import platform
import sys
from importlib import metadata
from typing import Any

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
