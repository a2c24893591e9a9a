"""Every dataset format keeps the laws of `check_format`."""

import importlib
import json
from pathlib import Path

import pytest

from swm.data.formats import FORMATS
from swm.testing import check_format
from swm.testing.formats import laws_of

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden"
GIVEN = {"stable-worldmodel": sorted(place for place in (GOLDEN / "stable_worldmodel").iterdir() if place.is_dir())}
"""Datasets that are there already, which formats that are only read need."""


def later_hdf5(place: Path) -> None:
    import h5py

    values = importlib.import_module("swm.data.formats.hdf5.values")
    with h5py.File(place if place.is_file() else next(place.rglob("*.hdf5")), "r+") as file:
        values.seal(file, "swm", json.dumps({**values.unseal(file, "swm"), "schema_version": 9}))


def later_lerobot(place: Path) -> None:
    file = place / "meta" / "info.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "codebase_version": "v9.0"}))


FUTURE = {"hdf5": later_hdf5, "robomimic": later_hdf5, "minari": later_hdf5, "lerobot": later_lerobot}
"""How a dataset comes to claim a later version, where its files have no plain ``"schema_version"``."""


@pytest.mark.parametrize(("name", "law"), [(name, law) for name in FORMATS for law in laws_of(name)])
def test_format(name: str, law: str, tmp_path: Path) -> None:
    check_format(name, tmp_path, [law], datasets=GIVEN.get(name, ()), future=FUTURE.get(name))
