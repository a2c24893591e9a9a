"""From the same state, the same actions give what OGBench's own environments give."""

from typing import Any

import mujoco
import numpy as np
import pytest

from swm.core.protocols import Array
from swm.envs import make

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION.value


def reference(kind: str, task: int) -> Any:
    from ogbench.manipspace.envs.cube_env import CubeEnv
    from ogbench.manipspace.envs.scene_env import SceneEnv

    cls = SceneEnv if kind == "scene" else CubeEnv
    return cls(kind, permute_blocks=False, reward_task_id=task, terminate_at_goal=False, visualize_info=False)


def full_state(original: Any, flags: Array) -> Array:
    """The state of OGBench's environment, as ours writes it."""
    state = np.empty(mujoco.mj_stateSize(original._model, _STATE))
    mujoco.mj_getState(original._model, original._data, state, _STATE)
    pinch = original._pinch_site_id
    return np.concatenate([state, flags, original._data.site_xpos[pinch], original._data.site_xmat[pinch]])


def actions(count: int) -> Array:
    """Random actions, each held for some steps, so that the arm also pushes cubes around."""
    drawn = np.random.default_rng(0).uniform(-1, 1, (count // 10, 5))
    drawn[:, 2] -= 0.3  # mostly downward
    return np.repeat(np.clip(drawn, -1, 1), 10, axis=0)


@pytest.mark.parametrize(("kind", "task"), [("single", 2), ("triple", 3)])
def test_cubes_move_as_in_ogbench(kind: str, task: int) -> None:
    original = reference(kind, task)
    original.reset(seed=1)
    env = make(f"swm/OGBCube{kind.title()}-v0", task=task, image_size=32, render_mode=None)
    env.reset(seed=0)
    np.testing.assert_allclose(env.observe()[1]["goal"][14:].reshape(-1, 7)[:, :3], original.cur_task_info["goal_xyzs"])
    env.set_state(full_state(original, np.zeros(0)))
    for action in actions(200):
        _, reward, *_, info = original.step(action)
        observation, our_reward, *_, our_info = env.step(action)
        np.testing.assert_allclose(observation["state"], np.r_[info["qpos"], info["qvel"]], rtol=0, atol=1e-9)
        assert (our_reward, our_info["success"]) == (reward, info["success"])


def test_the_scene_moves_as_in_ogbench() -> None:
    original = reference("scene", 1)
    original.reset(seed=1)
    env = make("swm/OGBScene-v0", task=1, image_size=32, render_mode=None)
    env.reset(seed=0)
    env.set_state(full_state(original, original._cur_button_states))
    pressed = False
    above, down = original._data.site_xpos[original._button_site_ids[0]] + (0, 0, 0.04), (0, 0, -0.08)
    for step in range(200):
        move = (above + np.array(down) * (step > 60) - original._data.site_xpos[original._pinch_site_id]) / 0.05
        action = np.clip([*move, 0.0, 1.0], -1, 1) if step < 100 else actions(200)[step]
        _, reward, *_, info = original.step(action)
        observation, our_reward, *_, our_info = env.step(action)
        expected = np.r_[info["qpos"], info["qvel"], info["button_states"]]
        np.testing.assert_allclose(observation["state"], expected, rtol=0, atol=1e-9)
        assert (our_reward, our_info["success"]) == (reward, info["success"])
        pressed |= bool((info["button_states"] != info["prev_button_states"]).any())
    assert pressed
