import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swm.core.config import from_json, to_json, write_json
from swm.core.errors import InvalidValueError, MissingExtraError, ShapeError, SwmError, UnknownNameError
from swm.core.registry import Registry, Row
from swm.core.seeding import derive_seed, episode_seeds, make_rng


@dataclass(frozen=True, kw_only=True)
class Inner:
    width: int = 3


@dataclass(frozen=True, kw_only=True)
class Config:
    size: tuple[int, int]
    name: str = "a"
    inner: Inner = field(default_factory=Inner)
    layers: tuple[Inner, ...] = ()
    where: Path | None = None


CONFIG = Config(size=(2, 3), inner=Inner(width=5), layers=(Inner(), Inner(width=1)), where=Path("x/y"))


def test_a_config_survives_json() -> None:
    assert from_json(Config, json.loads(json.dumps(to_json(CONFIG)))) == CONFIG


def test_an_unknown_key_is_refused_with_the_closest_field() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown field of Inner: 'widht'. Did you mean 'width'"):
        from_json(Config, {"size": [1, 2], "inner": {"widht": 1}})


def test_a_missing_key_and_a_wrong_length_are_named() -> None:
    with pytest.raises(InvalidValueError, match="Config needs size"):
        from_json(Config, {"name": "b"})
    with pytest.raises(InvalidValueError, match="expected 2 items"):
        from_json(Config, {"size": [1, 2, 3]})


def test_json_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.json"
    write_json(path, CONFIG)
    write_json(path, dataclasses.replace(CONFIG, name="b"))
    assert from_json(Config, json.loads(path.read_text())).name == "b"
    assert [p.name for p in path.parent.iterdir()] == ["config.json"]


def test_streams_are_named_and_independent() -> None:
    assert derive_seed(1, "a", 2) == derive_seed(1, "a", 2)
    assert len({derive_seed(1, "a"), derive_seed(1, "b"), derive_seed(2, "a"), derive_seed(1, "a", 0)}) == 4
    first, second = make_rng(0, "x").random(1000), make_rng(0, "y").random(1000)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1


def test_episode_seeds_do_not_depend_on_how_they_are_asked_for() -> None:
    assert episode_seeds(7, 0, 10)[4:6] == episode_seeds(7, 4, 2)
    assert all(0 <= seed < 2**63 for seed in episode_seeds(7, 0, 100))


REGISTRY = Registry(
    "thing",
    {
        "number": Row(target="math:pi", summary="a number"),
        "absent": Row(target="no_such_module_here:X", summary="needs more", extra="more"),
        "broken": Row(target="no_such_module_here:X", summary="broken"),
    },
    "swm.things",
)


def test_rows_load_late() -> None:
    assert REGISTRY.load("number") == pytest.approx(3.14159, abs=1e-5)
    assert list(REGISTRY) == ["number", "absent", "broken"]


def test_a_missing_extra_names_its_install_line() -> None:
    with pytest.raises(MissingExtraError, match=r"thing 'absent' needs the extra 'more'.*pip install 'swm\[more\]'"):
        REGISTRY.load("absent")
    with pytest.raises(ModuleNotFoundError):
        REGISTRY.load("broken")


def test_an_unknown_name_lists_the_closest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown thing: 'nunber'. Did you mean 'number'"):
        REGISTRY.load("nunber")


def test_errors_share_one_root() -> None:
    error = ShapeError("action of step()", (2,), (3,), "Pass one action per environment.")
    assert str(error) == "action of step(): expected (2,), got (3,). Pass one action per environment."
    assert isinstance(error, SwmError)
    assert isinstance(error, ValueError)


@dataclass(frozen=True, kw_only=True)
class _Typed:
    count: int = 1
    rate: float | None = None
    name: str = ""
    flag: bool = False
    either: float | tuple[float, ...] = 0.0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"count": "many"}, "field 'count' of _Typed must be of type int, got 'many'"),
        ({"count": 1.5}, "must be of type int, got 1.5"),
        ({"count": True}, "must be of type int, got True"),
        ({"count": None}, "must be of type int, got None"),
        ({"rate": "fast"}, "must be of type float, got 'fast'"),
        ({"name": 3}, "must be of type str, got 3"),
        ({"flag": 1}, "must be of type bool, got 1"),
    ],
)
def test_a_scalar_of_another_type_is_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        from_json(_Typed, data)


def test_scalars_of_the_right_kind_are_taken() -> None:
    data = {"count": np.int64(3), "rate": 2, "name": "a", "flag": True, "either": [1.0, 2.0]}
    assert to_json(from_json(_Typed, data)) == data
    assert from_json(_Typed, {"rate": None}).rate is None
