"""Write tests/golden/envs.json: digests of what every environment shows for fixed seeds and actions.

A change of these digests is a change of the environment: it needs a new version of its id, or,
before a release, a line in the changelog.
"""

import hashlib
import json
from pathlib import Path

import swm.envs
from swm.testing.common import actions, play, reset

PATH = Path(__file__).with_name("envs.json")
SEEDS = (0, 1)
STEPS = 60


def digests(env_id: str) -> dict[str, dict[str, str]]:
    """Episode -> digests of its first picture, its last picture, and its states and rewards."""
    found = {}
    env = swm.envs.make(env_id, image_size=64)
    for request in (None, "all"):
        for seed in SEEDS:
            rows = list(play(env, *reset(env, seed, request), actions(env, STEPS, seed)))
            pictures = [row[0]["pixels"].tobytes() for row in rows]
            motion = b"".join(row[0]["state"].tobytes() + repr(row[1]).encode() for row in rows)
            parts = {"first_picture": pictures[0], "last_picture": pictures[-1], "motion": motion}
            found[f"{request or 'default'}, seed {seed}"] = {
                name: hashlib.sha256(part).hexdigest()[:16] for name, part in parts.items()
            }
    return found


if __name__ == "__main__":
    PATH.write_text(json.dumps({env_id: digests(env_id) for env_id in swm.envs.ENVS}, indent=2) + "\n")
