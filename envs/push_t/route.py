"""Ways of the agent around the block."""

import numpy as np

from swm.core.protocols import Array
from swm.envs.push_t import geometry
from swm.envs.push_t.contact import RING, BlockModel

_PROBES = 12
"""Places along a straight way that are looked at."""
_SLACK = 1.0
"""Least distance of agent and block on a way, px."""
_REACHED = 4.0
_BLOCKED = 1e4
"""Length that stands for a point of the ring outside the arena."""


def next_point(model: BlockModel, pose: Array, agent: Array, target: Array) -> Array:
    """Where to go next on a way from `agent` to `target` (2,) that leaves the block alone.

    Straight on if nothing is between; otherwise along the model's ring, the shorter way around, to
    the farthest point that can be reached straight.

    Args:
        model: block and agent.
        pose: x, y of the block's centre of gravity and its angle, (3,).
        agent: (2,).
        target: (2,).
    """
    here, there = model.to_block(pose, np.stack([agent, target]))
    if _clear(model, here, there[None])[0]:
        return target
    ring = model.to_world(pose, model.ring)
    way = _around(model, ring, here, there)
    seen = np.flatnonzero(_clear(model, here, model.ring[way]))
    ahead = int(seen[-1]) if len(seen) else 0
    if ahead == 0 and np.hypot(*(ring[way[0]] - agent)) < _REACHED:
        ahead = 1
    point: Array = ring[way[ahead]] if ahead < len(way) else target
    return point


def lengths(model: BlockModel, pose: Array, agent: Array) -> Array:
    """About how long the ways from the agent to the model's starts are, along the ring: (S,), px."""
    gaps = np.hypot(*(model.ring - model.to_block(pose, agent[None])[0]).T)
    first = int(gaps.argmin())
    around = np.concatenate([[0.0], np.cumsum(np.roll(model.ring_steps, -first))])
    along = np.roll(np.minimum(around[:-1], around[-1] - around[:-1]), first)
    length: Array = gaps[first] + along[model.exits] + model.exit_gaps
    return length


def _around(model: BlockModel, ring: Array, here: Array, there: Array) -> Array:
    """Indices of the ring's points from the one next to `here` to the one next to `there`, the better way around."""
    first = int(np.hypot(*(model.ring - here).T).argmin())
    last = int(np.hypot(*(model.ring - there).T).argmin())
    outside = ~((ring > 0) & (ring < geometry.SIZE)).all(axis=1)
    forward = (first + np.arange((last - first) % RING + 1)) % RING
    backward = (first - np.arange((first - last) % RING + 1)) % RING
    cost = model.ring_steps + _BLOCKED * outside
    return forward if cost[forward].sum() <= cost[backward].sum() else backward


def _clear(model: BlockModel, here: Array, there: Array) -> Array:
    """Whether the agent can go straight from `here` (2,) to each of `there` (P, 2) without touching the block.

    An agent that is already nearer than it should be may go where it does not get nearer still.
    """
    share = np.linspace(0.0, 1.0, _PROBES)[1:, None]
    least = min(model.radius + _SLACK, float(geometry.nearest(here[None], model.sides)[1][0]) - 0.01)
    _, gaps = geometry.nearest(here + share * (there[:, None] - here), model.sides)
    clear: Array = np.all(gaps > least, axis=1)
    return clear
