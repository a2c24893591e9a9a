"""swm/Piecewise-v0 and its relatives."""

from functools import lru_cache, partial

from swm.core.errors import InvalidValueError
from swm.envs.arena.env import ArenaEnv
from swm.envs.arena.rules import Arena
from swm.envs.arena.vector import ArenaVector
from swm.envs.piecewise import zones
from swm.envs.piecewise.factors import SUCCESS_DISTANCE, make_factors

_MOST_ZONES = 8


@lru_cache
def make_arena(grid_n: int) -> Arena:
    """The rules of an arena of `grid_n` by `grid_n` zones.

    Raises:
        InvalidValueError: `grid_n` is not an integer from 1 to 8.
    """
    if not isinstance(grid_n, int) or not 1 <= grid_n <= _MOST_ZONES:
        raise InvalidValueError(f"grid_n is {grid_n!r}; it must be an integer from 1 to {_MOST_ZONES}.")
    return Arena(
        factors=make_factors(grid_n),
        shape=zones.SHAPE,
        obstacles=zones.obstacles,
        draw=partial(zones.draw, grid_n=grid_n),
        success_distance=SUCCESS_DISTANCE,
        motion=("agent.speed", "agent.drag", *zones.bias_names(grid_n)),
        drift=partial(zones.push, grid_n=grid_n),
    )


class PiecewiseEnv(ArenaEnv):
    """Move a disc to a goal in an arena whose zones each push it another way.

    ## Description
    The arena is a square of 224 by 224 world units, x to the right and y down, whatever the
    resolution of the pictures. It is divided into `grid_n` by `grid_n` zones, and each adds its own
    constant to every step that begins in it, so the dynamics are linear in each zone and jump
    between them. The velocity follows the command as ``v' = (1 - drag) v + drag speed action``,
    and the agent moves by ``v' + bias``; at the border it slides. By default the zones are not
    drawn: what an action does depends on the place alone, which the picture shows, and a model has
    to learn it from motion. ``zones.visible`` gives each zone's floor a colour, which tells where
    the zones are but not which way they push.

    ## Action Space
    ``Box(-1, 1, (2,), float32)``: the commanded velocity along x and y as a share of
    ``agent.speed``. Actions outside are clipped. ``agent.actuator_noise`` is added after the
    clipping, and the sum is clipped again. The action that does nothing does not stop the push.

    ## Observation Space
    | component | shape | dtype | content | unit |
    |---|---|---|---|---|
    | ``pixels`` | (height, width, 3) | uint8 | the arena from above, RGB | - |
    | ``state`` [0:2] | (4,) | float64 | position x, y of the agent's centre, 0 to 224 | world units |
    | ``state`` [2:4] | | float64 | velocity v x, y without the push, -10 to 10 | world units per step |

    `get_state` appends the key of the actuator noise and the number of steps taken, float64 of
    shape (6,). The goal state is the position x, y, float64 of shape (2,).

    ## Rewards
    Minus the distance from agent to goal after the step, in widths of the arena.

    ## Starting State
    Start and goal are drawn apart from each other in [42, 182]^2, at least 32 world units from each
    other; the agent is at rest.

    ## Episode End
    Never terminates: ``info["success"]`` is true while the agent is less than 16 world units from
    the goal. Truncation is left to the caller; ``gymnasium.make`` truncates after 200 steps.

    ## Arguments
    ``grid_n``: zones along each side, 1 to 8, default 2.
    ``image_size``: pixels of a square picture or (height, width), default 64.
    ``render_mode``: ``"rgb_array"`` (default) or None.

    ## Factors
    14 + 2 grid_n^2 factors in the groups ``agent``, ``target``, ``border``, ``background`` and
    ``zones``; `factors` has their ranges. Every reset draws ``agent.position`` and
    ``target.position``.

    ## Version History
    - v0: first version.
    """

    def __init__(
        self, grid_n: int = 2, image_size: int | tuple[int, int] = 64, render_mode: str | None = "rgb_array"
    ) -> None:
        """Make the environment; see the class for the arguments."""
        arena = make_arena(grid_n)
        self.factors = arena.factors
        super().__init__(arena, image_size, render_mode)


class PiecewiseVector(ArenaVector):
    """N piecewise environments at once."""

    def __init__(self, num_envs: int, image_size: int | tuple[int, int] = 64, grid_n: int = 2) -> None:
        """See `ArenaVector` and `PiecewiseEnv`."""
        super().__init__(make_arena(grid_n), num_envs, image_size)
