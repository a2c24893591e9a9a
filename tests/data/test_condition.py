"""The language of conditions: what it means, and that it has nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swm.core.errors import InvalidValueError, SwmError, UnknownNameError
from swm.data.condition import parse_condition
from swm.data.selection import EpisodeSummary, parse_episodes


def summary(**changes: Any) -> EpisodeSummary:
    facts: dict[str, Any] = {
        "index": 3,
        "length": 25,
        "split": "train",
        "return_": -1.5,
        "success": True,
        "metadata": {"env_id": "a/b", "goal": [1.0, 2.0], "return": "a return"},
        "variation": {"agent.speed": 2.5, "agent.color": [255, 0, 0], "kind": "cup"},
    }
    return EpisodeSummary(**{**facts, **changes})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("success", True),
        ("not success", False),
        ('success and length > 20 and variation["agent.speed"] < 3', True),
        ("return < -1 or length < 0", True),
        ("-2 < return <= -1.5", True),
        ("metadata['return'] == 'a return' and return != 0", True),
        ('variation["agent.color"] == [255, 0, 0]', True),
        ('variation["agent.color"][0] // 2 == 127 and length % 2 == 1', True),
        ('"agent.mass" in variation and variation["agent.mass"] > 1', False),
        ('variation["kind"] in ("cup", "bowl")', True),
        ('"cup" not in variation["kind"]', False),
        ("abs(metadata['goal'][0] - metadata['goal'][1]) == 1", True),
        ("max(length, 30) == 30 and min(1, 2) == 1 and len(metadata) == 3", True),
        ("split == 'train' and index + 1 == 4", True),
    ],
)
def test_a_condition_means_what_it_says(text: str, expected: bool) -> None:
    assert parse_condition(text)(summary()) is expected


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(-9, 9))
def test_arithmetic_and_comparison_are_those_of_python(length: int, a: int, b: int) -> None:
    text = f"length * {a} - {b} < length + {b} == (not length > {a})"
    assert parse_condition(text)(summary(length=length)) == eval(text, {"length": length})


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "metadata.__class__",
        "(lambda: 1)()",
        "[x for x in metadata]",
        "length if success else 2",
        "f'{length}'",
        "length ** length",
        "length << 9",
        "(length := 3)",
        "open('x')",
        "metadata[0:2]",
        "max(*metadata)",
        "len(obj=metadata)",
        "b'x'",
        "...",
        "length > 20 and",
        "length >",
        "'open",
        "(",
        "",
        "length\nsuccess",
        "length; success",
        "length = 3",
        "(" * 300 + "1" + ")" * 300,
        "not " * 400 + "1",
        "+".join("1" * 900),
        "1" * 3000,
    ],
)
def test_whatever_else_python_has_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError):
        parse_condition(text)


@given(st.text(alphabet="()[]{}'\".,:=<>+-*/%&|^~@#\\ \tabl1_é", max_size=30))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        condition = parse_condition(text)
        condition(summary())
    except SwmError:
        pass


def test_a_mistake_is_shown_where_it_is() -> None:
    with pytest.raises(InvalidValueError, match=r"there is no 'IfExp' .*, at character 13, before 'length if success"):
        parse_condition("success or (length if success else 1)")
    with pytest.raises(UnknownNameError, match=r"'lenght'.*Did you mean 'length'"):
        parse_condition("lenght > 2")
    with pytest.raises(UnknownNameError, match=r"'sum'.*abs, len, max, min"):
        parse_condition("sum(metadata['goal']) > 2")
    with pytest.raises(InvalidValueError, match=r"no operator 'Pow', at character 11, before 'length \*\* 2"):
        parse_condition("return > (length ** 2)")


def test_what_cannot_be_computed_names_the_episode() -> None:
    with pytest.raises(InvalidValueError, match=r"episode 3 has no 'agent.mass' .*it has agent.color, agent.speed"):
        parse_condition('variation["agent.mass"] > 1')(summary())
    with pytest.raises(InvalidValueError, match=r"episode 3: '>' not supported.*, at character 13, before 'metadata"):
        parse_condition("success and metadata > 1")(summary())
    with pytest.raises(InvalidValueError, match=r"episode 3: arithmetic needs numbers, got 'train'"):
        parse_condition("split * 99999999999 == 1")(summary())
    with pytest.raises(InvalidValueError, match=r"episode 3: .*division"):
        parse_condition("1 / (length - 25) > 0")(summary())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0:3", [0, 1, 2]),
        ("0:100,4", list(range(10))),
        ("4,-1, 4", [4, 9]),
        ("-2:", [8, 9]),
        (":2,8:", [0, 1, 8, 9]),
        ("5:5", []),
    ],
)
def test_numbers_and_ranges_of_episodes(text: str, expected: list[int]) -> None:
    assert parse_episodes(text, 10) == expected


@pytest.mark.parametrize("text", ["", "a", "1-3", "0:10:2", "10", "-11", "1,,2"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match=r"neither a number nor a range|there are 10"):
        parse_episodes(text, 10)
