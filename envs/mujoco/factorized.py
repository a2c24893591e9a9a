"""An environment made from a model alone: standard factors, goals that random actions reach, a camera that fits."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.factors import Variation
from swm.core.protocols import Array
from swm.core.seeding import derive_seed
from swm.envs.mujoco import probe, start
from swm.envs.mujoco.env import MujocoEnv
from swm.envs.mujoco.standard import standard_factors

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION.value
_GOAL_STEPS = (5, 40)
"""Fewest and most steps of random controls that lead to a goal; more where that is not far enough."""
_MAX_TRIES = 100
_CONTROL_PERIOD = 0.04
"""Seconds between actions of an MJCF model, unless `frame_skip` says otherwise."""
_TRACK = {int(mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM): int(mujoco.mjtCamLight.mjCAMLIGHT_TRACK)}


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
        super().__init__(model, data, frame_skip=skip, camera=choose_camera(model, data, {}), **kwargs)

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


def _mujoco_ids() -> list[str]:
    return [name for name, spec in gymnasium.registry.items() if "mujoco" in str(spec.entry_point)]


def choose_camera(model: mujoco.MjModel, data: mujoco.MjData, config: dict[str, Any]) -> mujoco.MjvCamera:
    """The camera ``track``, or one as `config` says, or the first of the model, or a free one that shows what moves."""
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    track = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, "track")
    if track >= 0 or (model.ncam and not config):
        camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED.value, max(track, 0)
        return camera
    root = int(np.argmax(model.body_weldid > 0))
    geoms = np.flatnonzero(model.body_weldid[model.geom_bodyid] > 0)
    sites = np.flatnonzero(model.body_weldid[model.site_bodyid] > 0)
    places = np.concatenate([data.geom_xpos[geoms], data.site_xpos[sites]])
    radii = np.concatenate([model.geom_rbound[geoms], model.site_size[sites].max(axis=1, initial=0.0)])
    gaps = np.linalg.norm(places - data.xpos[root], axis=1) + radii
    fits = 1.2 * float(gaps.max(initial=0.0)) / np.sin(np.radians(model.vis.global_.fovy / 2))
    if 0 < fits < camera.distance:
        camera.distance, camera.lookat[:] = fits, data.xpos[root]
    for name in ("distance", "azimuth", "elevation"):
        setattr(camera, name, config.get(name, getattr(camera, name)))
    camera.lookat[:] = config.get("lookat", camera.lookat)
    return camera
