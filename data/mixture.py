"""Clips of several datasets as one."""

from collections.abc import Mapping

import numpy as np

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.data.clips import Batch, Batched, Clips, Rows
from swm.data.order import Keys


class Mixture(Batched):
    """Clips of several datasets, one after the other, in batches with a ``source``.

    Without `weights` a `Loader` shows every clip once per epoch. With them, each component is shown
    as often as its weight says and goes through its own clips epoch by epoch, so that a small one
    begins again while a large one still goes on.

    ``source`` of shape (B,), int64, is the number of each clip's component in `names`. Goals that are
    drawn at random come from the clip's own component.
    """

    def __init__(self, components: Mapping[str, Clips], weights: Mapping[str, float] | None = None) -> None:
        """Put clips together.

        Args:
            components: name -> clips. All must have the same columns, with the same dtypes and shapes.
            weights: name -> how often, positive and in any unit; None is in proportion to the sizes.

        Raises:
            InvalidValueError: no component, columns that differ, or a weight that is not positive.
            UnknownNameError: a weight for what is no component.
        """
        if not isinstance(components, Mapping) or not all(isinstance(c, Clips) for c in components.values()):
            raise InvalidValueError("a mixture is made of named clips, for example {'a': dataset.clips(num_steps=4)}.")
        if not components:
            raise InvalidValueError("a mixture needs at least one component, got none.")
        self.components = dict(components)
        self.names = tuple(components)
        self.sizes = tuple(len(clips) for clips in components.values())
        self.weights = None if weights is None else self._check_weights(weights)
        self._ends = np.cumsum(self.sizes)
        self._check_same()

    def _check_weights(self, weights: Mapping[str, float]) -> tuple[float, ...]:
        for name in weights:
            if name not in self.components:
                raise UnknownNameError("component of the mixture", name, self.names)
        if missing := [name for name in self.names if name not in weights]:
            raise InvalidValueError(f"weights has no value for {', '.join(map(repr, missing))}. Give one for each.")
        for name, weight in weights.items():
            if not 0 < weight < float("inf"):
                raise InvalidValueError(
                    f"the weight of {name!r} must be positive and finite, got {weight!r}. Leave out what is not wanted."
                )
        return tuple(float(weights[name]) for name in self.names)

    def _check_same(self) -> None:
        kinds = {name: clips.kinds() for name, clips in self.components.items()}
        expected = kinds[self.names[0]]
        problems = []
        for name, found in kinds.items():
            for column in sorted(expected.keys() | found.keys()):
                if (got := found.get(column)) != (want := expected.get(column)):
                    problems.append(
                        f"{column!r} is {_describe(want)} in {self.names[0]!r}, {_describe(got)} in {name!r}"
                    )
        if problems:
            raise InvalidValueError(
                f"the components of a mixture must have the same columns: {'; '.join(problems)}. "
                f"Choose common ones with columns=, and a common image_size."
            )
        if "source" in expected:
            raise InvalidValueError("the column 'source' would be there twice. Leave it out with columns=.")

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, indices: Rows, keys: Keys) -> Batch:
        """Read a batch (see `Clips.read`).

        Raises:
            InvalidValueError: an index is out of range.
        """
        if indices.size and not (indices.min() >= 0 and indices.max() < len(self)):
            raise InvalidValueError(f"clips {indices.min()} to {indices.max()} were asked for; there are {len(self)}.")
        source = np.searchsorted(self._ends, indices, side="right")
        batch: Batch = {}
        for number, (clips, end) in enumerate(zip(self.components.values(), self._ends, strict=True)):
            places = np.flatnonzero(source == number)
            if len(places):
                _put(batch, clips.read(indices[places] - (end - len(clips)), keys[places]), places, len(indices))
        return {**batch, "source": source}


def _put(batch: Batch, part: Batch, places: Rows, count: int) -> None:
    """Put clips of one component where they belong in the batch."""
    for name, values in part.items():
        if len(places) == count:
            batch[name] = values
            continue
        kind = np.result_type(values.dtype, batch.get(name, values).dtype)  # texts take as much as the longest
        if name not in batch or batch[name].dtype != kind:
            before = batch.get(name)
            batch[name] = np.zeros((count, *values.shape[1:]), kind) if before is None else before.astype(kind)
        batch[name][places] = values


def _describe(kind: tuple[str, tuple[int, ...]] | None) -> str:
    return "absent" if kind is None else f"{kind[0]} {kind[1]}"
