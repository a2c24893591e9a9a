"""The physics of PushT: what stable-worldmodel's does, from states that hold everything, within walls that hold."""

from pathlib import Path

import numpy as np
import pytest

from swm.core.protocols import Array
from swm.envs import make
from swm.envs.push_t.env import PushTEnv
from swm.envs.push_t.factors import FACTORS
from swm.envs.push_t.simulator import Simulator, make_block

GOLDEN = Path(__file__).parents[1] / "golden" / "push_t" / "states.npz"
"""Made by make.py beside it."""
EXACT = 1e-9
"""Largest difference from the golden states, in px, rad and px/s; the largest found is 2e-12."""


@pytest.fixture(scope="module")
def golden() -> dict[str, Array]:
    with np.load(GOLDEN) as file:
        return dict(file)


def run(state: Array, actions: Array) -> Array:
    simulator = Simulator(FACTORS.default(), np.concatenate([state, np.zeros(3)]))
    states = [state]
    for action in actions:
        simulator.step(action)
        states.append(np.array(simulator.state[:7]))
    return np.stack(states)


def difference(a: Array, b: Array) -> float:
    apart = np.abs(a - b)
    apart[..., 4] = np.minimum(apart[..., 4], 2 * np.pi - apart[..., 4])
    return float(apart.max())


def test_replays_the_trajectories_of_stable_worldmodel(golden: dict[str, Array]) -> None:
    assert golden["actions"].shape[1] >= 200
    for actions, states in zip(golden["actions"], golden["states"], strict=True):
        assert (np.abs(np.diff(states[:, 2:4], axis=0)).max(axis=1) > 0.01).mean() > 0.3
        assert difference(run(states[0], actions), states) < EXACT


def test_seven_numbers_are_the_whole_state(golden: dict[str, Array]) -> None:
    for actions, states in zip(golden["actions"], golden["states"], strict=True):
        after = np.stack([run(state, action[None])[1] for state, action in zip(states, actions, strict=False)])
        assert difference(after, states[1:]) < EXACT


def test_bodies_are_those_of_stable_worldmodel(golden: dict[str, Array]) -> None:
    for shape, (moment, *center) in enumerate(golden["bodies"], start=1):
        body, _ = make_block({**FACTORS.default(), "block.shape": shape})
        assert body.moment == pytest.approx(moment, rel=1e-12)
        assert body.center_of_gravity == pytest.approx(center, abs=1e-12)


def test_a_block_driven_against_a_wall_stays_inside() -> None:
    env = make("swm/PushT-v0", image_size=16)
    for shape in range(1, 8):
        values = {"agent.position": (256, 330), "block.position": (256, 230), "block.angle": 3.3, "block.shape": shape}
        env.reset(seed=0, options={"variation": {**values, "agent.reach": 150.0}})
        for action in [(0, -1)] * 12 + [(-1, -0.5)] * 12 + [(1, 0.2)] * 12:
            state = env.step(np.array(action))[0]["state"]
            assert env.observation_space["state"].contains(state)
            assert state[2:4].min() >= 5
            assert state[2:4].max() <= 506


def test_the_agent_pushes_and_never_pulls() -> None:
    env = make("swm/PushT-v0", image_size=16)
    env.reset(seed=0, options={"variation": {"agent.position": (256, 340), "block.position": (256, 200)}})
    start = env.get_state()
    env.set_state(np.array([256.0, 250.0, 256.0, 200.0, np.pi, 0.0, 0.0]))
    pushed = [env.step(np.array([0.0, -0.5]))[0]["state"] for _ in range(4)][-1]
    assert pushed[3] < 190
    assert pushed[[2, 4]].tolist() == pytest.approx([256, np.pi], abs=1e-6)
    for _ in range(6):
        left = env.step(np.array([0.0, 0.5]))[0]["state"]
    still = env.step(np.array([0.0, 0.5]))[0]["state"]
    assert still[2:5].tolist() == pytest.approx(left[2:5].tolist(), abs=1e-3)
    env.set_state(start)
    assert env.get_state().tolist() == start.tolist()


def test_a_block_that_slides_goes_on_and_comes_to_rest() -> None:
    ways = []
    for slide in (0.0, 0.1, 0.3):
        env = make("swm/PushT-v0", image_size=16)
        env.reset(seed=0, options={"variation": {"block.slide": slide}})
        env.set_state(np.array([256.0, 250.0, 256.0, 200.0, np.pi, 0.0, -100.0]))
        for action in [(0, -0.5)] * 2 + [(0, 1)] * 2:
            before = env.step(np.array(action))[0]["state"]
        ways.append(before[3] - env.step(np.zeros(2))[0]["state"][3])
    assert ways[0] == pytest.approx(0, abs=1e-2)
    assert ways[0] < ways[1] < ways[2]


@pytest.mark.parametrize("length", [6, 8, 11])
def test_states_of_other_lengths_are_refused(length: int) -> None:
    env = make("swm/PushT-v0", image_size=16)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"state: expected \(7,\) or \(10,\)"):
        env.set_state(np.zeros(length))


def test_states_outside_the_arena_are_refused() -> None:
    env = make("swm/PushT-v0", image_size=16)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"positions must lie in \[0, 512\]"):
        env.set_state(np.array([600.0, 0, 0, 0, 0, 0, 0]))
    with pytest.raises(ValueError, match="too large"):
        env.set_state(np.array([100.0, 100, 300, 300, 0, 0, 0, 1e6, 0, 0]))


def test_an_angle_of_any_size_is_wrapped() -> None:
    env = make("swm/PushT-v0", image_size=16)
    assert isinstance(env, PushTEnv)
    env.reset(seed=0)
    env.set_state(np.array([100.0, 100, 300, 300, -0.5, 0, 0]))
    assert env.get_state()[4] == pytest.approx(2 * np.pi - 0.5)
    env.set_state(np.array([100.0, 100, 300, 300, -1e-20, 0, 0]))
    assert env.get_state()[4] == 0.0
