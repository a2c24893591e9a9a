"""The walls of mazes as rectangles and as pictures, for any thickness."""

from functools import lru_cache, partial

import numpy as np

from swm.core.protocols import Array
from swm.envs.arena.geometry import OUTSIDE, SIZE, Obstacles, grow
from swm.envs.arena.render import overlap, weave
from swm.envs.arena.rules import Values
from swm.envs.point_maze.layouts import BORDER, cells

_LAYOUT = ("maze.layout", "maze.rooms", "maze.symmetry", "maze.openings", "maze.closures")
_ABSENT = {"maze.layout": 0, "maze.rooms": 0, "maze.symmetry": 0}


def cells_of(name: str, values: Values) -> list[Array]:
    """The cells of N mazes.

    Args:
        name: which maze.
        values: stacked factors.
    """
    count = len(values["maze.openings"])
    columns = [values[factor].tolist() if factor in values else [_ABSENT[factor]] * count for factor in _LAYOUT]
    return [cells(name, *numbers) for numbers in zip(*columns, strict=True)]


def obstacles(values: Values, name: str) -> Obstacles:
    """What the agent's centre must stay out of in N mazes; `values` are stacked factors, `name` says which maze."""
    thickness = values["wall.thickness"].tolist()
    walls = [rectangles(b.tobytes(), len(b), t) for b, t in zip(cells_of(name, values), thickness, strict=True)]
    most = max(map(len, walls))
    stacked = np.full((len(walls), most, 4), OUTSIDE)
    for row, pieces in enumerate(walls):
        stacked[row, : len(pieces)] = pieces
    return grow(stacked, np.full(len(walls), BORDER), values["agent.radius"])


@lru_cache(maxsize=4096)
def rectangles(blocked: bytes, side: int, thickness: float) -> Array:
    """The walls in as few rectangles as runs of bands give.

    Args:
        blocked: the bytes of `layouts.cells`.
        side: n.
        thickness: of the walls, as a share of a cell.

    Returns:
        (K, 4), read-only: x_low, y_low, x_high, y_high, which do not overlap.
    """
    solid, edges = bands(np.frombuffer(blocked, np.bool_).reshape(side, side), thickness)
    runs: dict[tuple[int, int], list[int]] = {}
    pieces: list[tuple[int, int, int, int]] = []
    for row in range(len(solid) + 1):
        line = solid[row].astype(np.int8) if row < len(solid) else np.zeros(len(solid), np.int8)
        steps = np.diff(line, prepend=0, append=0)
        present = set(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))
        for run in [run for run in runs if run not in present]:
            pieces.append((run[0], runs.pop(run)[0], run[1], row))
        for run in present:
            runs.setdefault(run, [row])
    corners = edges[np.array(sorted(pieces), np.int64).reshape(-1, 4)]
    corners.flags.writeable = False
    return corners


def bands(blocked: Array, thickness: float) -> tuple[Array, Array]:
    """Divide the maze into bands: the middles of the cells, as wide as a wall, and the gaps between these.

    A blocked cell is solid in its middle, and the gap between two blocked cells is solid too, so
    that walls and border hang together at any thickness, and the ways are the same at each.

    Args:
        blocked: (n, n) bool.
        thickness: of the walls, as a share of a cell.

    Returns:
        Which products of bands are solid, (2n + 1, 2n + 1) bool; the edges of the bands (2n + 2,).
    """
    side = len(blocked)
    around = np.pad(blocked, 1, constant_values=True)
    solid = np.empty((2 * side + 1, 2 * side + 1), np.bool_)
    solid[1::2, 1::2] = blocked
    solid[1::2, ::2] = around[1:-1, :-1] & around[1:-1, 1:]
    solid[::2, 1::2] = around[:-1, 1:-1] & around[1:, 1:-1]
    down, up = around[:-1, :-1] & around[1:, 1:], around[:-1, 1:] & around[1:, :-1]
    either = around[:-1, 1:] | around[1:, :-1], around[:-1, :-1] | around[1:, 1:]
    solid[::2, ::2] = (down & up) | (down & ~either[0]) | (up & ~either[1])
    cell = (SIZE - 2 * BORDER) / side
    middle = BORDER + (np.arange(side) + 0.5) * cell
    half = thickness * cell / 2
    inner = np.stack([middle - half, middle + half], axis=1).ravel()
    return solid, np.concatenate([[BORDER], inner, [SIZE - BORDER]])


def draw(values: Values, image_size: tuple[int, int], name: str) -> Array:
    """Draw N mazes: each pixel is the sum of wall and floor by area.

    Args:
        values: all stacked factors.
        image_size: height and width in pixels.
        name: which maze.

    Returns:
        (N, height, width, 3) uint8.
    """
    pictures = []
    for row, blocked in enumerate(cells_of(name, values)):
        solid, edges = bands(blocked, float(values["wall.thickness"][row]))
        across, down = (partial(overlap, edges[:-1], edges[1:])(size) for size in image_size[::-1])
        wall, floor = (values[color][row].astype(np.float32) for color in ("wall.color", "background.color"))
        free = np.stack([across[~line].sum(axis=0) for line in solid])
        lines = wall + free[..., None] * (floor - wall)
        weights = np.concatenate([down, 1 - down.sum(axis=0, keepdims=True)]).T
        border = np.broadcast_to(wall, (1, *lines.shape[1:]))
        pictures.append(weave(weights, np.concatenate([lines, border])))
    return np.stack(pictures)
