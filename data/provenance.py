"""Where a dataset came from: the chain of recordings and transfers in its provenance."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Provenance = Sequence[Mapping[str, Any]]


def latest_transfer(provenance: Provenance) -> Mapping[str, Any] | None:
    """The transfer that wrote last; None if something else did."""
    transfer = provenance[-1].get("transfer") if provenance else None
    return transfer if isinstance(transfer, Mapping) else None


def recordings(provenance: Provenance) -> Iterator[Mapping[str, Any]]:
    """Every recording that the data go back to, through all transfers, each once."""
    seen: list[Mapping[str, Any]] = []
    for entry in _entries(provenance):
        recording = entry.get("recording")
        if isinstance(recording, Mapping) and recording not in seen:
            seen.append(recording)
            yield recording


def licenses(provenance: Provenance) -> list[str]:
    """Every licence that the data or their sources carry."""
    return list(dict.fromkeys(str(entry["license"]) for entry in _entries(provenance) if entry.get("license")))


def unfinished(provenance: Provenance, num_episodes: int) -> str | None:
    """A sentence on a transfer that was stopped before its end; None if none was."""
    transfer = latest_transfer(provenance)
    if transfer is None or num_episodes >= transfer.get("episodes", 0):
        return None
    return (
        f"Unfinished: {num_episodes:,} of {transfer['episodes']:,} episodes of its {transfer['operation']} are here. "
        f"The same command continues it."
    )


def _entries(provenance: Provenance) -> Iterator[Mapping[str, Any]]:
    for entry in provenance:
        yield entry
        transfer = entry.get("transfer")
        for source in transfer.get("sources", ()) if isinstance(transfer, Mapping) else ():
            yield from _entries(source.get("provenance", ()))
