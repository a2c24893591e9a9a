import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from swm.core import spaces as ranges
from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.factors import Constraint, Factor, FactorSpace, Variation

SPACE = FactorSpace(
    (
        Factor(name="agent.color", kind="visual", space=ranges.rgb(), default=(200, 30, 30), summary="colour"),
        Factor(
            name="agent.speed",
            kind="physical",
            space=ranges.scalar(2, 10),
            default=5,
            train=ranges.scalar(4, 6),
            summary="speed",
        ),
        Factor(
            name="agent.start",
            kind="task",
            space=ranges.vector([0, 0], [10, 10]),
            default=[5, 5],
            train=ranges.vector([2, 2], [8, 8]),
            sampled=True,
            summary="start",
        ),
        Factor(name="door.number", kind="geometric", space=spaces.Discrete(3, start=1), default=1, summary="doors"),
        Factor(name="target.visible", kind="visual", space=spaces.Discrete(2), default=0, summary="marker"),
        Factor(
            name="target.color",
            kind="visual",
            space=ranges.rgb(),
            default=(0, 200, 0),
            requires={"target.visible": 1},
            summary="colour of the marker",
        ),
        Factor(name="wall.position", kind="geometric", space=ranges.scalar(0, 10), default=5, summary="place"),
    ),
    (
        Constraint(
            ("agent.start", "wall.position"),
            lambda v: abs(v["agent.start"][0] - v["wall.position"]) > 0.5,
            "the start must lie outside the wall",
        ),
    ),
)
seeds = st.integers(0, 2**40)
names = st.sampled_from(sorted(SPACE))
severities = st.floats(0.01, 1.0)


@given(seeds)
def test_the_same_seed_gives_the_same_values(seed: int) -> None:
    assert SPACE.resolve("all", seed) == SPACE.resolve("all", seed)
    assert SPACE.resolve("all", seed) != SPACE.resolve("all", seed + 1)


@given(seeds, names)
def test_sampling_one_factor_moves_no_other(seed: int, name: str) -> None:
    if name in ("agent.start", "wall.position", "target.color"):
        return
    base, varied = SPACE.resolve(None, seed), SPACE.resolve([name], seed)
    for other in SPACE:
        if other != name:
            assert np.array_equal(base[other], varied[other])


@given(seeds, st.sampled_from(["all", "train", "agent", "door.number", None]))
def test_every_draw_is_in_range_and_satisfies_the_constraints(seed: int, request_: str | None) -> None:
    values = SPACE.resolve(request_, seed)
    assert list(values) == list(SPACE)
    for name, factor in SPACE.items():
        assert factor.space.contains(np.asarray(values[name], factor.space.dtype)) or factor.space.contains(
            values[name]
        )
    assert all(c.holds(values) for c in SPACE.constraints)


@given(seeds)
def test_default_sampled_factors_stay_in_the_train_range(seed: int) -> None:
    values = SPACE.resolve(["agent.color"], seed)
    assert SPACE["agent.start"].in_train(values["agent.start"])
    assert values["agent.speed"] == 5


@given(seeds, names, severities)
def test_a_shift_leaves_the_train_range_and_stays_in_the_full_range(seed: int, name: str, severity: float) -> None:
    factor = SPACE[name]
    value = SPACE.shift({name: severity}, seed)[name]
    assert not factor.in_train(value)
    ranges.cast(factor.space, value, name)


@given(seeds, names)
def test_severity_zero_is_the_train_range(seed: int, name: str) -> None:
    assert SPACE[name].in_train(SPACE.shift({name: 0.0}, seed)[name])


@given(seeds, severities)
def test_a_scalar_shift_lies_exactly_at_its_severity(seed: int, severity: float) -> None:
    value = SPACE.shift({"agent.speed": severity}, seed)["agent.speed"]
    assert value == pytest.approx(6 + severity * 4) or value == pytest.approx(4 - severity * 2)


@given(seeds, severities)
def test_a_vector_shift_has_its_largest_level_at_the_severity(seed: int, severity: float) -> None:
    value = SPACE["agent.start"].sample_shift(severity, np.random.default_rng(seed))
    level = np.maximum(np.maximum(value - 8, 2 - value) / 2, 0)
    assert level.max() == pytest.approx(severity)


@given(seeds)
def test_colours_at_full_severity_are_far_away(seed: int) -> None:
    value = SPACE.shift({"agent.color": 1.0}, seed)["agent.color"]
    assert np.linalg.norm(value.astype(float) - (200, 30, 30)) > 150


