"""What every format that can be written must do: one function per law, each takes a `FormatCase`."""

import copy
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import swm.data
from swm.core.errors import DatasetError, InvalidValueError, SwmError
from swm.data.dataset import Dataset
from swm.data.encoded import EncodedPictures, EncodedVideo
from swm.data.episode import TRANSITIONS, Episode
from swm.testing.common import require
from swm.testing.format_case import FormatCase, copy_of, files_of, quiet, same_episodes
from swm.testing.format_samples import LENGTHS, differences, odd_samples, sample, unexplained

_LOSSLESS = ("png", "raw", "h264-lossless")
_MARK = re.compile(rb'("schema_version": ?)\d')
_FLIPS = 8
"""Files in which a byte is flipped, the largest first."""


def content(case: FormatCase) -> None:
    """What is written is read: to the last bit, or, of lossy pictures, nearly; else a note names the difference."""
    for cameras in (("pixels",), ("pixels.left", "pixels.right")):
        episodes = [sample(seed, length, cameras) for seed, length in enumerate(LENGTHS)]
        place, notes = case.write(iter(episodes))
        _require_written(case.open(place), episodes, notes)


def codecs(case: FormatCase) -> None:
    """A lossless codec that the format takes loses nothing; others are refused before anything is written."""
    episodes = [sample(seed, length) for seed, length in enumerate(LENGTHS)]
    for codec in _LOSSLESS:
        place = case.new_place()
        try:
            _, notes = case.write(episodes, place, codec=codec)
        except SwmError as error:
            require(codec in str(error), f"the refusal of the codec {codec!r} names it ({error})")
            require(not _opens(case, place), f"nothing is written with the codec {codec!r} that was refused")
            continue
        dataset = case.open(place)
        require(dataset.columns["pixels"].codec in _LOSSLESS, f"pictures written with {codec!r} have a lossless codec")
        _require_written(dataset, episodes, notes)


def oddities(case: FormatCase) -> None:
    """An unusual component is kept exactly, named by a note, or refused by an error that names it."""
    for episode in odd_samples():
        name = next((name for name in episode.observation if name != "state"), "action")
        try:
            place, notes = case.write([episode])
        except SwmError as error:
            require(name in str(error), f"the refusal of the component {name!r} names it ({error})")
            continue
        _require_written(case.open(place), [episode], notes)


def splits(case: FormatCase) -> None:
    """val_fraction decides the split, or a note says that it cannot."""
    for fraction, split in ((0.0, "train"), (1.0, "val")):
        place, notes = case.write([sample(seed, 3) for seed in range(4)], val_fraction=fraction)
        dataset = case.open(place)
        kept = len(dataset.split(split)) == 4
        noted = "split" in " ".join((*notes, *dataset.reader.notes)).lower()
        require(kept or noted, f"val_fraction={fraction} puts every episode into {split!r}, or a note is about splits")


def ownership(case: FormatCase) -> None:
    """An episode's arrays are the caller's again when write() returns."""
    used, place = sample(0, 5), case.new_place()
    expected = copy.deepcopy(used)
    with swm.data.create(place, format=case.name) as writer:
        writer.write(used)
        for array in (*used.arrays().values(), *used.payload.values()):
            array[...] = 0
        writer.write(sample(1, 3))
    _require_written(case.open(place), [expected, sample(1, 3)], writer.notes)


def copies(case: FormatCase) -> None:
    """Pictures go from one dataset to the next as they are stored, without another loss."""
    source = case.open(case.write(case.samples())[0])
    stored = [source.episode(number, decode=False) for number in range(len(source))]
    for number, episode in enumerate(stored):
        for name, values in episode.observation.items():
            if isinstance(values, EncodedPictures | EncodedVideo):
                same = np.array_equal(values.decode(), source.episode(number).observation[name])
                require(same, f"the stored pictures of {name!r} decode to what is read")
    target = case.open(case.write(stored)[0])
    for number in range(len(source)):
        for name, values in source.episode(number).arrays().items():
            encoded = not isinstance(stored[number].arrays()[name], np.ndarray)
            exact = encoded or name in TRANSITIONS or source.columns[name].codec in (None, *_LOSSLESS)
            if exact:
                same = np.array_equal(values, target.episode(number).arrays()[name])
                require(same, f"a copy's {name!r} is that of the original")


def modes(case: FormatCase) -> None:
    """'error' refuses what is there, 'overwrite' replaces it, 'append' continues it or is refused."""
    first, second = [sample(seed, 4) for seed in range(2)], [sample(seed, 6) for seed in range(5, 8)]
    place, notes = case.write(first)
    before = case.open(place).fingerprint
    _refused("mode='error' on a dataset that exists", lambda: case.write(second, place))
    require(case.open(place).fingerprint == before, "a refused writer leaves the dataset as it was")
    other = Episode(
        observation={"another": np.zeros((3, 2))},
        action=np.zeros((2, 7)),
        **{name: getattr(sample(0, 2), name) for name in TRANSITIONS[1:]},
    )
    _refused("an episode with other columns", lambda: case.write([other], place, mode="append"))
    _require_written(case.open(place), first, notes)
    try:
        case.write(second, place, mode="append")
        expected = [*first, *second]
    except DatasetError:
        expected = first
    _require_written(case.open(place), expected, notes)
    case.write(second, place, mode="overwrite")
    _require_written(case.open(place), second, notes)
    fresh, _ = case.write(first, mode="overwrite")
    _require_written(case.open(fresh), first, notes)


