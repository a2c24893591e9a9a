"""What a camera sees of a model, and which factors move it: found by looking and by trying, without OpenGL."""

from collections.abc import Callable, Iterable, Sequence

import mujoco
import numpy as np

from swm.core.factors import Factor
from swm.core.protocols import Array
from swm.core.spaces import Value
from swm.envs.mujoco.factor import ModelFactor, PristineModel, derives_constants

_RAYS = 48
_STEPS, _HOLD = 40, 5
_LEAST = 1e-6
"""A difference of positions or velocities that is more than rounding, relative to their size or to 1."""


def random_controls(model: mujoco.MjModel, steps: int, rng: np.random.Generator) -> Array:
    """Controls (steps, nu), uniform within their ranges and each held for some steps."""
    limits = control_limits(model)
    drawn = rng.uniform(limits[:, 0], limits[:, 1], (-(-steps // _HOLD), model.nu))
    return np.repeat(drawn, _HOLD, axis=0)[:steps]


def control_limits(model: mujoco.MjModel) -> Array:
    """Lowest and highest control (nu, 2) of each actuator, -1 and 1 where the model has no limits."""
    limits: Array = np.where(model.actuator_ctrllimited[:, None], model.actuator_ctrlrange, [[-1.0, 1.0]])
    return limits


def visible_geoms(
    model: mujoco.MjModel, data: mujoco.MjData, camera: mujoco.MjvCamera, share: float = 0.002
) -> tuple[frozenset[int], bool]:
    """The geoms that take up a share of the picture, and whether the background does; looked for with rays."""
    scene, option = mujoco.MjvScene(model, maxgeom=1), mujoco.MjvOption()
    mujoco.mjv_updateCamera(model, data, camera, scene)
    eye = scene.camera[0]
    forward, up = np.array(eye.forward, np.float64), np.array(eye.up, np.float64)
    right = np.cross(forward, up)
    top = eye.frustum_top / eye.frustum_near
    grid = (np.arange(_RAYS) + 0.5) / _RAYS * 2 - 1
    across, upward = (axis.reshape(-1, 1) * top for axis in np.meshgrid(grid, grid))
    rays = forward + across * right + upward * up
    found, distance = np.empty(len(rays), np.int32), np.empty(len(rays))
    mujoco.mj_multiRay(
        model, data, np.array(eye.pos, np.float64), rays.ravel(), option.geomgroup, True, -1, found, distance,
        None, len(rays), mujoco.mjMAXVAL,
    )  # fmt: skip
    geoms, counts = np.unique(found, return_counts=True)
    seen = {int(geom) for geom, count in zip(geoms, counts, strict=True) if count >= share * len(rays)}
    return frozenset(seen - {-1}), -1 in seen


def moving(
    model: mujoco.MjModel, factors: Sequence[ModelFactor], start: Callable[[mujoco.MjData], None], frame_skip: int
) -> list[ModelFactor]:
    """Those of some physical factors that change the motion under random controls from a start.

    Args:
        model: the compiled model; it is the same again afterwards.
        factors: physical factors.
        start: writes the start into data.
        frame_skip: time steps of the model per step of the environment.
    """
    pristine = PristineModel(model, {field for factor in factors for field in factor.fields})
    data = mujoco.MjData(model)
    controls = random_controls(model, _STEPS, np.random.default_rng(0))

    def play() -> Iterable[Array]:
        mujoco.mj_resetData(model, data)
        start(data)
        for control in controls:
            data.ctrl[:] = control
            mujoco.mj_step(model, data, frame_skip)
            yield np.concatenate([data.qpos, data.qvel])

    usual = list(play())

    def acts(factor: ModelFactor, value: Value) -> bool:
        factor.edit(model, value)
        if derives_constants(factor.fields):
            mujoco.mj_setConst(model, mujoco.MjData(model))
        try:
            return any(_differ(*pair) for pair in zip(usual, play(), strict=True))
        finally:
            pristine.restore(model)

    return [factor for factor in factors if any(acts(factor, value) for value in _ends(factor))]


def _differ(a: Array, b: Array) -> bool:
    return bool((np.abs(a - b) > _LEAST * np.maximum(np.abs(a), 1)).any())


def _ends(factor: Factor) -> list[Value]:
    """Values far from the default."""
    rng = np.random.default_rng(0)
    return [factor.sample_shift(1.0, rng) for _ in range(3)]
