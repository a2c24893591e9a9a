"""The models of the Fetch tasks, from the files of Gymnasium-Robotics.

Gymnasium-Robotics itself is not imported: its environments fail on the MuJoCo of this suite, and
importing it prints to the terminal.
"""

import functools
import importlib.util
from pathlib import Path

import mujoco

from swm.envs.fetch.task import TASKS, Task

_PACKAGE = importlib.util.find_spec("gymnasium_robotics")
if _PACKAGE is None or _PACKAGE.origin is None:
    raise ImportError("gymnasium_robotics is not installed")
ASSETS = Path(_PACKAGE.origin).parent / "envs" / "assets" / "fetch"


@functools.cache
def compile_model(name: str) -> mujoco.MjModel:
    """The model of a task; copy it before editing it.

    Not drawn are the marks of the gripper's aim and of the object's centre, and two parts of the
    robot's base that the cameras do not see and that have half of all its faces.
    """
    spec = mujoco.MjSpec.from_file(str(ASSETS / f"{name}.xml"))
    for marker in spec.body("robot0:mocap").geoms:
        marker.rgba[3] = 0.0
    if TASKS[name].has_object:
        spec.site("object0").rgba[3] = 0.0
    for part in ("estop", "laser"):
        spec.geom(f"robot0:{part}_link").rgba[3] = 0.0
    spec.delete(spec.texture("texture_block"))
    model = spec.compile()
    model.eq_data[:, :7] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    return model


def make_camera(task: Task) -> mujoco.MjvCamera:
    """The camera of a task."""
    camera, view = mujoco.MjvCamera(), task.view
    camera.lookat[:] = view.lookat
    camera.distance, camera.azimuth, camera.elevation = view.distance, view.azimuth, view.elevation
    return camera
