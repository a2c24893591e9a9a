"""Names of components and Gymnasium's spaces in the JSON that Minari keeps of them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from swm.core.errors import DatasetError
from swm.data.columns import Column
from swm.data.formats.hdf5.values import escape

Place = tuple[str, ...]
"""The keys that lead to an array within an observation; empty if the observation is that array."""

TUPLE_KEY = "_index_{}"
"""What the n-th member of a tuple is called."""


def places_of(names: Iterable[str]) -> dict[str, Place]:
    """Where components are stored: names with dots become nested dictionaries, unless that is ambiguous."""
    split = {name: tuple(name.split(".")) for name in names}
    groups = {parts[:depth] for parts in split.values() for depth in range(1, len(parts))}
    inside = {parts for parts in split.values() if any(parts[:i] in split.values() for i in range(1, len(parts)))}
    places: dict[str, Place] = {}
    for name, parts in split.items():
        nested = "" not in parts and parts not in groups and parts not in inside
        places[name] = tuple(map(escape, parts)) if nested else (escape(name),)
    return places


def name_of(place: Place) -> str:
    """The component at a place, of a file from another program."""
    return ".".join(place)


def leaves_of(space: Mapping[str, Any]) -> dict[Place, Mapping[str, Any]]:
    """The spaces that are no dictionaries or tuples, by place."""
    kind = space["type"]
    if kind == "Dict":
        members = space["subspaces"].items()
    elif kind == "Tuple":
        members = [(TUPLE_KEY.format(index), member) for index, member in enumerate(space["subspaces"])]
    else:
        return {(): space}
    return {(key, *place): leaf for key, member in members for place, leaf in leaves_of(member).items()}


def parse_space(metadata: Mapping[str, Any], key: str, path: object) -> Mapping[str, Any] | None:
    """One of the two spaces in a dataset's metadata; None if it has none.

    Raises:
        DatasetError: it is no space.
    """
    if key not in metadata:
        return None
    try:
        space = json.loads(metadata[key])
        leaves_of(space)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DatasetError(f"{path}: {key!r} is not the JSON of a space ({error!r}). The file is damaged.") from error
    assert isinstance(space, Mapping)
    return space


def is_picture(space: Mapping[str, Any] | None) -> bool:
    """Whether Minari stores values of this space as JPEG if it is told to store pictures so."""
    if space is None or space["type"] != "Box" or space["dtype"] != "uint8" or len(space["shape"]) not in (2, 3):
        return False
    large = min(space["shape"][:2]) >= 32
    return large and not np.any(space["low"]) and bool(np.all(np.asarray(space["high"]) == 255))


class TextRange:
    """Which characters and lengths the texts of a column have, for the space that holds them."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.characters: set[str] = set()
        self.longest = 1
        self.shortest = 1 << 30

    def see(self, texts: Iterable[str]) -> None:
        """Take some texts into account."""
        for text in texts:
            self.characters.update(text)
            self.longest, self.shortest = max(self.longest, len(text)), min(self.shortest, len(text))

    def space(self) -> dict[str, Any]:
        """The smallest space."""
        shortest = min(self.shortest, self.longest)
        charset = "".join(sorted(self.characters)) or " "
        return {"type": "Text", "max_length": self.longest, "min_length": shortest, "charset": charset}


def box_of(column: Column) -> dict[str, Any]:
    """The largest box of a column's dtype and shape."""
    dtype = np.dtype(column.dtype)
    if dtype.kind == "f":
        low, high = -np.inf, np.inf
    else:
        low, high = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    bounds = {name: np.full(column.shape, value, object).tolist() for name, value in (("low", low), ("high", high))}
    return {"type": "Box", "dtype": column.dtype, "shape": list(column.shape), **bounds}


def nest(spaces: Mapping[Place, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The space whose leaves are those given."""
    if list(spaces) == [()]:
        return spaces[()]
    members: dict[str, dict[Place, Mapping[str, Any]]] = {}
    for place, space in spaces.items():
        members.setdefault(place[0], {})[place[1:]] = space
    if set(members) == {TUPLE_KEY.format(index) for index in range(len(members))}:
        return {
            "type": "Tuple",
            "subspaces": [nest(members[TUPLE_KEY.format(index)]) for index in range(len(members))],
        }
    return {"type": "Dict", "subspaces": {key: nest(member) for key, member in members.items()}}
