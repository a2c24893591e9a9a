"""Pictures: backends, threads, forks, sizes, presets."""

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from swm.core.errors import UnknownNameError
from swm.core.protocols import Array
from swm.envs.mujoco.render import PRESETS, Renderer

ROOT = Path(__file__).parents[2]
SCENE = """
<mujoco>
  <asset>
    <texture name="grid" type="2d" builtin="checker" rgb1="0.1 0.2 0.3" rgb2="0.6 0.6 0.5" width="64" height="64"/>
    <material name="floor" texture="grid" texrepeat="8 8"/>
  </asset>
  <worldbody>
    <light pos="0.5 -0.5 2" castshadow="true"/><camera pos="0 -2 1.2" xyaxes="1 0 0 0 0.5 0.85"/>
    <geom type="plane" size="2 2 0.1" material="floor"/>
    <body name="ball" pos="0 0 0.5"><freejoint/><geom size="0.3" rgba="0.9 0.2 0.1 1"/></body>
    <geom type="capsule" size="0.01" fromto="-0.8 0.1 0.1 0.8 0 0.9" rgba="0.1 0.9 0.2 1"/>
  </worldbody>
</mujoco>
"""


def scene() -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def average(pixels: Array, size: int) -> Array:
    block = len(pixels) // size
    mean: Array = pixels.reshape(size, block, size, block, 3).mean(axis=(1, 3))
    return mean


def run_python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process, without the choice of backend of this one."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
    return subprocess.run(
        [sys.executable, "-c", code], env={**inherited, **env}, cwd=ROOT, capture_output=True, text=True, timeout=120
    )


DRAW = f"""
import mujoco, numpy as np
from swm.envs.mujoco.render import Renderer
model = mujoco.MjModel.from_xml_string('''{SCENE}''')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = Renderer(model, (32, 32), camera=0)
pixels = renderer.render(data)
assert pixels.std() > 10
print(renderer.describe()["backend"], int(pixels.sum()), renderer.describe()["renderer"])
"""
NO_EGL = {"__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent"}


@pytest.mark.parametrize(
    ("env", "backend"),
    [({}, "egl"), ({"MUJOCO_GL": "osmesa"}, "osmesa"), (NO_EGL, "osmesa"), ({"MUJOCO_EGL_DEVICE_ID": "99"}, "osmesa")],
    ids=["default", "osmesa", "no EGL driver", "no EGL device"],
)
def test_each_backend_draws_and_egl_falls_back_to_osmesa(env: dict[str, str], backend: str) -> None:
    done = run_python(DRAW, **env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == backend
    assert len(done.stdout.split()) > 2, "the renderer says its name"
    assert "Exception ignored" not in done.stderr


def test_backends_agree() -> None:
    sums = [int(run_python(DRAW, **env).stdout.split()[1]) for env in ({}, {"MUJOCO_GL": "osmesa"})]
    assert abs(sums[0] - sums[1]) < 0.002 * sums[0]


ENV = f"""
import mujoco, numpy as np
from swm.core.errors import SwmError
from swm.envs.mujoco import env as base
class Ball(base.MujocoEnv):
    simulated = 0
    def __init__(self, image_size=32, render_mode="rgb_array"):
        model = mujoco.MjModel.from_xml_string('''{SCENE}''')
        super().__init__(model, (), image_size=image_size, render_mode=render_mode)
    def _initialize(self, variation, seed):
        Ball.simulated += 1
        self.data.qpos[0] = np.random.default_rng(seed).uniform(-1, 1)
    def _simulate(self, action):
        return 0.0, False
env = Ball(render_mode=None)
env.reset(seed=0)
count = Ball.simulated
try:
    Ball().reset(seed=0)
except SwmError as error:
    assert Ball.simulated == count
    print(error)
"""


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"MUJOCO_GL": "disable"}, "MUJOCO_GL=disable leaves no OpenGL"),
        ({**NO_EGL, "LD_LIBRARY_PATH": "{broken}"}, "osmesa: OSError"),
    ],
    ids=["turned off", "both broken"],
)
def test_missing_opengl_is_told_before_anything_is_simulated(env: dict[str, str], told: str, tmp_path: Path) -> None:
    for name in ("libOSMesa.so", "libOSMesa.so.8", "libOSMesa.so.6"):
        (tmp_path / name).write_text("not a library")
    done = run_python(ENV, **{k: v.format(broken=tmp_path) for k, v in env.items()})
    assert done.returncode == 0, done.stderr
    assert told in done.stdout


