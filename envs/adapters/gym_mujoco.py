"""Gymnasium's own MuJoCo environments: joint positions and velocities as state."""

import mujoco
import numpy as np

from swm.core.protocols import Array
from swm.envs.adapters.anchored import AnchoredBackend
from swm.envs.adapters.backend import AnyEnv, inner_of
from swm.envs.mujoco.states import Joints

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION.value


class GymMujocoBackend(AnchoredBackend):
    """An environment of `gymnasium.envs.mujoco`, whose Python objects keep nothing from step to step."""

    def __init__(self, env: AnyEnv, image_size: tuple[int, int]) -> None:
        """Take over `env`."""
        super().__init__(env, image_size)
        self._inner = inner_of(env)
        self._model, self._data = self._inner.model, self._inner.data
        joints = Joints(self._model)
        self._names = (*joints.position_names, *joints.velocity_names)

    @property
    def state_names(self) -> tuple[str, ...]:
        """The joint positions and velocities."""
        return self._names

    def observe(self) -> Array:
        """The joint positions and velocities: (nq + nv,)."""
        return np.concatenate([self._data.qpos, self._data.qvel])

    def save_simulator(self) -> Array:
        """MuJoCo's integration state."""
        state = np.empty(mujoco.mj_stateSize(self._model, _STATE))
        mujoco.mj_getState(self._model, self._data, state, _STATE)
        return state

    def load_simulator(self, state: Array) -> None:
        """Set MuJoCo's integration state, and compute what follows from it."""
        mujoco.mj_setState(self._model, self._data, state, _STATE)
        mujoco.mj_forward(self._model, self._data)

    def place(self, observed: Array) -> bool:
        """Set the joint positions and velocities."""
        positions, velocities = np.split(observed, [self._model.nq])
        mujoco.mj_resetData(self._model, self._data)
        self._inner.set_state(positions, velocities)
        self.placed()
        return True
