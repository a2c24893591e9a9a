"""What an episode shows: floor, walls and goal are drawn once, block and agent in each picture."""

from collections.abc import Mapping, Sequence

import numpy as np

from swm.core.protocols import Array
from swm.core.spaces import Value
from swm.envs.drawing import Canvas
from swm.envs.push_t import geometry
from swm.envs.push_t.geometry import SIZE, WALL_HIGH, WALL_LOW, WALL_RADIUS
from swm.envs.push_t.shapes import place


class Scene:
    """Draws one episode."""

    def __init__(self, values: Mapping[str, Value], image_size: tuple[int, int], with_agent: bool) -> None:
        """Prepare the shapes.

        Args:
            values: every factor.
            image_size: height and width in pixels.
            with_agent: whether the goal's marker also shows where the agent should be.
        """
        self._values, self._with_agent = values, with_agent
        self._block, self._agent = geometry.block_outline(values), geometry.agent_outline(values)
        self._radius = geometry.agent_radius(values)
        self._floor = Canvas(image_size, (0.0, 0.0), (SIZE, SIZE), values["background.color"])
        for wall in _walls():
            self._floor.polygons([wall], values["wall.color"])
        self._still = self._floor

    def set_goal(self, goal: Array) -> None:
        """Draw the marker of a goal (5,), if it is visible."""
        self._still = self._floor.copy()
        if self._values["goal.visible"]:
            color = self._values["goal.color"]
            self._put(self._still, goal, color, color, self._with_agent)

    def draw(self, state: Sequence[float] | Array) -> Array:
        """The picture of agent x, y, block x, y, angle: (height, width, 3) uint8, the caller's to keep."""
        canvas = self._still.copy()
        self._put(canvas, state, self._values["block.color"], self._values["agent.color"], True)
        return canvas.pixels()

    def _put(
        self, canvas: Canvas, pose: Sequence[float] | Array, block_color: Array, agent_color: Array, with_agent: bool
    ) -> None:
        x, y, block_x, block_y, angle = (float(value) for value in pose[:5])
        canvas.polygons([place(part, block_x, block_y, angle) for part in self._block], block_color)
        if not with_agent:
            return
        if self._agent:
            canvas.polygons([place(part, x, y, 0.0) for part in self._agent], agent_color)
        else:
            canvas.disc((x, y), self._radius, agent_color)


def _walls() -> list[Array]:
    near, far = WALL_LOW - WALL_RADIUS, WALL_HIGH + WALL_RADIUS
    inner_near, inner_far = WALL_LOW + WALL_RADIUS, WALL_HIGH - WALL_RADIUS
    boxes = (
        (near, near, far, inner_near),
        (near, inner_far, far, far),
        (near, near, inner_near, far),
        (inner_far, near, far, far),
    )
    return [np.array([(a, b), (c, b), (c, d), (a, d)]) for a, b, c, d in boxes]
