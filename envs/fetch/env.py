"""swm/FetchReach-v0, swm/FetchPush-v0, swm/FetchSlide-v0, swm/FetchPickAndPlace-v0, each also with a dense reward."""

import copy
from collections.abc import Sequence

import mujoco
import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError, ShapeError, UnknownNameError
from swm.core.factors import Variation
from swm.core.protocols import Array
from swm.envs.fetch.arm import Arm, reach, settle
from swm.envs.fetch.factors import make_constraints, make_factors, object_place, target_place
from swm.envs.fetch.model import compile_model, make_camera
from swm.envs.fetch.task import OBJECT_SIZE, SUBSTEPS, SUCCESS_DISTANCE, TASKS
from swm.envs.mujoco.env import MujocoEnv
from swm.envs.mujoco.factor import ModelFactor
from swm.envs.mujoco.render import Preset

PROPRIO_NAMES = (
    *("grip_x", "grip_y", "grip_z", "right_finger", "left_finger"),
    *("grip_dx", "grip_dy", "grip_dz", "right_finger_step", "left_finger_step"),
)
"""Place of the gripper and of its fingers in m, and their velocities in m per environment step."""
_UPRIGHT = (1.0, 0.0, 0.0, 0.0)
_GRASP = 0.0009
"""What a finger's inner face is further out than its joint says, in m."""
_BESIDE = 0.024
"""Between the centre of the closed gripper and an object's corner that it is about to touch, in m."""


