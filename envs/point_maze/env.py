"""swm/PointMazeU-v0 and its relatives."""

from functools import lru_cache, partial

from swm.core.errors import UnknownNameError
from swm.core.protocols import Array
from swm.envs.arena.env import ArenaEnv
from swm.envs.arena.rules import Arena
from swm.envs.arena.vector import ArenaVector
from swm.envs.point_maze import walls
from swm.envs.point_maze.factors import SUCCESS_DISTANCE, make_factors, shape
from swm.envs.point_maze.layouts import LAYOUTS

MAZES = (*LAYOUTS, "random")


def step_cost(distance: Array) -> Array:
    """The reward: -0.01, and 1 more where the agent is at its goal after the step."""
    rewards: Array = (distance < SUCCESS_DISTANCE) - 0.01
    return rewards


@lru_cache
def make_arena(maze: str) -> Arena:
    """The rules of a maze.

    Raises:
        UnknownNameError: `maze` is not one of `MAZES`.
    """
    if maze not in MAZES:
        raise UnknownNameError("maze", maze, MAZES)
    return Arena(
        factors=make_factors(maze),
        shape=shape(maze),
        obstacles=partial(walls.obstacles, name=maze),
        draw=partial(walls.draw, name=maze),
        success_distance=SUCCESS_DISTANCE,
        reward=step_cost,
    )


class PointMazeEnv(ArenaEnv):
    """Move a disc through a maze to a goal.

    ## Description
    The arena is a square of 224 by 224 world units, x to the right and y down, whatever the
    resolution of the pictures. Inside a border 10 units thick lies a square grid of cells, some
    of which are blocked: 3 by 3 in the U maze, 6 by 6 in the medium one, 9 by 9 in the large one,
    and 9 by 9 in random ones (from 3 by 3 to 11 by 11), each of which is a tree of rooms and hence solvable.
    A blocked cell holds a wall of ``wall.thickness`` that joins those of the blocked cells beside
    it. The agent is drawn as a disc and collides as the square that bounds the disc; contacts are
    swept exactly, so it passes through no wall at any speed and slides along what it touches. The
    velocity follows the command as ``v' = (1 - drag) v + drag speed action``; with the default drag
    of 1 the agent moves exactly as commanded.

    ## Action Space
    ``Box(-1, 1, (2,), float32)``: the commanded velocity along x and y as a share of
    ``agent.speed``. Actions outside are clipped. ``agent.actuator_noise`` is added after the
    clipping, and the sum is clipped again.

    ## Observation Space
    | component | shape | dtype | content | unit |
    |---|---|---|---|---|
    | ``pixels`` | (height, width, 3) | uint8 | the maze from above, RGB | - |
    | ``state`` [0:2] | (4,) | float64 | position x, y of the agent's centre, 0 to 224 | world units |
    | ``state`` [2:4] | | float64 | velocity x, y, -10 to 10; 0 along an axis after a contact | world units per step |

    `get_state` appends the key of the actuator noise and the number of steps taken, float64 of
    shape (6,). The goal state is the position x, y, float64 of shape (2,).

    ## Rewards
    -0.01 for each step, and 1 more for each step that ends at the goal.

    ## Starting State
    Start and goal are drawn apart from each other in [26, 198]^2, clear of the walls and at least
    32 world units from each other; the agent is at rest.

    ## Episode End
    Never terminates: ``info["success"]`` is true while the agent is less than 8 world units from
    the goal, which no two places on both sides of a wall are from each other. Truncation is left to
    the caller; ``gymnasium.make`` truncates after 200 (U), 300 (medium) or 500 steps.

    ## Arguments
    ``maze``: ``"u"`` (default), ``"medium"``, ``"large"`` or ``"random"``.
    ``image_size``: pixels of a square picture or (height, width), default 64.
    ``render_mode``: ``"rgb_array"`` (default) or None.

    ## Factors
    16 factors, 17 of random mazes, in the groups ``agent``, ``target``, ``wall``, ``background``
    and ``maze``; `factors` has their ranges. Every reset draws ``agent.position``,
    ``target.position`` and, of random mazes, ``maze.layout``.

    ## Version History
    - v0: first version.
    """

    def __init__(
        self, maze: str = "u", image_size: int | tuple[int, int] = 64, render_mode: str | None = "rgb_array"
    ) -> None:
        """Make the environment; see the class for the arguments."""
        arena = make_arena(maze)
        self.factors = arena.factors
        super().__init__(arena, image_size, render_mode)


class PointMazeVector(ArenaVector):
    """N mazes at once."""

    def __init__(self, num_envs: int, image_size: int | tuple[int, int] = 64, maze: str = "u") -> None:
        """See `ArenaVector` and `PointMazeEnv`."""
        super().__init__(make_arena(maze), num_envs, image_size)
