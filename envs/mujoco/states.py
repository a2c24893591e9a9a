"""Names of a model's joint positions and velocities, and distances between poses."""

from collections.abc import Sequence

import mujoco
import numpy as np

from swm.core.errors import UnknownNameError
from swm.core.protocols import Array

_KIND = mujoco.mjtJoint
_FREE, _BALL, _HINGE = int(_KIND.mjJNT_FREE), int(_KIND.mjJNT_BALL), int(_KIND.mjJNT_HINGE)
_POSITIONS = {_FREE: ("x", "y", "z", "qw", "qx", "qy", "qz"), _BALL: ("qw", "qx", "qy", "qz")}
_VELOCITIES = {_FREE: ("vx", "vy", "vz", "wx", "wy", "wz"), _BALL: ("wx", "wy", "wz")}


class Joints:
    """The joints of a model: one name per number, and the metric of poses."""

    def __init__(self, model: mujoco.MjModel, goal_joints: Sequence[str] | None = None) -> None:
        """Read the joints.

        Args:
            model: the compiled model.
            goal_joints: the joints that distances look at; None is all.

        Raises:
            UnknownNameError: the model has no such joint.
        """
        self._model = model
        self.names = tuple(model.joint(index).name or f"joint{index}" for index in range(model.njnt))
        for name in goal_joints or ():
            if name not in self.names:
                raise UnknownNameError("joint", name, self.names)
        kinds = [int(kind) for kind in model.jnt_type]
        self.position_names = self._expand(kinds, _POSITIONS, "")
        self.velocity_names = self._expand(kinds, _VELOCITIES, ".velocity")
        self._counts = np.zeros(model.nv, np.bool_)
        self._wraps = np.zeros(model.nv, np.bool_)
        for joint, name in enumerate(self.names):
            dofs = slice(model.jnt_dofadr[joint], model.jnt_dofadr[joint] + len(_VELOCITIES.get(kinds[joint], (0,))))
            self._counts[dofs] = goal_joints is None or name in goal_joints
            self._wraps[dofs] = kinds[joint] == _HINGE and not model.jnt_limited[joint]

    def _expand(self, kinds: Sequence[int], parts: dict[int, tuple[str, ...]], suffix: str) -> tuple[str, ...]:
        return tuple(
            f"{name}.{part}" if part else f"{name}{suffix}"
            for name, kind in zip(self.names, kinds, strict=True)
            for part in parts.get(kind, ("",))
        )

    def difference(self, start: Array, end: Array) -> Array:
        """The motion from `start` to `end` (nq,), in the tangent space: (nv,), rad and m.

        Angles of hinges without limits are taken the short way round.
        """
        motion = np.zeros(self._model.nv)
        mujoco.mj_differentiatePos(self._model, motion, 1.0, start, end)
        return np.where(self._wraps, (motion + np.pi) % (2 * np.pi) - np.pi, motion)

    def distance(self, start: Array, end: Array) -> float:
        """The largest difference of any joint that counts, in rad or m."""
        return float(np.abs(self.difference(start, end)[self._counts]).max(initial=0.0))
