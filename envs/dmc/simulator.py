"""dm_control, imported without a renderer of its own.

Pictures are drawn by `swm.envs.mujoco.render`, which also works where dm_control finds no OpenGL.
Import dm_control before this package to render with it in the same process.
"""

import os

from swm.envs.mujoco import gl as gl

_VARIABLE = "MUJOCO_GL"
_wanted = os.environ[_VARIABLE]
os.environ[_VARIABLE] = "disable"
try:
    from dm_control import suite as suite
    from dm_control.rl.control import Environment as Environment
    from dm_control.rl.control import PhysicsError as PhysicsError
    from dm_control.utils.rewards import tolerance as tolerance
finally:
    os.environ[_VARIABLE] = _wanted
