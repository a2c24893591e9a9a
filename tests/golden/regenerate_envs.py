"""Write tests/golden/envs/<family>.json: what every environment shows for fixed seeds and actions.

    python tests/golden/regenerate_envs.py [FAMILY ...]

A change of these files is a change of an environment: it needs a new version of its id, or, before a
release, a line in the changelog. Environments whose every number comes from exactly rounded
arithmetic are recorded as digests. For those that are drawn by OpenGL, and for the families of
`ROUNDED`, last bits depend on the computer: small pictures and some states are recorded instead.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import swm.envs
from swm.envs.base import FactoredEnv
from swm.testing.common import Row, actions, average, family, play, reset

FOLDER = Path(__file__).with_name("envs")
ROUNDED = ("classic", "push_t")
"""Families whose motion goes through the sine and cosine of the computer or the arithmetic of another library."""
REQUESTS = (None, "all")
DIGEST_SEEDS, DIGEST_STEPS = (0, 1), 60
SEED, STEPS = 0, (0, 1, 5, 20)
SIZE, SMALL = 64, 16
PICTURE_TOLERANCE = 2.0
"""Largest mean difference of two small pictures, of 255."""


def exact(env: FactoredEnv, env_id: str) -> bool:
    """Whether the environment shows the same bits on every computer."""
    return not env.rendering and family(env_id) not in ROUNDED


def record(env_id: str) -> dict[str, Any]:
    """Episode -> what it shows."""
    env = swm.envs.make(env_id, image_size=SIZE)
    try:
        env.reset(seed=0)
        if not exact(env, env_id):
            return {f"{request or 'default'}, seed {SEED}": _rounded(env, request) for request in REQUESTS}
        return {
            f"{request or 'default'}, seed {seed}": _digests(env, seed, request)
            for request in REQUESTS
            for seed in DIGEST_SEEDS
        }
    finally:
        env.close()


def _rows(env: FactoredEnv, seed: int, request: str | None, steps: int) -> list[Row]:
    return list(play(env, *reset(env, seed, request), actions(env, steps, seed)))


def _digests(env: FactoredEnv, seed: int, request: str | None) -> dict[str, str]:
    """Digests of the first picture, the last picture, and the states and rewards."""
    rows = _rows(env, seed, request, DIGEST_STEPS)
    pictures = [row[0]["pixels"].tobytes() for row in rows]
    motion = b"".join(row[0]["state"].tobytes() + repr(row[1]).encode() for row in rows)
    parts = {"first_picture": pictures[0], "last_picture": pictures[-1], "motion": motion}
    return {name: hashlib.sha256(part).hexdigest()[:16] for name, part in parts.items()}


def _rounded(env: FactoredEnv, request: str | None) -> dict[str, Any]:
    """The first and the last picture, small; the states at some steps and the sum of the rewards until there."""
    rows = _rows(env, SEED, request, STEPS[-1])
    returns = np.cumsum([0.0 if outcome is None else outcome[0] for _, outcome, _ in rows])
    return {
        "first_picture": _small(rows[0][0]["pixels"]),
        "last_picture": _small(rows[-1][0]["pixels"]),
        "states": [[float(f"{x:.6g}") for x in rows[step][0]["state"]] for step in STEPS],
        "returns": [float(f"{returns[step]:.6g}") for step in STEPS],
    }


def _small(picture: np.ndarray) -> str:
    return base64.b64encode(np.rint(average(picture, SMALL)).astype(np.uint8).tobytes()).decode()


def _pixels(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8).astype(np.float64)


def differences(found: dict[str, Any], recorded: dict[str, Any]) -> list[str]:
    """What differs between two records of one environment, within what computers may differ in."""
    if found.keys() != recorded.keys():
        return [f"the episodes are {sorted(found)}, recorded are {sorted(recorded)}"]
    return [
        f"{episode}: {part}"
        for episode, parts in found.items()
        for part in parts.keys() | recorded[episode].keys()
        if not _same(part, parts.get(part), recorded[episode].get(part))
    ]


def _same(part: str, found: Any, recorded: Any) -> bool:
    if type(found) is not type(recorded):
        return False
    if isinstance(found, list):
        a, b = np.asarray(found), np.asarray(recorded)
        return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-3, atol=1e-4))
    if part.endswith("picture") and len(found) > 16:
        a, b = _pixels(found), _pixels(recorded)
        return a.shape == b.shape and bool(np.abs(a - b).mean() < PICTURE_TOLERANCE)
    return bool(found == recorded)


def main(families: list[str]) -> None:
    """Write the files of the families that are named, or of all."""
    for name in families or dict.fromkeys(map(family, swm.envs.ENVS)):
        records = {env_id: record(env_id) for env_id in swm.envs.ENVS if family(env_id) == name}
        if not records:
            raise SystemExit(f"no environment is of the family {name!r}")
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{name}.json").write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
