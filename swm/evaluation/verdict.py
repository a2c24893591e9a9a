"""Does a factor break a policy? A verdict that rests on intervals, not on point estimates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from swm.core.errors import InvalidValueError
from swm.core.protocols import Array
from swm.evaluation.statistics import CONFIDENCE, Difference, paired_difference

Label = Literal["breaks", "degrades", "unclear", "holds"]
LABELS: tuple[Label, ...] = ("breaks", "degrades", "unclear", "holds")
"""From worst to best."""
MARGIN = 0.10
"""The loss of success that still counts as holding."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What shifting one factor does to the success of one policy."""

    label: Label
    """The worst label over the severities."""
    since: float | None
    """The smallest severity with this label; None if the factor holds."""
    drop: Difference
    """In-distribution success minus success under shift, averaged over the severities, per task."""
    by_severity: tuple[tuple[float, Difference, Label], ...]
    """Severity, drop with its adjusted interval, and label."""


def judge(reference: Array, shifted: Mapping[float, Array]) -> Verdict:
    """Judge one factor by paired drops of success.

    At each severity intervals of the drop, in-distribution minus shifted on the same tasks, decide:

    - ``breaks``: all of it lies above half of the in-distribution success;
    - ``degrades``: all of it lies above 0;
    - ``holds``: the drop lies below `MARGIN` with 95 % confidence;
    - ``unclear``: the episodes do not decide between these.

    The factor's label is its worst one. One severity is enough to break or degrade, so with m severities
    these two use intervals of confidence ``1 - 0.05 / m`` (Bonferroni): a factor without effect is called
    out in at most one of forty cases, however many severities are tried. To hold, a factor must hold at
    every severity, which needs no such adjustment.

    Args:
        reference: shape (n,), booleans: in-distribution success per task.
        shifted: severity -> success on the same tasks in the same order.

    Raises:
        InvalidValueError: there is no severity.
    """
    if not shifted:
        raise InvalidValueError("a verdict needs at least one severity above 0.")
    usual = np.asarray(reference, np.float64)
    confidence = 1 - (1 - CONFIDENCE) / len(shifted)
    cells: list[tuple[float, Difference, Label]] = []
    for severity, outcomes in sorted(shifted.items()):
        drop = paired_difference(usual, outcomes, confidence)
        most = paired_difference(usual, outcomes, 2 * CONFIDENCE - 1).high
        cells.append((severity, drop, _label(drop, most, float(usual.mean()))))
    worst = min((label for _, _, label in cells), key=LABELS.index)
    return Verdict(
        label=worst,
        since=None if worst == "holds" else next(severity for severity, _, label in cells if label == worst),
        drop=paired_difference(usual, np.mean([np.asarray(o, np.float64) for o in shifted.values()], axis=0)),
        by_severity=tuple(cells),
    )


def _label(drop: Difference, most: float, usual: float) -> Label:
    """Label one severity by the drop's adjusted interval and its one-sided upper bound."""
    if drop.low > 0:
        return "breaks" if drop.low > usual / 2 else "degrades"
    return "holds" if most < MARGIN else "unclear"
