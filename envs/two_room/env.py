"""swm/TwoRoom-v0."""

from swm.envs.arena.env import ArenaEnv
from swm.envs.arena.rules import Arena
from swm.envs.arena.vector import ArenaVector
from swm.envs.two_room import geometry, render
from swm.envs.two_room.factors import FACTORS, SUCCESS_DISTANCE

ARENA = Arena(
    factors=FACTORS,
    shape=geometry.SHAPE,
    obstacles=geometry.obstacles,
    draw=render.draw_arena,
    success_distance=SUCCESS_DISTANCE,
)
"""The rules of swm/TwoRoom-v0."""


class TwoRoomEnv(ArenaEnv):
    """Move a disc through the door of a wall to a goal in one of two rooms.

    ## Description
    The arena is a square of 224 by 224 world units, x to the right and y down, whatever the
    resolution of the pictures. A wall with one to three doors parts it into two rooms. The agent
    is drawn as a disc and collides as the square that bounds the disc; contacts are swept exactly,
    so it passes through no wall at any speed and slides along what it touches. The velocity
    follows the command as ``v' = (1 - drag) v + drag speed action``; with the default drag of 1 the
    agent moves exactly as commanded. Everything is drawn directly at `image_size`.

    ## Action Space
    ``Box(-1, 1, (2,), float32)``: the commanded velocity along x and y as a share of
    ``agent.speed``. Actions outside are clipped. ``agent.actuator_noise`` is added after the
    clipping, and the sum is clipped again.

    ## Observation Space
    | component | shape | dtype | content | unit |
    |---|---|---|---|---|
    | ``pixels`` | (height, width, 3) | uint8 | the arena from above, RGB | - |
    | ``state`` [0:2] | (4,) | float64 | position x, y of the agent's centre, 0 to 224 | world units |
    | ``state`` [2:4] | | float64 | velocity x, y, -10 to 10; 0 along an axis after a contact | world units per step |

    `get_state` appends the key of the actuator noise and the number of steps taken, float64 of
    shape (6,). The goal state is the position x, y, float64 of shape (2,).

    ## Rewards
    Minus the distance from agent to goal after the step, in widths of the arena.

    ## Starting State
    Start and goal are drawn apart from each other in [42, 182]^2, clear of the walls and at least
    32 world units from each other; the agent is at rest.

    ## Episode End
    Never terminates: ``info["success"]`` is true while the agent is less than 16 world units from
    the goal. Truncation is left to the caller; ``gymnasium.make`` truncates after 200 steps.

    ## Arguments
    ``image_size``: pixels of a square picture or (height, width), default 64.
    ``render_mode``: ``"rgb_array"`` (default) or None.

    ## Factors
    21 factors in the groups ``agent``, ``target``, ``wall``, ``door``, ``border`` and
    ``background``; `factors` has their ranges. Every reset draws ``agent.position`` and
    ``target.position``.

    ## Version History
    - v0: first version.
    """

    factors = FACTORS

    def __init__(self, image_size: int | tuple[int, int] = 64, render_mode: str | None = "rgb_array") -> None:
        """Make the environment; see the class for the arguments."""
        super().__init__(ARENA, image_size, render_mode)


class TwoRoomVector(ArenaVector):
    """N two-room environments at once."""

    def __init__(self, num_envs: int, image_size: int | tuple[int, int] = 64) -> None:
        """See `ArenaVector`."""
        super().__init__(ARENA, num_envs, image_size)
