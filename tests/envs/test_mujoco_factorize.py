"""factorize(): parity with the original, the laws, and models that nobody here wrote."""

import importlib.util
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest

import swm.envs
from swm.core.errors import InvalidValueError, UnknownNameError
from swm.envs.base import FactoredEnv
from swm.envs.mujoco.probe import random_controls
from swm.testing import check_env

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*For Box action spaces, we recommend:UserWarning", "ignore:.*is out of date:DeprecationWarning"
)
IDS = (
    *("HalfCheetah-v5", "Ant-v5", "Hopper-v5", "Walker2d-v5", "Swimmer-v5", "Humanoid-v5", "HumanoidStandup-v5"),
    *("InvertedPendulum-v5", "InvertedDoublePendulum-v5", "Reacher-v5", "Pusher-v5", "HalfCheetah-v4"),
)
ARM = """
<mujoco>
  <worldbody>
    <light pos="0 -1 2" dir="0 0.4 -1"/>
    <geom name="floor" type="plane" size="1 1 0.1" rgba="0.6 0.6 0.6 1"/>
    <body name="left_arm" pos="-0.3 0 0.6">
      <joint name="left" axis="0 1 0" damping="0.1"/>
      <geom type="capsule" size="0.05" fromto="0 0 0 0.3 0 0" rgba="0.8 0.2 0.1 1"/>
    </body>
    <body name="right_arm" pos="0.3 0 0.6">
      <joint name="right" axis="0 1 0" damping="0.2"/>
      <geom type="capsule" size="0.05" fromto="0 0 0 0.3 0 0" rgba="0.8 0.2 0.1 1"/>
    </body>
  </worldbody>
  <actuator><motor joint="left"/><motor joint="right"/></actuator>
  <keyframe><key qpos="0.5 -0.5"/></keyframe>
</mujoco>
"""


@pytest.mark.parametrize("env_id", IDS)
def test_at_default_factors_it_is_the_original_to_the_last_bit(env_id: str) -> None:
    original: Any = gymnasium.make(env_id).unwrapped
    env = swm.envs.factorize(env_id, render_mode=None)
    for seed in (0, 7):
        seen, _ = original.reset(seed=seed)
        observation, _ = env.reset(seed=seed)
        np.testing.assert_array_equal(observation["proprio"], seen)
        for action in random_controls(env.model, 25, np.random.default_rng(seed)):
            seen, reward, terminated, _, _ = original.step(action)
            observation, own_reward, own_terminated, truncated, _ = env.step(action)
            np.testing.assert_array_equal(observation["proprio"], seen)
            np.testing.assert_array_equal(observation["state"], original.state_vector())
            assert (own_reward, own_terminated, truncated) == (reward, terminated, False)
    assert env.max_episode_steps == gymnasium.spec(env_id).max_episode_steps
    original.close()
    env.close()


def test_a_whole_environment_keeps_every_law() -> None:
    check_env(partial(swm.envs.factorize, "InvertedPendulum-v5"))


def test_a_model_keeps_every_law() -> None:
    check_env(partial(swm.envs.factorize, ARM))


