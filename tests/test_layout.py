"""The four rooms stand at the top level, install as ``swm.<room>``, and can be imported in one way only."""

import importlib
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import swm

ROOT = Path(__file__).parents[1]
ROOMS = ("envs", "solvers", "baselines", "data")
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())


def _packages_on_disk() -> set[str]:
    found = set()
    for top in ("swm", *ROOMS):
        for init in (ROOT / top).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT).parts
            if not any((ROOT / Path(*parts[: i + 1])).is_symlink() for i in range(len(parts))):
                found.add(".".join(parts if top == "swm" else ("swm", *parts)))
    return found


def test_the_package_list_is_what_is_on_disk() -> None:
    assert set(CONFIG["tool"]["setuptools"]["packages"]) == _packages_on_disk()


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_is_linked_into_the_package(room: str) -> None:
    link = ROOT / "swm" / room
    assert link.is_symlink()
    assert link.resolve() == (ROOT / room).resolve()
    assert not (ROOT / room).is_symlink()
    assert CONFIG["tool"]["setuptools"]["package-dir"][f"swm.{room}"] == room


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_refuses_any_other_import_name(room: str) -> None:
    run = subprocess.run([sys.executable, "-c", f"import {room}"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode != 0
    assert f"import this package as swm.{room}" in run.stderr


def test_every_module_can_be_imported() -> None:
    modules = [info.name for info in pkgutil.walk_packages(swm.__path__, "swm.") if not info.name.endswith("__main__")]
    assert {f"swm.{room}" for room in ROOMS} < set(modules)
    for name in modules:
        importlib.import_module(name)


def test_what_is_exported_exists() -> None:
    for name in swm.__all__:
        assert getattr(swm, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Wrold'"):
        _ = swm.Wrold


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, swm; print([m for m in ('torch', 'mujoco', 'lance', 'pyarrow', 'matplotlib') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