@pytest.mark.parametrize(("severity", "value"), [(0.25, 2), (0.5, 2), (0.75, 3), (1.0, 3)])
def test_discrete_shifts_go_outwards(severity: float, value: int) -> None:
    assert SPACE.shift({"door.number": severity}, 0)["door.number"] == value


def test_exact_values_are_taken_as_given_beside_what_every_reset_draws() -> None:
    values = SPACE.resolve({"agent.speed": 9, "agent.color": [1, 2, 3]}, 4)
    assert values["agent.speed"] == 9.0
    assert values["agent.color"].tolist() == [1, 2, 3]
    assert values["agent.color"].dtype == np.uint8
    assert np.array_equal(values["agent.start"], SPACE.resolve(None, 4)["agent.start"])


@pytest.mark.parametrize(
    ("request_", "error", "text"),
    [
        ({"agent.sped": 1}, UnknownNameError, "unknown factor: 'agent.sped'. Did you mean 'agent.speed'"),
        (["agnt"], UnknownNameError, "Did you mean 'agent'"),
        ("everything", UnknownNameError, "unknown factor or group of factors: 'everything'"),
        (3, InvalidValueError, "variation: got 3; expected None, a mapping of exact values, or names"),
        ([3], InvalidValueError, "variation: got [3]"),
        (
            {"agent.speed": 11},
            InvalidValueError,
            "factor 'agent.speed': got 11, allowed is float64 of shape () from 2.0 to 10.0",
        ),
        ({"agent.speed": [1, 2]}, InvalidValueError, "allowed is float64 of shape"),
        ({"agent.speed": "fast"}, InvalidValueError, "got 'fast'"),
        ({"agent.color": [0, 0, 256]}, InvalidValueError, "factor 'agent.color'"),
        ({"agent.speed": float("nan")}, InvalidValueError, "got nan"),
        ({"door.number": 1.5}, InvalidValueError, "an integer from 1 to 3"),
        ({"door.number": 4}, InvalidValueError, "an integer from 1 to 3"),
        ({"agent.start": [5, 5], "wall.position": 5}, InvalidValueError, "the start must lie outside the wall"),
    ],
)
def test_bad_requests_are_refused(request_: object, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        SPACE.resolve(request_, 0)  # type: ignore[arg-type]
    assert text in str(caught.value)


@pytest.mark.parametrize("severity", [-0.1, 1.1])
def test_a_severity_out_of_range_is_refused(severity: float) -> None:
    with pytest.raises(InvalidValueError, match="severity must be in"):
        SPACE.shift({"agent.speed": severity}, 0)


def test_nothing_held_out_is_an_error() -> None:
    factor = Factor(
        name="a.b",
        kind="task",
        space=ranges.scalar(0, 1),
        train=ranges.scalar(0, 1),
        default=0,
        summary="no held-out value",
    )
    with pytest.raises(InvalidValueError, match="nothing is held out"):
        factor.sample_shift(0.5, np.random.default_rng(0))


def test_a_variation_cannot_be_changed_and_survives_json() -> None:
    values = SPACE.resolve("all", 1)
    with pytest.raises(ValueError, match="read-only"):
        values["agent.color"][0] = 1
    with pytest.raises(TypeError):
        values["agent.speed"] = 1  # type: ignore[index]
    back = SPACE.complete(values.to_json())
    assert back == values
    assert hash(back) == hash(values)
    assert all(np.asarray(back[n]).dtype == np.asarray(values[n]).dtype for n in SPACE)
    assert Variation({}) == {}


def test_a_factor_declared_twice_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="declared twice"):
        FactorSpace((SPACE["agent.speed"], SPACE["agent.speed"]))


def test_a_named_factor_brings_what_it_requires() -> None:
    assert SPACE.resolve(None, 0)["target.visible"] == 0
    assert SPACE.resolve(["target.color"], 0)["target.visible"] == 1
    assert SPACE.resolve({"target.color": (1, 2, 3)}, 0)["target.visible"] == 1
    assert SPACE.resolve({"target.color": (1, 2, 3), "target.visible": 0}, 0)["target.visible"] == 0
    assert SPACE.shift({"target.color": 0.5}, 0)["target.visible"] == 1
    assert SPACE.shift({"agent.speed": 0.5}, 0)["target.visible"] == 0