class FetchEnv(MujocoEnv):
    """Reach, push, slide, or pick and place with a Fetch robot.

    ## Description
    The four tasks of "Multi-Goal Reinforcement Learning" (Plappert et al. 2018, arXiv 1802.09464)
    as Gymnasium-Robotics 1.4.2 has them, whose model files this environment loads: the same motion
    and rewards from the same state. The gripper of a robot with seven joints follows an aim in
    space. In ``reach`` it has to come to the goal itself; in ``push`` a box and in ``slide`` a puck
    has to, with the gripper closed; in ``pick_and_place`` the fingers move and half of the goals
    are in the air. In ``slide`` the table is slippery and most goals are beyond the arm's reach.

    ## Action Space
    ``Box(-1, 1, (4,), float32)``: the aim ahead of the gripper along x, y and z as a share of
    ``agent.speed`` (the gripper follows about two thirds of it in a step), and the motion of the
    fingers, from -1 (close) to 1 (open), which does nothing but in ``pick_and_place``.

    ## Observation Space
    | component | shape | dtype | content | unit |
    |---|---|---|---|---|
    | ``pixels`` | (height, width, 3) | uint8 | the table from above, RGB | - |
    | ``state`` | (30,), with an object (43,) | float64 | joints, named by `state_names` | m, rad, s |
    | ``proprio`` | (10,) | float64 | the gripper, `PROPRIO_NAMES` | m, m per step |

    The goal state is the goal's position x, y, z, float64 of shape (3,), in m.

    ## Rewards
    ``reward="sparse"``: 0 less than 5 cm from the goal, or exactly there, otherwise -1.
    ``reward="dense"``: minus the distance to the goal in m.

    ## Starting State
    The gripper is where it has settled, 12 cm above the table in ``reach`` and ``pick_and_place``.
    Object and goal are drawn around it, at least 10 cm from the gripper the object and at least
    6 cm from the start the goal.

    ## Episode End
    Never terminates: ``info["success"]`` is true less than 5 cm from the goal. ``gymnasium.make``
    truncates after 50 steps.

    ## Arguments
    ``task``: ``"reach"``, ``"push"``, ``"slide"`` or ``"pick_and_place"``.
    ``reward``: ``"sparse"`` (default) or ``"dense"``.
    ``image_size``: pixels of a square picture or (height, width), default 64.
    ``render_mode``: ``"rgb_array"`` (default) or None.
    ``preset``: quality of the pictures, ``"fast"`` (default) or ``"full"``.

    ## Factors
    Groups ``agent``, ``object``, ``target``, ``table``, ``floor``, ``background``, ``light``,
    ``camera`` and ``gravity``; `factors` has their ranges. Every reset draws the positions of
    object and goal.

    ## Version History
    - v0: first version.
    """

    success_radius = SUCCESS_DISTANCE

    def __init__(
        self,
        task: str = "reach",
        reward: str = "sparse",
        image_size: int | tuple[int, int] = 64,
        render_mode: str | None = "rgb_array",
        preset: Preset = "fast",
    ) -> None:
        """Make the environment; see the class for the arguments.

        Raises:
            UnknownNameError: `task`, `reward`, `render_mode` or `preset` is not one of those named.
            InvalidValueError: `image_size` is not allowed.
        """
        for what, given, known in (("task of Fetch", task, TASKS), ("reward of Fetch", reward, ("sparse", "dense"))):
            if given not in known:
                raise UnknownNameError(what, given, known)
        self._name, self._task, self._dense = task, TASKS[task], reward == "dense"
        model, camera = copy.copy(compile_model(task)), make_camera(self._task)
        super().__init__(
            model,
            make_factors(self._task, model, camera),
            constraints=make_constraints(self._task),
            image_size=image_size,
            render_mode=render_mode,
            preset=preset,
            camera=camera,
        )
        self._arm = Arm(model, self.data)
        self._marker = model.site("target0").id
        self._achieved = model.site("object0").id if self._task.has_object else self._arm.site
        self._object = slice(model.nq - 7, model.nq if self._task.has_object else model.nq - 7)
        self._located: Array = np.array(model.qpos0)
        self._jacobian = np.zeros((3, model.nv))
        self.goal_names = ("x", "y", "z")
        self.action_space = spaces.Box(-1.0, 1.0, (4,), np.float32)
        self.goal_space = spaces.Box(-np.inf, np.inf, (3,), np.float64)
        self.observation_space["proprio"] = spaces.Box(-np.inf, np.inf, (len(PROPRIO_NAMES),), np.float64)

    # -------------------------------------------------------------------------------------- motion

    def _initialize(self, variation: Variation, seed: int) -> None:
        start, data, place = settle(self._name), self.data, variation["agent.position"]
        data.qpos[:], data.time = self._posture(place), start.time
        if np.array_equal(place, self._task.home):
            data.qvel[:] = start.qvel
        if self._task.has_object:
            half = 0.5 * variation["object.angle"] if self._task.square else 0.0
            data.qpos[self._object] = (*object_place(self._task, variation), np.cos(half), 0.0, 0.0, np.sin(half))
        self._located = data.qpos.copy()

    def _simulate(self, action: Array) -> tuple[float, bool]:
        self._arm.aim(self._drawn["agent.speed"] * action[:3], action[3])
        mujoco.mj_step(self.model, self.data, nstep=SUBSTEPS - 1)
        self._located[:] = self.data.qpos
        mujoco.mj_step(self.model, self.data)
        if not self._task.fingers_move:
            self._arm.hold_fingers()
        _, _, distance = self._goal()
        if self._dense:
            return -distance, False
        return 0.0 if distance <= SUCCESS_DISTANCE else -1.0, False

    def _edit(self, factors: Sequence[ModelFactor], variation: Variation) -> None:
        weld = self.model.eq_data.copy()
        super()._edit(factors, variation)
        self.model.eq_data[:] = weld  # mj_setConst welds gripper and aim as they are in the model's zero posture

    def _refresh(self) -> None:
        mujoco.mj_forward(self.model, self.data)
        if self._task.fingers_move:
            qpos = self.data.qpos.copy()
            self.data.qpos[:] = self._located
            self._arm.locate()
            self.data.qpos[:] = qpos

    def _extra_state(self) -> Array:
        """The positions of which everything's place was computed, one simulation step back if the fingers move.

        The package shows and steers by those; where the fingers do not move it computes places anew.
        """
        return self._located.copy() if self._task.fingers_move else np.zeros(0)

    def _set_extra_state(self, extra: Array) -> None:
        self._located[: len(extra)] = extra

    def _put_state(self, state: Array) -> None:
        if len(state) == self.model.nq + self.model.nv:
            self._located[:] = state[: self.model.nq]
        super()._put_state(state)

    def _observe(self) -> dict[str, Array]:
        arm, data = self._arm, self.data
        mujoco.mj_jacSite(self.model, data, self._jacobian, None, arm.site)
        step = SUBSTEPS * self.model.opt.timestep
        velocity = np.concatenate([self._jacobian @ data.qvel, data.qvel[arm.velocities]]) * step
        proprio = np.concatenate([arm.place, data.qpos[arm.positions], velocity])
        return {**super()._observe(), "proprio": proprio}

    # --------------------------------------------------------------------------------------- goals

    def _goal(self) -> tuple[Array, bool, float]:
        distance = float(np.linalg.norm(self.data.site_xpos[self._achieved] - self._target, axis=-1))
        return self._target.copy(), distance < self.success_radius, distance

    def _draw_goal(self, seed: int) -> None:
        self._aim_for(target_place(self._task, self._drawn))

    def _aim_for(self, target: Array) -> None:
        """Take a goal and put its marker there."""
        self._target = target
        body = self.model.site_bodyid[self._marker]
        self.model.site_pos[self._marker] = target - self.data.xpos[body]
        self.data.site_xpos[self._marker] = target

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw a goal (3,) from the train ranges, at least 6 cm from the start of the running episode."""
        self._check_begun()
        drawn = [factor for factor in self.factors.values() if factor.group == "target" and factor.kind == "task"]
        while True:
            values = {**self._drawn, **{factor.name: factor.sample_train(rng) for factor in drawn}}
            if all(constraint.holds(values) for constraint in self.factors.constraints):
                return target_place(self._task, values)

    def set_goal(self, goal: Array) -> None:
        """Set the goal to a position (3,), or to what a state of this environment has reached.

        Raises:
            ShapeError: the length is another.
            InvalidValueError: a number is not finite.
        """
        self._check_begun()
        vector = self._check_vector("goal", goal)
        observed, full = self.model.nq + self.model.nv, len(self.get_state())
        if len(vector) == 3:
            self._aim_for(vector.copy())
        elif len(vector) in (observed, full):
            first = 0 if len(vector) == observed else 1
            self._aim_for(self._reached(vector[first : first + self.model.nq]))
        else:
            raise ShapeError("goal", f"(3,), ({observed},) or ({full},)", vector.shape)

    def _reached(self, qpos: Array) -> Array:
        """What a posture (nq,) has reached: the place (3,) of the object or of the gripper."""
        self._scratch.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self._scratch)
        place: Array = self._scratch.site_xpos[self._achieved].copy()
        return place

    def goal_state(self) -> Array:
        """A state (nq + nv,) at the goal, at rest: the gripper there, around the box there, or beside it.

        In ``push`` the gripper touches the box from the side of its start; in ``slide`` it is where
        it began.

        Raises:
            InvalidValueError: the task is ``reach`` and the gripper cannot come near the goal.
        """
        self._check_begun()
        qpos = self._posture(self._hand_at_goal()).copy()
        if self._task.has_object:
            qpos[self._object] = (*self._target, *_UPRIGHT)
        missed = float(np.linalg.norm(self._reached(qpos) - self._target))
        if missed >= self.success_radius:
            raise InvalidValueError(
                f"the gripper cannot come nearer than {missed:.2f} m to the goal {self._target.round(3).tolist()}; "
                f"the goal must be nearer to its home {self._task.home}."
            )
        if self._task.fingers_move:
            qpos[self._arm.positions] = OBJECT_SIZE * self._drawn["object.size"] - _GRASP
        return np.concatenate([qpos, np.zeros(self.model.nv)])

    def _hand_at_goal(self) -> Array:
        """Where the gripper is at the goal, (3,)."""
        if self._name == "slide":
            return np.array(self._drawn["agent.position"])
        if self._name != "push":
            return self._target
        way = self._target[:2] - self._drawn["object.position"]
        length = np.linalg.norm(way)
        direction = way / length if length > 0 else np.array([1.0, 0.0])
        gap = np.sqrt(2) * OBJECT_SIZE * self._drawn["object.size"] + _BESIDE
        return np.array([*(self._target[:2] - gap * direction), self._task.home[2]])

    def _posture(self, place: Array) -> Array:
        """The posture (nq,) with the gripper as near to `place` as it gets; not to be written to."""
        if np.array_equal(place, self._task.home):
            return settle(self._name).qpos
        return reach(self._name, tuple(place.tolist()))
