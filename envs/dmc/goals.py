"""What it means to be at a goal: a pose of the joints, or a point of the robot at a movable target."""

from collections.abc import Callable, Mapping, Sequence

import mujoco
import numpy as np

from swm.core.protocols import Array
from swm.envs.mujoco.states import Joints

Radius = Callable[[mujoco.MjModel], float]
"""The distance at which the goal is reached, which may depend on the sizes of things."""
_FREE = int(mujoco.mjtJoint.mjJNT_FREE)
_ITERATIONS, _MAX_MOVE, _DAMPING = 60, 0.5, 1e-8
EXACT = 1e-9
"""Distance in m below which a point is at its target."""


class PoseGoal:
    """The goal is a vector of joint positions; the largest part of the way to it is the distance.

    A part is a joint's difference, or a linear combination of several. Of a free root the parts are
    the height and the angle between the two directions of up as the body sees them: neither the
    place on the floor nor the heading counts.
    """

    target_names: tuple[str, ...] = ()
    follows_start: bool
    """Whether the start or the task fixes the goal, so that another goal needs another start."""

    def __init__(
        self,
        model: mujoco.MjModel,
        *,
        radius: Radius,
        ignored: Sequence[str] = (),
        parts: Sequence[Mapping[str, float]] = (),
        fixed: Sequence[float] | None = None,
        spread: Sequence[float] | None = None,
        motion: float = 0.0,
    ) -> None:
        """Choose the joints that count.

        Args:
            model: the compiled model.
            radius: the distance below which the goal is reached.
            ignored: joints that do not count.
            parts: joint -> factor, for each part; empty is each joint by itself.
            fixed: the pose (nq,) that is the goal of every episode; None draws one like a start.
            spread: half of the range (nq,) around `fixed` from which the goal is drawn.
            motion: seconds of random controls that lead from a drawn start to the goal.
        """
        self.radius, self.motion = radius, motion
        self.fixed = None if fixed is None else np.asarray(fixed, np.float64)
        self.spread = None if spread is None else np.asarray(spread, np.float64)
        self.follows_start = fixed is not None and spread is None
        self._joints = Joints(model)
        self._free = bool(model.njnt) and int(model.jnt_type[0]) == _FREE
        dof = {name: int(model.jnt_dofadr[index]) for index, name in enumerate(self._joints.names)}
        if self._free:
            dof[self._joints.names[0]] += 2  # the height
        rows = parts or [{name: 1.0} for name in self._joints.names if name not in ignored]
        self._weights = np.zeros((len(rows), model.nv))
        for row, part in enumerate(rows):
            for name, factor in part.items():
                self._weights[row, dof[name]] = factor

    def distance(self, data: mujoco.MjData, goal: Array) -> float:
        """The largest part of the way from the pose of `data` to `goal`."""
        parts = np.abs(self._weights @ self._joints.difference(data.qpos, goal))
        tilt = np.arccos(np.clip(_up(data.qpos) @ _up(goal), -1.0, 1.0)) if self._free else 0.0
        return float(max(parts.max(), tilt))

    def read_target(self, model: mujoco.MjModel) -> Array:
        """There is none: (0,)."""
        return np.zeros(0)

    def write_target(self, model: mujoco.MjModel, target: Array) -> None:
        """There is none."""

    def resize_target(self, model: mujoco.MjModel, radius: float) -> None:
        """There is none."""

    def point(self, data: mujoco.MjData) -> Array:
        """There is none: (0,)."""
        return np.zeros(0)


