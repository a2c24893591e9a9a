"""Make tests/golden/minari/datasets.zip: datasets of the real package, and what they hold.

Run with a Python that has minari 0.5.4, h5py, pyarrow and pillow: ``python make_minari_golden.py``.
"""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

TARGET = Path(__file__).parents[2] / "golden" / "minari" / "datasets"
FOLDER = Path(tempfile.mkdtemp())
os.environ["MINARI_DATASETS_PATH"] = str(FOLDER)

import minari  # type: ignore[import-not-found]  # noqa: E402
from gymnasium import spaces  # noqa: E402
from minari.data_collector import EpisodeBuffer  # type: ignore[import-not-found]  # noqa: E402

JPEG, RAW = (32, 32, 3), (8, 8, 3)
PLAIN = spaces.Box(-np.inf, np.inf, (3,), np.float64)


def nested_space(picture: tuple[int, int, int]) -> spaces.Dict:
    """Pictures, numbers, flags and texts, in dictionaries and tuples."""
    return spaces.Dict(
        {
            "camera": spaces.Box(0, 255, picture, np.uint8),
            "arm": spaces.Dict(
                {"angle": spaces.Box(-np.inf, np.inf, (2,), np.float32), "grip": spaces.Discrete(3, start=-1)}
            ),
            "pair": spaces.Tuple((spaces.Box(-1.0, 1.0, (3,), np.float64), spaces.MultiBinary(4))),
            "task": spaces.Text(20, min_length=0),
        }
    )


def nested_episode(picture: tuple[int, int, int], seed: int, length: int) -> EpisodeBuffer:
    """An episode of nested observations, discrete actions and infos."""
    rng = np.random.default_rng(seed)
    count = length + 1
    ramp = np.arange(np.prod(picture)).reshape(picture) // 16
    return EpisodeBuffer(
        seed=seed,
        options={"level": seed, "start": {"x": 0.5}},
        observations={
            "camera": np.stack([(ramp + 20 * step).astype(np.uint8) for step in range(count)]),
            "arm": {
                "angle": rng.normal(size=(count, 2)).astype(np.float32),
                "grip": rng.integers(-1, 2, count),
            },
            "pair": (rng.uniform(-1, 1, (count, 3)), rng.integers(0, 2, (count, 4)).astype(np.int8)),
            "task": [f"push {step}" for step in range(count)],
        },
        actions=rng.integers(0, 5, length),
        rewards=rng.normal(size=length).tolist(),
        terminations=[step == length - 1 for step in range(length)],
        truncations=[False] * length,
        infos={"success": np.arange(count) >= 2, "forces": rng.normal(size=(count, 2, 2))},
    )


def plain_episode(seed: int, length: int) -> EpisodeBuffer:
    """An episode of plain observations and actions in two parts."""
    rng = np.random.default_rng(seed)
    return EpisodeBuffer(
        observations=rng.normal(size=(length + 1, 3)),
        actions={"move": rng.normal(size=(length, 2)).astype(np.float32), "mode": rng.integers(0, 2, length)},
        rewards=rng.normal(size=length).tolist(),
        terminations=[False] * length,
        truncations=[step == length - 1 for step in range(length)],
    )


def flatten(place: str, value: object) -> dict[str, np.ndarray]:
    """Nested values as arrays by place."""
    if isinstance(value, dict):
        return {key: array for name, inner in value.items() for key, array in flatten(f"{place}/{name}", inner).items()}
    if isinstance(value, tuple):
        return flatten(place, {f"_index_{index}": inner for index, inner in enumerate(value)})
    return {} if value is None else {place: np.asarray(value)}


def save(name: str, buffers: list[EpisodeBuffer]) -> None:
    """Keep what a dataset should hold; of its JPEG pictures, what minari decodes."""
    arrays: dict[str, np.ndarray] = {}
    for number, buffer in enumerate(buffers):
        for part in ("observations", "actions", "rewards", "terminations", "truncations", "infos"):
            arrays |= flatten(f"{number}/{part}", getattr(buffer, part))
        if name.endswith("hdf5-jpeg-v0"):
            (episode,) = minari.load_dataset(name).iterate_episodes([number])
            arrays[f"{number}/observations/camera"] = episode.observations["camera"]
    np.savez_compressed(FOLDER / f"{name}.npz", **arrays)  # type: ignore[arg-type]


def main() -> None:
    """Write every dataset, and what it should hold."""
    for kind, jpeg in (("hdf5", True), ("hdf5", False), ("arrow", False), ("parquet", True)):
        picture = JPEG if jpeg else RAW
        buffers = [nested_episode(picture, 3, 3), nested_episode(picture, 7, 2)]
        name = f"nested-{kind}-{'jpeg' if jpeg else 'raw'}-v0"
        minari.create_dataset_from_buffers(
            name,
            buffers,
            observation_space=nested_space(picture),
            action_space=spaces.Discrete(5),
            data_format=kind,
            jpeg_encoding=jpeg,
        )
        if kind == "hdf5":
            save(name, buffers)
    moves = spaces.Dict({"move": spaces.Box(-np.inf, np.inf, (2,), np.float32), "mode": spaces.Discrete(2)})
    buffers = [plain_episode(1, 5), plain_episode(2, 2)]
    minari.create_dataset_from_buffers(
        "plain-hdf5-v1", buffers, observation_space=PLAIN, action_space=moves, author="somebody"
    )
    save("plain-hdf5-v1", buffers)
    shutil.make_archive(str(TARGET), "zip", FOLDER)
    shutil.rmtree(FOLDER)


if __name__ == "__main__":
    main()
