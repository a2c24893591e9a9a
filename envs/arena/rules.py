"""What makes one arena differ from another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from swm.core.factors import FactorSpace
from swm.core.protocols import Array
from swm.envs.arena.geometry import SIZE, Obstacles

MAX_SPEED = 10.0
"""The highest ``agent.speed`` of any arena, in world units per step."""
Values = Mapping[str, Array]
"""Factors stacked over N episodes: name -> (N, ...)."""


def minus_distance(distance: Array) -> Array:
    """The reward of most arenas: minus the distance to the goal (N,), in widths of the arena."""
    return -distance / SIZE


@dataclass(frozen=True, kw_only=True)
class Arena:
    """The rules of one arena; everything else is the same in all of them.

    The factors include those of `swm.envs.arena.factors.agent` and `target`.
    """

    factors: FactorSpace
    shape: tuple[str, ...]
    """The factors that decide where the agent can be; ``agent.radius`` is one of them."""
    obstacles: Callable[[Values], Obstacles]
    """From the stacked factors of `shape` to what the agent's centre must stay out of."""
    draw: Callable[[Values, tuple[int, int]], Array]
    """From all stacked factors and (height, width) to pictures without discs, (N, height, width, 3) uint8."""
    success_distance: float
    """The goal is reached when the agent's centre is nearer to it than this, in world units."""
    reward: Callable[[Array], Array] = minus_distance
    """From the distances to the goal after the step, (N,), to the rewards, (N,)."""
    motion: tuple[str, ...] = ("agent.speed", "agent.drag")
    """The factors that decide how an action moves the agent."""
    drift: Callable[[Values, Array], Array] | None = None
    """From the stacked factors of `motion` and positions (N, 2) to what each step's displacement has more, (N, 2)."""
