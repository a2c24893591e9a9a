"""Discrete actions stand for the right real ones, and everything else is as inside."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
from gymnasium import spaces

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.protocols import Array
from swm.envs import ENVS, make, make_executor, make_expert
from swm.envs.codebook import Codebook
from swm.envs.quantize import Quantized
from swm.envs.two_room.env import TwoRoomEnv
from swm.rollout import EpisodeRequest, run_episodes
from swm.testing.common import equal

BOX = spaces.Box(np.array([-1.0, 0.0], np.float32), np.array([1.0, 4.0], np.float32))
UNIT = spaces.Box(-1.0, 1.0, (2,), np.float32)
IDS = [env_id for env_id, row in ENVS.items() if row.target.startswith("swm.envs.quantize:")]


def every_choice(book: Codebook) -> Array:
    if isinstance(book.space, spaces.Discrete):
        return np.arange(book.space.n)
    counts = book.space.nvec
    return np.stack(np.unravel_index(np.arange(counts.prod()), counts), axis=1)


@pytest.mark.parametrize("box", [BOX, UNIT])
@pytest.mark.parametrize(("actions", "levels"), [("polar", (16, 16)), ("grid", (3, 5)), ("joint", (4, 3)), ("grid", 2)])
def test_every_choice_is_an_action_and_the_nearest_to_itself(
    box: spaces.Box, actions: str, levels: Sequence[int] | int
) -> None:
    book = Codebook(box, actions, levels)
    choices = every_choice(book)
    decoded = book.decode(choices)
    assert ((decoded >= box.low) & (decoded <= box.high)).all()
    moves = choices[:, 1] > 0 if actions == "polar" else np.ones(len(choices), np.bool_)
    assert np.array_equal(book.encode(decoded)[moves], choices[moves])
    assert book.decode(book.encode(decoded)) == pytest.approx(decoded, abs=1e-12)
    assert len(np.unique(decoded.round(9), axis=0)) == moves.sum() + (not moves.all())


def test_a_grid_reaches_the_bounds_and_a_joint_choice_counts_the_last_dimension_fastest() -> None:
    joint, grid = Codebook(BOX, "joint", (3, 5)), Codebook(BOX, "grid", (3, 5))
    assert joint.decode(np.array([0, 1, 5, 14])).tolist() == [[-1, 0], [-1, 1], [0, 0], [1, 4]]
    assert grid.decode(np.array([[0, 4], [2, 0]])).tolist() == [[-1, 4], [1, 0]]
    assert grid.encode(np.array([[-9.0, 1.4], [0.6, 99.0]])).tolist() == [[0, 1], [2, 4]]


def test_polar_choices_are_directions_and_magnitudes() -> None:
    book = Codebook(UNIT, "polar", (8, 3))
    decoded = book.decode(np.array([[0, 2], [2, 1], [4, 2], [1, 2], [5, 0]]))
    half = np.sqrt(0.5)
    assert decoded == pytest.approx(np.array([[1, 0], [0, 0.5], [-1, 0], [half, half], [0, 0]]))
    assert book.encode(np.array([[1.0, 1.0], [0.0, -0.6]])).tolist() == [[1, 2], [6, 1]]


@pytest.mark.parametrize(
    ("box", "actions", "levels", "error", "match"),
    [
        (UNIT, "plolar", (16, 16), UnknownNameError, "'polar'"),
        (UNIT, "grid", (3,), InvalidValueError, "2 integers of at least 2"),
        (UNIT, "grid", (1, 3), InvalidValueError, "at least 2"),
        (UNIT, "joint", (2000, 2000), InvalidValueError, "1,000,000"),
        (spaces.Box(-1, 1, (3,)), "polar", (4, 4), InvalidValueError, "use 'grid'"),
        (spaces.Box(-np.inf, 1, (2,)), "grid", 3, InvalidValueError, "bounded Box"),
        (spaces.Discrete(3), "grid", 3, InvalidValueError, "bounded Box"),
    ],
)
def test_what_cannot_be_divided_is_refused(
    box: spaces.Box, actions: str, levels: Sequence[int] | int, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        Codebook(box, actions, levels)


@pytest.mark.parametrize("env_id", IDS)
def test_an_episode_is_the_one_inside_with_the_actions_that_the_choices_stand_for(env_id: str) -> None:
    kwargs = ENVS[env_id].kwargs
    env, inside = make(env_id, image_size=32), make(kwargs["env"], image_size=32)
    assert isinstance(inside.action_space, spaces.Box)
    book = Codebook(inside.action_space, kwargs["actions"], kwargs["levels"])
    assert env.action_space == book.space
    assert equal(env.reset(seed=4, options={"variation": "all"}), inside.reset(seed=4, options={"variation": "all"}))
    rng = np.random.default_rng(0)
    for choice in rng.permutation(every_choice(book))[:30]:
        assert equal(env.step(choice), inside.step(book.decode(np.asarray(choice)[None])[0]))


@pytest.mark.parametrize("env_id", IDS)
def test_the_noop_does_nothing(env_id: str) -> None:
    env = make(env_id, image_size=16)
    env.reset(seed=0)
    observation = env.step(np.broadcast_to(ENVS[env_id].noop, env.action_space.shape or ()))[0]
    speeds = [index for index, name in enumerate(env.state_names) if "v" in name.split("_")[-1]]
    assert speeds
    assert (observation["state"][speeds] == 0).all()


@pytest.mark.parametrize("env_id", IDS)
def test_the_oracle_inside_solves_it(env_id: str) -> None:
    row = ENVS[env_id]
    expert = make_expert(env_id, **row.oracle)
    count, enough, executor = (40, 0.97, "native") if row.native else (10, 0.7, "inline")
    requests = [EpisodeRequest(seed=seed, max_steps=row.max_episode_steps) for seed in range(count)]
    records = list(run_episodes(make_executor(env_id, count, 16, executor), expert, requests, keep=["state"]))
    assert np.mean([record.success.any() for record in records]) >= enough
    assert expert.describe()["actions"] == ENVS[env_id].kwargs["actions"]


def test_the_expert_depends_on_the_seed_of_the_episode_alone() -> None:
    requests = [EpisodeRequest(seed=seed, max_steps=20 + seed) for seed in range(6)]
    many, few = (
        list(run_episodes(make_executor(IDS[0], count, 16), make_expert(IDS[0]), requests, keep=["state"]))
        for count in (6, 2)
    )
    assert all(a.action.tobytes() == b.action.tobytes() for a, b in zip(many, few, strict=True))


def test_an_environment_may_be_given_by_its_class() -> None:
    env = Quantized(partial(TwoRoomEnv), actions="grid", levels=3, image_size=24)
    env.reset(seed=0)
    assert env.step(np.array([2, 1]))[0]["state"][2:].tolist() == [5.0, 0.0]
