"""Mazes are connected at any thickness, walls hold, pictures show them, and the expert finds its way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.factors import Request
from swm.core.protocols import Array
from swm.envs import ENVS, make, make_executor, make_expert
from swm.envs.arena import dynamics
from swm.envs.arena.geometry import OUTSIDE, SIZE, depth_inside, stack
from swm.envs.point_maze import layouts, walls
from swm.envs.point_maze.env import MAZES, PointMazeEnv, make_arena
from swm.envs.point_maze.expert import in_sight
from swm.envs.point_maze.factors import NUM_LAYOUTS, SUCCESS_DISTANCE, TRAIN_LAYOUTS
from swm.rollout import EpisodeRequest, run_episodes

IDS = [env_id for env_id in ENVS if env_id.startswith("swm/PointMaze") and "Discrete" not in env_id]
seeds = st.integers(0, 10_000)


def connected(blocked: Array) -> bool:
    row, column = np.argwhere(~blocked)[0].tolist()
    following = layouts.toward(np.ascontiguousarray(blocked).tobytes(), len(blocked), (row, column))
    return bool(np.array_equal(following.reshape(blocked.shape) < 0, blocked))


@settings(deadline=None, max_examples=150)
@given(
    maze=st.sampled_from(MAZES),
    layout=seeds,
    rooms=st.integers(2, 6),
    symmetry=st.integers(0, 7),
    openings=st.integers(0, 3),
    closures=st.integers(0, 3),
)
def test_every_maze_is_connected(
    maze: str, layout: int, rooms: int, symmetry: int, openings: int, closures: int
) -> None:
    plain = layouts.cells(maze, layout, rooms, 0, 0, 0)
    blocked = layouts.cells(maze, layout, rooms, symmetry, openings, closures)
    assert connected(plain)
    assert connected(blocked)
    assert plain.sum() - openings <= blocked.sum() <= plain.sum() + closures
    turned = layouts.cells(maze, layout, rooms, symmetry, 0, 0)
    assert any(np.array_equal(np.rot90(each, turns), turned) for each in (plain, plain.T) for turns in range(4))


def test_random_mazes_are_trees_of_rooms_that_differ() -> None:
    mazes = [layouts.cells("random", layout, 5, 0, 0, 0) for layout in range(NUM_LAYOUTS)]
    assert all((~maze).sum() == 2 * 25 - 1 for maze in mazes), "a tree of 25 rooms has 24 passages"
    assert len({maze.tobytes() for maze in mazes}) == NUM_LAYOUTS


def test_held_out_layouts_are_new_ones() -> None:
    factors = make("swm/PointMazeRandom-v0").factors
    drawn = {factors.resolve(None, seed)["maze.layout"] for seed in range(100)}
    shifted = {factors.shift({"maze.layout": 0.3}, seed)["maze.layout"] for seed in range(100)}
    assert max(drawn) < TRAIN_LAYOUTS <= min(shifted) <= max(shifted) < NUM_LAYOUTS
    assert min(len(drawn), len(shifted)) > 60


def test_the_way_by_cells_is_the_shortest() -> None:
    blocked = layouts.cells("large", 0, 0, 0, 0, 0)
    side, free = len(blocked), np.flatnonzero(~blocked.ravel())
    apart = np.full((side**2, side**2), np.inf)
    for cell in free.tolist():
        apart[cell, cell] = 0
        for r, c in layouts.neighbours(blocked, divmod(cell, side)):
            apart[cell, r * side + c] = 1
    for middle in free.tolist():
        apart = np.minimum(apart, apart[:, [middle]] + apart[[middle]])
    for goal in free.tolist():
        following = layouts.toward(blocked.tobytes(), side, divmod(goal, side))
        others = free[free != goal]
        assert np.array_equal(apart[others, goal], 1 + apart[following[others], goal])


@settings(deadline=None, max_examples=60)
@given(maze=st.sampled_from(MAZES), seed=seeds)
def test_rectangles_fill_the_walls_without_overlap_and_pictures_show_them(maze: str, seed: int) -> None:
    """Against the bands themselves, and the drawn wall against the area of the rectangles."""
    arena = make_arena(maze)
    values = stack([arena.factors.resolve("all", seed)])
    values["wall.color"][:], values["background.color"][:] = 255, 0
    blocked, thickness = walls.cells_of(maze, values)[0], float(values["wall.thickness"][0])
    solid, edges = walls.bands(blocked, thickness)
    pieces = walls.rectangles(blocked.tobytes(), len(blocked), thickness)
    area = ((pieces[:, 2] - pieces[:, 0]) * (pieces[:, 3] - pieces[:, 1])).sum()
    width = np.diff(edges)
    assert area == pytest.approx((np.outer(width, width) * solid).sum())
    centre = (edges[1:] + edges[:-1]) / 2
    x, y = np.meshgrid(centre, centre)
    inside: Array = ((x[..., None] > pieces[:, 0]) & (x[..., None] < pieces[:, 2])) & (
        (y[..., None] > pieces[:, 1]) & (y[..., None] < pieces[:, 3])
    )
    wide = np.outer(width, width) > 1e-9
    covered: Array = inside.sum(axis=2)
    assert np.array_equal(covered[wide], solid[wide]), "each solid part is in exactly one rectangle"
    picture = arena.draw(values, (64, 48))[0, ..., 0].astype(np.float64)
    border = SIZE**2 - (SIZE - 2 * layouts.BORDER) ** 2
    assert picture.mean() / 255 == pytest.approx((area + border) / SIZE**2, abs=2e-3)


@settings(deadline=None, max_examples=60)
@given(maze=st.sampled_from(MAZES), seed=seeds, thickness=st.floats(0.4, 1.0))
def test_walls_hold_at_any_thickness_and_no_jump_passes_them(maze: str, seed: int, thickness: float) -> None:
    """Ever so long jumps never leave the component of free cells, which is all of them, nor enter a wall."""
    arena = make_arena(maze)
    variation = arena.factors.resolve({"wall.thickness": thickness}, seed)
    obstacles = arena.obstacles(stack([variation]))[np.zeros(20, np.int64)]
    position = np.repeat(variation["agent.position"][None], 20, axis=0)
    rng = np.random.default_rng(seed)
    for _ in range(10):
        position, _ = dynamics.move(position, rng.normal(0, 60, (20, 2)), obstacles)
        assert (depth_inside(position, obstacles) <= 0).all()


def test_no_two_places_on_both_sides_of_a_wall_are_a_success_apart() -> None:
    """Points nearer than the success distance see each other, around a corner of one wall at most."""
    arena = make_arena("large")
    rng = np.random.default_rng(0)
    for thickness in (0.4, 0.8, 0.97, 1.0):
        values = stack([arena.factors.complete({"wall.thickness": thickness, "agent.radius": 3.0})])
        obstacles = arena.obstacles(values)
        a = rng.uniform(13, 211, (20_000, 2))
        b = a + rng.uniform(-SUCCESS_DISTANCE, SUCCESS_DISTANCE, a.shape)
        near = np.linalg.norm(a - b, axis=1) < SUCCESS_DISTANCE
        rows = obstacles[np.zeros(len(a), np.int64)]
        free = np.flatnonzero(near & (depth_inside(a, rows) <= 0) & (depth_inside(b, rows) <= 0))
        a, b, rows = a[free], b[free], rows[free]
        corners = np.stack([np.stack([a[:, 0], b[:, 1]], axis=1), np.stack([b[:, 0], a[:, 1]], axis=1)], axis=1)
        straight = in_sight(a, b[:, None], rows)[:, 0]
        around = [
            in_sight(a, c[:, None], rows)[:, 0] & in_sight(c, b[:, None], rows)[:, 0] for c in corners.swapaxes(0, 1)
        ]
        assert (straight | around[0] | around[1]).all()


def test_the_reward_counts_steps_and_pays_at_the_goal() -> None:
    env = PointMazeEnv("u", 16)
    env.reset(seed=0, options={"variation": {"agent.position": [50.0, 40.0], "target.position": [100.0, 40.0]}})
    rewards, successes = zip(
        *((r, i["success"]) for _, r, *_, i in (env.step(np.array([1.0, 0.0])) for _ in range(13))), strict=True
    )
    assert successes == (False,) * 10 + (True,) * 3
    assert rewards == pytest.approx([-0.01] * 10 + [0.99] * 3)
    assert ENVS["swm/PointMazeU-v0"].success_radius == SUCCESS_DISTANCE


def test_unused_pieces_are_out_of_reach() -> None:
    values = stack([make_arena("random").factors.complete({"maze.rooms": rooms}) for rooms in (2, 6)])
    low = walls.obstacles(values, "random").low
    assert (low[0, -1] < OUTSIDE + 1).all()
    assert (low[1, -1] > 0).all()


def test_bad_values_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="'medium'"):
        make("swm/PointMazeU-v0", maze="mediun")
    with pytest.raises(InvalidValueError, match=r"an agent at agent\.position touches no wall"):
        make("swm/PointMazeU-v0").reset(seed=0, options={"variation": {"agent.position": [50.0, 112.0]}})


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("request_", [None, "all"])
def test_the_oracle_and_the_explorer_solve_every_maze(env_id: str, request_: Request) -> None:
    row = ENVS[env_id]
    for options in (row.oracle, {}):
        requests = [EpisodeRequest(seed=i, max_steps=row.max_episode_steps, variation=request_) for i in range(30)]
        executor, expert = make_executor(env_id, 30, 16), make_expert(env_id, **options)
        records = list(run_episodes(executor, expert, requests, keep=["state"]))
        assert np.mean([record.success.any() for record in records]) >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("env_id", IDS)
def test_the_oracle_solves_every_shift(env_id: str) -> None:
    row, factors = ENVS[env_id], make(env_id).factors
    for name in factors:
        requests = [
            EpisodeRequest(seed=i, max_steps=row.max_episode_steps, variation=factors.shift({name: 1.0}, i))
            for i in range(25)
        ]
        executor, expert = make_executor(env_id, 25, 16), make_expert(env_id, **row.oracle)
        records = list(run_episodes(executor, expert, requests, keep=["state"]))
        assert np.mean([record.success.any() for record in records]) >= 0.95, name


def test_what_an_expert_does_does_not_depend_on_the_other_mazes() -> None:
    requests = [EpisodeRequest(seed=i, max_steps=15 + i, variation="all") for i in range(8)]
    env_id = "swm/PointMazeRandom-v0"
    many, few = (
        list(run_episodes(make_executor(env_id, count, 16), make_expert(env_id), requests, keep=["state"]))
        for count in (8, 3)
    )
    assert all(a.action.tobytes() == b.action.tobytes() for a, b in zip(many, few, strict=True))