@pytest.mark.parametrize("env_id", ["HalfCheetah-v5", "Ant-v5"])
def test_larger_environments_keep_the_quick_laws(env_id: str) -> None:
    check_env(partial(swm.envs.factorize, env_id), ["observations", "determinism", "states", "success", "sizes"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("env_id", IDS)
def test_every_environment_keeps_every_law(env_id: str) -> None:
    check_env(partial(swm.envs.factorize, env_id))


def test_what_cannot_act_or_be_seen_is_not_offered() -> None:
    offered = set(swm.envs.factorize("Reacher-v5").factors)
    assert "gravity.magnitude" not in offered, "the arm turns about the vertical"
    assert "gravity.tilt" in offered
    assert "contact.friction" not in offered
    assert "joints.stiffness" not in offered
    offered = set(swm.envs.factorize("InvertedPendulum-v5").factors)
    assert not {"contact.friction", "floor.color", "sky.color1", "joints.armature"} & offered
    cheetah = swm.envs.factorize("HalfCheetah-v5").factors
    wanted = {"gravity.magnitude", "contact.friction", "torso.mass", "joints.damping", "actuators.strength"}
    assert (wanted | {"torso.color", "floor.color", "sky.color1", "light.intensity", "camera.angle"}) <= set(cheetah)
    assert cheetah["torso.mass"].unit == "kg"


def test_left_and_right_are_one_group() -> None:
    env = swm.envs.factorize(ARM)
    assert "arm.mass" in env.factors
    assert "arm.color" in env.factors
    env.reset(seed=0, options={"variation": {"arm.mass": 2.0}})
    mass = mujoco.MjModel.from_xml_string(ARM).body_mass
    np.testing.assert_allclose(env.model.body_mass, mass * 2)


def test_an_instance_keeps_its_own_arguments() -> None:
    made = gymnasium.make("HalfCheetah-v5", reset_noise_scale=0.0, ctrl_cost_weight=0.0)
    env = swm.envs.factorize(made, image_size=32)
    by_id = swm.envs.factorize("HalfCheetah-v5", image_size=32, reset_noise_scale=0.0, ctrl_cost_weight=0.0)
    rows = []
    for each in (env, by_id):
        observation, _ = each.reset(seed=3)
        rows.append((observation["state"].tolist(), each.step(np.ones(6))[1]))
    assert rows[0] == rows[1]
    assert rows[0][0][1:9] == [0.0] * 8


def test_a_model_starts_at_its_key_frame_and_rewards_closeness() -> None:
    env = swm.envs.factorize(ARM, goal_joints=["left"], success_radius=0.1, frame_skip=3)
    observation, info = env.reset(seed=0)
    np.testing.assert_array_equal(observation["state"][:2], [0.5, -0.5])
    _, reward, _, _, info = env.step(np.zeros(2))
    assert reward == -info["distance"]
    assert env.data.time == pytest.approx(3 * env.model.opt.timestep)
    env.set_goal(np.array([env.data.qpos[0] + 0.09, 99.0]))
    assert env.observe()[1]["success"], "the other joint does not count"


def test_states_of_other_physics_are_reached_exactly() -> None:
    env, other = (swm.envs.factorize("Hopper-v5", render_mode=None) for _ in range(2))
    env.reset(seed=0)
    for _ in range(5):
        env.step(np.ones(3))
    state = env.get_state()
    other.reset(seed=1, options={"variation": {"gravity.magnitude": 6.0}})
    other.set_state(state)
    np.testing.assert_array_equal(other.observe()[0]["state"], env.observe()[0]["state"])
    saved = other.get_state()
    first = other.step(np.ones(3))[0]["state"]
    other.set_state(saved)
    np.testing.assert_array_equal(other.step(np.ones(3))[0]["state"], first)


def test_an_instance_can_be_pickled() -> None:
    env = swm.envs.factorize(gymnasium.make("InvertedPendulum-v5"), image_size=32)
    env.reset(seed=0, options={"variation": "all"})
    copy: FactoredEnv = pickle.loads(pickle.dumps(env))
    for _ in range(3):
        a, b = env.step(np.ones(1))[0], copy.step(np.ones(1))[0]
        np.testing.assert_array_equal(a["state"], b["state"])
        np.testing.assert_array_equal(a["pixels"], b["pixels"])


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ("HalfCheetah-v6", "Did you mean 'HalfCheetah-v5'"),
        ("CartPole-v1", "no MuJoCo environment"),
        ("<mujoco><worldbody><geom size='1'/></worldbody></mujoco>", "joints and actuators"),
        ("<mujoco><wordbody/></mujoco>", "cannot compile"),
    ],
)
def test_what_is_no_mujoco_environment_is_refused(asked: str, match: str) -> None:
    with pytest.raises(InvalidValueError, match=match):
        swm.envs.factorize(asked)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="would lose the wrapper ClipReward"):
        swm.envs.factorize(gymnasium.wrappers.ClipReward(gymnasium.make("Hopper-v5"), -1, 1))
    with pytest.raises(InvalidValueError, match="frame_skip belongs to MJCF"):
        swm.envs.factorize("Hopper-v5", frame_skip=2)
    with pytest.raises(UnknownNameError, match="Did you mean 'frame_skip'"):
        swm.envs.factorize(ARM, frame_skips=2)
    with pytest.raises(InvalidValueError, match="at least 1"):
        swm.envs.factorize(ARM, frame_skip=0)
    with pytest.raises(UnknownNameError, match="Did you mean 'left'"):
        swm.envs.factorize(ARM, goal_joints=["leftt"])
    stuck = ARM.replace("<motor joint=", '<motor gear="0" joint=').replace(
        "<mujoco>", '<mujoco><option gravity="0 0 0"/>'
    )
    with pytest.raises(InvalidValueError, match="do not move the goal joints"):
        swm.envs.factorize(stuck).reset(seed=0)


def test_the_export_does_not_load_mujoco() -> None:
    code = (
        "import sys, swm.envs; assert 'mujoco' not in sys.modules; swm.envs.factorize; assert 'mujoco' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True, timeout=60)
    with pytest.raises(AttributeError, match="no attribute 'factorise'"):
        swm.envs.factorise  # noqa: B018


def foreign_models() -> list[Path]:
    """The MJCF files of other packages that compile alone, with joints and actuators."""
    found = []
    for package in ("gymnasium", "dm_control", "gymnasium_robotics", "ogbench"):
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            continue
        for path in sorted(Path(spec.origin).parent.rglob("*.xml")):
            try:
                model = mujoco.MjModel.from_xml_path(str(path))
            except ValueError:  # a part that others include
                continue
            if model.nu and model.nv:
                found.append(path)
    return found


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_models_of_other_packages_keep_the_laws() -> None:
    paths = foreign_models()
    assert len(paths) > 30
    for path in paths:
        model = mujoco.MjModel.from_xml_path(str(path))
        quick = ["determinism", "states", "success"]
        laws = [*quick, "effects", "sizes"] if model.nv <= 8 and model.nmesh == 0 else quick
        check_env(partial(swm.envs.factorize, str(path)), laws)
