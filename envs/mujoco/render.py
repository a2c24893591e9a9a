"""Pictures of a MuJoCo model at the size that is asked for, fast without a GPU.

One OpenGL context serves all renderers of a process, see `swm.envs.mujoco.gl`.
The preset ``"fast"`` leaves out shadows and multisampling, which cost a software renderer one to
two orders of magnitude, and draws round shapes with as many faces as the size can show and floors
with fewer squares; ``"full"`` is what MuJoCo's own renderer shows.

Both presets draw pictures with a side below 96 pixels on a grid of 2 to 6 samples per pixel and
side and average them: otherwise thin limbs and checkered floors come and go with the pixel grid.
"""

import os
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Literal

import mujoco
import numpy as np

from swm.core.errors import UnknownNameError
from swm.core.protocols import Array
from swm.envs.mujoco.gl import current, gl_context

Preset = Literal["fast", "full"]
PRESETS: dict[str, dict[str, int]] = {
    "fast": {"shadowsize": 0, "offsamples": 0},
    "full": {"shadowsize": 4096, "offsamples": 4},
}
"""Preset -> size of the shadow map and samples per pixel."""
_SMALLEST_SIDE = 96
"""A picture whose smaller side is shorter is drawn finer and averaged, in pixels."""
_MOST_QUADS = 6400
"""Squares that a floor is divided into for lighting, in the preset ``"fast"``; MuJoCo's limit is 40 000."""
_FACES = ((128, {"numslices": 16, "numstacks": 8}), (256, {"numslices": 20, "numstacks": 12}))
"""Largest side in pixels -> most faces around and along round shapes in the preset ``"fast"``."""
_MAX_GEOMS = 2000


_WIDEST_SPOT, _NO_SPOT = 90.0, 180.0
"""OpenGL refuses the angles of light cones between these, and then keeps the one of the light before."""


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
        model.light_cutoff[model.light_cutoff > _WIDEST_SPOT] = _NO_SPOT
        self._grid = -(-_SMALLEST_SIDE // min(image_size))
        self.scene = mujoco.MjvScene(model, maxgeom=_MAX_GEOMS)
        self.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = preset == "full"
        self.option = mujoco.MjvOption()
        self.camera = camera if isinstance(camera, mujoco.MjvCamera) else _fixed(camera)
        self._context: mujoco.MjrContext | None = None
        self._free: weakref.finalize[[mujoco.MjrContext], Renderer] | None = None

    def render(self, data: mujoco.MjData) -> Array:
        """The picture of `data`: (height, width, 3) uint8, the caller's to keep.

        Raises:
            SwmError: there is no OpenGL here.
        """
        height, width = (side * self._grid for side in self._image_size)
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateCamera(
            self._model, data, self.camera, self.scene
        )  # infinite floors follow the camera as it was
        mujoco.mjv_updateScene(self._model, data, self.option, None, self.camera, everything, self.scene)
        rectangle = mujoco.MjrRect(0, 0, width, height)
        pixels = np.empty((height, width, 3), np.uint8)
        with current():
            context = self._prepare()
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
            mujoco.mjr_render(rectangle, self.scene, context)
            mujoco.mjr_readPixels(pixels, None, rectangle, context)
        return _average(pixels, self._grid)[::-1].copy()

    def refresh_textures(self, textures: Iterable[int] | None = None) -> None:
        """Send textures of the model, None is all, to OpenGL again, after their pixels were edited."""
        with current():
            context = self._prepare()
            for texture in range(self._model.ntex) if textures is None else textures:
                mujoco.mjr_uploadTexture(self._model, context, texture)

    def prepare(self) -> None:
        """Make the OpenGL resources now rather than at the first picture.

        Raises:
            SwmError: there is no OpenGL here.
        """
        with current():
            self._prepare()

    def describe(self) -> Mapping[str, str]:
        """Backend, renderer and preset: what the bytes of a picture depend on beside the model."""
        with current() as context:
            return {"backend": context.backend, "renderer": context.renderer, "preset": self.preset}

    def close(self) -> None:
        """Free the OpenGL resources; a later picture makes them again."""
        if self._free is not None:
            self._free()
        self._context = self._free = None

    def _prepare(self) -> mujoco.MjrContext:
        if self._context is None:
            coarse = _coarse_floors(self._model) if self.preset == "fast" else nullcontext()
            with _settings(self._model, self._quality()), coarse:
                self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_50.value)
            self._free = weakref.finalize(self, _free, self._context)
            self._free.atexit = False
        return self._context

    def _quality(self) -> dict[str, int]:
        """Fields of ``vis.global_`` and ``vis.quality`` -> what the picture needs."""
        height, width = (side * self._grid for side in self._image_size)
        wanted = {"offheight": height, "offwidth": width, **PRESETS[self.preset]}
        faces = next((faces for side, faces in _FACES if max(height, width) <= side), {})
        if self.preset == "fast":
            quality = self._model.vis.quality
            wanted.update({field: min(most, getattr(quality, field)) for field, most in faces.items()})
        return wanted


@contextmanager
def _settings(model: mujoco.MjModel, wanted: Mapping[str, int]) -> Iterator[None]:
    """Give the model's visual settings other values for the time of the block: other renderers share the model."""
    vis = model.vis
    groups = {field: vis.global_ if hasattr(vis.global_, field) else vis.quality for field in wanted}
    before = {field: getattr(group, field) for field, group in groups.items()}
    try:
        for field, group in groups.items():
            setattr(group, field, wanted[field])
        yield
    finally:
        for field, group in groups.items():
            setattr(group, field, before[field])


@contextmanager
def _coarse_floors(model: mujoco.MjModel) -> Iterator[None]:
    """Have the planes of the model divided into fewer squares where there are very many, for the time of the block."""
    spacing = model.geom_size[:, 2].copy()
    area = 4 * model.geom_size[:, 0] * model.geom_size[:, 1]
    planes = (model.geom_type == int(mujoco.mjtGeom.mjGEOM_PLANE)) & (area > _MOST_QUADS * spacing**2)
    model.geom_size[planes, 2] = np.sqrt(area[planes] / _MOST_QUADS)
    try:
        yield
    finally:
        model.geom_size[:, 2] = spacing


def _average(pixels: Array, grid: int) -> Array:
    """The mean of each block of grid x grid samples, rounded, of a picture (height, width, 3) uint8."""
    if grid == 1:
        return pixels
    height, width, _ = (side // grid for side in pixels.shape)
    rows = pixels.reshape(height, grid, -1)
    sums = rows[:, 0].astype(np.uint16)
    for row in range(1, grid):
        sums += rows[:, row]
    columns = sums.reshape(height, width, grid, 3)
    total = columns[:, :, 0].copy()
    for column in range(1, grid):
        total += columns[:, :, column]
    mean: Array = ((total + grid * grid // 2) // grid**2).astype(np.uint8)
    return mean


def _free(context: mujoco.MjrContext) -> None:
    if gl_context().pid == os.getpid():
        with current():
            context.free()


def _fixed(index: int) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED.value, index
    return camera
