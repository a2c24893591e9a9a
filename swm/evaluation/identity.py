"""What a policy is, down to its weights, for the record beside every number."""

import hashlib
from collections.abc import Mapping
from typing import Any

from swm.core.protocols import Policy


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
