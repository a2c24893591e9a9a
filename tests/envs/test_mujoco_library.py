"""The library of factors: each constructor acts as its kind allows, and every reset undoes it bit for bit."""

import gc
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.factors import Factor, Variation
from swm.core.protocols import Array
from swm.core.spaces import scalar
from swm.envs.mujoco import appearance, physics, scene, shape, start
from swm.envs.mujoco.elements import dofs_of, element_names, geoms_of, select
from swm.envs.mujoco.env import MujocoEnv
from swm.testing import check_env

ARM = """
<mujoco model="arm">
  <option timestep="0.005" integrator="implicitfast"/>
  <visual><headlight ambient="0.2 0.2 0.2" diffuse="0.3 0.3 0.3"/></visual>
  <asset>
    <texture name="sky" type="skybox" builtin="gradient" rgb1="0.3 0.5 0.7" rgb2="0.8 0.85 0.9" width="64" height="64"/>
    <texture name="grid" type="2d" builtin="checker" rgb1="0.2 0.3 0.4" rgb2="0.6 0.6 0.5" width="64" height="64"
             mark="edge" markrgb="1 1 1"/>
    <texture name="plain" type="2d" builtin="flat" rgb1="0.2 0.3 0.4" width="8" height="8"/>
    <material name="floor" texture="grid" texrepeat="4 4" reflectance="0.2"/>
    <material name="skin" rgba="0.8 0.5 0.3 1" specular="0.4" shininess="0.3"/>
  </asset>
  <worldbody>
    <light name="lamp" pos="0.5 -1 2.5" dir="-0.2 0.4 -1" diffuse="0.6 0.6 0.6"/>
    <camera name="view" pos="0 -2.6 1.6" xyaxes="1 0 0 0 0.4 0.9"/>
    <geom name="floor" type="plane" size="2 2 0.1" material="floor"/>
    <body name="upper" pos="-0.3 0 0.8">
      <joint name="shoulder" axis="0 1 0" damping="0.4" stiffness="0.5" armature="0.02" frictionloss="0.05"/>
      <geom name="upper" type="capsule" size="0.06" fromto="0 0 0 0.4 0 0" material="skin"/>
      <body name="lower" pos="0.4 0 0">
        <joint name="elbow" axis="0 1 0" damping="0.3" armature="0.01"/>
        <geom name="lower" type="capsule" size="0.05" fromto="0 0 0 0.35 0 0" material="skin"/>
        <site name="hand" pos="0.35 0 0" size="0.07" rgba="0.1 0.7 0.3 1"/>
      </body>
    </body>
    <body name="ball" pos="0.3 -0.5 0.12">
      <freejoint name="ball"/>
      <geom name="ball" size="0.12" rgba="0.2 0.3 0.9 1" friction="0.7 0.01 0.001"/>
    </body>
  </worldbody>
  <actuator>
    <motor name="shoulder" joint="shoulder" gear="8" ctrllimited="true" ctrlrange="-1 1"/>
    <position name="elbow" joint="elbow" kp="6" ctrllimited="true" ctrlrange="-1 1" forcelimited="true"
              forcerange="-2 2"/>
  </actuator>
</mujoco>
"""


def model_bytes(model: mujoco.MjModel) -> bytes:
    """Every field of a model."""
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, buffer)
    return buffer.tobytes()


