from pathlib import Path

import pytest

from swm.cli import main
from swm.evaluation import load_tasks

LINE = ("swm/Pendulum-v0", "--count", "3", "--num-envs", "2")


def test_a_set_is_built_and_belongs_to_its_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = []
    for file, words in (("one", ()), ("two", ()), ("far", ("--goal-offset", "40", "--min-distance", "0.5"))):
        path = tmp_path / "sets" / f"{file}.json"
        assert main(["tasks", LINE[0], str(path), *LINE[1:], *words]) == 0
        assert f"{path}: 3 tasks" in capsys.readouterr().out
        sets.append(load_tasks(path))
    one, two, far = sets
    assert one.tasks == two.tasks != far.tasks
    assert one.env_id == LINE[0]
    assert (far.protocol.goal_offset, far.protocol.min_distance) == (40, 0.5)
    assert min(task.start_distance for task in far.tasks) >= 0.5


def test_what_cannot_be_built_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "there.json"
    there.write_text("{}")
    mistakes = {
        "exists already": [LINE[0], str(there)],
        "must end in .json": [LINE[0], str(tmp_path / "tasks")],
        "has no expert; record with the policy 'random'": ["gym:InvertedPendulum-v5", str(tmp_path / "a.json")],
        "Did you mean 'swm/Pendulum-v0'": ["swm/Pendulun-v0", str(tmp_path / "b.json")],
    }
    for message, words in mistakes.items():
        assert main(["tasks", *words]) == 2
        assert message in capsys.readouterr().err
    assert there.read_text() == "{}"
