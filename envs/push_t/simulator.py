"""The physics of one episode: a kinematic agent that pushes a block inside four walls.

Pymunk keeps contacts from one step to the next to start its solver from the last impulses. These
would be a hidden part of the state. So each control step begins by putting the bodies where the
state says and taking their shapes out and in again, which forgets every contact and rebuilds the
spatial index: the state alone decides what follows, to the last bit.
"""

from collections.abc import Mapping
from math import exp, tau

import numpy as np
import pymunk

from swm.core.protocols import Array
from swm.core.spaces import Value
from swm.envs.push_t.geometry import AGENT_UNIT, SIZE, WALL_HIGH, WALL_LOW, WALL_RADIUS
from swm.envs.push_t.shapes import DISC, SHAPES

TIME_STEP = 0.01
SUBSTEPS = 10
STIFFNESS = 100.0
"""Gain of the agent's controller on the distance to its target; the one on its velocity makes it critically damped."""


class Simulator:
    """One episode.

    ``state`` is a list of ten floats: x and y of the agent, x and y of the block's origin, the
    block's angle in [0, 2 pi), the agent's velocity, the velocity of the block's centre of gravity,
    and its angular velocity. Unless ``block.slide`` is above 0 the block stops at once, and the last three are 0.
    """

    def __init__(self, values: Mapping[str, Value], state: Array) -> None:
        """Build the bodies.

        Args:
            values: every factor.
            state: (10,), see the class.
        """
        self.state: list[float] = np.asarray(state, np.float64).tolist()
        self._reach, self._stiffness = values["agent.reach"], values["agent.stiffness"]
        slide = values["block.slide"]
        self._slides = slide > 0
        self._space = pymunk.Space()
        self._space.damping = exp(-1.0 / slide) if slide > 0 else 0.0  # the share of speed kept for a second
        self._agent, agent_shapes = make_agent(values)
        self._block, self._block_shapes = make_block(values)
        self._shapes = (*agent_shapes, *self._block_shapes)
        self._space.add(self._agent, self._block, *self._shapes, *_walls(self._space.static_body))

    def step(self, action: Array) -> None:
        """Take one control step of 0.1 s with an action (2,) in [-1, 1]."""
        x, y, block_x, block_y, angle, vx, vy, block_vx, block_vy, spin = self.state
        space, agent, block = self._space, self._agent, self._block
        space.remove(*self._shapes)
        space.step(TIME_STEP)  # spends what is left of the corrections of overlaps
        agent.position, agent.velocity = (x - vx * TIME_STEP, y - vy * TIME_STEP), (vx, vy)
        block.angle = angle  # turns about the centre of gravity, so the origin is placed afterwards
        block.position, block.velocity, block.angular_velocity = (block_x, block_y), (0.0, 0.0), 0.0
        space.add(*self._shapes)
        space.step(TIME_STEP)  # the agent arrives, the block stays: the contacts of the state
        agent.position = x, y
        if self._slides:
            block.velocity, block.angular_velocity = (block_vx, block_vy), spin

        stiffness, drag = self._stiffness, 2 * self._stiffness**0.5
        target_x, target_y = x + float(action[0]) * self._reach, y + float(action[1]) * self._reach
        for _ in range(SUBSTEPS):
            vx += (stiffness * (target_x - x) + drag * (0 - vx)) * TIME_STEP
            vy += (stiffness * (target_y - y) + drag * (0 - vy)) * TIME_STEP
            vx, vy = _stay(x, vx), _stay(y, vy)
            agent.velocity = vx, vy
            space.step(TIME_STEP)
            x += vx * TIME_STEP
            y += vy * TIME_STEP
        (x, y), (block_x, block_y) = agent.position, block.position
        inward_x, inward_y = self._inward()
        self.state[:7] = x, y, block_x + inward_x, block_y + inward_y, wrap(block.angle), vx, vy
        if self._slides:
            self.state[7:] = *block.velocity, block.angular_velocity

    def _inward(self) -> tuple[float, float]:
        """How far the block must move so that no wall is behind it.

        An agent of infinite mass can drive the block through a thin wall, as it does in the original.
        """
        boxes = [shape.bb for shape in self._block_shapes]
        return (
            _into(min(box.left for box in boxes), max(box.right for box in boxes)),
            _into(min(box.bottom for box in boxes), max(box.top for box in boxes)),
        )


def _into(low: float, high: float) -> float:
    """The shift that puts the interval [low, high] between the middles of two walls."""
    return max(WALL_LOW - low, 0.0) + min(WALL_HIGH - high, 0.0)


def response(stiffness: float) -> tuple[float, float]:
    """How far the agent gets in a control step, per px from it to its target and per px/s of its velocity."""
    found = []
    for target, velocity in ((1.0, 0.0), (0.0, 1.0)):
        position = 0.0
        for _ in range(SUBSTEPS):
            velocity += (stiffness * (target - position) - 2 * stiffness**0.5 * velocity) * TIME_STEP
            position += velocity * TIME_STEP
        found.append(position)
    return found[0], found[1]


def wrap(angle: float) -> float:
    """The same angle in [0, 2 pi)."""
    wrapped = angle % tau
    return wrapped if wrapped < tau else 0.0


def _stay(position: float, velocity: float) -> float:
    """The velocity that does not leave the picture within one time step."""
    after = position + velocity * TIME_STEP
    if 0.0 <= after <= SIZE:
        return velocity
    return ((0.0 if after < 0.0 else SIZE) - position) / TIME_STEP


def make_agent(values: Mapping[str, Value]) -> tuple[pymunk.Body, list[pymunk.Shape]]:
    """The agent's body, its centre of gravity at its origin, and its shapes."""
    body = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
    body.angle = values["agent.angle"]
    shape, unit = SHAPES[values["agent.shape"]], AGENT_UNIT * values["agent.scale"]
    made: list[pymunk.Shape] = [pymunk.Circle(body, unit)]
    if values["agent.shape"] != DISC:
        made = [pymunk.Poly(body, ((np.array(part) - shape.center) * unit).tolist()) for part in shape.parts]
    for each in made:
        each.friction = 1.0  # a contact's friction is the product of both; the block has the factor
    return body, made


def make_block(values: Mapping[str, Value]) -> tuple[pymunk.Body, list[pymunk.Shape]]:
    """The block's body, of mass 1, and its shapes."""
    shape, scale = SHAPES[values["block.shape"]], values["block.scale"]
    parts = [(np.array(part) * scale).tolist() for part in shape.parts]
    inertia = sum(pymunk.moment_for_poly(1.0, parts[index]) for index in shape.moments)
    body = pymunk.Body(1.0, inertia * values["block.inertia"])
    made: list[pymunk.Shape] = [pymunk.Poly(body, part) for part in parts]
    body.center_of_gravity = tuple((shape.center * scale).tolist())
    for each in made:
        each.friction = values["block.friction"]
    return body, made


def _walls(static: pymunk.Body) -> list[pymunk.Shape]:
    low, high = WALL_LOW, WALL_HIGH
    ends = (
        ((low, high), (low, low)),
        ((low, low), (high, low)),
        ((high, low), (high, high)),
        ((low, high), (high, high)),
    )
    walls: list[pymunk.Shape] = [pymunk.Segment(static, start, end, WALL_RADIUS) for start, end in ends]
    for wall in walls:
        wall.friction = 1.0
    return walls
