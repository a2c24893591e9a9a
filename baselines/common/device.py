"""Choosing where a model runs."""

import torch

from swm.core.errors import InvalidValueError


def pick_device(name: str = "auto") -> torch.device:
    """Turn a device name into a device; ``"auto"`` is the accelerator if there is one, else the CPU.

    Raises:
        InvalidValueError: the name is not a device, or that device is not there.
    """
    if name == "auto":
        found = torch.accelerator.current_accelerator(check_available=True)
        return torch.device("cpu") if found is None else found
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InvalidValueError(f"device {name!r} cannot be used here: {error}. Use 'auto' or 'cpu'.") from error
    return device
