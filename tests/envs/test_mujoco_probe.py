"""What is seen and what acts, decided without drawing."""

from pathlib import Path

import gymnasium
import mujoco
import numpy as np
import pytest

from swm.envs.mujoco import physics, probe
from swm.envs.mujoco.gl import current
from swm.envs.mujoco.standard import _stem

ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"


def drawn_geoms(model: mujoco.MjModel, data: mujoco.MjData, camera: mujoco.MjvCamera, size: int) -> dict[int, float]:
    """Geom -> its share of a picture in which each geom has a colour of its own; -1 is the background."""
    model.vis.global_.offheight = model.vis.global_.offwidth = size
    model.vis.quality.offsamples = 0
    scene = mujoco.MjvScene(model, maxgeom=500)
    everything = mujoco.mjtCatBit.mjCAT_ALL.value
    mujoco.mjv_updateScene(model, data, mujoco.MjvOption(), None, camera, everything, scene)
    scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = True
    pixels, rectangle = np.empty((size, size, 3), np.uint8), mujoco.MjrRect(0, 0, size, size)
    with current():
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
        mujoco.mjr_render(rectangle, scene, context)
        mujoco.mjr_readPixels(pixels, None, rectangle, context)
        context.free()
    numbers = pixels.astype(int) @ [1, 256, 65536]
    geoms = {scene.geoms[i].segid + 1: scene.geoms[i].objid for i in range(scene.ngeom)}
    values, counts = np.unique(numbers, return_counts=True)
    return {geoms.get(int(v), -1): c / numbers.size for v, c in zip(values, counts, strict=True)}


@pytest.mark.parametrize("name", ["half_cheetah", "ant", "reacher", "inverted_double_pendulum", "pusher_v5"])
def test_rays_see_what_is_drawn(name: str) -> None:
    model = mujoco.MjModel.from_xml_path(str(ASSETS / f"{name}.xml"))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    if model.ncam:
        camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED.value, 0
    seen, background = probe.visible_geoms(model, data, camera, share=0.004)
    drawn = drawn_geoms(model, data, camera, 192)
    large = {geom for geom, share in drawn.items() if share > 0.008}
    some = {geom for geom, share in drawn.items() if share > 0}
    assert large - {-1} <= seen <= some
    assert background == (drawn.get(-1, 0.0) > 0.004)


def test_only_what_acts_is_kept_and_the_model_is_left_as_it_was() -> None:
    model = mujoco.MjModel.from_xml_path(str(ASSETS / "reacher.xml"))
    before = model.body_mass.copy(), model.opt.gravity.copy(), model.dof_M0.copy()
    tried = [
        physics.gravity(model),
        physics.gravity_tilt(model),
        physics.mass(model, "fingertip.mass", "fingertip"),
        physics.friction(model, "contact.friction"),
    ]
    kept = probe.moving(model, tried, lambda data: None, frame_skip=2)
    assert [factor.name for factor in kept] == ["gravity.tilt", "fingertip.mass"]
    for field, value in zip((model.body_mass, model.opt.gravity, model.dof_M0), before, strict=True):
        np.testing.assert_array_equal(field, value)


def test_controls_keep_their_limits() -> None:
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody><body><joint name="j"/><geom size=".1"/></body></worldbody><actuator>
        <motor joint="j" ctrllimited="true" ctrlrange="2 3"/><motor joint="j"/></actuator></mujoco>"""
    )
    np.testing.assert_array_equal(probe.control_limits(model), [[2, 3], [-1, 1]])
    controls = probe.random_controls(model, 12, np.random.default_rng(0))
    assert controls.shape == (12, 2)
    assert ((controls >= [2, -1]) & (controls <= [3, 1])).all()
    assert len(np.unique(controls[:, 0])) == 3


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("left_upper_arm", "upper_arm"),
        ("right_upper_arm", "upper_arm"),
        ("aux_1", "aux"),
        ("front_left_leg", "leg"),
        ("robot0:FFknuckle", "robot_ffknuckle"),
        ("bthigh", "bthigh"),
        ("7", "part"),
    ],
)
def test_names_that_differ_in_numbers_and_sides_have_one_stem(name: str, stem: str) -> None:
    assert _stem(name) == stem
