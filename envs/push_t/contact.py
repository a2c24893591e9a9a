"""A geometric model of one disc that pushes the block: exact for a single contact without friction or slide.

A block without damping moves only as far as the agent makes room for itself. Without friction the
push acts along the normal n at the contact c (from the centre of gravity): an overlap of d moves the
block by ``-d n / (1 + k (c x n)^2)`` and turns it by ``-d k (c x n) / (1 + k (c x n)^2)``, with
k = mass / moment of inertia.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from swm.core.protocols import Array
from swm.core.spaces import Value
from swm.envs.push_t import geometry
from swm.envs.push_t.shapes import SHAPES
from swm.envs.push_t.simulator import make_block

RING = 48
"""Points of the ring around the block."""
_CLEARANCE, _TOUCH = 6.0, 2.0
"""Distance from the agent to the block, on the ring and where a push begins, px."""
_SPACING = 8.0
"""Distance between the places where pushes begin, px."""
_STRIDE = 5.0
"""The agent's way between two looks at the contact, in px."""


class BlockModel:
    """Block and agent of one episode as the expert sees them; the frame's origin is the centre of gravity."""

    def __init__(self, shape: int, scale: float, inverse_inertia: float, radius: float) -> None:
        """Prepare outline and ring.

        Args:
            shape: index of the block's shape.
            scale: its scale.
            inverse_inertia: mass over moment of inertia, 1/px^2.
            radius: of the agent, px.
        """
        self.center = SHAPES[shape].center * scale
        self.turn = 2 * np.pi / SHAPES[shape].symmetry
        self.radius, self.inverse_inertia = radius, inverse_inertia
        parts = [part * scale - self.center for part in SHAPES[shape].outline]
        self.sides, self.corners = geometry.edges(parts), np.concatenate(parts)
        self.reach = float(np.hypot(*self.corners.T).max())
        self.ring = _ring(self.sides, radius + _CLEARANCE)
        """Points (RING, 2) all around the block, for ways around it."""
        self.ring_steps = np.hypot(*(np.roll(self.ring, -1, axis=0) - self.ring).T)
        """From each of them to the next, px."""
        self.starts, self.inward = _starts(parts, radius)
        """Places (S, 2) beside the block where pushes begin, and the directions from them to the edge."""
        contacts = self.starts + (radius + _TOUCH) * self.inward
        lever = np.abs(contacts[:, 0] * self.inward[:, 1] - contacts[:, 1] * self.inward[:, 0]).max()
        self.turn_length = float(1.0 / (inverse_inertia * lever))
        """How far the centre of gravity moves while the best push turns the block by one rad, px."""
        gaps = np.hypot(*(self.starts[:, None] - self.ring).transpose(2, 0, 1))
        self.exits, self.exit_gaps = gaps.argmin(axis=1), gaps.min(axis=1)
        """The ring's point that is nearest to each place, and how far it is."""

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> "BlockModel":
        """The model of an episode with these factors; an agent of another shape is taken for a disc."""
        body, _ = make_block(values)
        radius = 0.9 * geometry.agent_radius(values) if values["agent.shape"] else geometry.agent_radius(values)
        return _cached(values["block.shape"], values["block.scale"], body.mass / body.moment, radius)

    def gravity(self, pose: Array) -> Array:
        """The pose of the centre of gravity, (3,), of a block whose origin is at `pose`, (3,)."""
        return np.append(pose[:2] + self.turned(pose, self.center[None])[0], pose[2])

    def turned(self, pose: Array, vectors: Array) -> Array:
        """Vectors (P, 2) of the block's frame in the arena's directions."""
        sine, cosine = np.sin(pose[2]), np.cos(pose[2])
        turned: Array = vectors @ np.array([[cosine, sine], [-sine, cosine]])
        return turned

    def to_world(self, pose: Array, points: Array) -> Array:
        """Points (P, 2) of the block's frame in the arena; `pose` is that of the centre of gravity."""
        return self.turned(pose, points) + pose[:2]

    def to_block(self, pose: Array, points: Array) -> Array:
        """The inverse of `to_world`."""
        sine, cosine = np.sin(pose[2]), np.cos(pose[2])
        local: Array = (points - pose[:2]) @ np.array([[cosine, -sine], [sine, cosine]])
        return local

    def push(self, pose: Array, starts: Array, directions: Array, length: float) -> tuple[Array, Array, Array]:
        """Push along C straight lines at once.

        Args:
            pose: x, y of the centre of gravity and angle, (3,).
            starts: where the agent begins, (C, 2), touching nothing.
            directions: unit vectors (C, 2).
            length: of the lines, px.

        Returns:
            The agent's ways (T,); the poses after them (C, T, 3); whether until then agent and block
            stayed within the arena, (C, T).
        """
        way = np.arange(_STRIDE, length + _STRIDE / 2, _STRIDE)
        agents = starts[:, None] + way[:, None] * directions[:, None]
        poses = np.empty((len(starts), len(way), 3))
        now = np.repeat(pose[None], len(starts), axis=0)
        for index in range(len(way)):
            self._yield(now, agents[:, index])
            poses[:, index] = now
        within = ((agents >= 0) & (agents <= geometry.SIZE)).all(axis=2) & self._within_walls(poses)
        return way, poses, np.logical_and.accumulate(within, axis=1)

    def _yield(self, poses: Array, agent: Array) -> None:
        """Move the blocks (C, 3), in place, out of the way of the agents (C, 2)."""
        sine, cosine = np.sin(poses[:, 2]), np.cos(poses[:, 2])
        apart = agent - poses[:, :2]
        local = np.stack([cosine * apart[:, 0] + sine * apart[:, 1], cosine * apart[:, 1] - sine * apart[:, 0]], axis=1)
        away, distance = geometry.nearest(local, self.sides)
        overlap = np.maximum(self.radius - distance, 0.0)
        normal = away / np.maximum(distance, 1e-9)[:, None]
        contact = local - away
        lever = contact[:, 0] * normal[:, 1] - contact[:, 1] * normal[:, 0]
        share = overlap / (1.0 + self.inverse_inertia * lever * lever)
        poses[:, 0] -= share * (cosine * normal[:, 0] - sine * normal[:, 1])
        poses[:, 1] -= share * (sine * normal[:, 0] + cosine * normal[:, 1])
        poses[:, 2] -= share * self.inverse_inertia * lever

    def _within_walls(self, poses: Array) -> Array:
        """Whether blocks at poses (..., 3) lie between the middles of the walls: (...)."""
        low, high = geometry.WALL_LOW, geometry.WALL_HIGH
        center = poses[..., :2]
        within: Array = np.all((center >= low + self.reach) & (center <= high - self.reach), axis=-1)
        near = poses[~within]
        sine, cosine = np.sin(near[:, 2:]), np.cos(near[:, 2:])
        x = near[:, :1] + cosine * self.corners[:, 0] - sine * self.corners[:, 1]
        y = near[:, 1:2] + sine * self.corners[:, 0] + cosine * self.corners[:, 1]
        within[~within] = (np.minimum(x, y).min(axis=1) >= low) & (np.maximum(x, y).max(axis=1) <= high)
        return within


