"""From a model to its table, its benchmark and its page."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from swm import baselines
from swm.baselines import Baseline
from swm.benchmark import OodConfig
from swm.core.errors import InvalidValueError, UnknownNameError
from swm.evaluation import default_protocol, load_tasks
from swm.experiment import Experiment, planning_score, probe_goal
from swm.policy.planner import Planner
from swm.policy.planning import PlanningConfig, PlanningPolicy
from swm.world import World

ENV_ID = "swm/TwoRoom-v0"
PLANNER = Planner(
    options={"num_samples": 4, "num_iterations": 1, "num_elites": 2},
    planning=PlanningConfig(horizon=2, receding_horizon=2),
)


def build_model(seed: int = 0, env_id: str = ENV_ID) -> Baseline:
    config = dataclasses.replace(baselines.preset("lewm", "tiny").model, predictor_depth=1)
    return baselines.build("lewm", config, image_size=(64, 64), action_dim=2, env_id=env_id, seed=seed)


@pytest.fixture(scope="module")
def model() -> Baseline:
    return build_model()


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with the first tasks of the package's set."""
    path = tmp_path_factory.mktemp("tasks") / "few.json"
    whole = load_tasks("two_room-v1")
    dataclasses.replace(whole, name="few", tasks=whole.tasks[:6]).save(path)
    return str(path)


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each round of planning."""
    counted: list[int] = []
    act = PlanningPolicy._plan

    def plan(self: PlanningPolicy, due: Any) -> None:
        counted.append(len(due))
        act(self, due)

    monkeypatch.setattr(PlanningPolicy, "_plan", plan)
    return counted


def experiment(models: dict[str, Baseline], out_dir: Path, tasks: str, **changes: Any) -> Experiment:
    settings: dict[str, Any] = {"planner": PLANNER, "num_envs": 6, "show_progress": False, **changes}
    return Experiment(models=models, out_dir=out_dir, tasks=tasks, **settings)


def ood_config() -> OodConfig:
    return OodConfig(
        severities=(0.0, 1.0),
        episodes=2,
        factors=("agent.color", "agent.speed"),
        protocol=default_protocol(ENV_ID),
        prediction_horizon=2,
        prediction_episodes=2,
    )


def test_the_table_is_measured_once(model: Baseline, tasks: str, tmp_path: Path, rounds: list[int]) -> None:
    table = experiment({"0": model}, tmp_path, tasks).evaluate()
    assert list(table) == ["model", "random", "no-op", "oracle"]
    assert all(len(evaluation.rows) == 6 for evaluation in table.values())
    assert table["oracle"].success.value == 1.0
    assert rounds
    assert table["model"].latency is not None
    assert table["model"].latency.rounds == len(rounds)
    rounds.clear()
    again = experiment({"0": model}, tmp_path, tasks).evaluate()
    assert not rounds
    assert {name: evaluation.rows for name, evaluation in again.items()} == {
        name: evaluation.rows for name, evaluation in table.items()
    }
    other = dataclasses.replace(PLANNER, options={**PLANNER.options, "num_samples": 5})
    experiment({"0": model}, tmp_path, tasks, planner=other).evaluate()
    assert rounds, "another planner is another experiment"


def test_other_weights_are_measured_again(tasks: str, tmp_path: Path, rounds: list[int]) -> None:
    experiment({"0": build_model(0)}, tmp_path, tasks).evaluate()
    rounds.clear()
    experiment({"0": build_model(1)}, tmp_path, tasks).evaluate()
    assert rounds


def test_several_training_seeds_have_a_row_each(model: Baseline, tasks: str, tmp_path: Path) -> None:
    table = experiment({"0": model, "1": build_model(1)}, tmp_path, tasks).evaluate()
    assert list(table) == ["model", "model seed 0", "model seed 1", "random", "no-op", "oracle"]
    assert table["model"] is table["model seed 0"]


def test_the_benchmark_ends_in_a_report(model: Baseline, tasks: str, tmp_path: Path, rounds: list[int]) -> None:
    measured = experiment({"0": model}, tmp_path, tasks)
    result = measured.benchmark(ood_config())
    assert result.factors == ("agent.color", "agent.speed")
    assert len(result.cells) == 3
    assert all(set(cell.results) == {"model", "oracle", "random"} for cell in result.cells)
    assert all(cell.prediction is not None for cell in result.cells)
    rounds.clear()
    assert measured.benchmark(ood_config()).to_json() == result.to_json()
    assert not rounds
    page = measured.report(title="A test")
    assert page == tmp_path / "report.html"
    assert "A test" in page.read_text(encoding="utf-8")
    assert (tmp_path / "report.png").read_bytes()[:4] == b"\x89PNG"
    figures = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert set(figures["evaluations"]) == {"model", "random", "no-op", "oracle"}
    assert figures["evaluations"]["oracle"]["success"]["successes"] == 6
    assert figures["training_seeds"] == {}
    cells = {(cell["factor"], cell["severity"]) for cell in figures["out_of_distribution"]["cells"]}
    assert cells == {(None, 0.0), ("agent.color", 1.0), ("agent.speed", 1.0)}


def test_a_report_needs_no_benchmark_and_shows_each_training_seed(model: Baseline, tasks: str, tmp_path: Path) -> None:
    experiment({"0": model, "1": build_model(1)}, tmp_path, tasks).report(title="Seeds")
    figures = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert set(figures["training_seeds"]) == {"0", "1"}
    assert figures["out_of_distribution"] is None


def test_the_goal_is_probed_from_single_latents(model: Baseline, tmp_path: Path) -> None:
    with World(ENV_ID, num_envs=16, image_size=64) as world:
        dataset = world.collect(str(tmp_path / "d"), episodes=16, max_steps=20, progress=False)
    probe = probe_goal(model, dataset)
    assert list(probe) == ["x", "y"]
    assert all(-1 <= r <= 1 for r in probe.values())
    assert probe == probe_goal(model, dataset)


def test_the_planning_score_is_a_rate_on_the_same_tasks_each_time(model: Baseline) -> None:
    score = planning_score(4, PLANNER)
    value = score(model)
    assert value in {0.0, 0.25, 0.5, 0.75, 1.0}
    assert score(model) == value == planning_score(4, PLANNER)(model)


def test_a_task_set_of_another_environment_is_refused(model: Baseline, tasks: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    dataclasses.replace(load_tasks(tasks), env_id="swm/Other-v0").save(path)
    with pytest.raises(InvalidValueError, match=r"is for swm/Other-v0, the model for swm/TwoRoom-v0"):
        experiment({"0": model}, tmp_path, str(path))
    with pytest.raises(InvalidValueError, match="the model for none"):
        experiment({"0": build_model(env_id="")}, tmp_path, tasks)
    with pytest.raises(UnknownNameError, match="Did you mean 'two_room-v1'"):
        experiment({"0": model}, tmp_path, "two_room-v2")
    with pytest.raises(InvalidValueError, match="at least one model"):
        experiment({}, tmp_path, tasks)


def test_an_unknown_solver_or_option_is_named(model: Baseline, tasks: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'cem'"):
        experiment({"0": model}, tmp_path, tasks, planner=Planner(solver="cme")).evaluate()
    with pytest.raises(UnknownNameError, match="Did you mean 'num_samples'"):
        experiment({"0": model}, tmp_path, tasks, planner=Planner(options={"num_sample": 3})).evaluate()
