"""What a report is made of, and the same as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from swm.benchmark import MODEL, OodResult
from swm.core.config import to_json
from swm.core.errors import InvalidValueError
from swm.evaluation.evaluate import Evaluation
from swm.evaluation.statistics import SeedSummary, compare, pool_seeds
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
    def summary(self) -> SeedSummary:
        """The model's success, pooled over the training seeds where there are several."""
        runs = self.seeds or {MODEL: self.model}
        return pool_seeds(np.stack([evaluation.outcomes for evaluation in runs.values()]))

    def to_json(self) -> dict[str, Any]:
        """Every figure of the report."""
        return {
            "title": self.title,
            "success": to_json(self.summary),
            "evaluations": {name: _figures(evaluation) for name, evaluation in self.evaluations.items()},
            "model_minus": {
                name: to_json(compare(self.model.outcomes.tolist(), evaluation.outcomes.tolist()))
                for name, evaluation in self.evaluations.items()
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
