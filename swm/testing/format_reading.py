"""What every reader of datasets must do: one function per law, each takes a `FormatCase`."""

import multiprocessing
import pickle
from collections.abc import Callable

import numpy as np

import swm.data
from swm.core.registry import load_target
from swm.data.columns import Role
from swm.data.dataset import Dataset
from swm.data.episode import Episode
from swm.data.formats import FORMATS
from swm.testing.common import equal, require
from swm.testing.format_case import FormatCase, copy_of, files_of, same_array, same_episodes

_MAX_PICKLE = 50_000


def detection(case: FormatCase) -> None:
    """A dataset is recognised by its own row and by none before it; what is no dataset, by no row's own detect."""
    detects = {name: load_target(row.detect) for name, row in FORMATS.items()}
    for dataset in case.datasets():
        place = dataset.reader.location.path
        require(detects[case.name](place) is True, "detect() recognises a dataset of the format")
        for name in list(detects)[: list(detects).index(case.name)]:
            require(not detects[name](place), f"the format {name!r}, which is asked before, does not recognise it")
        require(equal(dataset.columns, swm.data.open(place).columns), "open() finds the format by itself")
    empty = case.new_place()
    empty.mkdir()
    note = empty / "note.txt"
    note.write_text("no dataset")
    for place in (empty, note, empty / "missing", note / "inside"):
        require(detects[case.name](place) is False, f"detect() is False for {place.name!r}, which is no dataset")


def index(case: FormatCase) -> None:
    """Lengths, offsets, splits and metadata fit together, and every column is what it says."""
    for dataset in case.datasets():
        rows = np.cumsum(dataset.lengths + 1) - dataset.lengths - 1
        require(len(dataset) > 0 and bool((dataset.lengths >= 1).all()), "every episode has a transition")
        require(equal(dataset.offsets, rows), "episodes follow one another: offsets are the sums of lengths + 1")
        parts = np.sort(np.concatenate([dataset.split("train"), dataset.split("val")]))
        require(equal(parts, dataset.split("all")), "each episode is in 'train' or in 'val'")
        require(len(dataset.episodes) == len(dataset), "there is one metadata per episode")
        require(all(column.name == name for name, column in dataset.columns.items()), "columns have their names")
        for number in (0, len(dataset) - 1):
            episode = dataset.episode(number)
            require(episode.num_steps == dataset.lengths[number], "an episode has the length of the index")
            for name, values in episode.arrays().items():
                column = dataset.columns[name]
                kind = "str" if values.dtype.kind == "U" else str(values.dtype)
                require(kind == column.dtype, f"{name!r} is read with its column's dtype, {column.dtype} (got {kind})")
                require(values.shape[1:] == column.shape, f"{name!r} is read with its column's shape, {column.shape}")
                picture = column.dtype == "uint8" and len(column.shape) == 3 and column.shape[2] in (1, 3)
                require(column.codec is None or picture, f"{name!r} has a codec only if it is a picture")


