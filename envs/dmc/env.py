"""The environments of DeepMind Control."""

from collections.abc import Iterator
from contextlib import contextmanager

import mujoco
import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError, ShapeError, SwmError
from swm.core.factors import Variation
from swm.core.protocols import Array
from swm.core.seeding import derive_seed
from swm.core.spaces import action_bounds
from swm.envs.dmc.domains import DOMAINS
from swm.envs.dmc.factors import make_factors
from swm.envs.dmc.goals import EXACT, PoseGoal, TargetGoal
from swm.envs.dmc.parts import TARGET_RADIUS
from swm.envs.dmc.simulator import PhysicsError
from swm.envs.dmc.tasks import load_task
from swm.envs.mujoco.env import MujocoEnv
from swm.envs.mujoco.render import Preset

_MAX_DRAWS = 50
_TOUCHES = 1e-3
"""What a contact counts in the choice of a goal's pose, in m of distance from the target."""
_HOLD = 0.25
"""Seconds for which random controls are held on the way to a goal."""
_PLANE = int(mujoco.mjtGeom.mjGEOM_PLANE)
_WIDE, _SPACING = 50.0, 2.5
"""Floors that reach as far (m) in both directions have vertices this far apart (m) in the preset ``"fast"``.

Lighting the 40,000 vertices of MuJoCo's grid of 1 m takes most of the time of a picture; the light
on the floor differs by 1.5 of 255 on average.
"""
_TRACK = int(mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM)


def task_seed(seed: int) -> int:
    """The seed of dm_control's ``RandomState`` in the episode that `FactoredEnv.reset` begins with `seed`."""
    return derive_seed(seed, "start") % 2**32


