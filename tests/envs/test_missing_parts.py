"""What is not installed here, or cannot draw, is said at once, however an environment is asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHOUT = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "{package}":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
import gymnasium, swm, swm.envs
from swm.cli import main
from swm.core.errors import MissingExtraError
for make in (
    swm.envs.make,
    gymnasium.make,
    lambda env_id: swm.World(env_id, num_envs=1),
    lambda env_id: swm.World(env_id, num_envs=1, executor="process"),
):
    try:
        make("{env_id}")
    except MissingExtraError as error:
        print(error)
assert main(["factors", "{env_id}"]) == 2
assert main(["collect", "{env_id}", "nothing.lance"]) == 2
"""
BLIND = """
import swm
from swm.core.errors import SwmError
from swm.envs.mujoco.env import MujocoEnv

def simulate(self, action):
    raise AssertionError("something was simulated")

if __name__ == "__main__":
    MujocoEnv._advance = simulate
    for executor in ("inline", "process"):
        try:
            with swm.World("swm/DMC-PendulumSwingup-v0", num_envs=1, executor=executor) as world:
                world.collect("nothing.lance", episodes=1, policy="random", progress=False)
        except SwmError as error:
            print(error)
"""


def run(code: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run code as a script in `folder`, in a process of its own."""
    script = folder / "script.py"
    script.write_text(code)
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(folder), **env}
    return subprocess.run(
        [sys.executable, str(script)], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize(
    ("package", "env_id", "extra"),
    [
        ("dm_control", "swm/DMC-CheetahRun-v0", "dmc"),
        ("ogbench", "swm/OGBCubeSingle-v0", "ogbench"),
        ("gymnasium_robotics", "swm/FetchPush-v0", "robotics"),
    ],
)
def test_a_missing_extra_is_named_by_every_way_to_an_environment(
    package: str, env_id: str, extra: str, tmp_path: Path
) -> None:
    done = run(WITHOUT.format(package=package, env_id=env_id), tmp_path)
    assert done.returncode == 0, done.stderr
    told = f"environment '{env_id}' needs the extra '{extra}'. Install it with: pip install 'swm[{extra}]'"
    assert done.stdout.splitlines() == [told] * 4
    assert done.stderr.splitlines() == [f"error: {told}"] * 2
    assert not (tmp_path / "nothing.lance").exists()


def test_without_opengl_nothing_is_simulated_or_written(tmp_path: Path) -> None:
    done = run(BLIND, tmp_path, MUJOCO_GL="disable")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("MUJOCO_GL=disable leaves no OpenGL to draw with") == 2
    assert not (tmp_path / "nothing.lance").exists()
