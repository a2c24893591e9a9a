"""How far a state is from a goal, and what counts as success."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, hypot, pi, sin, tau

from swm.core.protocols import Array
from swm.envs.push_t.shapes import Shape

RADIUS = 20.0
"""Success: the position error is below this, in px."""
ANGLE = pi / 9
"""Success: the angle error is below this, in rad."""


@dataclass(frozen=True, kw_only=True)
class Errors:
    """From a state to a goal."""

    agent: float
    """Between the agent's positions, in px."""
    block: float
    """Between the block's positions, in px."""
    angle: float
    """Between the block's angles, in rad, at most pi over the shape's symmetry."""

    @property
    def block_distance(self) -> float:
        """Below `RADIUS` exactly if the block's position and angle are both near enough."""
        return max(self.block, RADIUS / ANGLE * self.angle)

    @property
    def pose_distance(self) -> float:
        """The same with the position error of agent and block together, a vector of four numbers."""
        return max(hypot(self.agent, self.block), RADIUS / ANGLE * self.angle)


def errors(state: Sequence[float] | Array, goal: Sequence[float] | Array, shape: Shape, scale: float) -> Errors:
    """Compare agent x, y, block x, y, angle of a state with those of a goal, both (5,) or longer.

    A symmetric block is compared with the pose of the same looks whose angle is the nearest.
    """
    x, y, block_x, block_y, angle = (float(value) for value in state[:5])
    goal_x, goal_y, goal_block_x, goal_block_y, goal_angle = (float(value) for value in goal[:5])
    turn = tau / max(shape.symmetry, 1)
    same = goal_angle + turn * round((angle - goal_angle) / turn)
    center_x, center_y = (shape.center * scale).tolist()
    goal_block_x += (cos(goal_angle) - cos(same)) * center_x - (sin(goal_angle) - sin(same)) * center_y
    goal_block_y += (sin(goal_angle) - sin(same)) * center_x + (cos(goal_angle) - cos(same)) * center_y
    return Errors(
        agent=hypot(x - goal_x, y - goal_y),
        block=hypot(block_x - goal_block_x, block_y - goal_block_y),
        angle=abs(angle - same),
    )
