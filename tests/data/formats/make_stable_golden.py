"""Make tests/golden/stable_worldmodel: tiny datasets of stable-worldmodel, and what its own readers make of them.

Run it where ``stable-worldmodel==0.1.1`` and ``decord`` are installed; this package is not needed. The table of
videos and the side table of episodes are not written by that version: they are made here, with the schema that
later versions document, and decord says what the videos hold.
"""

import io
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

import decord  # type: ignore[import-not-found]
import imageio.v2 as imageio
import lance
import numpy as np
import pyarrow as pa
import stable_worldmodel as peer  # type: ignore[import-not-found]
from stable_worldmodel.data.format import get_format  # type: ignore[import-not-found]
from stable_worldmodel.policy import RandomPolicy  # type: ignore[import-not-found]

ROOT = Path(__file__).parents[2] / "golden" / "stable_worldmodel"
VARIATION = ["agent.color", "agent.position", "target.position"]
LENGTHS = (5, 1, 3, 4)


def collect() -> None:
    """Record TwoRoom in three layouts."""
    world = peer.World("swm/TwoRoom-v1", num_envs=2, image_shape=(32, 32), max_episode_steps=5)
    world.set_policy(RandomPolicy(seed=3))
    for layout in ("lance", "folder", "video"):
        place = ROOT / layout / "tworoom.lance" if layout == "lance" else ROOT / layout
        world.collect(place, episodes=3, seed=7, options={"variation": VARIATION}, format=layout, progress=False)
        read = get_format(layout).open_reader(place, **({"video_keys": ["pixels"]} if layout == "video" else {}))
        dump(layout, read, (5, 5, 5))


def episode(number: int, length: int) -> dict[str, list[Any]]:
    """Columns of every kind that the writer takes."""
    rng = np.random.default_rng(number)
    ramp = np.linspace(0, 200, 20, dtype=np.uint8)
    picture = np.stack(np.broadcast_arrays(ramp[:16, None], ramp[None, :], 7 * number), -1)
    last = np.arange(length) == length - 1
    return {
        "pixels.top": [np.roll(picture, step, 1).astype(np.uint8) for step in range(length)],
        "pixels.side": [np.roll(picture[..., :1], step, 0).astype(np.uint8) for step in range(length)],
        "goal": [picture.astype(np.uint8)] * length,
        "state": list(rng.normal(size=(length, 2, 2))),
        "count": list(np.arange(length)),
        "task": [f"push {number}"] * length,
        "action": [*rng.normal(size=(length - 1, 2)), np.full(2, np.nan)],
        "reward": [np.nan, *rng.normal(size=length - 1)],
        "terminated": list(last),
        "success": list(last & (number % 2 == 0)),
        "seed": [np.int64(40 + number)] * length,
        "variation.block.size": [np.float64(number / 2)] * length,
    }


def write_views() -> None:
    """Two cameras, a goal picture, and texts."""
    place = ROOT / "views" / "views.lance"
    episodes = [episode(number, length) for number, length in enumerate(LENGTHS)]
    with get_format("lance").open_writer(place) as writer:
        writer.write_episodes(episodes)
    dump("views", get_format("lance").open_reader(place), LENGTHS)


def write_videos() -> None:
    """The same, with videos beside the rows and facts beside the episodes."""
    folder = ROOT / "lance_video"
    source = lance.dataset(str(ROOT / "views" / "views.lance"))
    plain = [name for name in source.schema.names if not name.startswith(("pixels", "goal", "task"))]
    lance.write_dataset(source.to_table(columns=plain), str(folder / "views.lance"))
    rows: list[dict[str, Any]] = []
    expected: dict[str, Any] = {}
    for number, length in enumerate(LENGTHS):
        pictures = episode(number, length)
        for camera in ("top", "side"):
            content = encode(pictures[f"pixels.{camera}"])
            rows.append({"episode_idx": number, "video_key": f"pixels_{camera}", "video_bytes": content})
            frames = decord.VideoReader(io.BytesIO(content)).get_batch(list(range(length)))
            expected[f"{number}/pixels_{camera}"] = np.asarray(frames).transpose(0, 3, 1, 2)
    blob = pa.field("video_bytes", pa.large_binary(), metadata={b"lance-encoding:blob": b"true"})
    schema = pa.schema([pa.field("episode_idx", pa.int32()), pa.field("video_key", pa.string()), blob])
    lance.write_dataset(pa.Table.from_pylist(rows, schema=schema), str(folder / "views_videos.lance"))
    np.savez_compressed(ROOT / "lance_video.npz", **expected)
    facts = [
        {"episode_idx": number, "scene": f"<scene {number}/>", "mesh": b"\x01\x02", "camera": [1.0, number], "tries": 3}
        for number in range(len(LENGTHS))
    ]
    kinds = [pa.int32(), pa.string(), pa.large_binary(), pa.list_(pa.float32()), pa.int64()]
    schema = pa.schema(list(zip(facts[0], kinds, strict=True)))
    lance.write_dataset(pa.Table.from_pylist(facts, schema=schema), str(folder / "views_episodes.lance"))


def encode(frames: list[Any]) -> bytes:
    """An MP4 as the layout's writer makes it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "video.mp4"
        with imageio.get_writer(str(file), fps=10, codec="libx264", macro_block_size=1) as writer:
            for frame in frames:
                writer.append_data(  # type: ignore[attr-defined]
                    np.repeat(frame, 3 // frame.shape[-1], axis=-1)
                )
        return file.read_bytes()


def dump(name: str, dataset: Any, lengths: tuple[int, ...]) -> None:
    """Save every episode as the package's own reader gives it: ``<episode>/<column>``."""
    found: dict[str, Any] = {}
    for number, length in enumerate(lengths):
        loaded = dataset.load_chunk(np.array([number]), np.array([0]), np.array([length]))[0]
        found.update({f"{number}/{column}": np.asarray(values) for column, values in loaded.items()})
    np.savez_compressed(ROOT / f"{name}.npz", **found)


if __name__ == "__main__":
    logging.disable()
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(parents=True)
    collect()
    write_views()
    write_videos()
