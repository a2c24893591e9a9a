"""Bytes that 64 random clips move from an object store, beside the bytes that their frames take there.

Run: ``python tests/bench/bench_object_store.py``. A server on loopback speaks S3 and counts what it
sends; TwoRoom is recorded into it in both layouts at 64 x 64 and 224 x 224, and batches of 64 random
clips (4 observations, 5 steps apart) are read. The time says nothing about a real store; the bytes
and requests do. Writes runs/bench/object_store.json.
"""

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

import swm
import swm.data
from swm.core.config import write_json
from swm.core.provenance import describe_software

sys.path.insert(0, str(Path(__file__).parents[2]))


def measure(uri: str, layout: str, size: int, counter: Any, options: dict[str, str]) -> dict[str, Any]:
    """Record, then read batches and count."""
    from tests.data.test_object_store import content

    with swm.World("swm/TwoRoom-v0", num_envs=16, image_size=size) as world:
        world.collect(uri, episodes=64, max_steps=60, format=layout, storage_options=options, progress=False)
    dataset = swm.data.open(uri, storage_options=options)
    clips = dataset.clips(num_steps=4, frame_skip=5, columns=("pixels", "action"), split="all")
    batches = np.random.default_rng(0).permutation(len(clips))[: 64 * 11].reshape(11, 64)
    clips.__getitems__(batches[0])
    moved, contained, requests = [], [], []
    for batch in batches[1:]:
        sent, asked = counter.sent, counter.requests
        clips.__getitems__(batch)
        moved.append(counter.sent - sent)
        requests.append(counter.requests - asked)
        contained.append(content(dataset, clips, batch))
    return {
        "moved_bytes": moved,
        "contained_bytes": contained,
        "requests": requests,
        "ratio": statistics.median(np.array(moved) / np.array(contained)),
    }


def main() -> None:
    """Measure, print and write."""
    from tests.data.s3 import serve

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench/object_store.json"))
    options = parser.parse_args()
    found = {}
    with serve("bench") as (counter, store):
        for size in (64, 224):
            for layout in ("frames", "video"):
                name = f"{layout} {size}"
                found[name] = measure(f"s3://bench/{layout}-{size}", layout, size, counter, store)
                print(
                    f"{name:<12} moved {statistics.median(found[name]['moved_bytes']):>11,.0f} bytes, "
                    f"contained {statistics.median(found[name]['contained_bytes']):>11,.0f}, "
                    f"ratio {found[name]['ratio']:.2f}, {statistics.median(found[name]['requests']):.0f} requests"
                )
    write_json(options.out, {"batches": found, "software": describe_software()})


if __name__ == "__main__":
    main()
