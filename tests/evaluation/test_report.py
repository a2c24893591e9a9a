"""The report is one page that loads nothing, says what the numbers say, and can be drawn from little."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swm.benchmark import OodConfig, OodResult, run_ood
from swm.core.errors import InvalidValueError
from swm.core.protocols import Policy
from swm.evaluation import Evaluation, PredictionError, Protocol, TaskSet, build_tasks, evaluate, evaluate_table
from swm.report import ReportData, film, report_figure, write_report
from swm.report.clips import time_lapse
from swm.report.html import film_strip, heat, ink_on
from swm.report.page import render_page
from swm.report.svg import Axes, decades, ticks

PROTOCOL = Protocol(goal_offset=10, budget=20, min_distance=0.1, episode_steps=20)
VOID = {"meta", "br", "img", "input", "hr", "link"}


class Structure(HTMLParser):
    """Finds tags that are not closed and resources that would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("script", "link", "iframe", "object", "embed"):
            self.faults.append(f"<{tag}>")
        for name, value in attrs:
            if name in ("src", "href", "srcset") and not (value or "").startswith("data:"):
                self.faults.append(f"{tag} {name}={value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")


@pytest.fixture
def tasks(make_world: Callable[..., Any], walker: Policy) -> TaskSet:
    return build_tasks(make_world(16), walker, env_id="point", count=12, seed=0, protocol=PROTOCOL)


@pytest.fixture
def evaluations(
    make_world: Callable[..., Any], make_walker: Callable[..., Policy], still: Policy, tasks: TaskSet
) -> dict[str, Evaluation]:
    policies = {"model": make_walker(), "random": still, "no-op": still, "oracle": make_walker()}
    return evaluate_table(make_world(16), policies, tasks, date="2026-01-02")


@pytest.fixture
def ood(
    make_world: Callable[..., Any], make_walker: Callable[..., Policy], still: Policy, walker: Policy, tmp_path: Path
) -> OodResult:
    config = OodConfig(severities=(0.0, 0.5, 1.0), episodes=24, protocol=PROTOCOL, prediction_episodes=2)
    policies = {"model": make_walker("agent.color", 100), "oracle": walker, "random": still}
    result = run_ood(make_world(120), policies, config, tmp_path / "ood", env_id="point", expert=walker)
    error = PredictionError(error=(0.1, 0.3, 0.6), persistence=(1.0, 2.0, 3.0), variance=5.0)
    return replace(result, cells=tuple(replace(cell, prediction=error) for cell in result.cells))


@pytest.fixture
def data(
    make_world: Callable[..., Any],
    still: Policy,
    walker: Policy,
    tasks: TaskSet,
    evaluations: dict[str, Evaluation],
    ood: OodResult,
) -> ReportData:
    world = make_world(2)
    clips = (
        *film(world, walker, tasks, evaluations["model"]),
        *film(world, still, tasks, evaluations["no-op"]),
    )
    rows = [{"step": step, "split": split, "loss": 1 / (1 + step)} for step in range(5) for split in ("train", "val")]
    return ReportData(
        title="Walker <on> Point",
        evaluations=evaluations,
        seeds={"0": evaluations["model"], "1": evaluations["no-op"]},
        ood=ood,
        clips=clips,
        probe={"x": 0.99, "y": 0.5},
        metrics={"seed 0": rows},
        provenance={"dataset": {"fingerprint": "abc"}, "command": "swm train"},
    )


def check(page: str) -> None:
    structure = Structure()
    structure.feed(page)
    assert structure.open == []
    assert structure.faults == []
    for url in re.findall(r"url\(([^)]*)\)", page):
        assert url.startswith("data:")
    assert not re.search(r"https?://|@import", page)


def test_the_page_loads_nothing_and_every_tag_is_closed(data: ReportData) -> None:
    page = render_page(data)
    check(page)
    assert "Walker &lt;on&gt; Point" in page
    assert "<on>" not in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_the_page_says_what_the_numbers_say(data: ReportData) -> None:
    page = render_page(data)
    assert "Reaches <strong>50 %</strong> of 12 held-out goals" in page
    assert "Of 2 factors of variation, shifted one at a time, 1 breaks it and 1 " in page
    for words in ("agent.color", "start.position", data.model.manifest["task_sha256"], "abc", "swm train", "0.500"):
        assert words in page
    for heading in ("In distribution", "Which factors break", "Success against", "look like", "at work", "Training"):
        assert heading in page


def test_little_is_enough(evaluations: dict[str, Evaluation]) -> None:
    page = render_page(ReportData(title="Small", evaluations={"model": evaluations["model"]}))
    check(page)
    assert "Which factors" not in page
    assert "The model at work" not in page


def test_the_same_data_gives_the_same_page(data: ReportData) -> None:
    assert render_page(data) == render_page(data)


