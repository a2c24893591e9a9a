"""``swm envs`` and ``swm factors``."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import tyro

from swm.cli.options import EnvId
from swm.cli.output import cell, show_json, show_table, span
from swm.core.errors import UnknownNameError

_ENVS_PIPED, _FACTORS_PIPED = 120, 100
"""Characters per line of the tables where the output is no terminal."""
_MORE = """\
extra: what pip install 'swm[EXTRA]' adds; native: all copies are stepped in one call; steps: of an episode.
swm factors ID shows what may vary. gym:ID is any environment of Gymnasium, for example gym:ALE/Pong-v5.
"""
"""What is said below the table."""


@dataclass(frozen=True, kw_only=True)
class Envs:
    """List the environments."""

    match: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")] = ""
    """Only those whose id or summary contains this, for example Cube."""
    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> int:
        """Print the table."""
        from swm import envs

        rows = [
            {
                "id": env_id,
                "extra": row.extra or "",
                "native": row.native is not None,
                "expert": row.expert is not None,
                "steps": row.max_episode_steps,
                "summary": row.summary,
            }
            for env_id, row in envs.ENVS.items()
            if self.match.lower() in f"{env_id} {row.summary}".lower()
        ]
        if not rows:
            raise UnknownNameError("environment", self.match, envs.ENVS)
        if self.json:
            show_json(rows)
        else:
            show_table(f"Environments: {len(rows)} of {len(envs.ENVS)}", rows, _ENVS_PIPED)
            print(_MORE)
        return 0


@dataclass(frozen=True, kw_only=True)
class Factors:
    """List the factors of variation of an environment."""

    env: EnvId
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
        if self.json:
            show_json(rows)
        elif not rows:
            print(f"{self.env} has no factors; swm.envs.make(..., visual='all') adds visual ones.")
        else:
            show_table(f"Factors of {self.env}", [_readable(row) for row in rows], _FACTORS_PIPED)
        return 0


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """One row of the table: the unit beside the summary, and the train range only where it is one."""
    default, train = row["default"], row["train"]
    fixed = all(np.array_equal(bound, default) for bound in train)
    unit = f" ({row['unit']})" if row["unit"] else ""
    return {
        "factor": row["factor"],
        "kind": row["kind"],
        "range": span(*row["range"]),
        "default": cell(default),
        "train": "default" if fixed else span(*train) if len(train) == 2 else cell(train),
        "what it is": f"{row['summary']}{unit}",
    }


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda array: np.asarray(array).tolist()))


def _range(space: Any) -> list[Any]:
    """Lower and upper bound, as one number each where all components agree."""
    if hasattr(space, "n"):
        return [int(space.start), int(space.start + space.n - 1)]

    def short(bound: Any) -> Any:
        return bound.flat[0].item() if np.all(bound == bound.flat[0]) else bound.tolist()

    return [short(np.asarray(space.low)), short(np.asarray(space.high))]
