import subprocess
import sys

import pytest

from swm.cli import main
from swm.core.errors import UnknownNameError
from swm.envs import ENVS


def test_ids_are_never_broken_and_summaries_are_searched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["envs"]) == 0
    text = capsys.readouterr().out
    assert all(f" {env_id} " in text for env_id in ENVS)
    assert max(map(len, text.splitlines())) <= 120
    assert main(["envs", "CHEETAH"]) == 0
    assert f"of {len(ENVS)}" in capsys.readouterr().out
    assert main(["envs", "pole on a cart"]) == 0
    assert "swm/CartPole-v0" in capsys.readouterr().out


def test_an_environment_without_factors_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["factors", "gym:InvertedPendulum-v5"]) == 0
    assert "no factors; swm.envs.make(..., visual='all') adds visual ones" in capsys.readouterr().out


def test_a_reader_that_leaves_ends_the_command_without_a_word() -> None:
    command = [sys.executable, "-m", "swm", "envs"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1


def test_a_long_list_of_names_is_cut() -> None:
    text = str(UnknownNameError("thing", "x", [f"name {i:02d}" for i in range(25)]))
    assert text.endswith("name 18, name 19, and 5 more.")
    assert "more" not in str(UnknownNameError("thing", "x", [f"name {i:02d}" for i in range(20)]))