def test_any_thread_may_draw() -> None:
    model, data = scene()
    renderers = [Renderer(model, (32, 32), camera=0) for _ in range(3)]
    expected = renderers[0].render(data)
    equal: list[bool] = []

    def draw(renderer: Renderer) -> None:
        own = mujoco.MjData(model)
        mujoco.mj_forward(model, own)
        equal.extend(np.array_equal(renderer.render(own), expected) for _ in range(50))
        renderer.close()

    threads = [threading.Thread(target=draw, args=(renderer,)) for renderer in renderers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert equal == [True] * 150


def test_a_forked_process_is_told_to_be_spawned() -> None:
    code = DRAW + (
        "import os\nfrom swm.core.errors import SwmError\nif os.fork() == 0:\n"
        "    try:\n        renderer.render(data)\n    except SwmError as error:\n        print(error, flush=True)\n"
        "    os._exit(0)\nos.wait()\nrenderer.render(data)\n"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert "'spawn' or 'forkserver'" in done.stdout


def test_renderers_of_one_model_do_not_disturb_each_other() -> None:
    model, data = scene()
    before = (model.vis.quality.shadowsize, model.vis.quality.numslices, model.vis.global_.offwidth)
    asked: list[tuple[tuple[int, int], Any]] = [
        ((32, 32), "fast"), ((224, 96), "fast"), ((64, 64), "full"), ((16, 200), "fast"), ((300, 40), "fast")
    ]  # fmt: skip
    alone = [Renderer(scene()[0], size, camera=0, preset=preset).render(data) for size, preset in asked]
    renderers = [Renderer(model, size, camera=0, preset=preset) for size, preset in asked]
    for _ in range(2):
        for renderer, (size, _), expected in zip(renderers, asked, alone, strict=True):
            pixels = renderer.render(data)
            assert pixels.shape == (*size, 3)
            np.testing.assert_array_equal(pixels, expected)
    assert before == (model.vis.quality.shadowsize, model.vis.quality.numslices, model.vis.global_.offwidth)


@pytest.mark.parametrize("size", [16, 32, 48, 64])
def test_small_pictures_are_what_large_ones_average_to(size: int) -> None:
    model, data = scene()
    large = average(Renderer(model, (960, 960), camera=0).render(data), 16)
    small = average(Renderer(model, (size, size), camera=0).render(data), 16)
    assert np.abs(large - small).mean() < 2.0


def test_a_picture_does_not_depend_on_the_one_before() -> None:
    model = mujoco.MjModel.from_xml_string(SCENE.replace('size="2 2 0.1"', 'size="0 0 0.1"'))
    data, camera = mujoco.MjData(model), mujoco.MjvCamera()
    mujoco.mj_forward(model, data)
    mujoco.mjv_defaultFreeCamera(model, camera)
    expected = Renderer(model, (96, 96), camera=camera).render(data)
    renderer = Renderer(model, (96, 96), camera=camera)
    azimuth, camera.azimuth = camera.azimuth, camera.azimuth + 77
    renderer.render(data)
    camera.azimuth = azimuth
    np.testing.assert_array_equal(renderer.render(data), expected)


def test_the_presets_differ_in_shadows() -> None:
    model, data = scene()
    assert set(PRESETS) == {"fast", "full"}
    fast = Renderer(model, (96, 96), camera=0).render(data).astype(float)
    full = Renderer(model, (96, 96), camera=0, preset="full").render(data).astype(float)
    darker = (fast - full).mean(axis=-1) > 20
    assert 0.01 < darker.mean() < 0.3, "a shadow covers a part of the floor"
    with pytest.raises(UnknownNameError, match="Did you mean 'fast'"):
        Renderer(model, (96, 96), camera=0, preset="fas")  # type: ignore[arg-type]


def test_floors_of_many_squares_look_the_same_and_leave_the_model_alone() -> None:
    pictures = []
    for spacing in ("0.1", "0.02"):
        model = mujoco.MjModel.from_xml_string(SCENE.replace('size="2 2 0.1"', f'size="2 2 {spacing}"'))
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        pictures.append(Renderer(model, (96, 96), camera=0).render(data).astype(int))
        assert model.geom_size[0, 2] == float(spacing)
    assert np.abs(pictures[0] - pictures[1]).mean() < 1.0


def test_the_full_preset_is_what_mujoco_shows() -> None:
    code = DRAW + (
        "with mujoco.Renderer(model, 120, 120) as own:\n"
        "    own.update_scene(data, camera=0)\n"
        "    expected = own.render()\n"
        "full = Renderer(model, (120, 120), camera=0, preset='full')\n"
        "assert np.array_equal(full.render(data), expected)\n"
    )
    done = run_python(code, MUJOCO_GL="egl")
    assert done.returncode == 0, done.stderr


def test_closing_frees_what_opengl_holds() -> None:
    code = DRAW + (
        "from pathlib import Path\n"
        "def resident(): return int(Path('/proc/self/statm').read_text().split()[1]) * 4096\n"
        "def use(count):\n"
        "    for index in range(count):\n"
        "        one = Renderer(model, (256, 256), camera=0)\n"
        "        one.render(data)\n"
        "        if index % 2: one.close()\n"
        "use(40); before = resident(); use(300); print('grown', resident() - before)\n"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 8 * 2**20


def test_a_closed_renderer_draws_again() -> None:
    model, data = scene()
    renderer = Renderer(model, (32, 32), camera=0)
    expected = renderer.render(data)
    renderer.close()
    renderer.close()
    np.testing.assert_array_equal(renderer.render(data), expected)
    del renderer
    gc.collect()
