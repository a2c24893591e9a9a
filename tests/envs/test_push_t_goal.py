"""Goals of PushT: what counts as success, the symmetry of blocks, and that the marker is where the goal is."""

import numpy as np
import pytest

from swm.core.protocols import Array
from swm.envs import make
from swm.envs.push_t.goal import errors
from swm.envs.push_t.shapes import SHAPES, place

GOAL = np.array([100.0, 100.0, 300.0, 260.0, 1.0])


def shown(state: Array, success: str = "pose") -> dict[str, bool | float]:
    env = make("swm/PushT-v0", image_size=16, success=success)
    env.reset(seed=0)
    env.set_goal(GOAL)
    env.set_state(np.concatenate([state, np.zeros(2)]))
    return env.observe()[1]


def test_success_is_the_fields_number() -> None:
    for offset, pose, block in (
        ((12, 0, 0, 15, 0), True, True),
        ((15, 0, 0, 15, 0), False, True),
        ((0, 0, 14, 14, 0), True, True),
        ((0, 0, 15, 15, 0), False, False),
        ((0, 0, 0, 0, 0.34), True, True),
        ((0, 0, 0, 0, -0.36), False, False),
        ((200, 0, 0, 0, 2 * np.pi), False, True),
    ):
        for mode, expected in (("pose", pose), ("block", block)):
            info = shown(GOAL + offset, mode)
            assert (info["success"], info["success_pose"], info["success_block"]) == (expected, pose, block)
            assert (info["distance"] < 20) == expected


def test_an_unknown_success_is_refused() -> None:
    with pytest.raises(LookupError, match="unknown success"):
        make("swm/PushT-v0", success="agent")


@pytest.mark.parametrize("shape", SHAPES[1:], ids=lambda shape: shape.name)
def test_a_symmetric_block_may_be_turned_as_long_as_it_looks_the_same(shape) -> None:  # type: ignore[no-untyped-def]
    scale = 30.0
    center = GOAL[2:4] + place(shape.center[None] * scale, 0, 0, GOAL[4])[0]
    for turn in range(1, 4):
        angle = GOAL[4] + turn * np.pi / 2
        origin = center - place(shape.center[None] * scale, 0, 0, angle)[0]
        found = errors(np.array([*GOAL[:2], *origin, angle]), GOAL, shape, scale)
        same = turn * shape.symmetry % 4 == 0
        assert (found.block_distance < 1e-9) == same


@pytest.mark.parametrize("shape", SHAPES[1:], ids=lambda shape: shape.name)
def test_the_symmetry_is_that_of_the_picture(shape) -> None:  # type: ignore[no-untyped-def]
    points = np.concatenate(shape.parts) - shape.center
    corners = {tuple(point) for point in points.round(6).tolist()}
    for order in (2, 4):
        turned = {tuple(p) for p in (place(points, 0, 0, 2 * np.pi / order).round(6) + 0.0).tolist()}
        assert (turned <= corners) == (shape.symmetry % order == 0) or shape.name == "+"


def test_the_marker_is_drawn_where_the_goal_is() -> None:
    for success, with_agent in (("pose", True), ("block", False)):
        env = make("swm/PushT-v0", image_size=64, success=success)
        env.reset(seed=3, options={"variation": {"goal.visible": 1, "agent.position": (60, 60)}})
        marker = np.array(env.variation["goal.color"])
        env.set_goal(np.array([400.0, 60.0, 200.0, 300.0, 0.3]))
        goal = env.goal_pixels()
        env.set_state(np.array([60.0, 60.0, 400.0, 200.0, 0.3, 0, 0]))
        picture = env.render()
        assert picture is not None
        marked = (picture == marker).all(axis=2)
        block = (goal == env.variation["block.color"]).all(axis=2)
        agent = (goal == env.variation["agent.color"]).all(axis=2)
        assert (marked & block).sum() == block.sum()
        assert (marked & agent).any() == with_agent


def test_goals_may_be_recorded_states() -> None:
    env = make("swm/PushT-v0", image_size=16)
    env.reset(seed=1)
    state = env.observe()[0]["state"]
    for goal in (state[:5], state, env.get_state()):
        env.set_goal(goal)
        assert env.observe()[1]["goal"].tolist() == state[:5].tolist()
        assert env.observe()[1]["success"]
