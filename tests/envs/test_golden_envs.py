"""Pictures and trajectories are those that were recorded: to the last bit, or as far as computers agree."""

import copy
import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swm.envs import ENVS
from swm.testing.common import family

GOLDEN = Path(__file__).parents[1] / "golden"
SCRIPT = runpy.run_path(str(GOLDEN / "regenerate_envs.py"))
IDS = [pytest.param(env_id, marks=pytest.mark.slow) if row.nightly else env_id for env_id, row in ENVS.items()]


@pytest.mark.parametrize("env_id", IDS)
def test_pictures_and_trajectories_are_the_recorded_ones(env_id: str) -> None:
    name = family(env_id)
    recorded = json.loads((GOLDEN / "envs" / f"{name}.json").read_text())
    advice = f"if the change is meant, run tests/golden/regenerate_envs.py {name}"
    assert env_id in recorded, advice
    assert SCRIPT["differences"](SCRIPT["record"](env_id), recorded[env_id]) == [], advice


def test_every_record_is_of_a_registered_environment() -> None:
    for path in (GOLDEN / "envs").glob("*.json"):
        assert all(env_id in ENVS and family(env_id) == path.stem for env_id in json.loads(path.read_text()))


def test_differences_are_found() -> None:
    picture, grey = SCRIPT["_small"], np.full((64, 64, 3), 100, np.uint8)
    record: dict[str, Any] = {"default, seed 0": {"first_picture": picture(grey), "states": [[1.0, 2.0]]}}
    changed = copy.deepcopy(record)
    assert SCRIPT["differences"](record, changed) == []
    changed["default, seed 0"] = {"first_picture": picture(grey + 1), "states": [[1.0, 2.0001]]}
    assert SCRIPT["differences"](record, changed) == []
    changed["default, seed 0"] = {"first_picture": picture(grey + 5), "states": [[1.0, 2.1]]}
    assert sorted(SCRIPT["differences"](record, changed)) == [
        "default, seed 0: first_picture",
        "default, seed 0: states",
    ]
    assert SCRIPT["differences"](record, {}) != []