def library(model: mujoco.MjModel) -> tuple[Factor, ...]:
    """Each constructor at least once; absolute values and multiples."""
    return (
        physics.gravity(model),
        physics.gravity_tilt(model),
        physics.friction(model, "contact.friction", ["floor", "ball"]),
        physics.mass(model, "ball.mass", "ball"),
        physics.mass(model, "arm.mass", ["upper", "lower"]),
        physics.density(model, "lower.density", "lower"),
        physics.damping(model, "elbow.damping", "elbow"),
        physics.damping(model, "arm.damping", ["shoulder", "elbow"]),
        physics.stiffness(model, "shoulder.stiffness", "shoulder"),
        physics.armature(model, "arm.armature", ["shoulder", "elbow"]),
        physics.friction_loss(model, "shoulder.friction_loss", "shoulder", limits=(0.0, 0.5)),
        physics.gear(model, "shoulder.gear", "shoulder"),
        physics.strength(model, "arm.strength"),
        shape.limb_length(model, "upper.length", "upper"),
        shape.geom_size(model, "ball.size", "ball", limits=(0.5, 1.0)),
        appearance.geom_color(model, "ball.color", "ball"),
        appearance.material_color(model, "arm.color", "skin"),
        appearance.site_color(model, "hand.color", "hand"),
        appearance.transparency(model, "ball.transparency", "ball"),
        appearance.reflectance(model, "floor.reflectance", "floor"),
        appearance.shininess(model, "arm.shininess", "skin"),
        appearance.specular(model, "arm.specular", "skin"),
        appearance.pattern_size(model, "floor.pattern", "floor"),
        *appearance.pattern_colors(model, "floor", "grid"),
        *appearance.pattern_colors(model, "sky", "sky"),
        scene.light_intensity(model),
        scene.light_color(model),
        scene.light_position(model),
        scene.light_angle(model),
        scene.field_of_view(model, "camera.field_of_view", "view"),
        scene.camera_angle(model, "camera.angle", "view"),
        scene.camera_position(model, "camera.position", "view"),
        start.position_noise(default=0.05),
        start.velocity_noise(),
    )


class Arm(MujocoEnv):
    """An arm that has all of the library."""

    def __init__(self, image_size: Any = 32, render_mode: str | None = "rgb_array", **kwargs: Any) -> None:
        model = mujoco.MjModel.from_xml_string(ARM)
        joints = ("shoulder", "elbow")
        super().__init__(
            model, library(model), image_size=image_size, render_mode=render_mode, goal_joints=joints, **kwargs
        )

    def _initialize(self, variation: Variation, seed: int) -> None:
        self.data.qpos[:2] = np.random.default_rng(seed).uniform((-1.0, -1.5), (0.3, 1.5))
        self.data.qpos[4] += self.model.geom_size[3, 0] - 0.12
        self.data.qvel[2] = 0.5
        start.add_noise(self.model, self.data, variation, seed)

    def _simulate(self, action: Array) -> tuple[float, bool]:
        self.data.ctrl[:] = action
        mujoco.mj_step(self.model, self.data, 4)
        self._refresh()
        return 0.0, False


def test_an_environment_with_all_of_the_library_keeps_every_law() -> None:
    check_env(Arm)


def test_a_free_camera_has_the_same_factors() -> None:
    model = mujoco.MjModel.from_xml_string(ARM)
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    made = (
        scene.camera_angle(model, "camera.angle", camera),
        scene.camera_position(model, "camera.position", camera),
        scene.field_of_view(model, "camera.field_of_view", camera),
    )

    class Free(Arm):
        def __init__(self, image_size: Any = 32, render_mode: str | None = "rgb_array") -> None:
            MujocoEnv.__init__(self, model, made, image_size=image_size, render_mode=render_mode, camera=camera)

    env = Free()
    plain = env.reset(seed=0)[0]["pixels"]
    for name in env.factors:
        assert not np.array_equal(env.reset(seed=0, options={"variation": name})[0]["pixels"], plain)
    assert np.array_equal(env.reset(seed=0)[0]["pixels"], plain)


def test_resets_undo_everything_bit_for_bit() -> None:
    env = Arm(render_mode=None)
    env.reset(seed=0)
    original = model_bytes(env.model)
    for seed, request in enumerate((*env.factors, *["all"] * 30)):
        env.reset(seed=seed, options={"variation": request})
        env.step(np.ones(2))
        if env.factors.select(request)[0] not in (start.POSITION, start.VELOCITY):
            assert model_bytes(env.model) != original, f"{request} edits the model"
        env.reset(seed=seed)
        assert model_bytes(env.model) == original, f"a reset undoes {request}"


