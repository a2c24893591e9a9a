"""The arm of the Fetch robot: how an action moves it, where it begins, and the postures that it can reach."""

import functools
from dataclasses import dataclass

import mujoco
import numpy as np

from swm.core.protocols import Array
from swm.envs.fetch.model import compile_model
from swm.envs.fetch.task import FOLLOWS, SPEED, SUBSTEPS, TASKS

_TURN = (1.0, 0.0, 1.0, 0.0)
"""Added to the gripper's quaternion, so that it keeps pointing down."""
_SETTLE = 10
"""Environment steps in which the arm moves to its start."""
_REFERENCE = (-0.498, 0.005, -0.431)
"""Where the arm moves then, relative to the gripper of the unmoved model, in m."""
_STEPS, _TOLERANCE = 40, 2e-4
_AWAY = (3.0, 3.0, 0.05, 1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Start:
    """Every episode's start before anything is drawn. Do not write to its arrays."""

    qpos: Array
    qvel: Array
    time: float


class Arm:
    """The gripper of one model and data, which follows the aim that an action sets."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Find the parts; `model` may be edited later."""
        self._model, self._data = model, data
        self.site, self._hand = model.site("robot0:grip").id, model.body("robot0:gripper_link").id
        fingers = [model.joint(f"robot0:{side}_gripper_finger_joint") for side in "rl"]
        self.positions = np.array([joint.qposadr[0] for joint in fingers])
        """Where the right and the left finger are in qpos."""
        self.velocities = np.array([joint.dofadr[0] for joint in fingers])
        driven = [int(joint) for joint in model.actuator_trnid[:, 0]]
        self._driven = np.array([model.jnt_qposadr[joint] for joint in driven], np.int64)

    @property
    def place(self) -> Array:
        """Where the gripper is: a view, (3,), in m."""
        place: Array = self._data.site_xpos[self.site]
        return place

    def aim(self, move: Array, fingers: float) -> None:
        """Set the gripper's aim `move` (3,) metres ahead of it, and the fingers' aim ahead of them."""
        data = self._data
        data.mocap_pos[0] = data.xpos[self._hand] + move
        data.mocap_quat[0] = data.xquat[self._hand] + _TURN
        data.ctrl[:] = data.qpos[self._driven] + fingers

    def hold_fingers(self) -> None:
        """Close the fingers of a task in which they do not move, and compute where everything is then."""
        self._data.qpos[self.positions] = 0.0
        self.locate()

    def locate(self) -> None:
        """Compute where everything is, from the joint positions."""
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)


@functools.cache
def settle(name: str) -> Start:
    """Move the arm of a task from the model's zero posture to its start, as the package does once."""
    model, task = compile_model(name), TASKS[name]
    data = mujoco.MjData(model)
    for joint, value in (("robot0:slide0", task.base), ("robot0:slide1", 0.48), ("robot0:slide2", 0.0)):
        data.joint(joint).qpos[:] = value
    if task.parked is not None:
        data.joint("object0:joint").qpos[:] = (*task.parked, 1.0, 0.0, 0.0, 0.0)
    mujoco.mj_forward(model, data)
    data.mocap_pos[0] = np.add(_REFERENCE, (0.0, 0.0, task.raise_by)) + data.site("robot0:grip").xpos
    data.mocap_quat[0] = _TURN
    mujoco.mj_step(model, data, nstep=_SETTLE * SUBSTEPS)
    return Start(data.qpos.copy(), data.qvel.copy(), data.time)


@functools.lru_cache(maxsize=64)
def reach(name: str, place: tuple[float, float, float]) -> Array:
    """The posture (nq,) in which the gripper of a task is as near to `place` as it gets; read-only.

    Found by steering a copy of the unedited model there from its start, with the object out of the
    way, so that it is a posture that the arm really takes: the table stops it, and beyond its
    reach it stretches.
    """
    model, start, task = compile_model(name), settle(name), TASKS[name]
    data = mujoco.MjData(model)
    data.qpos[:] = start.qpos
    if task.has_object:
        data.joint("object0:joint").qpos[:] = _AWAY
    arm = Arm(model, data)
    arm.locate()
    for _ in range(_STEPS):
        missing = np.asarray(place) - arm.place
        if np.abs(missing).max() < _TOLERANCE:
            break
        arm.aim(SPEED * np.clip(missing / (FOLLOWS * SPEED), -1.0, 1.0), 0.0)
        mujoco.mj_step(model, data, nstep=SUBSTEPS)
        if not task.fingers_move:
            data.qpos[arm.positions] = 0.0
        arm.locate()
    posture: Array = data.qpos.copy()
    posture.flags.writeable = False
    return posture
