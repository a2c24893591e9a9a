"""Laws of the collisions, of the velocity and of the actuator noise."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swm.core.errors import InvalidValueError
from swm.core.protocols import Array
from swm.envs.arena import counter_rng, dynamics
from swm.envs.arena.geometry import SIZE, Obstacles, depth_inside, stack
from swm.envs.two_room import geometry
from swm.envs.two_room.env import TwoRoomEnv
from swm.envs.two_room.factors import FACTORS

FAR = 500.0
seeds = st.integers(0, 10_000)
components = st.floats(-FAR, FAR, allow_nan=False)
displacements = st.lists(st.tuples(components, components), min_size=1, max_size=12)


def arena(seed: int, **values: Any) -> tuple[Obstacles, Array]:
    """The obstacles of one random arena and a free start."""
    variation = FACTORS.resolve("all", seed) if not values else FACTORS.resolve(values, seed)
    return geometry.obstacles(stack([variation])), variation["agent.position"][None]


@settings(deadline=None, max_examples=200)
@given(seed=seeds, moves=displacements)
def test_never_inside_a_wall_and_never_farther_than_commanded(seed: int, moves: list[tuple[float, float]]) -> None:
    obstacles, position = arena(seed)
    for displacement in np.array(moves):
        start = position
        position, stopped = dynamics.move(position, displacement[None], obstacles)
        assert depth_inside(position, obstacles)[0] <= 0
        travelled = position[0] - start[0]
        assert (np.abs(travelled) <= np.abs(displacement) + 1e-9).all()
        assert (travelled * displacement >= -1e-9).all()
        assert np.allclose(travelled[~stopped[0]], displacement[~stopped[0]], atol=1e-9)


@settings(deadline=None, max_examples=15)
@given(seed=seeds, length=st.floats(1, FAR))
def test_one_long_move_is_many_short_ones(seed: int, length: float) -> None:
    """So short that none could pass through a wall: the long move passes only where there is a door."""
    count, parts = 40, 400
    variations = [FACTORS.resolve("all", seed + index) for index in range(count)]
    obstacles = geometry.obstacles(stack(variations))
    start = np.stack([variation["agent.position"] for variation in variations])
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, count)
    displacement = length * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    expected, stopped = dynamics.move(start, displacement, obstacles)
    position, rest, seen = start, displacement / parts, np.zeros((count, 2), np.bool_)
    for _ in range(parts):
        position, now = dynamics.move(position, rest, obstacles)
        rest, seen = np.where(now, 0.0, rest), seen | now
    assert position == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(seen, stopped)


@settings(deadline=None, max_examples=100)
@given(seed=seeds, push=st.floats(0.01, FAR), slide=st.floats(-30, 30))
def test_pushing_into_a_wall_slides_by_exactly_the_tangential_component(seed: int, push: float, slide: float) -> None:
    variation = FACTORS.resolve({"wall.axis": seed % 2, "door.position": [192.0] * 3}, seed)
    axis = seed % 2  # across the wall is x for a vertical wall
    across = 1 - axis
    obstacles = geometry.obstacles(stack([variation]))
    position = np.full((1, 2), 80.0)
    position[0, across] = obstacles.low[0, 0, across]
    displacement = np.zeros((1, 2))
    displacement[0, across], displacement[0, axis] = push, slide
    end, stopped = dynamics.move(position, displacement, obstacles)
    assert end[0, across] == position[0, across]
    assert end[0, axis] == position[0, axis] + slide
    assert stopped[0, across]
    assert not stopped[0, axis]
    away, stopped = dynamics.move(position, -displacement * 1e-3, obstacles)
    assert np.array_equal(away, position - displacement * 1e-3)
    assert not stopped.any()


def test_a_slide_along_the_wall_goes_past_its_corner_and_through_the_door() -> None:
    """Pushed against the wall beside the door, the agent slides to the opening and then passes it."""
    env = TwoRoomEnv(16)
    env.reset(seed=0, options={"variation": {"agent.position": [95.0, 90.0], "target.position": [180.0, 180.0]}})
    for _ in range(20):
        env.step(np.array([1.0, -0.8], np.float32))
    assert env.get_state()[0] > 124


def test_at_any_speed_the_agent_stays_in_its_room_without_a_door_in_the_way() -> None:
    one, _ = arena(0, **{"agent.position": [60.0, 150.0]})
    many = one[np.zeros(500, np.int64)]
    speeds = np.linspace(1, 1e6, 500)[:, None] * np.array([[1.0, 0.05]])
    end, stopped = dynamics.move(np.full((500, 2), [60.0, 150.0]), speeds, many)
    assert (end[:, 0] <= 100.0).all()
    assert np.array_equal(end[:, 0] == 100.0, stopped[:, 0])


@settings(deadline=None, max_examples=30)
@given(seed=seeds)
def test_a_batch_moves_as_its_rows_do_alone(seed: int) -> None:
    variations = [FACTORS.resolve("all", seed + index) for index in range(7)]
    obstacles = geometry.obstacles(stack(variations))
    position = np.stack([variation["agent.position"] for variation in variations])
    displacement = np.random.default_rng(seed).normal(0, 100, (7, 2))
    together, _ = dynamics.move(position, displacement, obstacles)
    for row in range(7):
        alone, _ = dynamics.move(position[[row]], displacement[[row]], obstacles[np.array([row])])
        assert alone.tobytes() == together[[row]].tobytes()


def test_the_velocity_follows_the_command_as_documented() -> None:
    env = TwoRoomEnv(16)
    exact = {"agent.position": [60.0, 60.0], "target.position": [180.0, 180.0], "agent.drag": 0.4, "agent.speed": 6.0}
    env.reset(seed=0, options={"variation": exact})
    position, velocity, action = np.array([60.0, 60.0]), np.zeros(2), np.array([0.5, -0.25])
    for _ in range(6):
        observation, *_ = env.step(action.astype(np.float32))
        velocity = 0.6 * velocity + 0.4 * 6.0 * action
        position = position + velocity
        assert observation["state"] == pytest.approx(np.concatenate([position, velocity]), abs=1e-12)
    for _ in range(30):
        observation, *_ = env.step(np.array([0.0, -1.0], np.float32))
    assert observation["state"][1] == 21.0
    assert observation["state"][3] == 0.0


def test_noise_is_standard_independent_of_the_batch_and_bounded() -> None:
    key, counter = np.repeat(np.arange(200), 100), np.tile(np.arange(100), 200)
    drawn = counter_rng.normal(key, counter, 2)
    assert abs(drawn.mean()) < 0.02
    assert abs(drawn.std() - 1) < 0.02
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.03
    assert abs(np.mean(drawn**4) - 2.9) < 0.1
    assert np.array_equal(drawn[[17]], counter_rng.normal(key[[17]], counter[[17]], 2))
    assert len(np.unique(counter_rng.bits(key, counter, 3))) == 3 * len(key)
    flat = counter_rng.uniform(key, counter, 1)
    assert 0 <= flat.min() < flat.max() < 1
    assert abs(flat.mean() - 0.5) < 0.01


def test_actuator_noise_stays_within_the_action_bounds() -> None:
    env = TwoRoomEnv(16)
    exact = {"agent.position": [60.0, 150.0], "target.position": [180.0, 180.0], "agent.actuator_noise": 1.0}
    env.reset(seed=0, options={"variation": exact})
    moved = np.array([env.step(np.zeros(2, np.float32))[0]["state"][2:] for _ in range(20)])
    assert (np.abs(moved) <= 5.0).all()
    assert moved.std() > 1.0


def test_a_state_of_length_four_leaves_the_noise_and_a_float32_state_is_put_onto_the_face() -> None:
    env = TwoRoomEnv(16)
    env.reset(seed=0)
    before = env.get_state()
    env.set_state(np.array([60.0, 60.0, 1.0, -1.0]))
    assert np.array_equal(env.get_state(), [60.0, 60.0, 1.0, -1.0, *before[4:]])
    env.set_state(np.array([100.00001, 150.0, 0.0, 0.0]))
    assert env.get_state()[0] == 100.0
    for state in ([112, 150, 0, 0], [5, 60, 0, 0], [60, 60, 11, 0], [60, 60, 0, 0, 0.5, 0], [60, 60, 0, 0, -1, 0]):
        with pytest.raises(InvalidValueError):
            env.set_state(np.array(state, np.float64))
    with pytest.raises(InvalidValueError, match="goal: an agent at"):
        env.set_goal(np.array([112.0, 150.0]))


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"door.width": 9.0, "agent.radius": 10.0}, "the agent fits through the doors"),
        ({"door.number": 2, "door.position": [60.0, 70.0, 175.0]}, "units apart"),
        ({"door.position": [32.0, 112.0, 175.0], "door.width": 24.0}, "do not reach into the border"),
        ({"agent.position": [112.0, 150.0]}, "an agent at agent.position touches neither"),
        ({"target.position": [112.0, 150.0]}, "an agent at target.position touches neither"),
        ({"agent.position": [60.0, 60.0], "target.position": [70.0, 60.0]}, "at least 32 units apart"),
    ],
)
def test_values_that_exclude_each_other_are_refused(values: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidValueError, match=match):
        TwoRoomEnv(16).reset(seed=0, options={"variation": values})


def test_pieces_of_the_wall_and_the_doors_fill_its_length() -> None:
    values = stack([FACTORS.resolve("all", seed) for seed in range(50)])
    low, high = np.split(geometry.rectangles(values), 2, axis=2)
    along = np.arange(50), slice(None), values["wall.axis"]
    solid = np.clip((high - low)[along], 0, None).sum(axis=1)
    assert solid == pytest.approx(SIZE - 2 * values["door.width"] * values["door.number"])
