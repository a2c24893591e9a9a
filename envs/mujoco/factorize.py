"""Factors of variation for any Gymnasium MuJoCo environment and any MJCF model.

`factorize` derives the factors from the compiled model; nothing is declared by hand.
"""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.factors import Variation
from swm.core.protocols import Array
from swm.core.seeding import derive_seed
from swm.envs.mujoco import probe, start
from swm.envs.mujoco.env import MujocoEnv
from swm.envs.mujoco.render import Preset
from swm.envs.mujoco.standard import standard_factors

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION.value
_GOAL_STEPS = (5, 40)
"""Fewest and most steps of random controls that lead to a goal; more where that is not far enough."""
_MAX_TRIES = 100
_CONTROL_PERIOD = 0.04
"""Seconds between actions of an MJCF model, unless `frame_skip` says otherwise."""
_HARMLESS = ("TimeLimit", "OrderEnforcing", "PassiveEnvChecker")
"""Wrappers of `gymnasium.make` that change neither observation nor reward."""
_TRACK = {int(mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM): int(mujoco.mjtCamLight.mjCAMLIGHT_TRACK)}


def factorize(
    env_or_xml: Any,
    *,
    image_size: int | tuple[int, int] = 64,
    render_mode: str | None = "rgb_array",
    preset: Preset = "fast",
    goal_joints: Sequence[str] | None = None,
    success_radius: float = 0.05,
    frame_skip: int | None = None,
    **kwargs: Any,
) -> "FactorizedEnv":
    """Give an environment or a model factors of variation, goals, and exact states.

    The physics, rewards, terminations and resets of a Gymnasium environment stay its own, to the
    last bit as long as every factor has its default. A goal is a pose that random actions reach
    from the start.

    Args:
        env_or_xml: the id of a Gymnasium MuJoCo environment, such an environment, the path of an
            MJCF file, or MJCF text. An environment that is given is taken over.
        image_size: pixels of a square picture, or (height, width).
        render_mode: ``"rgb_array"`` or None.
        preset: quality of the pictures, ``"fast"`` or ``"full"``.
        goal_joints: the joints whose positions make the goal; None is all.
        success_radius: the goal is reached when no joint that counts is farther off, in rad or m.
        frame_skip: time steps of an MJCF model per step of the environment; None is about 0.04 s.
        kwargs: arguments for `gymnasium.make` with an id.

    Raises:
        InvalidValueError: this is no MuJoCo environment, has wrappers that change what it does, or
            the model has no joints or actuators.
        UnknownNameError: Gymnasium has no such id, or the model no such joint.
    """
    shared: dict[str, Any] = {
        "image_size": image_size,
        "render_mode": render_mode,
        "preset": preset,
        "goal_joints": goal_joints,
        "success_radius": success_radius,
    }
    if isinstance(env_or_xml, gymnasium.Env) or (isinstance(env_or_xml, str) and env_or_xml in gymnasium.registry):
        if frame_skip is not None:
            raise InvalidValueError("frame_skip belongs to MJCF models; a Gymnasium environment has its own.")
        return GymnasiumEnv(env_or_xml, **shared, **kwargs)
    if kwargs:
        raise UnknownNameError("argument of factorize() for an MJCF model", next(iter(kwargs)), [*shared, "frame_skip"])
    return ModelEnv(str(env_or_xml), frame_skip=frame_skip, **shared)