def test_a_reset_that_fails_leaves_nothing_behind() -> None:
    class Failing(Arm):
        fails = False

        def _initialize(self, variation: Variation, seed: int) -> None:
            super()._initialize(variation, seed)
            if self.fails:
                raise RuntimeError("no start")

    env = Failing()
    picture = env.reset(seed=0)[0]["pixels"]
    original = model_bytes(env.model)
    env.fails = True
    with pytest.raises(RuntimeError, match="no start"):
        env.reset(seed=1, options={"variation": "all"})
    env.fails = False
    assert np.array_equal(env.reset(seed=0)[0]["pixels"], picture)
    assert model_bytes(env.model) == original


def test_factors_compose_in_declared_order() -> None:
    model = mujoco.MjModel.from_xml_string(ARM)
    mass = model.body_mass.copy()
    physics.mass(model, "arm.mass", ["upper", "lower"]).edit(model, 2.0)
    physics.density(model, "lower.density", "lower").edit(model, 500.0)
    np.testing.assert_allclose(model.body_mass, mass * [1, 2, 1, 1])
    np.testing.assert_allclose(
        model.body_inertia / model.body_mass[:, None].clip(1e-9),
        mujoco.MjModel.from_xml_string(ARM).body_inertia / mass[:, None].clip(1e-9),
    )


def test_one_element_has_its_own_unit_and_a_group_a_multiple() -> None:
    model = mujoco.MjModel.from_xml_string(ARM)
    one = physics.damping(model, "elbow.damping", "elbow")
    assert (one.default, one.unit, one.space) == (0.3, "N·m·s/rad", scalar(0.15, 0.6))
    group = physics.damping(model, "damping", ["shoulder", "elbow"], limits=(0.1, 3.0), train=(0.9, 1.1))
    assert (group.default, group.unit, group.space) == (1.0, "times", scalar(0.1, 3.0))
    assert group.in_train(1.05)
    assert not group.in_train(1.2)
    assert physics.mass(model, "ball.mass", "ball").default == pytest.approx(model.body("ball").mass[0])
    gravity = physics.gravity(model)
    gravity.edit(model, 1.62)
    np.testing.assert_allclose(model.opt.gravity, [0, 0, -1.62])


def test_a_stronger_servo_keeps_its_target() -> None:
    model = mujoco.MjModel.from_xml_string(ARM.replace('forcelimited="true"', 'forcelimited="false"'))
    physics.strength(model, "arm.strength").edit(model, 2.0)
    assert model.actuator("elbow").gainprm[0] == 12
    assert model.actuator("elbow").biasprm[1] == -12
    assert model.actuator("shoulder").gainprm[0] == 2


def test_patterns_change_one_colour_and_leave_marks() -> None:
    model = mujoco.MjModel.from_xml_string(ARM)
    first, second = appearance.pattern_colors(model, "floor", "grid")
    before = model.tex("grid").data.copy()
    colors = {tuple(first.default.tolist()), tuple(second.default.tolist())}
    assert colors == {(51, 77, 102), (153, 153, 128)} or colors == {(51, 76, 102), (153, 153, 127)}
    first.edit(model, np.array([250, 10, 20], np.uint8))
    after = model.tex("grid").data
    was_first = np.all(before == first.default, axis=-1)
    assert np.all(after[was_first] == [250, 10, 20])
    np.testing.assert_array_equal(after[~was_first], before[~was_first])
    assert (before == 255).all(axis=-1).any(), "there are marks"


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda m: physics.stiffness(m, "elbow.stiffness", "elbow"), "multiples of 0"),
        (lambda m: physics.mass(m, "world.mass", "world"), "has no mass"),
        (lambda m: physics.damping(m, "d", "elbow", limits=(1.0, 2.0)), "must lie in the limits"),
        (lambda m: appearance.pattern_colors(m, "plain", "plain"), "one colour"),
        (lambda m: appearance.material_color(m, "floor.color", "nothing"), "unknown material"),
        (lambda m: physics.mass(m, "x.mass", "uper"), "Did you mean 'upper'"),
        (lambda m: physics.friction(m, "x.friction", "bal"), "Did you mean 'ball'"),
        (lambda m: physics.damping(m, "x.damping", "elbo?x"), "unknown joint"),
        (lambda m: scene.camera_angle(m, "camera.angle", "vieww"), "Did you mean 'view'"),
    ],
)
def test_what_would_do_nothing_or_names_nothing_is_refused(make: Any, match: str) -> None:
    with pytest.raises(InvalidValueError, match=match):
        make(mujoco.MjModel.from_xml_string(ARM))


