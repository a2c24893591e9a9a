"""What a report is made of, and the same as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from swm.benchmark import MODEL, OodResult
from swm.core.config import to_json
from swm.core.errors import InvalidValueError
from swm.core.protocols import Array
from swm.evaluation.evaluate import Evaluation
from swm.evaluation.statistics import Difference, SeedSummary, compare, paired_difference, pool_seeds
from swm.report.clips import Clip


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything a report shows. Only the evaluations are required."""

    title: str
    evaluations: Mapping[str, Evaluation]
    """In-distribution: ``"model"`` and, beside it, ``"random"``, ``"no-op"``, ``"oracle"`` and others."""
    seeds: Mapping[str, Evaluation] = field(default_factory=dict)
    """Training seed -> the evaluation of its model, all on the tasks of `evaluations`."""
    ood: OodResult | None = None
    """The out-of-distribution benchmark."""
    clips: Sequence[Clip] = ()
    """Episodes to look at, from `film`."""
    probe: Mapping[str, float] = field(default_factory=dict)
    """Quantity -> Pearson r between what a probe reads off the latents and the truth, held out."""
    metrics: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Training run -> the rows of its ``metrics.jsonl``, each with ``step`` and ``split``."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Further facts to print: dataset fingerprint, training hardware, commands."""

    def __post_init__(self) -> None:
        """Refuse a report whose rows cannot be compared."""
        if MODEL not in self.evaluations:
            raise InvalidValueError(f"a report needs the evaluation 'model'; got {sorted(self.evaluations)}.")
        hashes = {e.manifest["task_sha256"] for e in (*self.evaluations.values(), *self.seeds.values())}
        if len(hashes) > 1:
            raise InvalidValueError("the evaluations of a report must be on the same tasks; theirs differ in hash.")

    @property
    def model(self) -> Evaluation:
        """The evaluation of the model."""
        return self.evaluations[MODEL]

    @property
    def outcomes(self) -> Array:
        """The model's success per training run and task, shape (K, n); one run where `seeds` is empty."""
        return np.stack([evaluation.outcomes for evaluation in (self.seeds or {MODEL: self.model}).values()])

    @property
    def summary(self) -> SeedSummary:
        """The model's success, pooled over the training runs."""
        return pool_seeds(self.outcomes)

    def minus(self, name: str) -> tuple[Difference, float | None]:
        """Compare the model with another evaluation, task by task.

        Returns:
            The difference of success, averaged over the training runs, and, for a single run, McNemar's
            p-value.
        """
        other = self.evaluations[name].outcomes
        difference = paired_difference(self.outcomes.mean(axis=0), other)
        single = len(self.outcomes) == 1
        return difference, compare(self.outcomes[0], other).p_value if single else None

    def to_json(self) -> dict[str, Any]:
        """Every figure of the report."""
        return {
            "title": self.title,
            "success": to_json(self.summary),
            "evaluations": {name: _figures(evaluation) for name, evaluation in self.evaluations.items()},
            "model_minus": {
                name: {"difference": to_json(self.minus(name)[0]), "p_value": self.minus(name)[1]}
                for name in self.evaluations
                if name != MODEL
            },
            "training_seeds": {name: _figures(evaluation) for name, evaluation in self.seeds.items()},
            "probe": dict(self.probe),
            "out_of_distribution": None if self.ood is None else self.ood.to_json(),
            "metrics": {name: list(rows) for name, rows in self.metrics.items()},
            "provenance": dict(self.provenance),
        }


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "success": evaluation.success.to_json(),
        "success_final": evaluation.success_final.to_json(),
        "median_first_hit": evaluation.median_first_hit,
        "latency": to_json(evaluation.latency),
        "manifest": to_json(evaluation.manifest),
        "rows": to_json(evaluation.rows),
    }
