"""The base of environments over a compiled MuJoCo model."""

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence

import mujoco
import numpy as np
from gymnasium import spaces

from swm.core.errors import InvalidValueError, ShapeError
from swm.core.factors import Constraint, Factor, FactorSpace, Variation
from swm.core.protocols import Array
from swm.core.seeding import derive_seed
from swm.envs.base import FactoredEnv
from swm.envs.mujoco.factor import CameraFactor, ModelFactor, PristineModel, derives_constants
from swm.envs.mujoco.render import Preset, Renderer
from swm.envs.mujoco.states import Joints

_MAX_TRIES = 1000
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION.value


class MujocoEnv(FactoredEnv):
    """An environment whose factors edit a compiled model at reset and whose state is MuJoCo's own.

    A reset restores the model, applies the visual, geometric and task factors, lets `_initialize`
    choose the start, and then applies the physical factors: the distribution of starts does not
    depend on the physics. Nothing is recompiled.

    ``observation["state"]`` is the joint positions and velocities (nq + nv,), one name per number.
    `get_state` is MuJoCo's full integration state, followed by `_extra_state`. By default a goal is
    a vector of joint positions (nq,), and the distance to it the largest difference of any joint
    that `goal_joints` names, in rad or m.
    """

    success_radius: float = 0.05
    """The goal is reached when the distance is below this."""

    def __init__(
        self,
        model: mujoco.MjModel,
        factors: Sequence[Factor],
        *,
        image_size: int | tuple[int, int],
        render_mode: str | None = "rgb_array",
        preset: Preset = "fast",
        camera: int | mujoco.MjvCamera = 0,
        data: mujoco.MjData | None = None,
        constraints: Sequence[Constraint] = (),
        scratch_fields: Sequence[str] = (),
        goal_joints: Sequence[str] | None = None,
    ) -> None:
        """Take over `model`.

        Args:
            model: the compiled model; this environment edits it.
            factors: `ModelFactor`s and `CameraFactor`s, and other factors that the subclass reads in `_initialize`.
            image_size: pixels of a square picture, or (height, width).
            render_mode: ``"rgb_array"`` or None.
            preset: quality of the pictures, ``"fast"`` or ``"full"``.
            camera: index of a camera of the model, or a free camera.
            data: the model's data; None makes it.
            constraints: relations between the factors.
            scratch_fields: fields of the model that `_initialize` or the task writes.
            goal_joints: the joints whose positions make the goal; None is all.
        """
        super().__init__(image_size, render_mode)
        self.factors = FactorSpace(tuple(factors), tuple(constraints))
        self.model, self.data = model, mujoco.MjData(model) if data is None else data
        self.renderer = Renderer(model, self.image_size, camera=camera, preset=preset)
        edits = [factor for factor in factors if isinstance(factor, ModelFactor)]
        self._physical = [factor for factor in edits if factor.kind == "physical"]
        self._others = [factor for factor in edits if factor.kind != "physical"]
        self._pristine = PristineModel(model, {*scratch_fields, *(f for factor in edits for f in factor.fields)})
        self._views = [factor for factor in factors if isinstance(factor, CameraFactor)]
        self._pristine_camera = copy.copy(self.renderer.camera)
        self._painted: set[int] = set()
        self._stale: set[int] = set()
        self._scratch = mujoco.MjData(model)
        self.joints = Joints(model, goal_joints)
        self.state_names = (*self.joints.position_names, *self.joints.velocity_names)
        self.goal_names = self.joints.position_names
        self._target: Array = np.array(model.qpos0)
        self.observation_space = spaces.Dict(
            {
                "pixels": spaces.Box(0, 255, (*self.image_size, 3), np.uint8),
                "state": spaces.Box(-np.inf, np.inf, (model.nq + model.nv,), np.float64),
            }
        )
        self.goal_space = spaces.Box(-np.inf, np.inf, (model.nq,), np.float64)
        limits = np.where(model.actuator_ctrllimited[:, None], model.actuator_ctrlrange, [[-1.0, 1.0]])
        self.action_space = spaces.Box(limits[:, 0].astype(np.float32), limits[:, 1].astype(np.float32))

    # ---------------------------------------------------------------------- what a subclass defines

    @abstractmethod
    def _initialize(self, variation: Variation, seed: int) -> None:
        """Write the start into `data`; the model has all factors but the physical ones."""

    @abstractmethod
    def _simulate(self, action: Array) -> tuple[float, bool]:
        """Advance `data` by one step of the environment; return the reward and whether the episode terminates.

        MuJoCo computes what follows from positions at the beginning of a time step and not at its
        end, so that this ends with `_refresh`, or else pictures lag behind the state.
        """

    def _extra_state(self) -> Array:
        """What decides the rest of the episode and is not in MuJoCo's state, float64 (E,)."""
        return np.zeros(0)

    def _set_extra_state(self, extra: Array) -> None:
        """Take back what `_extra_state` gave, before MuJoCo's state is set."""

    def _refresh(self) -> None:
        """Compute what follows from positions and velocities, after they were written."""
        mujoco.mj_forward(self.model, self.data)

    # -------------------------------------------------------------------------- what all of them do

    @property
    def rendering(self) -> Mapping[str, str]:
        """OpenGL backend, its renderer, and the preset."""
        return self.renderer.describe() if self.render_mode else {}

    def _begin(self, variation: Variation, seed: int) -> None:
        self._drawn = variation
        self._restore()
        if self.render_mode:
            self.renderer.prepare()
        self._edit(self._others, variation)
        mujoco.mj_resetData(self.model, self.data)
        self._initialize(variation, derive_seed(seed, "start"))
        self._edit(self._physical, variation)
        self._refresh()
        self._show(variation)
        self._draw_goal(derive_seed(seed, "goal"))

    def _restore(self) -> None:
        self._pristine.restore(self.model)
        self._pristine.restore_textures(self.model, self._painted)
        self._painted.clear()
        if self._views:
            self.renderer.camera = copy.copy(self._pristine_camera)

    def _draw_goal(self, seed: int) -> None:
        """Choose the goal of a new episode that does not begin solved."""
        rng = np.random.default_rng(seed)
        for _ in range(_MAX_TRIES):
            self._target = self.sample_goal(rng)
            if not self._goal()[1]:
                return
        raise InvalidValueError(
            f"each of {_MAX_TRIES} goals that sample_goal() drew is already reached at the start: "
            "draw goals that differ more, or make success_radius smaller."
        )

    def _edit(self, factors: Sequence[ModelFactor], variation: Variation) -> None:
        changed = [f for f in factors if not np.array_equal(variation[f.name], f.default)]
        for factor in changed:
            self._pristine.keep_textures(self.model, factor.textures)
            self._painted.update(factor.textures)
            self._stale.update(factor.textures)
            factor.edit(self.model, variation[factor.name])
        if derives_constants(field for factor in changed for field in factor.fields):
            mujoco.mj_setConst(self.model, self._scratch)

    def _show(self, variation: Variation) -> None:
        """Let the renderer know what the factors did to the camera and to textures."""
        for view in self._views:
            view.edit(self.renderer.camera, variation[view.name])
        if "tex_data" in self._pristine.edited:
            self._stale.update(range(self.model.ntex))
        if self._stale and self.render_mode:
            self.renderer.refresh_textures(self._stale)
        self._stale = set(self._painted)

    def _advance(self, action: Array) -> tuple[float, bool]:
        return self._simulate(action)

    def _observe(self) -> dict[str, Array]:
        state = np.concatenate([self.data.qpos, self.data.qvel])
        return {"pixels": self._draw(), "state": state}

    def _draw(self) -> Array:
        if self.render_mode is None:
            return np.zeros((*self.image_size, 3), np.uint8)
        return self.renderer.render(self.data)

    def _goal(self) -> tuple[Array, bool, float]:
        distance = self.joints.distance(self.data.qpos, self._target)
        return self._target.copy(), distance < self.success_radius, distance

    def get_state(self) -> Array:
        """MuJoCo's integration state and what the task adds, float64."""
        state = np.empty(mujoco.mj_stateSize(self.model, _STATE))
        mujoco.mj_getState(self.model, self.data, state, _STATE)
        return np.concatenate([state, self._extra_state()])

    def set_state(self, state: Array) -> None:
        """Continue from a full state, or from joint positions and velocities (nq + nv,), otherwise at rest.

        Raises:
            ShapeError: the length is another.
            InvalidValueError: a number is not finite.
        """
        self._check_begun()
        self._put_state(self._check_vector("state", state))

    def _put_state(self, state: Array) -> None:
        full, extra = mujoco.mj_stateSize(self.model, _STATE), len(self._extra_state())
        short = self.model.nq + self.model.nv
        if len(state) == full + extra:
            self._set_extra_state(state[full:])
            mujoco.mj_setState(self.model, self.data, state[:full], _STATE)
        elif len(state) == short:
            mujoco.mj_resetData(self.model, self.data)
            self.data.qpos[:], self.data.qvel[:] = state[: self.model.nq], state[self.model.nq :]
        else:
            raise ShapeError("state", f"({full + extra},) or ({short},)", state.shape)
        self._refresh()

    def set_goal(self, goal: Array) -> None:
        """Set the goal to joint positions (nq,), or to those of a state of this environment.

        Raises:
            ShapeError: the length is another.
            InvalidValueError: a number is not finite.
        """
        self._check_begun()
        self._set_target(self._positions(self._check_vector("goal", goal)))

    def _set_target(self, target: Array) -> None:
        """Take a goal, and show it where the model can."""
        self._target = target

    def _positions(self, vector: Array) -> Array:
        """The joint positions (nq,) in a goal, an observed state or a full state."""
        nq = self.model.nq
        full = mujoco.mj_stateSize(self.model, _STATE) + len(self._extra_state())
        if len(vector) in (nq, nq + self.model.nv):
            return vector[:nq].copy()
        if len(vector) == full:
            return vector[1 : 1 + nq].copy()
        raise ShapeError("goal", f"({nq},), ({nq + self.model.nv},) or ({full},)", vector.shape)

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw joint positions (nq,) as a new episode would start."""
        before = self.get_state()
        self._initialize(self._drawn, int(rng.integers(np.iinfo(np.int64).max)))
        goal: Array = self.data.qpos.copy()
        self._put_state(before)
        return goal

    def goal_state(self) -> Array:
        """The joint positions of the goal, at rest: (nq + nv,) float64."""
        self._check_begun()
        return np.concatenate([self._target, np.zeros(self.model.nv)])

    def goal_pixels(self) -> Array:
        """What the environment would show at its goal: (height, width, 3) uint8."""
        before = self.get_state()
        self.set_state(self.goal_state())
        pixels = self._draw()
        self.set_state(before)
        return pixels

    def close(self) -> None:
        """Free the OpenGL resources."""
        self.renderer.close()

    def _check_vector(self, what: str, given: Array) -> Array:
        vector = np.asarray(given, np.float64)
        if vector.ndim != 1 or not np.isfinite(vector).all():
            raise InvalidValueError(f"{what}: expected a vector of finite numbers, got {given!r}.")
        return vector
