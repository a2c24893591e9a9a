"""What OGBench's manipulation environments share: the arm, its control, the cubes, states and goals."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces
from ogbench.manipspace import lie

from swm.core.errors import ShapeError
from swm.core.factors import Constraint, Factor, Variation
from swm.core.protocols import Array
from swm.envs.mujoco.env import MujocoEnv
from swm.envs.mujoco.render import Preset
from swm.envs.ogbench.places import Places

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION.value
_TRIES = 1000
_POSE = 12
"""Numbers of the effector's pose: position and rotation matrix."""
_FORCE = 50.0
"""Contact force on a finger, in N, that counts as 1 in OGBench's observation."""
_OPEN = 0.8
"""Angle of the finger's driving joint when the gripper is closed, in rad."""
PROPRIO_NAMES = (
    *(f"joint_{index}" for index in range(6)),
    *(f"joint_{index}.velocity" for index in range(6)),
    *("effector.x", "effector.y", "effector.z", "effector.yaw.cos", "effector.yaw.sin"),
    *("gripper.closing", "gripper.contact"),
)
"""Names of the components of ``observation["proprio"]``."""


class ManipulationEnv(MujocoEnv):
    """The arm, its control, the cubes and the goal; what OGBench's manipulation environments share.

    The physics, the control of the arm and its inverse kinematics are OGBench's code, run on a
    model of this environment.
    """

    success_radius = 0.04
    proprio_names: tuple[str, ...] = PROPRIO_NAMES
    flag_names: tuple[str, ...] = ()
    """Names of what is part of the state and not among the joint positions."""

    def __init__(
        self,
        scene: Any,
        factors: Sequence[Factor],
        constraints: Sequence[Constraint],
        places: Places,
        *,
        image_size: int | tuple[int, int],
        render_mode: str | None,
        preset: Preset,
        scratch_fields: Sequence[str] = (),
    ) -> None:
        """Make the environment around a copy of OGBench's.

        Args:
            scene: what `copy_manipulation` gave.
            factors: what varies.
            constraints: relations between the factors.
            places: start and goal of each cube by default.
            image_size: pixels of a square picture, or (height, width).
            render_mode: ``"rgb_array"`` or None.
            preset: quality of the pictures.
            scratch_fields: fields of the model that a step writes.
        """
        self._scene = scene
        self._places, self._count = places, places.count
        model, data = self._scene._model, self._scene._data
        super().__init__(
            model,
            factors,
            image_size=image_size,
            render_mode=render_mode,
            preset=preset,
            camera=model.camera("front_pixels").id,
            data=data,
            constraints=constraints,
            scratch_fields=scratch_fields,
        )
        self._flags = np.zeros(len(self.flag_names))
        self._pinch, self._seen = int(self._scene._pinch_site_id), np.zeros(_POSE)
        self._arm = self._scene._arm_joint_ids
        self._finger = int(self._scene._gripper_opening_joint_id)
        self._pad = model.body("ur5e/robotiq/right_pad").id
        self._targets = np.array(self._scene._cube_target_mocap_ids)
        self._geoms = np.array([model.geom(f"object_{cube}").id for cube in range(self._count)])
        self._cubes = np.array([model.joint(f"object_joint_{cube}").qposadr[0] for cube in range(self._count)])
        self._xyz = self._cubes[:, None] + np.arange(3)
        self._quaternion = self._cubes[:, None] + np.arange(3, 7)
        self.state_names = (*self.state_names, *self.flag_names)
        self.goal_names = (*self.goal_names, *self.flag_names)
        flags = len(self.flag_names)
        numbers = {"state": model.nq + model.nv + flags, "proprio": len(self.proprio_names)}
        self.observation_space = spaces.Dict(
            {
                "pixels": self.observation_space["pixels"],
                **{name: spaces.Box(-np.inf, np.inf, (size,), np.float64) for name, size in numbers.items()},
            }
        )
        self.goal_space = spaces.Box(-np.inf, np.inf, (model.nq + flags,), np.float64)
        self.action_space = spaces.Box(-1.0, 1.0, (5,), np.float32)

    # ------------------------------------------------------------------------------- what differs

    def _errors(self) -> Array:
        """The distance of each object to its goal, (objects,), in m; an object is solved up to `success_radius`."""
        apart = self.data.qpos[self._xyz] - self._target[self._xyz]
        distance: Array = np.sqrt((apart**2).sum(axis=1))
        return distance

    def _settle(self, before: Array) -> None:
        """What OGBench does after the physics of a step; `before` is the joint positions before it."""

    def _place_objects(self, pose: Array, variation: Variation, which: str) -> Array:
        """Write the objects' ``"start"`` or ``"goal"`` into joint positions (nq,); return their flags."""
        self._place_cubes(pose, variation[f"cube.{which}_position"], variation[f"cube.{which}_yaw"], which)
        return np.zeros(0)

    # ------------------------------------------------------------------------------------ episodes

    def _initialize(self, variation: Variation, seed: int) -> None:
        qpos = self.data.qpos
        qpos[self._arm] = self._reach(variation["agent.start_position"], variation["agent.start_yaw"])
        self._flags = self._place_objects(qpos, variation, "start")

    def _begin(self, variation: Variation, seed: int) -> None:
        super()._begin(variation, seed)
        self._look()

    def _draw_goal(self, seed: int) -> None:
        self._set_target(self._goal_pose(self._drawn))

    def _goal_pose(self, variation: Variation) -> Array:
        """The goal vector: the arm at home, the gripper open, the objects at their goals."""
        pose = np.array(self.model.qpos0)
        pose[self._arm] = self._scene._home_qpos
        flags = self._place_objects(pose, variation, "goal")
        return np.concatenate([pose, flags])

    def _reach(self, position: Array, yaw: float) -> Array:
        """Joint positions of the arm that bring the effector to `position`, pointing down, turned by `yaw`."""
        scene = self._scene
        rotation = lie.SO3.from_z_radians(float(yaw)) @ scene._effector_down_rotation
        effector = lie.SE3.from_rotation_and_translation(rotation, position) @ scene._T_pa
        joints: Array = scene._ik.solve(
            pos=effector.translation(), quat=effector.rotation().wxyz, curr_qpos=scene._home_qpos
        )
        return joints

    def _place_cubes(self, pose: Array, position: Array, yaw: Array, which: str) -> None:
        half = self.model.geom_size[self._geoms, 2]
        position = np.reshape(position, (self._count, 2))
        pose[self._xyz[:, :2]] = position
        pose[self._xyz[:, 2]] = getattr(self._places, which).heights(position, half)
        angle = np.reshape(yaw, self._count) / 2
        pose[self._quaternion] = 0.0
        pose[self._quaternion[:, 0]], pose[self._quaternion[:, 3]] = np.cos(angle), np.sin(angle)

    def _simulate(self, action: Array) -> tuple[float, bool]:
        model, data, scene = self.model, self.data, self._scene
        before = data.qpos.copy()
        data.site_xpos[self._pinch], data.site_xmat[self._pinch] = self._seen[:3], self._seen[3:]
        scene.set_control(action)
        mujoco.mj_step(model, data, scene._n_steps)
        self._settle(before)
        self._look()
        self._refresh()
        return -float((self._errors() > self.success_radius).sum()), False

    def _look(self) -> None:
        """Remember the effector's pose as the controller will see it: MuJoCo leaves it one physics step behind."""
        self._seen = np.concatenate([self.data.site_xpos[self._pinch], self.data.site_xmat[self._pinch]])

    def _refresh(self) -> None:
        goal = self._target
        self.data.mocap_pos[self._targets] = goal[self._xyz]
        self.data.mocap_quat[self._targets] = goal[self._quaternion]
        super()._refresh()
        mujoco.mj_rnePostConstraint(self.model, self.data)

    def _observe(self) -> dict[str, Array]:
        observation = super()._observe()
        observation["state"] = np.concatenate([observation["state"], self._flags])
        return {**observation, "proprio": self._proprio()}

    def _proprio(self) -> Array:
        data, rotation = self.data, self.data.site_xmat[self._pinch].reshape(3, 3)
        yaw = lie.SO3.from_matrix(rotation).compute_yaw_radians()
        closing = np.clip(data.qpos[self._finger] / _OPEN, 0.0, 1.0)
        contact = np.clip(np.linalg.norm(data.cfrc_ext[self._pad]) / _FORCE, 0.0, 1.0)
        joints = (data.qpos[self._arm], data.qvel[self._arm], data.site_xpos[self._pinch])
        return np.concatenate([*joints, [np.cos(yaw), np.sin(yaw), closing, contact]])

    # ----------------------------------------------------------------------------- states and goals

    def _goal(self) -> tuple[Array, bool, float]:
        distance = float(self._errors().max())
        return self._target.copy(), distance <= self.success_radius, distance

    def _extra_state(self) -> Array:
        return np.concatenate([self._flags, self._seen])

    def _set_extra_state(self, extra: Array) -> None:
        self._flags, self._seen = extra[:-_POSE].copy(), extra[-_POSE:].copy()

    def _put_state(self, state: Array) -> None:
        short = self.model.nq + self.model.nv
        if len(state) == short + len(self._flags):
            self._flags = state[short:].copy()
            super()._put_state(state[:short])
            self._look()
        else:
            super()._put_state(state)

    def _positions(self, vector: Array) -> Array:
        """The joint positions and the flags in a goal, an observed state or a full state."""
        nq, nv, flags = self.model.nq, self.model.nv, len(self._flags)
        full = mujoco.mj_stateSize(self.model, _STATE) + flags + _POSE
        places = {nq + flags: (0, nq), nq + nv + flags: (0, nq + nv), full: (1, full - flags - _POSE)}
        if len(vector) not in places:
            raise ShapeError("goal", " or ".join(f"({length},)" for length in places), vector.shape)
        joints, flag = places[len(vector)]
        return np.concatenate([vector[joints : joints + nq], vector[flag : flag + flags]])

    def _set_target(self, target: Array) -> None:
        self._target = target
        self._refresh()

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw goals of the objects from their train ranges, or from the full ones where those hold none."""
        names = [name for name in self.factors if ".goal" in name]
        related = [c for c in self.factors.constraints if not set(names).isdisjoint(c.names)]
        for attempt in count():
            draw = Factor.sample_train if attempt < _TRIES else Factor.sample
            values = {**self._drawn, **{name: draw(self.factors[name], rng) for name in names}}
            if all(constraint.holds(values) for constraint in related):
                break
        return self._goal_pose(Variation(values))

    def goal_state(self) -> Array:
        """The joint positions of the goal, at rest, and the flags."""
        self._check_begun()
        nq = self.model.nq
        return np.concatenate([self._target[:nq], np.zeros(self.model.nv), self._target[nq:]])
