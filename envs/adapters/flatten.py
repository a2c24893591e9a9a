"""Foreign observation spaces: which part is a picture, and what the rest is as one named vector."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium import spaces

from swm.core.protocols import Array
from swm.envs.base import MIN_IMAGE_SIZE

Path = tuple[str | int, ...]
"""Keys and indices that lead from an observation to one of its parts."""


class Flattener:
    """Reads observations of one space: its first picture, and all its numbers."""

    def __init__(self, space: spaces.Space[Any]) -> None:
        """Sort the parts of `space`; texts are left out."""
        self._picture: Path | None = None
        self._numbers: list[Path] = []
        names: list[str] = []
        for path, part in _leaves(space, ()):
            if is_picture(part):
                self._picture = path if self._picture is None else self._picture
            elif isinstance(part, (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)):
                self._numbers.append(path)
                names += _names(".".join(map(str, path)), part.shape or ())
        self.names = tuple(names)
        """One name for each number of the vector."""

    @property
    def has_picture(self) -> bool:
        """Whether observations have a picture."""
        return self._picture is not None

    def picture(self, observation: Any) -> Array:
        """The first picture of an observation: (height, width, 3) uint8."""
        assert self._picture is not None
        picture = np.asarray(_at(observation, self._picture))
        planes = picture[..., None] if picture.ndim == 2 else picture
        return np.broadcast_to(planes, (*planes.shape[:2], 3))

    def numbers(self, observation: Any) -> Array:
        """All numbers of an observation: (len(names),) float64."""
        parts = [np.asarray(_at(observation, path), np.float64).ravel() for path in self._numbers]
        return np.concatenate([np.zeros(0), *parts])


def is_picture(space: spaces.Space[Any]) -> bool:
    """Whether a space holds pictures: uint8, (height, width), or with 1 or 3 channels, of a size one can see."""
    shape = space.shape or ()
    channels = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))
    return isinstance(space, spaces.Box) and space.dtype == np.uint8 and channels and min(shape[:2]) >= MIN_IMAGE_SIZE


def _leaves(space: spaces.Space[Any], path: Path) -> Iterator[tuple[Path, spaces.Space[Any]]]:
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        items = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
        for key, part in items:
            yield from _leaves(part, (*path, key))
    else:
        yield path, space


def _at(observation: Any, path: Path) -> Any:
    for key in path:
        observation = observation[key]
    return observation


def _names(name: str, shape: tuple[int, ...]) -> list[str]:
    name = name or "observation"
    return [".".join([name, *map(str, index)]) for index in np.ndindex(*shape)]
