"""One renderer for every MuJoCo environment of a process.

Gymnasium gives each environment an OpenGL context of its own and draws into whichever was made current
last, so that of two environments one shows black pictures. Here all share this suite's context.
"""

from typing import Any

import mujoco

from swm.core.protocols import Array
from swm.envs.mujoco.render import Renderer

_SIDE = 256
"""Pixels that the shorter side of a drawn picture has at least, so that averaging it smooths the edges."""


class Screen:
    """Stands in for a `MujocoRenderer` of Gymnasium: the same model and camera, drawn by this suite."""

    def __init__(self, original: Any, image_size: tuple[int, int]) -> None:
        """Take the place of `original`, for pictures of a multiple of `image_size`, height and width."""
        factor = -(-_SIDE // min(image_size))
        size = (factor * image_size[0], factor * image_size[1])
        self.model, self.data = original.model, original.data
        self.renderer = Renderer(self.model, size, camera=_camera(original))

    def render(self, render_mode: str | None) -> Array:
        """The picture, whatever the mode: (height, width, 3) uint8."""
        return self.renderer.render(self.data)

    def close(self) -> None:
        """Free the OpenGL resources."""
        self.renderer.close()


def install(inner: Any, image_size: tuple[int, int]) -> Screen | None:
    """Replace the renderer of an environment, or of the one that it drives; None if it has none."""
    for owner in (inner, *vars(inner).values()):
        original = getattr(owner, "mujoco_renderer", None)
        if original is not None:
            screen = Screen(original, image_size)
            owner.mujoco_renderer = screen
            return screen
    return None


def _camera(original: Any) -> int | mujoco.MjvCamera:
    """The camera that the environment chose, or the model's ``track``, or one as the environment configures it."""
    index: int = original.camera_id
    if index < 0:
        index = mujoco.mj_name2id(original.model, mujoco.mjtObj.mjOBJ_CAMERA.value, "track")
    if index >= 0:
        return index
    camera, config = mujoco.MjvCamera(), original.default_cam_config or {}
    mujoco.mjv_defaultFreeCamera(original.model, camera)
    for name, value in config.items():
        setattr(camera, name, value)
    if config.get("trackbodyid", -1) > 0:
        camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING.value
    return camera
