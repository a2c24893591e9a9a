"""Pictures and trajectories are those that were recorded, to the last bit."""

import json
import runpy
from pathlib import Path

import pytest

from swm.envs import ENVS

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("env_id", ENVS)
def test_pictures_and_trajectories_are_the_recorded_ones(env_id: str) -> None:
    recorded = json.loads((GOLDEN / "envs.json").read_text())
    digests = runpy.run_path(str(GOLDEN / "regenerate_envs.py"))["digests"](env_id)
    assert digests == recorded[env_id], "if the change is meant, run tests/golden/regenerate_envs.py"
