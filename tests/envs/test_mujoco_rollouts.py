"""Parallel rollouts are, to the last bit, what stepping one by one gives."""

from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.protocols import Array
from swm.envs.mujoco.rollouts import simulate

ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"
FULL = mujoco.mjtState.mjSTATE_INTEGRATION.value
MOCAP = """
<mujoco><worldbody>
  <geom type="plane" size="3 3 1"/>
  <body name="hand" mocap="true" pos="0 0 1"><geom size=".05" contype="0" conaffinity="0"/></body>
  <body name="ball" pos="0.2 0 1"><freejoint/><geom size=".1"/></body>
  <body pos="1 0 1"><joint name="hinge" axis="0 1 0"/><geom type="capsule" size=".05" fromto="0 0 0 .4 0 0"/></body>
</worldbody>
<equality><weld body1="hand" body2="ball"/></equality>
<actuator><general joint="hinge" dyntype="filter" dynprm="0.1" gainprm="3"/></actuator></mujoco>
"""


def state_of(model: mujoco.MjModel, data: mujoco.MjData) -> Array:
    state = np.empty(mujoco.mj_stateSize(model, FULL))
    mujoco.mj_getState(model, data, state, FULL)
    return state


def one_by_one(model: mujoco.MjModel, states: Array, controls: Array, frame_skip: int) -> Array:
    data, rows = mujoco.MjData(model), []
    for state, sequence in zip(states, controls, strict=True):
        mujoco.mj_resetData(model, data)
        mujoco.mj_setState(model, data, state, FULL)
        for control in sequence:
            data.ctrl[:] = control
            mujoco.mj_step(model, data, frame_skip)
            rows.append(np.concatenate([data.qpos, data.qvel]))
    return np.array(rows).reshape(*controls.shape[:2], -1)


def running_states(model: mujoco.MjModel, count: int) -> Array:
    """States of one run, some steps apart, with the solver's warm start in each."""
    data, rng, states = mujoco.MjData(model), np.random.default_rng(1), []
    for _ in range(count):
        data.ctrl[:] = rng.uniform(-0.4, 0.4, model.nu)
        mujoco.mj_step(model, data, 20)
        states.append(state_of(model, data))
    return np.array(states)


@pytest.mark.parametrize("threads", [1, 2, 5, None])
@pytest.mark.parametrize("name", ["half_cheetah", "humanoid"])
def test_the_trajectories_are_those_of_stepping_one_by_one(name: str, threads: int | None) -> None:
    model = mujoco.MjModel.from_xml_path(str(ASSETS / f"{name}.xml"))
    model.body_mass[2] *= 1.5  # as a factor leaves it
    mujoco.mj_setConst(model, mujoco.MjData(model))
    states = running_states(model, 6)
    controls = np.random.default_rng(0).uniform(-0.4, 0.4, (6, 8, model.nu))
    found = simulate(model, states, controls, frame_skip=5, num_threads=threads)
    np.testing.assert_array_equal(found, one_by_one(model, states, controls, 5))


def test_all_sequences_may_start_from_one_state() -> None:
    model = mujoco.MjModel.from_xml_path(str(ASSETS / "hopper.xml"))
    state = running_states(model, 3)[-1]
    controls = np.random.default_rng(0).uniform(-1, 1, (4, 5, model.nu))
    found = simulate(model, state, controls)
    assert found.shape == (4, 5, model.nq + model.nv)
    np.testing.assert_array_equal(found, one_by_one(model, np.tile(state, (4, 1)), controls, 1))


def test_forces_hands_and_activations_stay_as_they_are() -> None:
    model = mujoco.MjModel.from_xml_string(MOCAP)
    data = mujoco.MjData(model)
    data.mocap_pos[0] = 0.3, 0.1, 1.4
    data.xfrc_applied[2, 2] = 1.0
    data.ctrl[:] = 1
    mujoco.mj_step(model, data, 5)
    states = np.stack([state_of(model, data), state_of(model, mujoco.MjData(model))])
    controls = np.random.default_rng(0).uniform(-1, 1, (2, 10, 1))
    expected = one_by_one(model, states, controls, 2)
    np.testing.assert_array_equal(simulate(model, states, controls, frame_skip=2), expected)
    assert np.abs(expected[0] - expected[1]).max() > 0.1


def test_bad_shapes_and_numbers_are_refused() -> None:
    model = mujoco.MjModel.from_xml_string(MOCAP)
    state, controls = state_of(model, mujoco.MjData(model)), np.zeros((2, 3, 1))
    with pytest.raises(ShapeError, match="controls"):
        simulate(model, state, np.zeros((2, 3, 2)))
    with pytest.raises(ShapeError, match="controls"):
        simulate(model, state, np.zeros((0, 3, 1)))
    with pytest.raises(ShapeError, match="states"):
        simulate(model, np.tile(state, (3, 1)), controls)
    with pytest.raises(InvalidValueError, match="finite"):
        simulate(model, state, controls * np.nan)
    with pytest.raises(InvalidValueError, match="frame_skip"):
        simulate(model, state, controls, frame_skip=0)
    with pytest.raises(InvalidValueError, match="num_threads"):
        simulate(model, state, controls, num_threads=0)
