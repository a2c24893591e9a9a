import json
import subprocess
import sys
from pathlib import Path

import pytest

from swm.cli import COMMANDS, main
from swm.core.registry import load_target

ROOT = Path(__file__).parents[1]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from swm.cli import main; main(['--help']); "
        "print([m for m in ('torch', 'tyro', 'rich', 'lance', 'numpy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith("[]")
    assert all(f"  {name} " in run.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(load_target(COMMANDS[name][0]).run)
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    assert f"usage: swm {name}" in capsys.readouterr().out


def test_an_unknown_command_names_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["colect"]) == 2
    assert "error: unknown command: 'colect'. Did you mean 'collect'" in capsys.readouterr().err


def test_environments_and_factors_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["envs", "--json"]) == 0
    assert "swm/TwoRoom-v0" in [row["id"] for row in json.loads(capsys.readouterr().out)]
    assert main(["factors", "swm/TwoRoom-v0", "--json"]) == 0
    rows = {row["factor"]: row for row in json.loads(capsys.readouterr().out)}
    assert len(rows) >= 16
    assert rows["agent.color"]["range"] == [0, 255]
    assert main(["factors", "swm/TwoRooms-v0"]) == 2
    assert "Did you mean 'swm/TwoRoom-v0'" in capsys.readouterr().err
