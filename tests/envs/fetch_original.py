"""Play one episode of Gymnasium-Robotics' own Fetch and save what it shows; run in a process of its own.

Run: ``python tests/envs/fetch_original.py TASK REWARD SEED OUT.npz``, with TASK for example ``FetchPush-v4``.
"""

import sys
from typing import Any

import gymnasium
import gymnasium_robotics
import mujoco
import numpy as np
from gymnasium_robotics.utils import mujoco_utils

STEPS = 50
_FREE = int(mujoco.mjtJoint.mjJNT_FREE)


def _span(model: Any, name: str) -> slice:
    joint = model.joint(name)
    start, size = int(joint.qposadr[0]), 7 if int(joint.type[0]) == _FREE else 1
    return slice(start, start + size)


def _put(model: Any, data: Any, name: str, value: Any) -> None:
    data.qpos[_span(model, name)] = value


def _take(model: Any, data: Any, name: str) -> Any:
    return data.qpos[_span(model, name)].copy()


def _take_velocity(model: Any, data: Any, name: str) -> Any:
    joint = model.joint(name)
    start, size = int(joint.dofadr[0]), 6 if int(joint.type[0]) == _FREE else 1
    return data.qvel[start : start + size].copy()


def main() -> None:
    """Play and save."""
    task, reward_type, seed, out = sys.argv[1:]
    # Its own helpers compare joint types with `in`, which this version of MuJoCo answers with False.
    mujoco_utils.set_joint_qpos = _put
    mujoco_utils.get_joint_qpos, mujoco_utils.get_joint_qvel = _take, _take_velocity
    gymnasium.register_envs(gymnasium_robotics)
    env: Any = gymnasium.make(task, reward_type=reward_type).unwrapped
    observation, _ = env.reset(seed=int(seed))
    size = mujoco.mj_stateSize(env.model, mujoco.mjtState.mjSTATE_INTEGRATION.value)
    start = np.empty(size)
    mujoco.mj_getState(env.model, env.data, start, mujoco.mjtState.mjSTATE_INTEGRATION.value)
    rng = np.random.default_rng(int(seed))
    actions = np.repeat(rng.uniform(-1, 1, (STEPS // 5, 4)), 5, axis=0)
    actions[:, 2] -= 0.2
    rows: dict[str, list[Any]] = {name: [] for name in ("observation", "achieved", "reward", "success", "qpos", "qvel")}
    for action in actions:
        observation, reward, _, _, info = env.step(action)
        for name, value in (
            ("observation", observation["observation"]),
            ("achieved", observation["achieved_goal"]),
            ("reward", reward),
            ("success", info["is_success"]),
            ("qpos", env.data.qpos.copy()),
            ("qvel", env.data.qvel.copy()),
        ):
            rows[name].append(value)
    home = env.initial_gripper_xpos
    rest = getattr(env, "height_offset", 0.0)
    np.savez(out, start=start, goal=env.goal, actions=actions, home=home, rest=rest, **rows)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
