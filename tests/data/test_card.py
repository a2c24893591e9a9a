"""The dataset card: what it says, and what it never overwrites."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import swm.data
from swm.data.card import MARKER, make_card

ORIGIN = {"command": "swm collect a/b", "license": "cc-by-4.0", "recording": {"env_id": "a/b", "seed": 3}}


def test_a_card_says_what_the_data_are(make_dataset: Any) -> None:
    text = swm.data.write_card(make_dataset(provenance=ORIGIN))
    header, body = text.removeprefix("---\n").split("\n---\n", 1)
    assert dict(line.split(": ") for line in header.splitlines() if ": " in line) == {
        "pretty_name": '"dataset"',
        "license": '"cc-by-4.0"',
    }
    assert "- n<1K" in header
    assert "4 episodes with 29 steps" in body
    assert "| `state` | float64 | 4 | observation |" in body
    assert "| `agent.color` | 3 | (0, 0, 0) to (2, 0, 0) |" in body
    assert "`swm collect a/b`" in body
    assert '"env_id": "a/b"' in body


def test_the_lines_that_load_it_run(make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = swm.data.write_card(make_dataset([30] * 4))
    code = text.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert len([line for line in code.splitlines() if line]) == 5


def test_a_card_is_replaced_and_a_page_of_ones_own_is_not(make_dataset: Any) -> None:
    dataset = make_dataset()
    page = Path(dataset.uri) / "README.md"
    first = swm.data.write_card(dataset)
    assert page.read_text() == first
    second = swm.data.write_card(dataset, license="mit")
    assert page.read_text() == second != first
    page.write_text(second.replace(MARKER, "") + "My own words.")
    with pytest.warns(UserWarning, match=r"README.md is not a card of swm.data: it was left as it is"):
        swm.data.write_card(dataset)
    assert page.read_text().endswith("My own words.")


def test_a_name_that_is_no_unicode_is_shown_with_a_question_mark(make_episode: Any, tmp_path: Path) -> None:
    episode = make_episode(0)
    state = episode.observation["state"]
    with swm.data.create(tmp_path / "odd") as writer:
        writer.write(replace(episode, observation={"state\udc80": state}))
    dataset = swm.data.open(tmp_path / "odd")
    swm.data.write_card(dataset)
    assert "`state?`" in (tmp_path / "odd" / "README.md").read_text()
    assert dataset.episode(0).observation["state\udc80"].tolist() == state.tolist()


def test_a_card_changes_nothing_of_the_dataset(make_dataset: Any) -> None:
    dataset = make_dataset()
    before = dataset.fingerprint
    swm.data.write_card(dataset)
    again = swm.data.open(dataset.uri)
    assert (again.fingerprint, again.verify().ok) == (before, True)


def test_a_transfer_writes_the_card_with_the_history(make_dataset: Any, tmp_path: Path) -> None:
    source = make_dataset(provenance=ORIGIN)
    swm.data.filter(source, tmp_path / "long", "length > 4", progress=False)
    text = (tmp_path / "long" / "README.md").read_text()
    assert text == make_card(swm.data.open(tmp_path / "long"))
    assert 'license: "cc-by-4.0"' in text
    assert '"seed": 3' in text
    assert f"`{source.uri}`" in text
    assert "where `length > 4`" in text


def test_strange_names_break_no_table(tmp_path: Path, make_episode: Any) -> None:
    episode = make_episode(0)
    odd = {"a|b\nc": episode.observation["state"], 'quote"d': episode.observation["state"]}
    with swm.data.create(tmp_path / 'a "b": c') as writer:
        writer.write(swm.data.Episode(**{**vars(episode), "observation": odd}))
    text = swm.data.write_card(swm.data.open(tmp_path / 'a "b": c'))
    assert 'pretty_name: "a \\"b\\": c"' in text
    assert "| `a\\|b c` | float64 |" in text
