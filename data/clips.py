"""Windows of a few observations within one episode: what world models and values are learned from."""

import itertools
import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import DatasetError, InvalidValueError
from swm.data.columns import Array, select
from swm.data.goals import Goals, GoalSampler
from swm.data.order import Keys, make_keys
from swm.data.returns import NStep, n_step_returns

if TYPE_CHECKING:
    from swm.data.dataset import Dataset

Batch = dict[str, Array]
Rows = NDArray[np.int64]

_WINDOW, _GOAL, _NEXT = "", "goal.", "next."
"""Where an observation stands in a batch: the prefix of its name."""


class _Places(NamedTuple):
    """Where B clips begin; each of shape (B,)."""

    episode: Rows
    start: Rows
    """Step of the first observation."""
    length: Rows
    """Transitions of the episode."""
    offset: Rows
    """Row of the episode's first observation."""


class Batched:
    """What can be read by number, one clip or a batch at a time: ``clips[i]``, and ``clips.__getitems__(indices)``."""

    def __len__(self) -> int:
        raise NotImplementedError

    def read(self, indices: Rows, keys: Keys) -> Batch:
        """Read a batch; what is drawn at random for a clip is a function of its key."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> Batch:
        """Read one clip."""
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"clip {number}: there are {len(self)}, counted from 0.")
        return {name: values[0] for name, values in self.__getitems__([number % len(self)]).items()}

    def __getitems__(self, indices: Sequence[int] | Array) -> Batch:
        """Read a batch: column -> (len(indices), ...). The goal of a clip is always the same; a `Loader` varies it."""
        numbers = np.asarray(indices, np.int64)
        return self.read(numbers, make_keys(0, numbers))


class Clips(Batched):
    """Every window of `num_steps` observations, `frame_skip` steps apart, that fits into an episode.

    A clip that starts at step s of an episode has the observations s, s + frame_skip, ... and all
    ``(num_steps - 1) * frame_skip`` transitions between them, in blocks of `frame_skip`:

    - an observation column: (num_steps, ...);
    - ``action``: (num_steps - 1, frame_skip * A), the actions of a block one after the other;
    - any other transition column: (num_steps - 1, frame_skip, ...).

    With `pad`, windows may run over the end, and every step from which a transition leaves is the
    start of one. Observations after the last are the last one again, transitions after the last are
    zero, and two columns tell what is real: ``observation_mask`` (num_steps,) and
    ``transition_mask`` (num_steps - 1, frame_skip), bool.

    `goals` adds ``goal.<name>`` (...) and ``goal_steps`` (), see `Goals`; `n_step` adds
    ``next.<name>`` (...), ``n_step_return`` () and ``n_step_discount`` (), see `NStep`.

    ``clips[i]`` is one clip; ``clips.__getitems__(indices)`` a batch with one more axis in front,
    for which each picture is read and decoded once. Clips are ordered by episode, then by start.
    """

    def __init__(
        self,
        dataset: "Dataset",
        *,
        num_steps: int,
        frame_skip: int,
        columns: Sequence[str] | None,
        split: str,
        pad: bool = False,
        image_size: tuple[int, int] | None = None,
        goals: Goals | None = None,
        n_step: NStep | None = None,
    ) -> None:
        """Index the clips of a split; nothing is read yet (see `Dataset.clips`).

        Raises:
            UnknownNameError: no such column or split.
            InvalidValueError: a number is out of range, or two columns would have the same name.
            DatasetError: no episode of the split is long enough.
        """
        for name, value in (("num_steps", num_steps), ("frame_skip", frame_skip)):
            if value < 1:
                raise InvalidValueError(f"{name} must be at least 1, got {value!r}.")
        if image_size is not None and not _is_size(image_size):
            raise InvalidValueError(f"image_size must be a height and a width of at least 2, got {image_size!r}.")
        for name, wish, kind in (("goals", goals, Goals), ("n_step", n_step, NStep)):
            if not isinstance(wish, kind | None):
                raise InvalidValueError(f"{name} must be a swm.data.{kind.__name__}, got {wish!r}.")
        if columns is None:
            columns = [c.name for c in dataset.columns.values() if c.role == "observation" or c.name == "action"]
        self.dataset = dataset
        self.num_steps = num_steps
        self.frame_skip = frame_skip
        self.split = split
        self.columns = select(dataset.columns, columns)
        self.pad = pad
        self.image_size = image_size
        self.goals = goals
        self.n_step = n_step
        self.span = (num_steps - 1) * frame_skip
        self._plan_columns()
        self._index_starts()

    def _plan_columns(self) -> None:
        """Decide which column is read for which part of a batch, and what the batch's columns are called."""
        known = self.dataset.columns
        parts = {_WINDOW: [name for name in self.columns if known[name].role == "observation"]}
        self._transitions = [name for name in self.columns if known[name].role == "transition"]
        for prefix, wish in ((_GOAL, self.goals), (_NEXT, self.n_step)):
            if wish is not None:
                parts[prefix] = self._select_observations(parts[_WINDOW] if wish.columns is None else wish.columns)
        self._groups: dict[tuple[str, ...], list[str]] = {}
        for name in dict.fromkeys(name for names in parts.values() for name in names):
            self._groups.setdefault(tuple(part for part, names in parts.items() if name in names), []).append(name)
        if self.image_size is not None and not any(
            known[name].codec for names in self._groups.values() for name in names
        ):
            raise InvalidValueError(
                f"image_size was given, but no picture is among the columns {', '.join(map(repr, self.columns))}. "
                f"Leave it out, or ask for a picture."
            )
        self._names = [
            *self.columns,
            *(("observation_mask", "transition_mask") if self.pad else ()),
            *(_GOAL + name for name in parts.get(_GOAL, ())),
            *(("goal_steps",) if self.goals else ()),
            *(_NEXT + name for name in parts.get(_NEXT, ())),
            *(("n_step_return", "n_step_discount") if self.n_step else ()),
        ]
        if twice := sorted({name for name in self._names if self._names.count(name) > 1}):
            raise InvalidValueError(
                f"the clips of {self.dataset.uri} would have two columns called {', '.join(map(repr, twice))}: one of "
                f"the dataset and one that is computed. Leave it out with columns=, or rename it in the dataset."
            )

    def _select_observations(self, names: Sequence[str]) -> list[str]:
        chosen = list(select(self.dataset.columns, names))
        if wrong := [name for name in chosen if self.dataset.columns[name].role != "observation"]:
            raise InvalidValueError(
                f"goals and next observations are made of observation columns; {', '.join(map(repr, wrong))} belong "
                f"to transitions. Leave them out."
            )
        return chosen

    def _index_starts(self) -> None:
        """Count the starts in each episode of the split."""
        dataset = self.dataset
        needed = max(self.span, 1 if self.n_step else 0)
        shortest = min(needed, 1) if self.pad else needed
        episodes = dataset.split(self.split)
        starts = np.maximum(dataset.lengths[episodes] - shortest + 1, 0)
        self.num_short_episodes = int((starts == 0).sum())
        self._episodes = episodes[starts > 0]
        self._ends = np.cumsum(starts[starts > 0])
        if not len(self._episodes):
            longest = int(dataset.lengths[episodes].max()) if len(episodes) else 0
            raise DatasetError(
                f"{dataset.uri} has no clip of {self.num_steps} observations {self.frame_skip} apart ({shortest} "
                f"transitions) in the split {self.split!r}: of its {len(episodes)} episodes the longest has "
                f"{longest}. Ask for shorter clips, pad=True, another split, or record more."
            )
        self._begins = self._ends - starts[starts > 0]
        if self.goals is not None:
            self._sampler = GoalSampler(self.goals, dataset.offsets[episodes], dataset.lengths[episodes])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def kinds(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Column -> dtype (``"str"`` for texts) and shape in one clip."""
        known, blocks = self.dataset.columns, (self.num_steps - 1, self.frame_skip)
        found = {name: (known[name].dtype, self._block_shape(name)) for name in self._transitions}
        for parts, names in self._groups.items():
            for part, name in itertools.product(parts, names):
                column = known[name]
                shape = (
                    column.shape if column.codec is None else (*(self.image_size or column.shape[:2]), column.shape[2])
                )
                found[part + name] = column.dtype, ((self.num_steps,) if part == _WINDOW else ()) + shape
        found["observation_mask"], found["transition_mask"] = ("bool", (self.num_steps,)), ("bool", blocks)
        found["goal_steps"] = "int64", ()
        found["n_step_return"] = found["n_step_discount"] = str(np.result_type(known["reward"].dtype, np.float32)), ()
        return {name: found[name] for name in self._names}

    def locate(self, indices: Array) -> tuple[Rows, Rows]:
        """Episode and first step of some clips.

        Raises:
            InvalidValueError: an index is out of range.
        """
        indices = np.asarray(indices, np.int64)
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise InvalidValueError(f"clips {indices.min()} to {indices.max()} were asked for; there are {len(self)}.")
        slot = np.searchsorted(self._ends, indices, side="right")
        return self._episodes[slot], indices - self._begins[slot]

    def read(self, indices: Rows, keys: Keys) -> Batch:
        """Read a batch: column -> (len(indices), ...) as in the class description.

        Args:
            indices: of the clips, shape (B,).
            keys: shape (B,); what is drawn at random for a clip is a function of its key.
        """
        episode, start = self.locate(indices)
        at = _Places(episode, start, self.dataset.lengths[episode], self.dataset.offsets[episode])
        batch, wanted = self._transition_part(at)
        steps = start[:, None] + np.arange(self.num_steps) * self.frame_skip
        wanted[_WINDOW] = at.offset[:, None] + np.minimum(steps, at.length[:, None])
        if self.pad:
            batch["observation_mask"] = steps <= at.length[:, None]
        if self.goals is not None:
            wanted[_GOAL], batch["goal_steps"] = self._sampler.draw(keys, at.offset, start, at.length)
        for parts, names in self._groups.items():
            for part, read in zip(parts, self._gather(names, [wanted[part] for part in parts]), strict=True):
                batch |= {part + name: values for name, values in read.items()}
        return {name: batch[name] for name in self._names}

    def _transition_part(self, at: _Places) -> tuple[Batch, dict[str, Rows]]:
        """Read transitions; also return the rows of the observations that they lead to."""
        batch: Batch = {}
        wanted: dict[str, Rows] = {}
        steps = at.start[:, None] + np.arange(self.span)
        (read,) = self._gather(self._transitions, [_within(at, steps)])
        is_real = steps < at.length[:, None]
        for name, values in read.items():
            if self.pad:
                values[~is_real] = 0
            batch[name] = values.reshape(len(steps), *self._block_shape(name))
        if self.pad:
            batch["transition_mask"] = is_real.reshape(len(steps), self.num_steps - 1, self.frame_skip)
        if self.n_step is not None:
            ahead = at.start[:, None] + np.arange(self.n_step.num_steps)
            (read,) = self._gather(["reward", "terminated", "truncated"], [_within(at, ahead)])
            available = np.minimum(at.length - at.start, self.n_step.num_steps)
            returns = n_step_returns(**read, available=available, discount=self.n_step.discount)
            batch["n_step_return"], batch["n_step_discount"] = returns.value, returns.discount
            wanted[_NEXT] = at.offset + at.start + returns.steps
        return batch, wanted

    def _gather(self, names: Sequence[str], wanted: Sequence[Rows]) -> Iterable[Batch]:
        """Read the rows of each array in `wanted`, all at once."""
        if not names:
            return [{} for _ in wanted]
        rows = np.concatenate([part.reshape(-1) for part in wanted])
        read = self.dataset.reader.read(names, rows, self.image_size)
        ends = np.cumsum([part.size for part in wanted])
        return [
            {
                name: values[end - part.size : end].reshape(*part.shape, *values.shape[1:])
                for name, values in read.items()
            }
            for part, end in zip(wanted, ends, strict=True)
        ]

    def _block_shape(self, name: str) -> tuple[int, ...]:
        column = self.dataset.columns[name]
        block = (self.frame_skip * column.size,) if name == "action" else (self.frame_skip, *column.shape)
        return (self.num_steps - 1, *block)


def _within(at: _Places, steps: Rows) -> Rows:
    """The rows of some transitions; those after the episode's last are the last."""
    return at.offset[:, None] + np.minimum(steps, at.length[:, None] - 1)


def _is_size(size: object) -> bool:
    """Whether it is a height and a width."""
    return isinstance(size, tuple | list) and len(size) == 2 and all(isinstance(n, int) and n >= 2 for n in size)
