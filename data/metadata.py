"""What holds for a whole episode: its metadata as JSON, and the split that it belongs to."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from swm.core.errors import InvalidValueError
from swm.core.seeding import derive_seed

VAL_FRACTION = 0.1
"""Share of the episodes that is held out where nothing else is said."""


def dump(facts: Any) -> str:
    """Turn metadata into JSON; NumPy's numbers and arrays become plain ones.

    Raises:
        InvalidValueError: a value has no JSON form.
    """
    try:
        return json.dumps(facts, default=_plain)
    except (TypeError, ValueError) as error:
        raise InvalidValueError(f"metadata must be JSON-ready: {error}.") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")


def mapping_in(metadata: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An entry that should be a mapping, as ``"variation"``; empty if it is missing or of another form."""
    found = metadata.get(name)
    return found if isinstance(found, Mapping) else {}


def split_of(metadata: Mapping[str, Any], number: int, val_fraction: float = VAL_FRACTION) -> str:
    """The split of an episode, ``"train"`` or ``"val"``.

    It is ``metadata["split"]`` if that is one of them, else a function of ``metadata["seed"]``
    alone, else of the episode's number.
    """
    if metadata.get("split") in ("train", "val"):
        return str(metadata["split"])
    seed = metadata.get("seed")
    known = isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0
    stream = derive_seed(int(seed) if known else number, "split")  # type: ignore[arg-type]
    return "val" if stream < val_fraction * 2**63 else "train"