@lru_cache(maxsize=256)
def _cached(shape: int, scale: float, inverse_inertia: float, radius: float) -> BlockModel:
    return BlockModel(shape, scale, inverse_inertia, radius)


def _ring(sides: Array, distance: float) -> Array:
    """Points all around the block at one distance from it, (RING, 2)."""
    angle = np.arange(RING) * (2 * np.pi / RING)
    rays = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    reach = np.full(RING, np.abs(sides).sum(axis=2).max() + distance)
    for _ in range(40):  # from far away inwards, each step as long as surely leads nowhere too near
        reach -= geometry.nearest(rays * reach[:, None], sides)[1] - distance
    points: Array = rays * reach[:, None]
    return points


def _starts(parts: Sequence[Array], radius: float) -> tuple[Array, Array]:
    """Places of the agent just beside the block, all along its edges, and the directions to the edges: (S, 2)."""
    sides = geometry.edges(parts)
    points, inward = [], []
    for start, end in sides:
        along = end - start
        length = float(np.hypot(*along))
        count = max(round(length / _SPACING), 2)
        share = (np.arange(count) + 0.5) / count
        normal = np.array([along[1], -along[0]]) / length
        for side in (normal, -normal):
            points.append(start + share[:, None] * along + (radius + _TOUCH) * side)
            inward.append(np.repeat(-side[None], count, axis=0))
    found, directions = np.concatenate(points), np.concatenate(inward)
    free = geometry.nearest(found, sides)[1] >= radius + _TOUCH - 0.5
    free &= np.array([not geometry.inside(point, parts) for point in found])
    return found[free], directions[free]
