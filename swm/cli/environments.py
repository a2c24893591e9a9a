"""``swm envs`` and ``swm factors``."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import tyro

from swm.cli.output import show_table


@dataclass(frozen=True, kw_only=True)
class Envs:
    """List the environments."""

    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> int:
        """Print the table."""
        from swm import envs

        rows = [
            {
                "id": env_id,
                "summary": row.summary,
                "native": row.native is not None,
                "expert": row.expert is not None,
                "step limit": row.max_episode_steps,
            }
            for env_id, row in envs.ENVS.items()
        ]
        show_table("Environments", rows, as_json=self.json)
        return 0


@dataclass(frozen=True, kw_only=True)
class Factors:
    """List the factors of variation of an environment."""

    env: Annotated[str, tyro.conf.Positional]
    """The environment's id, for example swm/TwoRoom-v0."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> int:
        """Print the table."""
        from swm import envs

        factors = envs.make(self.env).factors
        rows = [
            {
                "factor": name,
                "kind": factor.kind,
                "range": _range(factor.space),
                "default": _plain(factor.default),
                "train": _plain(factor.train) if isinstance(factor.train, tuple) else _range(factor.train),
                "unit": factor.unit,
                "summary": factor.summary,
            }
            for name, factor in factors.items()
        ]
        show_table(f"Factors of {self.env}", rows, as_json=self.json)
        return 0


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda array: np.asarray(array).tolist()))


def _range(space: Any) -> list[Any]:
    """Lower and upper bound, as one number each where all components agree."""
    if hasattr(space, "n"):
        return [int(space.start), int(space.start + space.n - 1)]

    def short(bound: Any) -> Any:
        return bound.flat[0].item() if np.all(bound == bound.flat[0]) else bound.tolist()

    return [short(np.asarray(space.low)), short(np.asarray(space.high))]
