"""Lengths and sizes: an edited model is the model that MuJoCo compiles from the edited file."""

import mujoco
import numpy as np
import pytest

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.envs.mujoco import shape
from swm.envs.mujoco.factor import ModelFactor

LEG = """
<mujoco>
  <option timestep="0.002"/>
  <worldbody>
    <geom name="floor" type="plane" size="5 5 1"/>
    <body name="trunk" pos="0 0 1.2">
      <freejoint/>
      <geom name="trunk" type="box" size="0.2 0.1 0.1"/>
      <body name="thigh" pos="0.1 0 -0.1">
        <joint name="hip" axis="0 1 0"/>
        <geom name="thigh" type="capsule" size="0.04" fromto="0 0 0  {x} 0 {z}"/>
        <site name="tip" pos="{x} 0 {z}"/>
        <body name="shin" pos="{x} 0 {z}">
          <joint name="knee" axis="0 1 0"/>
          <geom name="shin" type="{kind}" size="{shin}" pos="0 0 -0.2"/>
          <geom name="foot" type="sphere" size="0.05" pos="0 0 -0.4"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator><motor joint="hip" gear="20"/><motor joint="knee" gear="20"/></actuator>
</mujoco>
"""
SIZES = {"capsule": (0.03, 0.18), "cylinder": (0.03, 0.18), "box": (0.03, 0.02, 0.18), "ellipsoid": (0.03, 0.02, 0.18)}


def compile_leg(length: float = 1.0, size: float = 1.0, kind: str = "capsule") -> mujoco.MjModel:
    """A leg whose thigh is `length` times as long and whose shin's geom is `size` times as large."""
    shin = " ".join(str(size * side) for side in SIZES[kind])
    return mujoco.MjModel.from_xml_string(LEG.format(x=0.15 * length, z=-0.36 * length, kind=kind, shin=shin))


def edited(model: mujoco.MjModel, factor: ModelFactor, value: float) -> mujoco.MjModel:
    factor.edit(model, value)
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def motion(model: mujoco.MjModel, steps: int = 200) -> np.ndarray:
    """Positions (steps, nq) under waving commands: the leg falls and hits the floor."""
    data = mujoco.MjData(model)
    rows = []
    for step in range(steps):
        data.ctrl[:] = np.sin(0.05 * step), np.cos(0.03 * step)
        mujoco.mj_step(model, data)
        rows.append(data.qpos.copy())
    return np.array(rows)


def assert_same_body(a: mujoco.MjModel, b: mujoco.MjModel) -> None:
    for field in ("body_mass", "body_ipos", "geom_size", "geom_pos", "geom_rbound", "geom_aabb", "site_pos", "dof_M0"):
        np.testing.assert_allclose(getattr(a, field), getattr(b, field), rtol=1e-9, atol=1e-12, err_msg=field)
    np.testing.assert_allclose(np.sort(a.body_inertia, axis=1), np.sort(b.body_inertia, axis=1), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(motion(a), motion(b), atol=1e-6)


@pytest.mark.parametrize("times", [0.75, 1.25])
def test_a_longer_limb_is_the_model_compiled_with_it(times: float) -> None:
    model = compile_leg()
    factor = shape.limb_length(model, "thigh.length", "thigh")
    assert factor.default == pytest.approx(0.39)
    changed = edited(model, factor, factor.default * times)
    assert_same_body(changed, compile_leg(length=times))
    assert np.abs(motion(compile_leg()) - motion(changed)).max() > 0.01


@pytest.mark.parametrize("kind", SIZES)
def test_a_larger_geom_is_the_model_compiled_with_it(kind: str) -> None:
    model = compile_leg(kind=kind)
    factor = shape.geom_size(model, "shin.size", "shin")
    assert_same_body(edited(model, factor, 1.6), compile_leg(size=1.6, kind=kind))


def test_a_limb_grows_from_the_origin_of_its_body_in_both_directions() -> None:
    xml = """<mujoco><worldbody><body name="bar"><freejoint/><geom type="capsule" size="0.1" fromto="-1 0 0 3 0 0"/>
      <site name="left" pos="-1 0 0"/><site name="middle"/><site name="right" pos="3 0 0"/></body>
      </worldbody></mujoco>"""
    model = mujoco.MjModel.from_xml_string(xml)
    edited(model, shape.limb_length(model, "bar.length", "bar"), 5.0)
    np.testing.assert_allclose(model.site_pos[:, 0], [-1.25, 0.0, 3.75], atol=1e-12)


def test_what_cannot_follow_is_refused() -> None:
    model = compile_leg()
    with pytest.raises(InvalidValueError, match="does not have a capsule or cylinder"):
        shape.limb_length(model, "trunk.length", "trunk")
    with pytest.raises(InvalidValueError, match="does not have the capsule or cylinder 'foot'"):
        shape.limb_length(model, "shin.length", "shin", geom="foot")
    with pytest.raises(UnknownNameError, match="thigh"):
        shape.limb_length(model, "thigh.length", "thig")
    with pytest.raises(InvalidValueError, match="means 2 geoms"):
        shape.geom_size(model, "leg.size", "t*")
    with pytest.raises(InvalidValueError, match="only primitive geoms"):
        shape.geom_size(model, "floor.size", "floor")
    model.body_inertia[3] *= 2
    with pytest.raises(InvalidValueError, match="not that of its geoms"):
        shape.geom_size(model, "shin.size", "shin")


def test_a_limb_that_a_constraint_holds_is_refused() -> None:
    xml = LEG.format(x=0, z=-0.4, kind="capsule", shin="0.03 0.18")
    xml = xml.replace("<actuator>", '<equality><connect body1="thigh" anchor="0 0 0"/></equality><actuator>')
    model = mujoco.MjModel.from_xml_string(xml)
    with pytest.raises(InvalidValueError, match="equality constraint"):
        shape.limb_length(model, "thigh.length", "thigh")
