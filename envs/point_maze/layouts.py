"""Layouts of mazes: which cells of a square grid are blocked, what opens and closes some, what lies where."""

from functools import lru_cache

import numpy as np

from swm.core.protocols import Array
from swm.envs.arena import counter_rng
from swm.envs.arena.geometry import SIZE

BORDER = 10.0
"""Thickness of the wall around every maze, in world units."""
LAYOUTS = {
    "u": ("...", "##.", "..."),
    "medium": ("..##..", "..#...", "#...##", "..#...", ".#..#.", "...#.."),
    "large": (
        ".....#...",
        ".###.#.#.",
        ".#.....#.",
        ".#.###.#.",
        "...#.....",
        ".#.#.###.",
        ".#...#...",
        ".###.#.#.",
        ".....#.#.",
    ),
}
"""Name -> rows of cells, blocked ones marked by ``#``.

The first two are the mazes of that name of D4RL (Fu et al., 2020, arXiv 2004.07219); the third is
of the size of D4RL's large one, but square.
"""
_SALT = 0x6D617A65
_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


@lru_cache(maxsize=4096)
def cells(name: str, layout: int, rooms: int, symmetry: int, openings: int, closures: int) -> Array:
    """The cells of a maze.

    Args:
        name: a key of `LAYOUTS`, or ``"random"``.
        layout: number of a random maze.
        rooms: along each side of a random maze, at least 2.
        symmetry: 0 to 7: quarter turns, and from 4 on a transposition before them.
        openings: blocked cells to open.
        closures: free cells to block; the others stay connected.

    Returns:
        (n, n) bool, read-only, rows from top to bottom: whether a cell is blocked.
    """
    if name == "random":
        blocked = _random(layout, rooms)
    else:
        blocked = np.array([[cell == "#" for cell in row] for row in LAYOUTS[name]])
    rank = counter_rng.bits(np.array([_SALT + layout]), np.zeros(1, np.int64), blocked.size)[0].argsort(kind="stable")
    order = [divmod(int(index), len(blocked)) for index in rank]
    _open(blocked, order, openings)
    _close(blocked, order, closures)
    blocked = np.ascontiguousarray(np.rot90(blocked.T if symmetry >= 4 else blocked, symmetry % 4))
    blocked.flags.writeable = False
    return blocked


def _random(layout: int, rooms: int) -> Array:
    """Rooms on the even rows and columns, joined to a tree by passages that are tried in random order.

    Source: J. B. Kruskal, "On the shortest spanning subtree of a graph", 1956, with random weights.
    """
    side = 2 * rooms - 1
    blocked = np.ones((side, side), np.bool_)
    blocked[::2, ::2] = False
    row, column = np.indices(blocked.shape)
    passages = np.argwhere((row + column) % 2 == 1)
    weights = counter_rng.bits(np.array([layout]), np.zeros(1, np.int64), len(passages))[0]
    joined = {(r, c): {(r, c)} for r in range(0, side, 2) for c in range(0, side, 2)}
    for r, c in passages[weights.argsort(kind="stable")].tolist():
        a, b = ((r, c - 1), (r, c + 1)) if r % 2 == 0 else ((r - 1, c), (r + 1, c))
        if joined[a] is not joined[b]:
            blocked[r, c] = False
            joined[a] |= joined[b]
            joined.update(dict.fromkeys(joined[b], joined[a]))
    return blocked


def _open(blocked: Array, order: list[tuple[int, int]], count: int) -> None:
    """Open the first `count` blocked cells between two free ones or more."""
    doors = [cell for cell in order if blocked[cell] and len(neighbours(blocked, cell)) >= 2]
    for cell in doors[:count]:
        blocked[cell] = False


def _close(blocked: Array, order: list[tuple[int, int]], count: int) -> None:
    """Block the first `count` free cells without which the others are still connected."""
    for cell in order:
        if count and not blocked[cell]:
            blocked[cell] = True
            free = np.argwhere(~blocked)
            if (toward(blocked.tobytes(), len(blocked), tuple(free[0].tolist())) < 0).sum() == blocked.sum():
                count -= 1
            else:
                blocked[cell] = False


def neighbours(blocked: Array, cell: tuple[int, int]) -> list[tuple[int, int]]:
    """The free cells beside a cell."""
    beside = [(cell[0] + down, cell[1] + right) for down, right in _STEPS]
    return [(r, c) for r, c in beside if min(r, c) >= 0 and max(r, c) < len(blocked) and not blocked[r, c]]


@lru_cache(maxsize=4096)
def toward(blocked: bytes, side: int, goal: tuple[int, int]) -> Array:
    """The next cell of a shortest way to `goal` from each cell, by breadth-first search.

    Args:
        blocked: the bytes of `cells`.
        side: n.
        goal: row and column of a free cell.

    Returns:
        (n^2,) integers, cells counted row by row: the goal leads to itself, -1 where no way leads.
    """
    grid = np.frombuffer(blocked, np.bool_).reshape(side, side)
    following = np.full(side * side, -1)
    following[goal[0] * side + goal[1]] = goal[0] * side + goal[1]
    queue = [goal]
    for cell in queue:
        for r, c in neighbours(grid, cell):
            if following[r * side + c] < 0:
                following[r * side + c] = cell[0] * side + cell[1]
                queue.append((r, c))
    following.flags.writeable = False
    return following


def centres(side: int) -> Array:
    """Positions of the centres of all cells, row by row: (n^2, 2), x and y in world units."""
    along = BORDER + (np.arange(side) + 0.5) * (SIZE - 2 * BORDER) / side
    return np.stack(np.meshgrid(along, along, indexing="xy"), axis=-1).reshape(-1, 2)