def test_colours_and_lights_that_would_not_show_are_refused() -> None:
    painted = ARM.replace('material="skin"', 'material="skin" rgba="1 0 0 1"')
    with pytest.raises(InvalidValueError, match="colour of its own"):
        appearance.material_color(mujoco.MjModel.from_xml_string(painted), "arm.color", "skin")
    sun = mujoco.MjModel.from_xml_string(ARM.replace('name="lamp"', 'name="lamp" type="directional"'))
    with pytest.raises(InvalidValueError, match="directional"):
        scene.light_position(sun)
    dark = ARM.replace('name="lamp"', 'name="lamp" active="false"')
    with pytest.raises(InvalidValueError, match="no light"):
        scene.light_intensity(mujoco.MjModel.from_xml_string(dark), lights="lamp")
    with pytest.raises(InvalidValueError, match="no gravity"):
        physics.gravity(mujoco.MjModel.from_xml_string(ARM.replace("<option", '<option gravity="0 0 0"')))


def test_a_shadow_falls_in_the_full_preset_alone() -> None:
    class Shady(Arm):
        def __init__(self, image_size: Any = 48, render_mode: str | None = "rgb_array", **kwargs: Any) -> None:
            model = mujoco.MjModel.from_xml_string(ARM)
            MujocoEnv.__init__(
                self, model, (scene.shadow(model),), image_size=image_size, render_mode=render_mode, **kwargs
            )

    for preset in ("fast", "full"):
        env = Shady(preset=preset)
        without, cast = (env.reset(seed=0, options={"variation": {"light.shadow": v}})[0]["pixels"] for v in (0, 1))
        assert np.array_equal(without, cast) == (preset == "fast")
        env.close()


def test_elements_are_chosen_by_names_and_patterns() -> None:
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody><body name="a"><joint name="a1" type="ball"/><geom size=".1"/><geom size=".2"/></body>
        <body name="ab"><joint/><geom name="g" size=".1"/><site name="s"/></body><light/></worldbody></mujoco>"""
    )
    assert element_names(model, "geom") == ("a/0", "a/1", "g")
    assert element_names(model, "joint") == ("a1", "joint1")
    assert element_names(model, "light") == ("light0",)
    assert select(model, "body", "a*").tolist() == [1, 2]
    assert select(model, "geom", ["g", "a/?", "g"]).tolist() == [0, 1, 2]
    assert geoms_of(model, "a") == ("a/0", "a/1")
    assert dofs_of(model, "a1").tolist() == [0, 1, 2]
    with pytest.raises(UnknownNameError, match="Did you mean 'a/0'"):
        select(model, "geom", "a0")


@pytest.mark.slow
def test_500_resets_leak_nothing() -> None:
    env = Arm()

    def play(count: int) -> None:
        for seed in range(count):
            env.reset(seed=seed, options={"variation": "all"})
            env.step(np.ones(2))
        gc.collect()

    play(200)
    before = resident()
    play(500)
    assert resident() - before < 2 * 2**20


def resident() -> int:
    """Memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