class DMControlEnv(MujocoEnv):
    """A task of DeepMind Control, or one that it lacks, with factors of variation and goals.

    ## Description
    Models, starts, steps and rewards are dm_control's own (`swm.envs.dmc.tasks` has the further
    tasks): at the default factors an episode is that of ``dm_control.suite.load``, to the last bit,
    with a ``RandomState`` of `task_seed`.

    ## Action Space
    ``Box(low, high, (A,), float32)``: the controls of the model's actuators, mostly from -1 to 1.

    ## Observation Space
    | component | shape | dtype | content | unit |
    |---|---|---|---|---|
    | ``pixels`` | (height, width, 3) | uint8 | the view of the domain's camera, RGB | - |
    | ``state`` | (S,) | float64 | joint positions, velocities, activations, the target; see ``state_names`` | SI |
    | ``proprio`` | (P,) | float64 | positions and velocities of the robot's own joints, if there are others | SI |

    `get_state` is MuJoCo's full integration state. The target belongs to the goal, not to the
    state: `set_state` leaves it where it is.

    ## Goals
    A goal is the joint positions, followed by the target's coordinates where the task has a target
    (reacher easy and hard, finger turn, acrobot, manipulator). With a target, success is the task's
    own predicate: the point that shall reach it is within its radius. Without one, the largest
    difference of the joints that count decides (`swm.envs.dmc.goals`, `swm.envs.dmc.domains`). The
    swing-up tasks and ball-in-cup have the pose that their task rewards as the goal of every
    episode; the others draw one. `set_goal` takes any state: its pose becomes the goal, and the
    target moves to where the point is in that state.

    ## Rewards
    dm_control's, in [0, 1] per control step, summed over `action_repeat`.

    ## Starting State
    dm_control's. A start at the goal is drawn again from the same ``RandomState`` where the start or
    the task fixes the goal; otherwise the goal is drawn again.

    ## Episode End
    Never terminates, like these tasks of dm_control. ``gymnasium.make`` truncates after 1000 control
    steps, dm_control's limit.

    ## Arguments
    ``domain``, ``task``: as in dm_control, with underscores. ``image_size``: pixels of a square
    picture or (height, width), default 64. ``render_mode``: ``"rgb_array"`` (default) or None.
    ``preset``: ``"fast"`` (default) or ``"full"``. ``action_repeat``: control steps per step, default 1.

    ## Version History
    - v0: first version.
    """

    def __init__(
        self,
        domain: str,
        task: str,
        image_size: int | tuple[int, int] = 64,
        render_mode: str | None = "rgb_array",
        preset: Preset = "fast",
        action_repeat: int = 1,
    ) -> None:
        """Make the environment; see the class for the arguments.

        Raises:
            UnknownNameError: there is no such domain or task.
            InvalidValueError: `action_repeat` is not a positive integer.
        """
        if not isinstance(action_repeat, int) or action_repeat < 1:
            raise InvalidValueError(f"action_repeat is {action_repeat!r}; it must be an integer of at least 1.")
        loaded, self._reward = load_task(domain, task)
        self._physics, self._task, self._num_substeps = loaded.physics, loaded.task, loaded._n_sub_steps
        self.action_repeat = action_repeat
        about, model = DOMAINS[domain], loaded.physics.model.ptr
        if preset == "fast":
            wide = (model.geom_type == _PLANE) & (model.geom_size[:, :2].min(axis=1) >= _WIDE)
            model.geom_size[wide, 2] = _SPACING
        super().__init__(
            model,
            make_factors(domain, task, model, about.camera),
            image_size=image_size,
            render_mode=render_mode,
            preset=preset,
            camera=about.camera,
            data=loaded.physics.data.ptr,
            scratch_fields=about.scratch_fields,
        )
        self.metadata = {**self.metadata, "render_fps": round(1 / (loaded.control_timestep() * action_repeat))}
        self._rule, self._scratch_fields = about.make_goal(model, task), about.scratch_fields
        self.success_radius = self._rule.radius(model)
        self._shares = model.body_mass * (model.body_rootid > 0) / model.body_mass.sum()
        self._followers = np.flatnonzero(model.cam_mode == _TRACK)
        self._lamps = np.flatnonzero(model.light_mode == _TRACK)
        self._body = np.array([model.joint(name).id for name in about.body], np.int64)
        self._name_spaces(about.body)

    def _name_spaces(self, body: tuple[str, ...]) -> None:
        """Name the entries of states and goals."""
        model, target = self.model, self._rule.target_names
        activations = tuple(f"{model.actuator(index).name}.activation" for index in range(model.na))
        self.state_names = (*self.state_names, *activations, *target)
        self.goal_names = (*self.goal_names, *target)
        self.goal_space = spaces.Box(-np.inf, np.inf, (len(self.goal_names),), np.float64)
        sizes = {"state": len(self.state_names)} | ({"proprio": 2 * len(body)} if body else {})
        vectors = {name: spaces.Box(-np.inf, np.inf, (size,), np.float64) for name, size in sizes.items()}
        self.observation_space = spaces.Dict({"pixels": self.observation_space["pixels"], **vectors})

    # --------------------------------------------------------------------------------- the episode

    def _initialize(self, variation: Variation, seed: int) -> None:
        self._task.random.seed(seed % 2**32)
        self._watch()
        self._restart()
        rng = np.random.default_rng(derive_seed(seed, "goal"))
        for _ in range(_MAX_DRAWS):
            self._target = self._pose_for_target(rng) if self._rule.target_names else self._draw_pose(rng)
            if not self._goal()[1]:
                return
            if self._rule.follows_start:
                self._restart()
        raise InvalidValueError(f"each of {_MAX_DRAWS} starts is at its goal: the goal is too easy to reach.")

    def _watch(self) -> None:
        """Remember where the cameras and lights that follow the robot are, seen from its centre of mass."""
        model = self.model
        self._offsets = model.cam_poscom0[self._followers].copy(), model.light_poscom0[self._lamps].copy()

    def _draw(self) -> Array:
        """Draw; what follows the centre of mass follows that of the default masses, so that masses do not show."""
        if len(self._followers) or len(self._lamps):
            centre = self._shares @ self.data.xipos
            self.data.cam_xpos[self._followers], self.data.light_xpos[self._lamps] = (o + centre for o in self._offsets)
        return super()._draw()

    def _draw_goal(self, seed: int) -> None:
        """Nothing is left to do: `_initialize` has drawn the goal before the physical factors were applied."""

    def _restart(self) -> None:
        """Let dm_control draw a start, and a target if the task has one."""
        with self._physics.reset_context():
            self._task.initialize_episode(self._physics)
            self._rule.write_target(self.model, self._rule.read_target(self.model))
            if TARGET_RADIUS in self._drawn:
                self._rule.resize_target(self.model, self._drawn[TARGET_RADIUS])

    def _refresh(self) -> None:
        mujoco.mj_step1(self.model, self.data)  # as dm_control ends a step

    def _simulate(self, action: Array) -> tuple[float, bool]:
        total = 0.0
        for _ in range(self.action_repeat):
            self._task.before_step(action, self._physics)
            try:
                self._physics.step(self._num_substeps)
            except PhysicsError as error:
                raise SwmError(f"the simulation became unstable with {self.variation}: {error}") from error
            self._task.after_step(self._physics)
            total += float(self._goal()[1] if self._reward is None else self._reward(self._physics))
        return total, False

    # ---------------------------------------------------------------------------- states and goals

    def _observe(self) -> dict[str, Array]:
        data = self.data
        parts = (data.qpos, data.qvel, data.act, self._rule.read_target(self.model))
        observation = {"pixels": self._draw(), "state": np.concatenate(parts)}
        if len(self._body):
            own = data.qpos[self.model.jnt_qposadr[self._body]], data.qvel[self.model.jnt_dofadr[self._body]]
            observation["proprio"] = np.concatenate(own)
        return observation

    def _goal(self) -> tuple[Array, bool, float]:
        distance, radius = self._rule.distance(self.data, self._target), self._rule.radius(self.model)
        reached = distance <= radius if self._rule.target_names else distance < radius
        return self._target.copy(), reached, distance

    def set_state(self, state: Array) -> None:
        """Continue from a full state, or from the state of an observation, otherwise at rest.

        The target of the episode stays where it is.

        Raises:
            ShapeError: the length is another.
            InvalidValueError: a number is not finite.
        """
        super().set_state(state)

    def _put_state(self, state: Array) -> None:
        if len(state) != len(self.state_names):
            super()._put_state(state)
            return
        data, ends = self.data, np.cumsum((self.model.nq, self.model.nv, self.model.na))
        mujoco.mj_resetData(self.model, data)
        data.qpos[:], data.qvel[:], data.act[:], _ = np.split(state, ends)
        self._refresh()

    def set_goal(self, goal: Array) -> None:
        """Set the goal to a goal, or to what is reached in a state of this environment.

        Raises:
            ShapeError: the length is another.
            InvalidValueError: a number is not finite.
        """
        self._check_begun()
        vector, nq = self._check_vector("goal", goal), self.model.nq
        if len(vector) != len(self.goal_names):
            full = len(self.get_state())
            if len(vector) not in (len(self.state_names), full):
                allowed = f"({len(self.goal_names)},), ({len(self.state_names)},) or ({full},)"
                raise ShapeError("goal", allowed, vector.shape)
            first = 1 if len(vector) == full else 0  # the time comes first
            vector = self._goal_at(vector[first : first + nq])
        self._set_goal(vector)

    def _goal_at(self, qpos: Array) -> Array:
        """The goal that is reached at joint positions `qpos`."""
        self._scratch.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self._scratch)
        return np.concatenate([qpos, self._rule.point(self._scratch)])

    def _set_goal(self, goal: Array) -> None:
        self._target = goal.copy()
        if self._rule.target_names:
            self._rule.write_target(self.model, goal[self.model.nq :])
            self._refresh()

    def goal_state(self) -> Array:
        """The pose of the goal at rest, with the target: as an observation's state."""
        self._check_begun()
        pose, target = np.split(self._target, [self.model.nq])
        return np.concatenate([pose, np.zeros(self.model.nv + self.model.na), target])

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw a goal as a new episode would have it; see the class."""
        self._check_begun()
        if not self._rule.target_names:
            return self._draw_pose(rng)
        with self._aside(rng):
            self._restart()
            return self._pose_for_target(rng)

    @contextmanager
    def _aside(self, rng: np.random.Generator) -> Iterator[None]:
        """Let dm_control draw from `rng`; put its generator, the model and the state back afterwards."""
        own, before = self._task.random.get_state(), self.get_state()
        written = [getattr(self.model, field).copy() for field in self._scratch_fields]
        self._task.random.seed(int(rng.integers(2**32)))
        yield
        self._task.random.set_state(own)
        for field, value in zip(self._scratch_fields, written, strict=True):
            getattr(self.model, field)[:] = value
        self._put_state(before)

    def _draw_pose(self, rng: np.random.Generator) -> Array:
        """A pose that is a goal (nq,)."""
        rule = self._rule
        assert isinstance(rule, PoseGoal)
        if rule.fixed is not None:
            return rule.fixed + (0.0 if rule.spread is None else rng.uniform(-rule.spread, rule.spread))
        with self._aside(rng):
            self._restart()
            for _ in range(round(rule.motion / _HOLD)):
                self.data.ctrl[:] = rng.uniform(*action_bounds(self.action_space))
                mujoco.mj_step(self.model, self.data, round(_HOLD / self.model.opt.timestep))
            pose: Array = self.data.qpos.copy()
        return pose

    def _pose_for_target(self, rng: np.random.Generator) -> Array:
        """A goal (nq + k,): starts are drawn until one, moved to the target, is there and touches nothing.

        A target out of reach gets the nearest of the poses.
        """
        rule = self._rule
        assert isinstance(rule, TargetGoal)
        target, best = rule.read_target(self.model), np.inf
        pose: Array = self.model.qpos0.copy()
        with self._aside(rng):
            for _ in range(0 if rule.at_reference else _MAX_DRAWS):
                self._restart()
                rule.reach(self.model, self.data, target)
                mujoco.mj_fwdPosition(self.model, self.data)
                error = float(np.linalg.norm(rule.point(self.data) - target)) + (_TOUCHES if self.data.ncon else 0.0)
                if error < best:
                    best, pose = error, self.data.qpos.copy()
                if best < EXACT:
                    break
        return np.concatenate([pose, target])
