"""Craftax, for real: run with SWM_CRAFTAX_PYTHON naming an interpreter that has craftax, gymnasium and numpy."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GAMES = ("Craftax-Classic-Pixels-v1", "Craftax-Classic-Symbolic-v1", "Craftax-Pixels-v1", "Craftax-Symbolic-v1")
_CHECK = """
import sys
from functools import partial

import numpy as np

from swm.envs import make
from swm.envs.adapters.success import Achieved
from swm.testing import check_env

env_id = "gym:" + sys.argv[1]
for law in ("observations", "determinism", "seeding", "states", "memory", "success", "goals", "sizes", "pickling"):
    check_env(partial(make, env_id, goal="state", radius=0.5), [law])

env = make(env_id, success=Achieved("wake_up"))
inside = env.gym_env.unwrapped
rng = np.random.default_rng(0)
ends, achieved = [], False
for seed in range(20):
    env.reset(seed=seed)
    for _ in range(600):
        _, _, terminated, truncated, info = env.step(np.array(rng.integers(env.action_space.n)))
        assert info["success"] == ("wake_up" in env._backend.last.info["achievements"])
        achieved |= info["success"]
        if terminated or truncated:
            ends.append((terminated, truncated, float(inside._state.player_health) <= 0))
            break
assert len(ends) >= 3 and all(end == (True, False, True) for end in ends), ends
assert achieved, "somebody slept and woke up"

env.reset(seed=0)
inside._state = inside._state.replace(timestep=10**8)
assert env.step(np.array(0))[2:4] == (False, True), "the time limit truncates"
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("SWM_CRAFTAX_PYTHON" not in os.environ, reason="SWM_CRAFTAX_PYTHON names one with craftax"),
]


@pytest.mark.parametrize("game", GAMES)
def test_a_game_keeps_the_contract(game: str) -> None:
    command = [os.environ["SWM_CRAFTAX_PYTHON"], "-W", "ignore", "-c", _CHECK, game]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