def test_every_figure_is_in_the_json(data: ReportData, tmp_path: Path) -> None:
    path = write_report(data, tmp_path / "out")
    assert path.name == "report.html"
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["success"]["mean"] == 0.5
    assert results["evaluations"]["oracle"]["success"]["rate"] == 1.0
    assert results["model_minus"]["oracle"]["difference"]["value"] == -0.5
    assert results["model_minus"]["oracle"]["p_value"] is None
    assert results["out_of_distribution"]["ranking"][0]["factor"] == "agent.color"
    assert results["out_of_distribution"]["cells"][0]["prediction"]["error"] == [0.1, 0.3, 0.6]
    assert len(results["evaluations"]["model"]["rows"]) == 12


def test_a_single_run_has_a_p_value(evaluations: dict[str, Evaluation]) -> None:
    difference, p_value = ReportData(title="", evaluations=evaluations).minus("no-op")
    assert difference.value == 1.0
    assert p_value == pytest.approx(2 / 2**12)


def test_what_cannot_be_compared_is_refused(
    make_world: Callable[..., Any], walker: Policy, tasks: TaskSet, evaluations: dict[str, Evaluation]
) -> None:
    with pytest.raises(InvalidValueError, match="needs the evaluation 'model'"):
        ReportData(title="", evaluations={"random": evaluations["random"]})
    other = evaluate(make_world(), walker, replace(tasks, version=2))
    with pytest.raises(InvalidValueError, match="same tasks"):
        ReportData(title="", evaluations={**evaluations, "oracle": other})


def test_film_shows_the_median_success_and_failure(
    make_world: Callable[..., Any], walker: Policy, tasks: TaskSet, evaluations: dict[str, Evaluation]
) -> None:
    (clip,) = film(make_world(), walker, tasks, evaluations["model"])
    hits = sorted(row.first_hit or 0 for row in evaluations["model"].rows)
    assert clip.first_hit == hits[len(hits) // 2]
    assert clip.frames.shape == (21, 16, 16, 3)
    assert clip.goal.shape == (16, 16, 3)
    assert clip.distance[clip.first_hit] < 0.05


def test_time_lapse_shows_every_place_once() -> None:
    frames = np.full((5, 4, 8, 3), 255, np.uint8)
    for step in range(5):
        frames[step, 2, step] = (200, 0, 0)
    picture = time_lapse(frames)
    assert (picture[2, :5] == (200, 0, 0)).all()
    assert (picture[2, 5:] == 255).all()


def test_long_films_are_thinned() -> None:
    uri, count = film_strip(np.zeros((300, 4, 64, 3), np.uint8))
    assert uri.startswith("data:image/png;base64,")
    assert count * 64 <= 12_000
    assert film_strip(np.zeros((51, 4, 64, 3), np.uint8))[1] == 51


def test_numbers_can_be_read_on_every_heat_colour() -> None:
    for value in np.linspace(0, 1, 101):
        color = heat(float(value))
        ink = (1.0,) * 3 if ink_on(color) == "#fff" else (20 / 255,) * 3
        light, dark = sorted((_luminance(color), _luminance(ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.2


def _luminance(color: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 8))
def test_ticks_cover_the_range_evenly(low: float, reach: float, most: int) -> None:
    marks = ticks(low, low + reach, most)
    assert marks[0] <= low + 1e-6 * max(1, abs(low)) + 1e-6 * reach
    assert marks[-1] >= low + reach - 1e-6 * max(1, abs(low)) - 1e-6 * reach
    assert 2 <= len(marks) <= most + 2
    assert np.allclose(np.diff(marks), marks[1] - marks[0], rtol=1e-3)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_figure_is_written(data: ReportData, tmp_path: Path, suffix: str) -> None:
    path = report_figure(data, tmp_path / "figures" / f"figure.{suffix}")
    assert path.stat().st_size > 10_000
    with pytest.raises(InvalidValueError, match="has none"):
        report_figure(replace(data, ood=None), path)


@given(low=st.floats(1e-6, 1e3), factor=st.floats(1, 1e6))
def test_decades_cover_the_range(low: float, factor: float) -> None:
    marks = decades(low, low * factor)
    assert marks[0] <= low * (1 + 1e-6)
    assert marks[-1] >= low * factor * (1 - 1e-6)
    assert all(after / before == pytest.approx(10) for before, after in pairwise(marks))


def test_a_logarithmic_axis_gives_each_decade_the_same_room() -> None:
    axes = Axes(x=(0.1, 100), y=(0, 1), x_ticks=(), y_ticks=(), log_x=True)
    places = [axes.at(x, 0)[0] for x in (0.1, 1, 10, 100)]
    steps = [b - a for a, b in pairwise(places)]
    assert steps == pytest.approx([steps[0]] * 3)
    assert axes.at(0.0, 0) == axes.at(0.1, 0)
