"""The whole job, small: it ends in a report, and one that was killed ends in the same one."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import swm.baselines.run
from swm import data
from swm.demo import DemoConfig, run_demo
from swm.policy.planner import Planner
from swm.policy.planning import PlanningConfig, PlanningPolicy

ROOT = Path(__file__).parents[1]
TINY = DemoConfig(
    episodes=20,
    episode_steps=30,
    steps=4,
    ood_episodes=2,
    factors=("agent.color",),
    num_envs=50,
    planner=Planner(
        options={"num_samples": 4, "num_iterations": 1, "num_elites": 2},
        planning=PlanningConfig(horizon=2, receding_horizon=2),
    ),
)
RUN = """
import sys
from pathlib import Path
import torch
import test_demo
torch.set_num_threads(1)
test_demo.run_demo(Path(sys.argv[1]), test_demo.TINY)
"""


def figures(out_dir: Path) -> dict[str, Any]:
    """What of results.json does not depend on the clock or the machine."""
    results: dict[str, Any] = json.loads((out_dir / "results.json").read_text(encoding="utf-8"))
    rows = {name: part["rows"] for name, part in results["evaluations"].items()}
    losses = {
        run: [{key: row[key] for key in ("step", "split", "loss")} for row in lines]
        for run, lines in results["metrics"].items()
    }
    return {
        "success": results["success"],
        "rows": rows,
        "ood": results["out_of_distribution"],
        "probe": results["probe"],
        "losses": losses,
        "dataset": results["provenance"]["dataset"],
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out_dir = tmp_path_factory.mktemp("demo")
    assert run_demo(out_dir, TINY) == out_dir / "report.html"
    return out_dir


def test_the_demo_ends_in_a_report(finished: Path) -> None:
    for name in ("report.html", "report.png", "results.json", "train-0/best", "train-0/metrics.jsonl"):
        assert (finished / name).exists(), name
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    assert set(results["evaluations"]) == {"model", "random", "no-op", "oracle"}
    success = results["evaluations"]["model"]["success"]
    assert 0 <= success["low"] <= success["successes"] / success["count"] <= success["high"] <= 1
    assert success["count"] == 100
    assert results["evaluations"]["oracle"]["success"]["successes"] == 100
    assert results["evaluations"]["no-op"]["success"]["successes"] == 0
    cells = results["out_of_distribution"]["cells"]
    assert (cells[0]["factor"], cells[0]["severity"]) == (None, 0.0)
    assert {cell["factor"] for cell in cells} == {None, "agent.color"}
    assert all(set(cell["success"]) == {"model", "oracle", "random"} for cell in cells)
    assert set(results["probe"]) == {"x", "y"}
    provenance = results["provenance"]
    assert provenance["dataset"] == {"fingerprint": data.open(finished / "data").fingerprint, "episodes": 20}
    assert provenance["demo"]["steps"] == 4


def test_a_second_run_measures_nothing_again(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (finished / "results.json").read_bytes()
    planned: list[int] = []
    plan = PlanningPolicy._plan

    def count(self: PlanningPolicy, due: Any) -> None:
        planned.append(len(due))
        plan(self, due)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(PlanningPolicy, "_plan", count)
    monkeypatch.setattr(swm.baselines.run.Run, "_update", refuse)
    run_demo(finished, TINY)
    assert (finished / "results.json").read_bytes() == before
    assert sum(planned) <= 2 * 5, "only the films of two episodes are made again"


def recorded(out_dir: Path) -> bool:
    return (out_dir / "train-0").is_dir()


def trained(out_dir: Path) -> bool:
    return (out_dir / "evaluation" / "two_room-v1.random.json").is_file()


@pytest.mark.parametrize("reached", [recorded, trained])
def test_a_killed_demo_ends_in_the_same_figures(
    finished: Path, tmp_path: Path, reached: Callable[[Path], bool]
) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        while not reached(tmp_path):
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert not (tmp_path / "results.json").exists()
    run_demo(tmp_path, TINY)
    assert figures(tmp_path) == figures(finished)
