"""swm/OGBPointMaze*-v0 and swm/OGBAntMaze*-v0: through a maze to a goal."""

from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces
from ogbench.locomaze.ant import AntEnv
from ogbench.locomaze.point import PointEnv

from swm.core.errors import InvalidValueError
from swm.core.factors import Variation
from swm.core.protocols import Array
from swm.core.seeding import make_rng
from swm.envs.mujoco.env import MujocoEnv
from swm.envs.mujoco.render import Preset, Renderer
from swm.envs.ogbench.build import copy_maze
from swm.envs.ogbench.maze_factors import (
    UNIT,
    WALL,
    ant_factors,
    look_factors,
    place_factors,
    places_differ,
    point_factors,
)

_STEP = 0.2
"""How far OGBench's point moves by a full action, in m."""
_CELL_PIXELS = {"medium": 5, "large": 3, "giant": 2}
"""Pixels of a cell in a picture of 32 by 32."""
_SAMPLES = 224
"""A picture whose smaller side is shorter is drawn finer and averaged, in pixels."""


class _FineRenderer(Renderer):
    """Averages over more samples: the edges of walls lie along the pixels, and all of them jump at once."""

    def __init__(self, model: mujoco.MjModel, image_size: tuple[int, int], **kwargs: Any) -> None:
        super().__init__(model, image_size, **kwargs)
        self._grid = -(-_SAMPLES // min(image_size))


class MazeEnv(MujocoEnv):
    """Steer a point, or walk an ant, through a maze to a goal.

    ## Description
    OGBench's mazes, seen from above: cells of 4 m, walls and free cells as in OGBench, whose code
    moves the agent. An action of the point moves it by up to 0.2 m along each axis; walls push it
    back. The ant has four legs of two joints each and walks by their torques.

    ## Action Space
    ``Box(-1, 1, (2,), float32)`` for the point: along x and y. ``Box(-1, 1, (8,), float32)`` for
    the ant: the torques of its joints. One step is 0.1 s.

    ## Observation Space
    ``pixels``: (height, width, 3) uint8, the whole maze from above. ``state``: joint positions and
    velocities, float64 of shape (4,) for the point, m and m/s, and (29,) for the ant: position,
    orientation as a quaternion, joint angles in rad, and their velocities.

    ## Goals and success
    A goal is a vector of all joint positions, of which x and y count: ``info["success"]`` is true up
    to 1 m from it for the point, 0.5 m for the ant. The distance is that in the plane, in m.

    ## Rewards
    -1 until the goal is reached, then 0, as in OGBench's single-task environments.

    ## Starting State
    Start and goal are drawn in different free cells, up to 1 m along each axis from their centres;
    the ant stands, with OGBench's noise on its joints. ``task`` chooses one of OGBench's five
    evaluation tasks instead: its cells, with noise around the centre of that of the start.

    ## Episode End
    Never terminates.

    ## Arguments
    ``agent``: ``"point"`` or ``"ant"``; ``maze``: ``"medium"``, ``"large"`` or ``"giant"``; both are
    part of the id. ``task``: None (default) or 1 to 5. ``image_size``: default 64. ``render_mode``:
    ``"rgb_array"`` (default) or None. ``preset``: ``"fast"`` (default) or ``"full"``.

    ## Factors
    `factors` has them with their ranges.

    ## Version History
    - v0: first version, of OGBench 1.2.
    """

    def __init__(
        self,
        agent: str,
        maze: str,
        task: int | None = None,
        image_size: int | tuple[int, int] = 64,
        render_mode: str | None = "rgb_array",
        preset: Preset = "fast",
    ) -> None:
        """Make the environment; see the class for the arguments."""
        self._original: Any = copy_maze(agent, maze)
        model, tasks = self._original.model, self._original.task_infos
        if task is not None and task not in range(1, len(tasks) + 1):
            raise InvalidValueError(f"task is {task!r}; it must be None or from 1 to {len(tasks)}.")
        self._cells = np.argwhere(self._original.maze_map == 0)
        ends = [None if task is None else self._number(tasks[task - 1][f"{end}_ij"]) for end in ("init", "goal")]
        self._is_ant = agent == "ant"
        camera = _from_above(self._original.custom_camera, maze, len(self._original.maze_map), model.vis.global_.fovy)
        super().__init__(
            model,
            [
                *place_factors(self._cells, *ends),
                *look_factors(model, camera),
                *(ant_factors(model) if self._is_ant else point_factors(model)),
            ],
            image_size=image_size,
            render_mode=render_mode,
            preset=preset,
            camera=camera,
            data=self._original.data,
            constraints=(places_differ(),),
            scratch_fields=("geom_pos",),
        )
        self.renderer = _FineRenderer(model, self.image_size, camera=camera, preset=preset)
        self.success_radius = float(self._original._goal_tol)
        self._marker = model.geom("target").id
        if not self._is_ant:
            self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def _number(self, cell: tuple[int, int]) -> int:
        """The number of a free cell."""
        return int(np.flatnonzero((self._cells == cell).all(axis=1))[0])

    def place(self, cell: int, offset: Array) -> Array:
        """The position (2,) at an offset from the centre of a free cell, in m."""
        center: Array = np.array(self._original.ij_to_xy(self._cells[cell]), np.float64)
        return center + offset

    def _initialize(self, variation: Variation, seed: int) -> None:
        if self._is_ant:
            rng, noise = make_rng(seed), self._original._reset_noise_scale
            self.data.qpos[:] = self._original.init_qpos + rng.uniform(-noise, noise, self.model.nq)
            self.data.qvel[:] = self._original.init_qvel + noise * rng.standard_normal(self.model.nv)
        self.data.qpos[:2] = self.place(variation["agent.start_cell"], variation["agent.start_offset"])

    def _draw_goal(self, seed: int) -> None:
        self._set_target(self._pose_at(self.place(self._drawn["goal.cell"], self._drawn["goal.offset"])))

    def _pose_at(self, position: Array) -> Array:
        """The joint positions of an agent at rest at `position` (2,)."""
        pose: Array = self._original.init_qpos.copy()
        pose[:2] = position
        return pose

    def _simulate(self, action: Array) -> tuple[float, bool]:
        if self._is_ant:
            AntEnv.step(self._original, action)
        else:
            drift = self._drawn["agent.drift"] / _STEP
            PointEnv.step(self._original, self._drawn["agent.speed"] * action + drift)
        self._refresh()
        return float(self._goal()[1]) - 1.0, False

    def _goal(self) -> tuple[Array, bool, float]:
        distance = float(np.linalg.norm(self.data.qpos[:2] - self._target[:2]))
        return self._target.copy(), distance <= self.success_radius, distance

    def _set_target(self, target: Array) -> None:
        self._target = target
        self.model.geom_pos[self._marker, :2] = target[:2]
        self._refresh()

    def sample_goal(self, rng: np.random.Generator) -> Array:
        """Draw a goal in another cell than that of the start."""
        cell, offset = self.factors["goal.cell"], self.factors["goal.offset"]
        start = self._drawn["agent.start_cell"]
        others = [number for number in cell.train if number != start] or [
            number for number in range(len(self._cells)) if number != start
        ]
        return self._pose_at(self.place(others[rng.integers(len(others))], offset.sample_train(rng)))


def _from_above(original: mujoco.MjvCamera, maze: str, rows: int, fovy: float) -> mujoco.MjvCamera:
    """OGBench's camera, moved so that the tops of walls end where pixels do."""
    camera = mujoco.MjvCamera()
    span = 32 * UNIT / _CELL_PIXELS[maze]
    camera.lookat, camera.distance = original.lookat, WALL + span / 2 / np.tan(np.radians(fovy / 2))
    camera.lookat[1] += UNIT / 2 * (rows % 2)
    camera.azimuth, camera.elevation = original.azimuth, original.elevation
    return camera
