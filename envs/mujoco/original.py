"""A Gymnasium MuJoCo environment with factors, and otherwise as it is."""

from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from swm.core.errors import InvalidValueError
from swm.core.protocols import Array
from swm.envs.mujoco.factorized import FactorizedEnv, choose_camera

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION.value
_HARMLESS = ("TimeLimit", "OrderEnforcing", "PassiveEnvChecker")
"""Wrappers of `gymnasium.make` that change neither observation nor reward."""


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
        camera = choose_camera(model, data, config)
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
