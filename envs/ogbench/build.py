"""OGBench's own environments, compiled once per process and copied for each environment of the suite."""

import copy
import functools
from pathlib import Path
from typing import Any

import mujoco
from ogbench.locomaze.maze import make_maze_env
from ogbench.manipspace.envs.cube_env import CubeEnv
from ogbench.manipspace.envs.scene_env import SceneEnv

from swm.envs.mujoco.render import Preset
from swm.envs.ogbench.meshes import coarsen

_SKYBOX_SIZE = 128
"""Pixels of a side of the sky, which hardly shows; OGBench's 1024 take longer to restore than all else together."""
_CELL = 0.004
"""Details smaller than this are not drawn, in m: less than a pixel even at 224 by 224."""


@functools.cache
def _manipulation(kind: str, coarse: bool) -> Any:
    """OGBench's environment of this kind with its compiled model, without having begun an episode."""
    make = SceneEnv if kind == "scene" else CubeEnv
    env = make(kind, ob_type="pixels", pixel_transparent_arm=False, visualize_info=False, terminate_at_goal=False)
    mjcf = env.build_mjcf_model()
    sky = mjcf.find("texture", "skybox")
    sky.width = sky.height = _SKYBOX_SIZE
    env._mjcf_model = mjcf
    env.compile_model_and_data()
    for geoms, alpha in ((env._cube_geom_ids_list, 1.0), (env._cube_target_geom_ids_list, 0.0)):
        for cube, color in zip(geoms, env._cube_colors, strict=False):
            env._model.geom_rgba[cube] = [*color[:3], alpha]
    if coarse:
        coarsen(env._model, _CELL)
    return env


@functools.cache
def _maze(agent: str, maze: str) -> Any:
    """OGBench's maze environment of this agent and map."""
    env = make_maze_env(agent, "maze", maze_type=maze, terminate_at_goal=False, add_noise_to_goal=False)
    Path(env.fullpath).unlink(missing_ok=True)
    target = env.model.geom("target").id
    env.model.geom_rgba[target] = [*env.model.mat_rgba[env.model.geom_matid[target]][:3], 0.0]
    return env


def copy_manipulation(kind: str, preset: Preset) -> Any:
    """A copy of OGBench's manipulation environment with a model and data of its own.

    Args:
        kind: ``"single"``, ``"double"``, ``"triple"``, ``"quadruple"``, ``"octuple"`` or ``"scene"``.
        preset: ``"fast"`` has coarser meshes, in pictures alone.
    """
    env = _shallow(_manipulation(kind, preset == "fast"))
    env._model = copy.copy(env._model)
    env._data = mujoco.MjData(env._model)
    return env


def copy_maze(agent: str, maze: str) -> Any:
    """A copy of OGBench's maze environment with a model and data of its own.

    Args:
        agent: ``"point"`` or ``"ant"``.
        maze: ``"medium"``, ``"large"`` or ``"giant"``.
    """
    env = _shallow(_maze(agent, maze))
    env.model = copy.copy(env.model)
    env.data = mujoco.MjData(env.model)
    return env


def _shallow(env: Any) -> Any:
    """What `copy.copy` would make if these classes did not construct themselves anew."""
    made = object.__new__(type(env))
    made.__dict__.update(env.__dict__)
    return made