def interruption(case: FormatCase) -> None:
    """Whenever a writer stops, what opens is whole: the first episodes, none missing in between, or the old dataset."""
    episodes, place = [sample(seed, 4) for seed in range(3)], case.new_place()
    with quiet():
        with suppress(KeyboardInterrupt), swm.data.create(place, format=case.name, shard_size=8) as writer:
            for number, episode in enumerate(episodes):
                writer.write(episode)
                if place.exists():
                    seen = copy_of(place, case.new_place())
                    _require_beginning(case, seen, episodes[: number + 1], "a writer that was killed")
            raise KeyboardInterrupt
        left = _require_beginning(case, place, episodes, "a writer that was left by an exception")
        require(left == len(episodes), "the whole episodes written before an exception are committed")
        with suppress(KeyboardInterrupt), swm.data.create(place, format=case.name, mode="overwrite"):
            raise KeyboardInterrupt
        left = _require_beginning(case, place, episodes, "an overwriting writer that wrote nothing")
        require(left == len(episodes), "a dataset is not replaced by nothing")


def refusals(case: FormatCase) -> None:
    """A version that is not there, a folder that is none, a closed writer: each is a DatasetError."""
    place, _ = case.write([sample(0, 3)])
    _refused("a version that does not exist", lambda: swm.data.open(place, format=case.name, version=9999))
    empty = case.new_place()
    empty.mkdir()
    _refused("an empty folder", lambda: case.open(empty))
    writer = swm.data.create(case.new_place(), format=case.name)
    writer.write(sample(0, 3))
    writer.close()
    writer.close()
    _refused("writing after close()", lambda: writer.write(sample(1, 3)))
    none, _ = case.write([])
    require(not _opens(case, none), "a writer that got no episode leaves no dataset that opens")


def verification(case: FormatCase) -> None:
    """verify() or reading finds any flipped byte that matters, unless a note says that there are no checksums."""
    episodes = case.samples()
    place, _ = case.write(episodes)
    dataset = case.open(place)
    unchecked = "checksum" in " ".join(dataset.reader.notes)
    expected = [dataset.episode(number) for number in range(len(dataset))]
    names = [file.relative_to(place) for file in sorted(files_of(place), key=lambda file: -file.stat().st_size)]
    for name in names[:_FLIPS]:
        damaged = copy_of(place, case.new_place())
        file = damaged / name if damaged.is_dir() else damaged
        content = bytearray(file.read_bytes())
        if not content:
            continue
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
        try:
            found = case.open(damaged)
            missed = found.verify().ok and not _reads(found, expected)
        except DatasetError:
            continue
        require(
            unchecked or not missed, f"a flipped byte in {name} is found, or a note says that nothing has checksums"
        )


def later_versions(case: FormatCase) -> None:
    """A dataset of a later version of the format is refused, with words about the version."""
    place, _ = case.write([sample(0, 3)])
    if case.future is not None:
        case.future(place)
    else:
        changed = [file for file in files_of(place) if _MARK.search(file.read_bytes())]
        require(bool(changed), 'its files have a "schema_version", or `future` says how to make a later version')
        for file in changed:
            file.write_bytes(_MARK.sub(rb"\g<1>9", file.read_bytes()))
    error = _refused("a dataset of a later version", lambda: case.open(place))
    require("version" in str(error), f"the refusal is about the version ({error})")


def _require_written(dataset: Dataset, episodes: Iterable[Episode], notes: Iterable[str]) -> None:
    """Require that a dataset has these episodes, up to what notes name."""
    episodes, known = list(episodes), (*notes, *dataset.reader.notes)
    require(len(dataset) == len(episodes), f"it has the {len(episodes)} episodes that were written, not {len(dataset)}")
    for number, episode in enumerate(episodes):
        found = differences(episode, dataset.episode(number), dataset.columns)
        left = unexplained(found, known)
        require(not left, f"what is not kept is named by a note; but in episode {number} {'; '.join(left)}")


def _require_beginning(case: FormatCase, place: Path, episodes: list[Episode], what: str) -> int:
    """Require that nothing opens at a place, or the first of some episodes; return how many."""
    try:
        dataset = case.open(place)
    except DatasetError:
        return 0
    require(len(dataset) <= len(episodes), f"{what} leaves no more episodes than it got")
    _require_written(dataset, episodes[: len(dataset)], _notes_of(case, episodes))
    require(dataset.verify().ok, f"{what} leaves nothing damaged")
    return len(dataset)


def _notes_of(case: FormatCase, episodes: list[Episode]) -> list[str]:
    """What a writer notes about some episodes."""
    return case.write(episodes)[1]


def _reads(dataset: Dataset, expected: list[Episode]) -> bool:
    return len(dataset) == len(expected) and all(
        same_episodes(dataset.episode(number), episode) for number, episode in enumerate(expected)
    )


def _opens(case: FormatCase, place: Path) -> bool:
    try:
        case.open(place)
    except DatasetError:
        return False
    return True


def _refused(what: str, call: Callable[[], Any]) -> Exception:
    try:
        call()
    except (DatasetError, InvalidValueError) as error:
        return error
    except Exception as error:
        raise AssertionError(f"{what} must be refused with DatasetError, not with {error!r}") from error
    raise AssertionError(f"{what} must be refused with DatasetError")


WRITING_LAWS: dict[str, Callable[[FormatCase], None]] = {
    law.__name__: law
    for law in (
        content,
        codecs,
        oddities,
        splits,
        ownership,
        copies,
        modes,
        interruption,
        refusals,
        verification,
        later_versions,
    )
}
"""The laws of formats that are written too: name -> function of a `FormatCase`."""
