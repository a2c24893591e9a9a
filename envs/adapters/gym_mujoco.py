"""Gymnasium's own MuJoCo environments: joint positions and velocities as state, this suite's renderer."""

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np

from swm.core.protocols import Array
from swm.envs.adapters.anchored import AnchoredBackend
from swm.envs.adapters.backend import AnyEnv, inner_of
from swm.envs.mujoco.render import Renderer
from swm.envs.mujoco.states import Joints

_SIDE = 256
"""Pixels that the shorter side of a drawn picture has at least."""
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION.value


class GymMujocoBackend(AnchoredBackend):
    """An environment of `gymnasium.envs.mujoco`, drawn by the renderer of this suite.

    The camera is the model's ``track``, else the one that the environment configures.
    """

    def __init__(self, env: AnyEnv) -> None:
        """Take over `env`."""
        super().__init__(env)
        self._inner = inner_of(env)
        self._model, self._data = self._inner.model, self._inner.data
        joints = Joints(self._model)
        self._names = (*joints.position_names, *joints.velocity_names)
        self._renderer: Renderer | None = None

    @property
    def rendering(self) -> Mapping[str, str]:
        """OpenGL backend, its renderer, and the preset."""
        return {} if self._renderer is None else self._renderer.describe()

    @property
    def state_names(self) -> tuple[str, ...]:
        """The joint positions and velocities."""
        return self._names

    def observe(self) -> Array:
        """The joint positions and velocities: (nq + nv,)."""
        return np.concatenate([self._data.qpos, self._data.qvel])

    def picture(self, image_size: tuple[int, int]) -> Array:
        """Draw at a multiple of `image_size`, so that averaging smooths the edges."""
        if self._renderer is None:
            factor = -(-_SIDE // min(image_size))
            camera = _camera(self._model, self._inner.mujoco_renderer.default_cam_config or {})
            large = (factor * image_size[0], factor * image_size[1])
            self._renderer = Renderer(self._model, large, camera=camera)
        return self._renderer.render(self._data)

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

    def close(self) -> None:
        """Free the OpenGL resources."""
        if self._renderer is not None:
            self._renderer.close()
        super().close()


def _camera(model: mujoco.MjModel, config: dict[str, Any]) -> int | mujoco.MjvCamera:
    """The model's camera ``track``, or a camera as Gymnasium configures it, which follows its body."""
    index = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA.value, "track")
    if index >= 0:
        return index
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    for name, value in config.items():
        setattr(camera, name, value)
    if config.get("trackbodyid", -1) > 0:
        camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING.value
    return camera
