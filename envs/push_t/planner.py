"""Which push next: all places beside the block and some directions from each, judged by the contact model."""

from dataclasses import dataclass

import numpy as np

from swm.core.protocols import Array
from swm.envs.push_t import geometry, route
from swm.envs.push_t.contact import BlockModel

_LENGTH = 120.0
"""Longest push, px."""
_SLANTS = np.array([-0.4, 0.0, 0.4])
"""Directions from the places beside the block, about the one to its edge, in rad."""
_ONWARD = np.linspace(-1.2, 1.2, 13)
"""Directions from where the agent touches the block, about the one to the contact, in rad."""
_TOUCHING = 8.0
"""The agent can push on from where it is when its distance to the block is below this, px."""
_TURN_WEIGHT = 1.8
"""Cost of a wrong angle, as a multiple of how far the block moves while it is turned; above 1, so that turning pays."""
_PUSH_WEIGHT, _TRAVEL_WEIGHT = 0.1, 0.15
"""Cost of the agent's ways, per px."""
_GAIN = 1.0
"""A push must lower the cost of the pose by this, px."""


@dataclass(frozen=True)
class Push:
    """A straight push in the arena."""

    start: Array
    """Where the agent begins it, (2,)."""
    direction: Array
    """Unit vector (2,)."""
    length: float
    """How far the agent goes, px."""


def gap(poses: Array, goal: Array, turn: float) -> tuple[Array, Array]:
    """Distances in px and rad of poses (..., 3) from a goal (3,), angles modulo `turn`: (...) each."""
    angle = (poses[..., 2] - goal[2] + turn / 2) % turn - turn / 2
    return np.hypot(poses[..., 0] - goal[0], poses[..., 1] - goal[1]), np.abs(angle)


def best_push(model: BlockModel, pose: Array, agent: Array, goal: Array) -> Push | None:
    """The push after which the block is nearest to its goal, with regard to the way to it; None if none helps.

    Args:
        model: block and agent.
        pose: x, y of the block's centre of gravity and its angle, (3,).
        agent: x, y of the agent.
        goal: as `pose`.
    """
    starts, directions, travel = _candidates(model, pose, agent)
    way, poses, valid = model.push(pose, starts, directions, _LENGTH)
    after = _cost(model, poses, goal)
    useful = valid & (after < _cost(model, pose, goal) - _GAIN)
    total = np.where(useful, after + _PUSH_WEIGHT * way + _TRAVEL_WEIGHT * travel[:, None], np.inf)
    best, until = np.unravel_index(total.argmin(), total.shape)
    if not useful[best, until]:
        return None
    return Push(starts[best], directions[best], float(way[until]))


def _cost(model: BlockModel, poses: Array, goal: Array) -> Array:
    apart, angle = gap(poses, goal, model.turn)
    return apart + _TURN_WEIGHT * model.turn_length * angle


def _candidates(model: BlockModel, pose: Array, agent: Array) -> tuple[Array, Array, Array]:
    """Starts (C, 2), unit directions (C, 2), and lengths of the ways to the starts (C,)."""
    starts = [np.repeat(model.to_world(pose, model.starts), len(_SLANTS), axis=0)]
    directions = [_fan(model.turned(pose, model.inward), _SLANTS)]
    travel = [np.repeat(route.lengths(model, pose, agent), len(_SLANTS))]
    away, distance = geometry.nearest(model.to_block(pose, agent[None]), model.sides)
    if 0 < distance[0] < model.radius + _TOUCHING:
        starts.append(np.repeat(agent[None], len(_ONWARD), axis=0))
        directions.append(_fan(model.turned(pose, -away / distance), _ONWARD))
        travel.append(np.zeros(len(_ONWARD)))
    places = np.concatenate(starts)
    inside = ((places > 0) & (places < geometry.SIZE)).all(axis=1)
    return places[inside], np.concatenate(directions)[inside], np.concatenate(travel)[inside]


def _fan(vectors: Array, angles: Array) -> Array:
    """Each vector (V, 2) turned by each angle (A,): (V * A, 2)."""
    sine, cosine = np.sin(angles), np.cos(angles)
    x, y = vectors[:, :1], vectors[:, 1:]
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=2).reshape(-1, 2)
