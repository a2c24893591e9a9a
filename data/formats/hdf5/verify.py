"""What is wrong with what is stored of some episodes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from swm.core.errors import SwmError
from swm.data.episode import TRANSITIONS
from swm.data.formats.episodic import EpisodicReader
from swm.data.formats.hdf5.values import digest


def find_problems(reader: EpisodicReader, facts: Sequence[Mapping[str, Any]] | None) -> Iterator[str]:
    """Read every episode and yield what fails.

    Args:
        reader: of the episodes.
        facts: of each episode, with its ``sha256``, ``metadata`` and ``split``; None if the file has none.
    """
    for episode, length in enumerate(reader.index.lengths):
        try:
            arrays = {
                name: reader.read_steps(episode, [name], np.arange(length + (name not in TRANSITIONS)))[name]
                for name in reader.columns
            }
            payload = reader.payload(episode)
        except SwmError as error:
            yield f"episode {episode}: {error}"
            continue
        if facts is not None:
            text = json.dumps({"metadata": facts[episode]["metadata"], "split": facts[episode]["split"]})
            if digest(arrays, payload, text) != facts[episode]["sha256"]:
                yield f"episode {episode}: what is stored does not match its checksum"
        action = arrays["action"].reshape(length, -1)
        if action.dtype.kind == "f" and (bad := int(np.isnan(action).any(axis=1).sum())):
            yield f"episode {episode}: {bad} actions hold NaN"
