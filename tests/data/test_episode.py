from typing import Any

import numpy as np
import pytest

from swm.core.errors import InvalidValueError, ShapeError
from swm.data import Episode


def parts(**changes: Any) -> dict[str, Any]:
    flags = np.zeros(3, np.bool_)
    whole = {"action": np.zeros((3, 2)), "reward": np.zeros(3), "observation": {"state": np.zeros((4, 5))}}
    return {**whole, "terminated": flags, "truncated": flags, "success": flags, **changes}


def test_an_episode_of_three_actions_has_four_observations() -> None:
    episode = Episode(**parts())
    assert episode.num_steps == 3
    assert list(episode.arrays()) == ["state", "action", "reward", "terminated", "truncated", "success"]


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"observation": {}}, InvalidValueError, "at least one observation"),
        ({"observation": {"reward": np.zeros(4)}}, InvalidValueError, "'reward'.*Rename it"),
        ({"observation": {"state": np.zeros((3, 5))}}, ShapeError, "'state'.*4 rows for 3 actions.*3 rows.*T \\+ 1"),
        ({"observation": {"state": [1, 2, 3, 4]}}, ShapeError, "'state'.*NumPy array.*list"),
        ({"observation": {"state": np.zeros(())}}, ShapeError, "'state'.*first axis"),
        ({"action": np.zeros((0, 2))}, InvalidValueError, "at least one action"),
        ({"reward": np.zeros(4)}, ShapeError, "'reward'.*3 rows"),
        ({"reward": np.zeros((3, 1))}, ShapeError, r"'reward'.*\(3,\).*\(3, 1\)"),
        ({"success": np.zeros(3)}, ShapeError, "'success'.*bool.*float64"),
    ],
)
def test_what_is_no_episode_is_refused(change: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        Episode(**parts(**change))