class FactorizedEnv(MujocoEnv):
    """A model with the factors of `standard_factors`, whose goals are poses that random actions reach.

    A free camera follows the first body that moves, along the floor.
    """

    max_episode_steps: int | None = None
    """The time limit of the original, which is the caller's to apply."""

    def __init__(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        *,
        frame_skip: int,
        camera: mujoco.MjvCamera,
        success_radius: float,
        **kwargs: Any,
    ) -> None:
        """Derive the factors; `kwargs` are those of `MujocoEnv`."""
        if model.nv == 0 or model.nu == 0:
            raise InvalidValueError("factorize() needs a model with joints and actuators; this one has none.")
        for modes in (model.cam_mode, model.light_mode):
            for old, new in _TRACK.items():  # the centre of mass depends on the masses, pictures must not
                modes[modes == old] = new
        self._frame_skip = frame_skip
        self.success_radius = success_radius
        factors = standard_factors(model, camera, self._begin_probe, frame_skip)
        super().__init__(model, factors, data=data, camera=camera, **kwargs)
        self._free = camera.type != mujoco.mjtCamera.mjCAMERA_FIXED.value
        self._followed = int(np.argmax(model.body_weldid > 0))
        self._look = np.zeros(3)
        self._begin_probe(self.data)
        mujoco.mj_kinematics(model, self.data)
        self._home = self.data.xpos[self._followed].copy()
        self._first_goal: Array = self._target

    @abstractmethod
    def _begin_probe(self, data: mujoco.MjData) -> None:
        """Write a typical start into data that are not the environment's."""

    @abstractmethod
    def _put_start(self) -> None:
        """Write the start of the episode into `data`."""

    def _begin(self, variation: Variation, seed: int) -> None:
        self._episode_seed = seed
        super()._begin(variation, seed)

    def _initialize(self, variation: Variation, seed: int) -> None:
        self._put_start()
        start.add_noise(self.model, self.data, variation, derive_seed(seed, "noise"))
        self._first_goal = self._reachable(np.random.default_rng(derive_seed(seed, "goal")), unsolved=True)

    def _show(self, variation: Variation) -> None:
        super()._show(variation)
        self._look = np.array(self.renderer.camera.lookat)

    def _draw(self) -> Array:
        if self._free:
            moved = self.data.xpos[self._followed] - self._home
            self.renderer.camera.lookat[:] = self._look + moved * (1.0, 1.0, 0.0)
        return super()._draw()

    def _draw_goal(self, seed: int) -> None:
        self._target = self._first_goal

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw joint positions (nq,) that random actions reach from the present state."""
        before = self.get_state()
        goal = self._reachable(rng)
        self._put_state(before)
        return goal

    def _reachable(self, rng: np.random.Generator, unsolved: bool = False) -> Array:
        """Joint positions after some random controls; the data are afterwards as they were, but for what follows."""
        state = np.empty(mujoco.mj_stateSize(self.model, _STATE))
        mujoco.mj_getState(self.model, self.data, state, _STATE)
        origin = self.data.qpos.copy()
        for attempt in range(_MAX_TRIES):
            steps = int(rng.integers(_GOAL_STEPS[0], _GOAL_STEPS[1] * (1 + attempt // 10), endpoint=True))
            for control in probe.random_controls(self.model, steps, rng):
                self.data.ctrl[:] = control
                mujoco.mj_step(self.model, self.data, self._frame_skip)
            goal: Array = self.data.qpos.copy()
            mujoco.mj_resetData(self.model, self.data)
            mujoco.mj_setState(self.model, self.data, state, _STATE)
            if not unsolved or self.joints.distance(origin, goal) >= self.success_radius:
                return goal
        raise InvalidValueError(
            f"random actions do not move the goal joints by {self.success_radius:g}: "
            "choose other goal_joints or a smaller success_radius."
        )


class ModelEnv(FactorizedEnv):
    """An MJCF model with the factors of `standard_factors`.

    The action is the control of each actuator within its range, or from -1 to 1 where it has none.
    The episode starts at the model's first key frame, or at its reference pose. The reward is minus
    the distance to the goal, and nothing terminates.
    """

    def __init__(self, xml: str, *, frame_skip: int | None = None, **kwargs: Any) -> None:
        """Compile the model; the other arguments are those of `factorize`."""
        text = xml.lstrip().startswith("<")
        if not text and not Path(xml).is_file():
            raise UnknownNameError("MuJoCo environment of Gymnasium, or MJCF file", xml, _mujoco_ids())
        try:
            model = mujoco.MjModel.from_xml_string(xml) if text else mujoco.MjModel.from_xml_path(xml)
        except ValueError as error:
            raise InvalidValueError(f"MuJoCo cannot compile this model: {error}") from error
        skip = max(1, round(_CONTROL_PERIOD / model.opt.timestep)) if frame_skip is None else frame_skip
        if skip < 1:
            raise InvalidValueError(f"frame_skip must be at least 1, got {frame_skip}.")
        data = mujoco.MjData(model)
        self._begin_probe(data)
        mujoco.mj_kinematics(model, data)
        super().__init__(model, data, frame_skip=skip, camera=_camera(model, data, {}), **kwargs)

    def _begin_probe(self, data: mujoco.MjData) -> None:
        if data.model.nkey:
            mujoco.mj_resetDataKeyframe(data.model, data, 0)

    def _put_start(self) -> None:
        if self.model.nkey:
            mujoco.mj_resetDataKeyframe(self.model, self.data, 0)

    def _simulate(self, action: Array) -> tuple[float, bool]:
        self.data.ctrl[:] = action
        mujoco.mj_step(self.model, self.data, self._frame_skip)
        self._refresh()
        return -self.joints.distance(self.data.qpos, self._target), False


class GymnasiumEnv(FactorizedEnv):
    """A Gymnasium MuJoCo environment with the factors of `standard_factors`.

    ``observation["proprio"]`` is the environment's own observation. Rewards and terminations are
    its own; its time limit is `max_episode_steps`.

    MuJoCo's derived quantities, which rewards look at, belong to the last time step but one. The
    state therefore has MuJoCo's state before the last time step too, and `set_state` takes that
    step again.
    """

    def __init__(self, env: gymnasium.Env[Any, Any] | EnvSpec | str, **kwargs: Any) -> None:
        """Take over `env`; the other arguments are those of `factorize` and of `gymnasium.make`."""
        own = {k: kwargs.pop(k) for k in ("image_size", "render_mode", "preset", "goal_joints", "success_radius")}
        made = env if isinstance(env, gymnasium.Env) else gymnasium.make(env, **kwargs)
        if isinstance(env, gymnasium.Env) and env.spec is not None:
            self._arguments = ((env.spec,), own)  # a copy is made anew rather than of the instance
        self.original: Any = _unwrap(made)
        self.max_episode_steps = made.spec.max_episode_steps if made.spec else None
        model, data = self.original.model, self.original.data
        self._previous: Array | None = None
        self._probe_start = np.zeros(0)
        self._episode_seed = 0
        self._put_start()
        self._probe_start = np.concatenate([data.qpos, data.qvel])
        config = self.original.mujoco_renderer.default_cam_config or {}
        camera = _camera(model, data, config)
        super().__init__(model, data, frame_skip=self.original.frame_skip, camera=camera, **own)
        assert isinstance(self.original.action_space, spaces.Box)
        self.action_space = self.original.action_space
        self.original._step_mujoco_simulation = self._step_original
        box = self.original.observation_space
        if isinstance(box, spaces.Box) and len(box.shape) == 1 and hasattr(self.original, "_get_obs"):
            proprio = spaces.Box(-np.inf, np.inf, box.shape, np.float64)
            self.observation_space = spaces.Dict({**self.observation_space, "proprio": proprio})

    def _begin_probe(self, data: mujoco.MjData) -> None:
        nq = len(data.qpos)
        data.qpos[:], data.qvel[:] = self._probe_start[:nq], self._probe_start[nq:]

    def _put_start(self) -> None:
        self._previous = None
        self.original.reset(seed=self._episode_seed)

    def _step_original(self, control: Array, frame_skip: int) -> None:
        """What the original does in a step, with a look at the state before the last time step."""
        self.data.ctrl[:] = control
        if frame_skip > 1:
            mujoco.mj_step(self.model, self.data, frame_skip - 1)
        self._previous = np.empty(mujoco.mj_stateSize(self.model, _STATE))
        mujoco.mj_getState(self.model, self.data, self._previous, _STATE)
        mujoco.mj_step(self.model, self.data)
        mujoco.mj_rnePostConstraint(self.model, self.data)

    def _simulate(self, action: Array) -> tuple[float, bool]:
        _, reward, terminated, _, _ = self.original.step(action)
        return float(reward), bool(terminated)

    def _observe(self) -> dict[str, Array]:
        seen = super()._observe()
        if "proprio" in self.observation_space.spaces:
            seen["proprio"] = np.array(self.original._get_obs(), np.float64)
        return seen

    def _extra_state(self) -> Array:
        size = mujoco.mj_stateSize(self.model, _STATE)
        return np.zeros(size + 1) if self._previous is None else np.append(self._previous, 1.0)

    def _put_state(self, state: Array) -> None:
        size = mujoco.mj_stateSize(self.model, _STATE)
        self._previous = None
        if len(state) != 2 * size + 1:
            super()._put_state(state)
        elif not (state[-1] and self._step_again(state[:size], state[size:-1])):
            mujoco.mj_resetData(self.model, self.data)
            mujoco.mj_setState(self.model, self.data, state[:size], _STATE)
            self._refresh()

    def _step_again(self, state: Array, previous: Array) -> bool:
        """Take the last time step again; whether that leads to `state`, as it does under the same physics."""
        mujoco.mj_resetData(self.model, self.data)
        mujoco.mj_setState(self.model, self.data, previous, _STATE)
        mujoco.mj_step(self.model, self.data)
        mujoco.mj_rnePostConstraint(self.model, self.data)
        reached = np.empty_like(state)
        mujoco.mj_getState(self.model, self.data, reached, _STATE)
        same = np.array_equal(reached, state)
        self._previous = previous.copy() if same else None
        return same

    def close(self) -> None:
        """Free what this and the original hold."""
        super().close()
        self.original.close()


def _unwrap(env: gymnasium.Env[Any, Any]) -> Any:
    """The MuJoCo environment within the wrappers of `gymnasium.make`."""
    from gymnasium.envs.mujoco import MujocoEnv as GymnasiumMujocoEnv  # late: it needs more than MuJoCo

    layer = env
    while isinstance(layer, gymnasium.Wrapper):
        if type(layer).__name__ not in _HARMLESS:
            raise InvalidValueError(
                f"factorize() would lose the wrapper {type(layer).__name__}; give the environment without it, "
                "and wrap what factorize() returns."
            )
        layer = layer.env
    if not isinstance(layer, GymnasiumMujocoEnv):
        raise InvalidValueError(f"{layer} is no MuJoCo environment of Gymnasium.")
    return layer


def _mujoco_ids() -> list[str]:
    return [name for name, spec in gymnasium.registry.items() if "mujoco" in str(spec.entry_point)]


def _camera(model: mujoco.MjModel, data: mujoco.MjData, config: dict[str, Any]) -> mujoco.MjvCamera:
    """The camera ``track``, or one as `config` says, or the first of the model, or a free one that shows what moves."""
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    track = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, "track")
    if track >= 0 or (model.ncam and not config):
        camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED.value, max(track, 0)
        return camera
    root = int(np.argmax(model.body_weldid > 0))
    moving = np.flatnonzero(model.body_weldid[model.geom_bodyid] > 0)
    gaps = np.linalg.norm(data.geom_xpos[moving] - data.xpos[root], axis=1) + model.geom_rbound[moving]
    fits = 1.2 * float(gaps.max(initial=0.0)) / np.sin(np.radians(model.vis.global_.fovy / 2))
    if 0 < fits < camera.distance:
        camera.distance, camera.lookat[:] = fits, data.xpos[root]
    for name in ("distance", "azimuth", "elevation"):
        setattr(camera, name, config.get(name, getattr(camera, name)))
    camera.lookat[:] = config.get("lookat", camera.lookat)
    return camera