class TargetGoal:
    """The goal is a target in the world that a point of the robot shall reach, and a pose in which it does.

    The target alone decides; the pose is for pictures and states at the goal.
    """

    follows_start = True

    def __init__(
        self,
        model: mujoco.MjModel,
        *,
        radius: Radius,
        point: tuple[str, str],
        target: tuple[str, str],
        axes: Sequence[int],
        movable: Sequence[str],
    ) -> None:
        """Name the point and the target.

        Args:
            model: the compiled model.
            radius: the distance up to which the goal is reached.
            point: kind (``"geom"`` or ``"site"``) and name of what shall reach the target.
            target: kind (``"geom"``, ``"site"`` or ``"body"``) and name of the target, a child of the world.
            axes: the coordinates that count.
            movable: hinges and slides that bring the point to the target; empty where the model's
                reference pose does.
        """
        self.radius = radius
        self.target_names = tuple(f"target.{'xyz'[axis]}" for axis in axes)
        self.at_reference = not movable
        self._axes = np.array(axes)
        self._point_field, self._target_field = f"{point[0]}_xpos", f"{target[0]}_pos"
        self._jacobian = {"geom": mujoco.mj_jacGeom, "site": mujoco.mj_jacSite}[point[0]]
        self._point_id = getattr(model, point[0])(point[1]).id
        self._target_id = getattr(model, target[0])(target[1]).id
        body = target[0] == "body"
        self._target_size = (
            ("geom_size", model.body_geomadr[self._target_id]) if body else (f"{target[0]}_size", self._target_id)
        )
        self._target_quat = model.body_quat[self._target_id] if body else None
        joints = [model.joint(name).id for name in movable]
        self._dofs, self._addresses = model.jnt_dofadr[joints], model.jnt_qposadr[joints]
        limited = model.jnt_limited[joints].astype(np.bool_)[:, None]
        self._low, self._high = np.where(limited, model.jnt_range[joints], [[-np.inf, np.inf]]).T

    def distance(self, data: mujoco.MjData, goal: Array) -> float:
        """The distance from the point to the target that the end of `goal` holds, in m."""
        return float(np.linalg.norm(self.point(data) - goal[-len(self._axes) :]))

    def read_target(self, model: mujoco.MjModel) -> Array:
        """The coordinates of the target that count, in m."""
        return np.array(getattr(model, self._target_field)[self._target_id][self._axes])

    def write_target(self, model: mujoco.MjModel, target: Array) -> None:
        """Move the target; one that is a body is put upright."""
        getattr(model, self._target_field)[self._target_id, self._axes] = target
        if self._target_quat is not None:
            self._target_quat[:] = (1.0, 0.0, 0.0, 0.0)

    def resize_target(self, model: mujoco.MjModel, radius: float) -> None:
        """Set the radius of the target in m, in every direction."""
        size, row = self._target_size
        getattr(model, size)[row] = radius

    def point(self, data: mujoco.MjData) -> Array:
        """The coordinates of the point that count, in m."""
        return np.array(getattr(data, self._point_field)[self._point_id][self._axes])

    def reach(self, model: mujoco.MjModel, data: mujoco.MjData, target: Array) -> None:
        """Move the joints of `data` so that the point is at `target`, or near it, by damped Gauss-Newton steps."""
        jacobian = np.zeros((3, model.nv))
        for _ in range(_ITERATIONS):
            mujoco.mj_kinematics(model, data)
            error = target - self.point(data)
            if np.linalg.norm(error) < EXACT:
                return
            mujoco.mj_comPos(model, data)
            self._jacobian(model, data, jacobian, None, self._point_id)
            ways = jacobian[np.ix_(self._axes, self._dofs)]
            move = ways.T @ np.linalg.solve(ways @ ways.T + _DAMPING * np.eye(len(error)), error)
            wanted = data.qpos[self._addresses] + np.clip(move, -_MAX_MOVE, _MAX_MOVE)
            data.qpos[self._addresses] = np.clip(wanted, self._low, self._high)


Goal = PoseGoal | TargetGoal


def _up(qpos: Array) -> Array:
    """The direction of up in the frame of a free root (3,)."""
    w, x, y, z = qpos[3:7] / max(float(np.linalg.norm(qpos[3:7])), 1e-12)
    return np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])
