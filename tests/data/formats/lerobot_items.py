"""Use a dataset with the real `lerobot` package and save what that gives: run in an environment that has it.

``python lerobot_items.py items <dataset> <out.npz>`` saves every item stacked by feature, and for two
features a query of the frame before, the frame itself and two frames after, by time;
``python lerobot_items.py merge <dataset> <out>`` merges the dataset with itself.
"""

import importlib
import sys
from pathlib import Path

import numpy as np


def items(root: str, out: str) -> None:
    """Read everything twice: alone, and with neighbours in time."""
    package = importlib.import_module("lerobot.datasets.lerobot_dataset").LeRobotDataset
    dataset = package("swm/written", root=root)
    rows = [dataset[index] for index in range(len(dataset))]
    found = {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
    camera = dataset.meta.camera_keys[0]
    times = [step / dataset.fps for step in (-1, 0, 2)]
    queried = package("swm/written", root=root, delta_timestamps={camera: times, "action": times})
    windows = [queried[index] for index in range(len(queried))]
    for name in (camera, "action", "action_is_pad"):
        found[f"window/{name}"] = np.stack([np.asarray(window[name]) for window in windows])
    assert dataset.num_episodes == len(dataset.meta.episodes) == dataset.meta.total_episodes
    assert set(dataset.meta.stats["action"]) >= {
        "min",
        "max",
        "mean",
        "std",
        "count",
        "q01",
        "q10",
        "q50",
        "q90",
        "q99",
    }
    np.savez_compressed(out, **found)  # type: ignore[arg-type]


def merge(root: str, out: str) -> None:
    """Write the dataset twice in a row, with the package's own tool."""
    both = importlib.import_module("lerobot.datasets.aggregate").aggregate_datasets
    both(["swm/a", "swm/b"], "swm/merged", roots=[Path(root)] * 2, aggr_root=Path(out))


if __name__ == "__main__":
    {"items": items, "merge": merge}[sys.argv[1]](*sys.argv[2:])
