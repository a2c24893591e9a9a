"""Imports only go down, siblings never import each other, nothing inside imports the root package."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = {
    "swm.core": 1,
    "swm.data": 2,
    "swm.envs": 2,
    "swm.solvers": 2,
    "swm.baselines": 2,
    "swm.rollout": 3,
    "swm.world": 3,
    "swm.cost": 3,
    "swm.policy": 3,
    "swm.evaluation": 3,
    "swm.probing": 4,
    "swm.benchmark": 4,
    "swm.report": 4,
    "swm.testing": 4,
    "swm.experiment": 4,
    "swm.demo": 4,
    "swm.doctor": 4,
    "swm.cli": 5,
    "swm.__main__": 5,
}
SIBLINGS_ALLOWED = {("swm.baselines", "swm.data")}


def room_of(module: str) -> str | None:
    """The longest key of LAYERS that `module` is or lies in."""
    matches = [room for room in LAYERS if module == room or module.startswith(f"{room}.")]
    return max(matches, key=len, default=None)


def imported(source: str, package: str) -> list[str]:
    """Names of the modules that `source`, a module of `package`, imports; TYPE_CHECKING blocks are left out."""
    tree = ast.parse(source)
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    names = []
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names += [f"{module}.{alias.name}" if module == "swm" else module for alias in node.names]
    return names


def faults(module: str, source: str) -> list[str]:
    """The imports of `module` that the layers forbid."""
    room = room_of(module)
    if room is None:
        return [f"{module} has no layer"]
    found = []
    for name in imported(source, module.rpartition(".")[0]):
        if name != "swm" and not name.startswith("swm."):
            continue
        other = room_of(name)
        if other is None:
            found.append(f"{module} imports {name} from the root package")
        elif other != room and LAYERS[other] >= LAYERS[room] and (room, other) not in SIBLINGS_ALLOWED:
            if LAYERS[room] == LAYERS[other] != 2:
                continue
            found.append(f"{module} imports {name}, which is not below it")
    return found


def modules() -> list[tuple[str, Path]]:
    out = []
    for top in ("swm", "envs", "solvers", "baselines", "data"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if top == "swm" and len(parts) > 1 and (ROOT / "swm" / parts[1]).is_symlink():
                continue
            parts = parts if top == "swm" else ("swm", *parts)
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if name != "swm":
                out.append((name, path))
    return out


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_go_down(name: str, path: Path) -> None:
    assert faults(name, path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "from swm import World",
        "import swm",
        "from swm.world import World",
        "import swm.envs.base",
        "from swm import envs",
    ],
)
def test_a_fault_is_found(source: str) -> None:
    assert faults("swm.data.clips", source)


@pytest.mark.parametrize("source", ["from swm.core.errors import SwmError", "import swm.data.clips", "import numpy"])
def test_a_clean_import_passes(source: str) -> None:
    assert faults("swm.data.loader", source) == []
