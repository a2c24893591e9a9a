"""The benchmark finds the factor that breaks a policy, shares its batches, and resumes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from swm.benchmark import OodConfig, OodResult, load_ood, plan_cells, run_ood
from swm.core.errors import DatasetError, InvalidValueError, UnknownNameError
from swm.core.factors import Factor, FactorSpace
from swm.core.protocols import Policy
from swm.evaluation.tasks import Protocol

PROTOCOL = Protocol(goal_offset=10, budget=20, min_distance=0.1, episode_steps=20)
CONFIG = OodConfig(
    severities=(0.0, 0.5, 1.0), episodes=20, factors=("agent",), protocol=PROTOCOL, prediction_episodes=4
)


class Stopped(Exception):
    pass


def run(world: Any, policies: dict[str, Policy], out_dir: Path, totals: dict[str, int] | None = None) -> OodResult:
    """Run `CONFIG`; `totals` becomes stage -> episodes that had to be run."""
    seen = {} if totals is None else totals

    def progress(stage: str, done: int, total: int) -> None:
        seen[stage] = total

    expert = policies["oracle"]
    return run_ood(world, policies, CONFIG, out_dir, env_id="point", expert=expert, progress=progress)


@pytest.fixture
def policies(make_walker: Callable[..., Policy], still: Policy) -> dict[str, Policy]:
    return {"model": make_walker("agent.color", tolerance=100), "oracle": make_walker(), "no-op": still}


@pytest.fixture
def result(make_world: Callable[..., Any], policies: dict[str, Policy], tmp_path: Path) -> OodResult:
    return run(make_world(32), policies, tmp_path)


def test_the_factor_that_breaks_the_policy_is_first(result: OodResult) -> None:
    ranking = result.ranking()
    assert list(ranking) == ["agent.color", "agent.speed"]
    assert ranking["agent.color"].label == "breaks"
    assert ranking["agent.speed"].drop.value == 0
    assert result.reference.results["model"].success.value == 1.0
    assert result.curve("agent.color")[-1].results["model"].success.value == 0.0


def test_the_oracle_is_the_ceiling_and_the_floor_is_low(result: OodResult) -> None:
    for cell in result.cells:
        assert cell.results["oracle"].success.value == 1.0
        assert cell.results["no-op"].success.value == 0.0


def test_cells_of_a_visual_factor_are_paired_with_the_reference(result: OodResult) -> None:
    usual, shifted = result.reference.results["oracle"].rows, result.curve("agent.color")[1].results["oracle"].rows
    assert [row.start_distance for row in usual] == [row.start_distance for row in shifted]
    assert [row.seed for row in usual] == [row.seed for row in shifted]


def test_each_cell_shifts_its_factor_alone(result: OodResult) -> None:
    for cell in result.cells:
        for row in cell.results["model"].rows:
            assert (row.variation["agent.color"] == [200, 30, 30]) == (cell.factor != "agent.color")
            assert (row.variation["agent.speed"] == 1.0) == (cell.factor != "agent.speed")
    assert set(result.frames) == {cell.name for cell in result.cells}
    assert not np.array_equal(result.frames["in-distribution"], result.frames["agent.color@1"])


def test_all_cells_share_one_batch(make_world: Callable[..., Any], policies: dict[str, Policy], tmp_path: Path) -> None:
    world = make_world(100)
    run(world, policies, tmp_path)
    before = world.steps
    for path in tmp_path.glob("cells/*/model.json"):
        path.unlink()
    run(world, policies, tmp_path)
    assert world.steps - before == PROTOCOL.budget  # 5 cells x 20 episodes in 100 environments


def test_a_killed_run_goes_on(
    make_world: Callable[..., Any], policies: dict[str, Policy], result: OodResult, tmp_path: Path
) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if stage == "model" and done > 45:
            raise Stopped

    other, world = tmp_path / "other", make_world(8)
    with pytest.raises(Stopped):
        run_ood(world, policies, CONFIG, other, env_id="point", expert=policies["oracle"], progress=stop)
    assert len(list(other.glob("cells/*/model.json"))) == 2
    with pytest.raises(DatasetError, match="no finished benchmark"):
        load_ood(other)
    totals: dict[str, int] = {}
    resumed = run_ood(
        world,
        policies,
        CONFIG,
        other,
        env_id="point",
        expert=policies["oracle"],
        progress=lambda s, d, t: totals.update({s: t}),
    )
    assert totals == {"tasks": 0, "model": 60, "oracle": 100, "no-op": 100}
    assert [c.results["model"].rows for c in resumed.cells] == [c.results["model"].rows for c in result.cells]


def test_another_policy_or_protocol_is_run_anew(
    make_world: Callable[..., Any], make_walker: Callable[..., Policy], policies: dict[str, Policy], tmp_path: Path
) -> None:
    world = make_world(32)
    run(world, policies, tmp_path)
    totals: dict[str, int] = {}
    changed = {**policies, "model": make_walker("agent.speed")}
    result = run_ood(
        world,
        changed,
        CONFIG,
        tmp_path,
        env_id="point",
        expert=policies["oracle"],
        progress=lambda s, d, t: totals.update({s: t}),
    )
    assert totals == {"tasks": 0, "model": 100, "oracle": 0, "no-op": 0}
    assert next(iter(result.ranking())) == "agent.speed"


def test_a_run_that_began_again_is_not_finished(
    make_world: Callable[..., Any], policies: dict[str, Policy], result: OodResult, tmp_path: Path
) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        raise Stopped

    changed = {**policies, "model": policies["no-op"]}
    with pytest.raises(Stopped):
        run_ood(make_world(8), changed, CONFIG, tmp_path, env_id="point", expert=policies["oracle"], progress=stop)
    assert load_ood(tmp_path) == result  # stopped before anything was changed
    with pytest.raises(Stopped):
        run_ood(
            make_world(8),
            changed,
            CONFIG,
            tmp_path,
            env_id="point",
            expert=policies["oracle"],
            progress=lambda stage, done, total: stop(stage, done, total) if stage == "model" else None,
        )
    with pytest.raises(DatasetError, match="no finished benchmark"):
        load_ood(tmp_path)


def test_results_load_and_are_json(result: OodResult, tmp_path: Path) -> None:
    assert load_ood(tmp_path) == result
    data = json.loads(json.dumps(result.to_json()))
    assert data["ranking"][0]["factor"] == "agent.color"
    assert data["cells"][0]["success"]["oracle"]["rate"] == 1.0


def test_what_cannot_be_shifted_is_said(make_world: Callable[..., Any]) -> None:
    factors = make_world().factors
    everything = OodConfig(factors=("all",), protocol=PROTOCOL)
    cells, skipped = plan_cells(factors, everything)
    assert len(cells) == 1 + 2 * 4
    assert "nothing is held out" in skipped["start.position"]
    with pytest.raises(InvalidValueError, match=r"factor 'start\.position' cannot be shifted"):
        plan_cells(factors, OodConfig(factors=("start.position",), protocol=PROTOCOL))
    with pytest.raises(UnknownNameError, match=r"agent\.color"):
        plan_cells(factors, OodConfig(factors=("agent.colour",), protocol=PROTOCOL))


def test_severities_that_draw_the_same_values_are_one_level() -> None:
    factor = Factor(name="a.b", kind="visual", space=spaces.Discrete(3), default=0, summary="")
    switch = Factor(name="a.c", kind="visual", space=spaces.Discrete(2), default=0, summary="")
    cells, _ = plan_cells(FactorSpace((factor, switch)), OodConfig(protocol=PROTOCOL))
    assert [cell.name for cell in cells] == ["in-distribution", "a.b@0.5", "a.b@1", "a.c@1"]


def test_a_cell_without_tasks_is_skipped_with_its_reason(
    make_world: Callable[..., Any], policies: dict[str, Policy], tmp_path: Path
) -> None:
    far = Protocol(goal_offset=10, budget=20, min_distance=0.4, episode_steps=20)
    config = OodConfig(
        severities=(0.0, 0.5, 1.0), episodes=2, factors=("agent.speed",), protocol=far, prediction_episodes=2
    )
    result = run_ood(make_world(8), policies, config, tmp_path, env_id="point", expert=policies["oracle"])
    assert result.cells
    for name, reason in result.skipped.items():
        assert name.startswith("agent.speed@")
        assert "valid tasks" in reason


@pytest.mark.parametrize("severities", [(0.25, 1.0), (0.0, 1.0, 0.5), (0.0,), (0.0, 2.0)])
def test_severities_rise_from_zero(severities: tuple[float, ...]) -> None:
    with pytest.raises(InvalidValueError, match="severities"):
        OodConfig(severities=severities, protocol=PROTOCOL)


def test_model_and_oracle_are_needed(make_world: Callable[..., Any], still: Policy, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"\['oracle'\] missing"):
        run_ood(make_world(), {"model": still}, CONFIG, tmp_path, env_id="point", expert=still)
