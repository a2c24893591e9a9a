"""Write tests/golden/lerobot/<version> with the `lerobot` package, which is no dependency: run by hand where it is.

``python make_lerobot_golden.py v3.0`` with lerobot 0.4.4, ``python make_lerobot_golden.py v2.1`` with 0.3.3.
`rows` is what is handed to the package, and what a reader must give back.
"""

import importlib
import inspect
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2] / "golden" / "lerobot"
FPS = 10
LENGTHS = (5, 1, 8, 3)
TASKS = ("push the T", "reach the goal")
_PICTURE = ["height", "width", "channels"]
FEATURES: dict[str, dict[str, Any]] = {
    "observation.images.top": {"dtype": "video", "shape": (64, 64, 3), "names": _PICTURE},
    "observation.image": {"dtype": "image", "shape": (12, 16, 3), "names": _PICTURE},
    "observation.state": {"dtype": "float32", "shape": (3,), "names": ["x", "y", "angle"]},
    "observation.mass": {"dtype": "float64", "shape": (1,), "names": None},
    "observation.pose": {"dtype": "float32", "shape": (2, 3), "names": None},
    "observation.note": {"dtype": "string", "shape": (1,), "names": None},
    "contacts": {"dtype": "int64", "shape": (2,), "names": None},
    "action": {"dtype": "float32", "shape": (2,), "names": ["x", "y"]},
    "next.reward": {"dtype": "float32", "shape": (1,), "names": None},
    "next.done": {"dtype": "bool", "shape": (1,), "names": None},
    "next.success": {"dtype": "bool", "shape": (1,), "names": None},
}


UNABLE = {"v3.0": ("observation.pose",), "v2.1": ()}
"""What the package itself fails to write: 0.4.4 has no statistics of tables."""


def rows(episode: int) -> list[dict[str, Any]]:
    """What was recorded at each frame of one episode, by feature name, and its task."""
    rng = np.random.default_rng(episode)
    found = []
    for step in range(LENGTHS[episode]):
        row: dict[str, Any] = {"task": TASKS[(episode + step // 4) % 2], "observation.note": f"schön {episode}.{step}"}
        for name, facts in FEATURES.items():
            shape, dtype = facts["shape"], facts["dtype"]
            if dtype in ("video", "image"):
                row[name] = _picture(shape, episode, step)
            elif dtype == "int64":
                row[name] = rng.integers(-(2**62), 2**62, shape)
            elif dtype != "string" and dtype != "bool":
                row[name] = rng.normal(size=shape).astype(dtype)
        row["next.done"] = np.array([step == LENGTHS[episode] - 1])
        row["next.success"] = np.array([step > 2])
        found.append(row)
    return found


def _picture(shape: tuple[int, int, int], episode: int, step: int) -> np.ndarray[Any, Any]:
    """A smooth picture that differs clearly from that of every other step."""
    y, x, channel = np.meshgrid(*(np.arange(size) for size in shape), indexing="ij")
    wave = np.sin(x / 9 + channel) * np.cos(y / 11)
    picture: np.ndarray[Any, Any] = np.clip(40 + 12 * step + 40 * episode + 30 * wave, 0, 255).astype(np.uint8)
    return picture


def main(version: str) -> None:
    """Record every episode."""
    module = importlib.import_module("lerobot.datasets.lerobot_dataset")

    assert version == module.CODEBASE_VERSION, f"this lerobot writes {module.CODEBASE_VERSION}"
    path = ROOT / version
    shutil.rmtree(path, ignore_errors=True)
    features = {name: facts for name, facts in FEATURES.items() if name not in UNABLE[version]}
    dataset = module.LeRobotDataset.create("swm/golden", fps=FPS, features=features, root=path, robot_type="toy")
    separate = "task" in inspect.signature(dataset.add_frame).parameters
    for episode in range(len(LENGTHS)):
        for row in rows(episode):
            frame = {name: row[name] for name in features}
            if separate:
                dataset.add_frame(frame, task=row["task"])
            else:
                dataset.add_frame({**frame, "task": row["task"]})
        dataset.save_episode()
    if hasattr(dataset, "finalize"):
        dataset.finalize()
    shutil.rmtree(path / "images", ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
