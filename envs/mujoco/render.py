"""Pictures of a MuJoCo model at the size that is asked for, fast without a GPU.

One OpenGL context serves all renderers of a process: EGL, or OSMesa where EGL does not work.
The preset ``"fast"`` leaves out shadows and multisampling, which cost a software renderer one to
two orders of magnitude; ``"full"`` has both.
"""

import functools
import os
from collections.abc import Mapping
from typing import Any, Literal

os.environ.setdefault("MUJOCO_GL", "egl")

import mujoco
import numpy as np

from swm.core.errors import SwmError, UnknownNameError
from swm.core.protocols import Array

Preset = Literal["fast", "full"]
PRESETS: dict[str, dict[str, int]] = {
    "fast": {"shadowsize": 0, "offsamples": 0},
    "full": {"shadowsize": 4096, "offsamples": 4},
}
"""Preset -> size of the shadow map and samples per pixel."""
_MAX_GEOMS = 2000


@functools.cache
def gl_context() -> tuple[str, Any]:
    """The process's OpenGL context: the backend's name and the context, current in this thread.

    Raises:
        SwmError: neither EGL nor OSMesa works here.
    """
    wanted = os.environ["MUJOCO_GL"]
    problems = []
    for name in dict.fromkeys((wanted, "egl", "osmesa")):
        try:
            context = _make_context(name)
            context.make_current()
        except Exception as error:
            problems.append(f"{name}: {error!r}")
        else:
            return name, context
    raise SwmError(
        "no OpenGL for rendering without a screen. Install it: apt-get install libegl1 libgl1 libegl-mesa0 "
        f"libgl1-mesa-dri libosmesa6; `swm doctor` checks it. Tried {'; '.join(problems)}."
    )


def _make_context(name: str) -> Any:
    if name == "egl":
        from mujoco.egl import GLContext
    elif name == "osmesa":
        from mujoco.osmesa import GLContext
    else:
        from mujoco.gl_context import GLContext
    return GLContext(16, 16)


class Renderer:
    """Draws one model from one camera at one size."""

    def __init__(
        self,
        model: mujoco.MjModel,
        image_size: tuple[int, int],
        *,
        camera: int | mujoco.MjvCamera,
        preset: Preset = "fast",
    ) -> None:
        """Make the scene; the OpenGL resources are made at the first picture.

        Args:
            model: may be edited later; textures need `refresh_textures` then.
            image_size: height and width in pixels.
            camera: index of a camera of the model, or a free camera.
            preset: a key of `PRESETS`.

        Raises:
            UnknownNameError: there is no such preset.
        """
        if preset not in PRESETS:
            raise UnknownNameError("rendering preset", preset, PRESETS)
        self._model, self._image_size, self.preset = model, image_size, preset
        quality = model.vis.quality
        quality.shadowsize, quality.offsamples = PRESETS[preset]["shadowsize"], PRESETS[preset]["offsamples"]
        model.vis.global_.offheight, model.vis.global_.offwidth = image_size
        self.scene = mujoco.MjvScene(model, maxgeom=_MAX_GEOMS)
        self.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = preset == "full"
        self.option = mujoco.MjvOption()
        self.camera = camera if isinstance(camera, mujoco.MjvCamera) else _fixed(camera)
        self._context: mujoco.MjrContext | None = None

    def render(self, data: mujoco.MjData) -> Array:
        """The picture of `data`: (height, width, 3) uint8, the caller's to keep.

        Raises:
            SwmError: there is no OpenGL here.
        """
        context = self._begin()
        height, width = self._image_size
        mujoco.mjv_updateScene(
            self._model, data, self.option, None, self.camera, mujoco.mjtCatBit.mjCAT_ALL.value, self.scene
        )
        rectangle = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(rectangle, self.scene, context)
        pixels = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_readPixels(pixels, None, rectangle, context)
        return pixels[::-1].copy()

    def refresh_textures(self) -> None:
        """Send the model's textures to OpenGL again, after their pixels were edited."""
        context = self._begin()
        for texture in range(self._model.ntex):
            mujoco.mjr_uploadTexture(self._model, context, texture)

    def describe(self) -> Mapping[str, str]:
        """Backend, renderer and preset: what the bytes of a picture depend on beside the model."""
        backend, _ = gl_context()
        from OpenGL import GL

        self._begin()
        return {"backend": backend, "renderer": GL.glGetString(GL.GL_RENDERER).decode(), "preset": self.preset}

    def close(self) -> None:
        """Free the OpenGL resources."""
        if self._context is not None:
            gl_context()[1].make_current()
            self._context.free()
            self._context = None

    def _begin(self) -> mujoco.MjrContext:
        gl_context()[1].make_current()
        if self._context is None:
            self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        return self._context


def _fixed(index: int) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED.value, index
    return camera
