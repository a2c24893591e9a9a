import re
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import swm.envs
from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.registry import load_target
from swm.envs import ENVS, EnvRow, make, make_executor, make_expert
from swm.envs.two_room.factors import SUCCESS_DISTANCE
from swm.testing.common import family

IDS = [pytest.param(env_id, marks=pytest.mark.slow) if row.nightly else env_id for env_id, row in ENVS.items()]
PAGES = Path(__file__).parents[2] / "docs" / "environments"


@pytest.mark.parametrize("env_id", IDS)
def test_rows_name_what_exists_and_gymnasium_makes_it(env_id: str) -> None:
    row = ENVS[env_id]
    for target in (row.target, row.native, row.expert):
        assert target is None or load_target(target).__doc__
    with gymnasium.make(env_id, image_size=32) as env:
        assert env.spec is not None
        assert env.spec.max_episode_steps == row.max_episode_steps
        observation, _ = env.reset(seed=3)
        expected, _ = make(env_id, image_size=32).reset(seed=3)
        assert np.array_equal(observation["pixels"], expected["pixels"])
        env.step(env.action_space.sample())


def test_the_documented_factors_and_the_success_radius_are_the_real_ones() -> None:
    assert ENVS["swm/TwoRoom-v0"].success_radius == SUCCESS_DISTANCE
    rows = _table("two_room")
    for name, factor in make("swm/TwoRoom-v0").factors.items():
        kind, default, documented = (cell.strip() for cell in rows[name])
        assert kind == factor.kind
        if factor.space.shape == () and isinstance(factor.space, spaces.Box):
            assert default == f"{factor.default:g}"
            assert documented == f"{factor.space.low:g} to {factor.space.high:g}"


@pytest.mark.parametrize("env_id", IDS)
def test_the_page_of_a_family_names_the_id_and_every_factor(env_id: str) -> None:
    name = family(env_id)
    if name == "quantize":
        pytest.skip("its factors are those of the environment inside")
    text = (PAGES / f"{name}.md").read_text()
    assert f"`{env_id}`" in text
    factors = {re.sub(r"_\d+$", "_i", factor) for factor in make(env_id, image_size=32).factors}
    missing = sorted(factor for factor in factors if f"`{factor}`" not in text)
    assert not missing, f"docs/environments/{name}.md does not name {missing}"


def test_the_overview_counts_the_environments_of_each_family() -> None:
    rows: dict[str, list[EnvRow]] = {}
    for env_id, row in ENVS.items():
        rows.setdefault(family(env_id), []).append(row)
    text = (PAGES.parent / "environments.md").read_text()
    for name, members in rows.items():
        page = "discrete" if name == "quantize" else name
        (line,) = (line for line in text.splitlines() if f"(environments/{page}.md) |" in line)
        _, _, count, _, extra, expert, *_ = (cell.strip(" `") for cell in line.split("|"))
        experts = sum(row.expert is not None for row in members)
        assert int(count) == len(members), line
        assert {extra} == {row.extra or "-" for row in members}, line
        assert expert == ("yes" if experts == len(members) else f"{experts} of {len(members)}"), line


def test_the_readme_counts_the_environments() -> None:
    text = " ".join((PAGES.parents[1] / "README.md").read_text().split())
    experts = sum(row.expert is not None for row in ENVS.values())
    assert f"{len(ENVS)} ids with goals and exact states, {experts} of them with an expert" in text


def _table(page: str) -> dict[str, list[str]]:
    """Factor -> kind, default and range, as a page of the documentation has them."""
    text = (PAGES / f"{page}.md").read_text()
    return {
        line.split("|")[1].strip(" `"): line.split("|")[2:5] for line in text.splitlines() if line.startswith("| `")
    }


def test_importing_the_room_is_light() -> None:
    code = "import sys, swm.envs; print([m for m in ('mujoco', 'torch', 'lance', 'matplotlib') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_unknown_names_are_answered_with_the_closest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown environment: 'swm/TwoRooms-v0'.*'swm/TwoRoom-v0'"):
        make("swm/TwoRooms-v0")
    with pytest.raises(UnknownNameError, match=r"unknown executor: 'proces'.*'process'"):
        make_executor("swm/TwoRoom-v0", 2, 32, executor="proces")


@pytest.mark.parametrize("size", [15, 1025, 64.0, "64", (64,), (64, 64, 3), (64, 8), None, True])
@pytest.mark.parametrize("executor", swm.envs.EXECUTORS)
def test_image_sizes_are_checked(size: object, executor: str) -> None:
    with pytest.raises(InvalidValueError, match="16 to 1024"):
        make_executor("swm/TwoRoom-v0", 2, size, executor=executor)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, -1, 2.0])
def test_the_number_of_environments_is_checked(count: int) -> None:
    with pytest.raises(InvalidValueError, match="num_envs"):
        make_executor("swm/TwoRoom-v0", count, 32)


def test_missing_parts_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    row = swm.envs.EnvRow(
        target=ENVS["swm/TwoRoom-v0"].target, summary="", max_episode_steps=1, success_radius=1.0, unit=""
    )
    monkeypatch.setitem(ENVS._rows, "bare", row)
    with pytest.raises(InvalidValueError, match="no native executor; use executor='process'"):
        make_executor("bare", 2, 32)
    with pytest.raises(InvalidValueError, match="no expert"):
        make_expert("bare")
