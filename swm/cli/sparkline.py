"""Histograms in one line of a terminal."""

from collections.abc import Sequence

_LEVELS = "▁▂▃▄▅▆▇█"


def sparkline(counts: Sequence[int], width: int = 16) -> str:
    """Draw counts as bars, one character per bin: an empty bin is blank, the fullest is a whole block.

    Args:
        counts: of the bins.
        width: characters at most; neighbouring bins are joined.
    """
    from swm.data.histograms import coarser

    joined = coarser(counts, width)
    most = max(joined, default=0)
    return "".join(" " if not count else _LEVELS[-(-count * len(_LEVELS) // most) - 1] for count in joined)