def rows(case: FormatCase) -> None:
    """Any rows of any columns, in any order and as often as they are asked for, are those of the whole."""
    rng = np.random.default_rng(0)
    roles: tuple[Role, ...] = ("observation", "transition")
    for dataset in case.datasets():
        for role in roles:
            names = [column.name for column in dataset.columns.values() if column.role == role]
            every = dataset.rows(np.arange(len(dataset)), role)
            whole = dataset.reader.read(names, every)
            for count in (0, 1, 2, len(every) // 2, len(every)):
                chosen = rng.permutation(len(every))[:count]
                chosen = np.concatenate([chosen, chosen[: count // 3]])
                part = [str(name) for name in rng.permutation(names)[: rng.integers(1, len(names) + 1)]]
                read = dataset.reader.read(part, every[chosen])
                require(set(read) == set(part), "read() gives the columns that were asked for")
                for name in part:
                    require(
                        same_array(read[name], whole[name][chosen]),
                        f"{count} rows of {name!r} are those of the whole column",
                    )
        pictures = [column for column in dataset.columns.values() if column.codec is not None]
        for column in pictures:
            small = dataset.reader.read([column.name], np.array([0, 1]), (16, 24))[column.name]
            require(small.shape == (2, 16, 24, column.shape[2]), f"{column.name!r} is read in the size asked for")
            require(small.dtype == np.uint8, f"{column.name!r} stays uint8 in another size")


def memory(case: FormatCase) -> None:
    """What is read belongs to the caller: it can be written to, and that changes nothing."""
    for dataset in case.datasets():
        first = dataset.episode(0)
        for name, values in {**first.arrays(), **dict(first.payload)}.items():
            require(values.flags.writeable, f"{name!r} can be written to")
            values[...] = "" if values.dtype.kind == "U" else 0
        again, clean = dataset.episode(0), case.open(dataset.reader.location.path).episode(0)
        require(same_episodes(again, clean), "writing to what was read does not change what is read next")


def pickling(case: FormatCase) -> None:
    """A dataset pickles as a few kilobytes, and the copy reads the same."""
    for dataset in case.datasets():
        dataset.episode(0)
        stored = pickle.dumps(dataset)
        require(len(stored) < _MAX_PICKLE, f"a pickled dataset has less than {_MAX_PICKLE} bytes, not {len(stored)}")
        copy = pickle.loads(stored)
        require(same_episodes(copy.episode(0), dataset.episode(0)), "a pickled copy reads the same")
        require(copy.version == dataset.version, "a pickled copy has the same version")


def processes(case: FormatCase) -> None:
    """A process that was spawned reads the same."""
    found = list(case.datasets())
    for dataset in found:
        dataset.episode(0)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for dataset, last in zip(found, pool.map(_last_episode, found), strict=True):
            require(same_episodes(last, dataset.episode(-1)), "another process reads the same")


def clips(case: FormatCase) -> None:
    """Clips are slices of episodes, and the loader hands them out as tensors."""
    for dataset in case.datasets():
        made = dataset.clips(num_steps=2, frame_skip=2, split="all")
        indices = np.random.default_rng(0).permutation(len(made))[:5]
        batch = made.__getitems__(indices)
        for place, (number, start) in enumerate(zip(*made.locate(indices), strict=True)):
            episode = dataset.episode(int(number))
            for name, values in episode.observation.items():
                require(
                    same_array(batch[name][place], values[start : start + 3 : 2]), f"clips of {name!r} are its slices"
                )
            action = episode.action[start : start + 2].reshape(1, -1)
            require(same_array(batch["action"][place], action), "a clip's actions are those between its observations")
        numbers = [name for name in made.columns if dataset.columns[name].dtype != "str"]
        loaded = swm.data.Loader(dataset.clips(num_steps=2, columns=numbers, split="all"), 2, seed=0)
        first = next(iter(loaded.epoch()))
        plain = loaded.clips.__getitems__([0, 1])
        require(all(equal(first[name].numpy(), plain[name]) for name in numbers), "the loader hands out the clips")


def sizes(case: FormatCase) -> None:
    """disk_bytes() has every column, and not more than there is on the disk."""
    for dataset in case.datasets():
        found = dataset.reader.disk_bytes()
        require(set(found) == set(dataset.columns), "disk_bytes() has every column and no other")
        require(min(found.values()) >= 0 and sum(found.values()) > 0, "the columns take bytes")
        total = sum(file.stat().st_size for file in files_of(dataset.reader.location.path))
        require(sum(found.values()) <= total, f"the columns take no more than the {total} bytes that are there")


def fingerprint(case: FormatCase) -> None:
    """A copy of the files has the fingerprint of the original, and verify() finds nothing in either."""
    for dataset in case.datasets():
        copy = case.open(copy_of(dataset.reader.location.path, case.new_place()))
        require(copy.fingerprint == dataset.fingerprint, "a copy has the same fingerprint")
        for each in (dataset, copy):
            require(each.verify().ok, f"verify() finds nothing in what is whole, not {each.verify().problems}")


def _last_episode(dataset: Dataset) -> Episode:
    return dataset.episode(-1)


READING_LAWS: dict[str, Callable[[FormatCase], None]] = {
    law.__name__: law for law in (detection, index, rows, memory, pickling, processes, clips, sizes, fingerprint)
}
"""The laws of formats that are only read: name -> function of a `FormatCase`."""
