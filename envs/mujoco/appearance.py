"""Factors of how a model's surfaces look: colours, transparency, gloss, mirrors and patterns."""

from collections import Counter

import mujoco
import numpy as np

from swm.core.errors import InvalidValueError
from swm.core.protocols import Array
from swm.core.spaces import rgb, scalar
from swm.envs.mujoco.elements import Names, select
from swm.envs.mujoco.factor import Edit, ModelFactor, texture_pixels
from swm.envs.mujoco.scaling import Limits, scaled_field

_UNPAINTED = np.array([0.5, 0.5, 0.5, 1.0], np.float32)
"""The colour of a geom that lets its material's colour show."""
_FEW = 16
"""A texture of more colours than this is a gradient rather than a checker with marks."""
_OFF_LINE = 0.1
"""Pixels farther than this from the line between the two colours of a pattern are marks, of 1."""


def geom_colors(model: mujoco.MjModel) -> Array:
    """The colour and opacity (ngeom, 4) that each geom is drawn with, before any texture, from 0 to 1."""
    inherits = _inherits(model)
    colors: Array = model.geom_rgba.copy()
    colors[inherits] = model.mat_rgba[model.geom_matid[inherits]]
    return colors


def _inherits(model: mujoco.MjModel) -> Array:
    """Which geoms (ngeom,) have the colour of their material."""
    inherits: Array = (model.geom_matid >= 0) & np.all(model.geom_rgba == _UNPAINTED, axis=1)
    return inherits


def geom_color(model: mujoco.MjModel, name: str, geoms: Names) -> ModelFactor:
    """One colour for some geoms, whatever their materials; a texture is tinted by it."""
    rows = select(model, "geom", geoms)
    colors = geom_colors(model)[rows]

    def edit(target: mujoco.MjModel, value: Array) -> None:
        target.geom_rgba[rows, :3] = value / 255
        target.geom_rgba[rows, 3] = colors[:, 3]

    return _color(name, _most_common(colors), "colour", edit, "geom_rgba")


def material_color(model: mujoco.MjModel, name: str, materials: Names) -> ModelFactor:
    """The colour of materials, and so of all geoms that have no colour of their own; a texture is tinted by it.

    Raises:
        InvalidValueError: every geom of these materials has a colour of its own.
    """
    rows = select(model, "material", materials)
    if not (np.isin(model.geom_matid, rows) & _inherits(model)).any():
        raise InvalidValueError(
            f"factor {name!r}: every geom of {materials!r} has a colour of its own; vary those with geom_color()."
        )

    def edit(target: mujoco.MjModel, value: Array) -> None:
        target.mat_rgba[rows, :3] = value / 255

    return _color(name, _most_common(model.mat_rgba[rows]), "colour", edit, "mat_rgba")


def site_color(model: mujoco.MjModel, name: str, sites: Names) -> ModelFactor:
    """One colour for some sites, whatever their materials."""
    rows = select(model, "site", sites)

    def edit(target: mujoco.MjModel, value: Array) -> None:
        target.site_rgba[rows, :3] = value / 255

    return _color(name, _most_common(model.site_rgba[rows]), "colour", edit, "site_rgba")


def transparency(
    model: mujoco.MjModel, name: str, geoms: Names, *, limits: tuple[float, float] = (0.0, 0.8)
) -> ModelFactor:
    """How transparent geoms are: 0 as in the model, 1 invisible."""
    rows = select(model, "geom", geoms)
    colors = geom_colors(model)[rows]

    def edit(target: mujoco.MjModel, value: float) -> None:
        unpainted = np.all(target.geom_rgba[rows] == _UNPAINTED, axis=1)
        target.geom_rgba[rows[unpainted]] = colors[unpainted]
        target.geom_rgba[rows, 3] = colors[:, 3] * (1 - value)

    return ModelFactor(
        name=name,
        kind="visual",
        space=scalar(*limits),
        default=limits[0],
        summary="transparency, 1 is invisible",
        edit=edit,
        fields=("geom_rgba",),
    )


def reflectance(
    model: mujoco.MjModel, name: str, materials: Names, *, limits: Limits = (0.0, 1.0), train: Limits = None
) -> ModelFactor:
    """How much of a mirror materials are, from 0 to 1; acts on planes and flat boxes."""
    return _surface(model, name, "mat_reflectance", materials, limits, train, "reflectance")


def shininess(
    model: mujoco.MjModel, name: str, materials: Names, *, limits: Limits = (0.0, 1.0), train: Limits = None
) -> ModelFactor:
    """How small and sharp the highlights of materials are, from 0 to 1."""
    return _surface(model, name, "mat_shininess", materials, limits, train, "shininess")


def specular(
    model: mujoco.MjModel, name: str, materials: Names, *, limits: Limits = (0.0, 1.0), train: Limits = None
) -> ModelFactor:
    """How bright the highlights of materials are, from 0 to 1."""
    return _surface(model, name, "mat_specular", materials, limits, train, "brightness of highlights")


def _surface(
    model: mujoco.MjModel, name: str, field: str, materials: Names, limits: Limits, train: Limits, summary: str
) -> ModelFactor:
    rows = select(model, "material", materials)
    limits = limits if len(rows) == 1 else None
    return scaled_field(model, name, field, rows, kind="visual", limits=limits, train=train, unit="", summary=summary)


def pattern_size(
    model: mujoco.MjModel, name: str, material: Names, *, limits: Limits = None, train: Limits = None
) -> ModelFactor:
    """How often the pattern of a material repeats, as a multiple, along both axes."""
    rows = select(model, "material", material)
    return scaled_field(
        model,
        name,
        "mat_texrepeat",
        rows,
        kind="visual",
        columns=(slice(None),),
        limits=limits,
        train=train,
        unit="times",
        summary="repeats of the pattern",
    )


def pattern_colors(model: mujoco.MjModel, name: str, texture: Names) -> tuple[ModelFactor, ModelFactor]:
    """The two colours of a checkered, gradient or two-coloured texture: ``<name>.color1`` and ``<name>.color2``.

    A pixel between the two colours stays that far between them; marks and dots in a third colour
    stay as they are.

    Raises:
        InvalidValueError: the texture has one colour, or is a picture.
    """
    rows = select(model, "texture", texture)
    if len(rows) != 1:
        raise InvalidValueError(f"factor {name!r}: {texture!r} means {len(rows)} textures; name one.")
    pattern = _Pattern(model, name, int(rows[0]))
    return pattern.factor(f"{name}.color1", 0), pattern.factor(f"{name}.color2", 1)


class _Pattern:
    """A texture as a mixture of two colours."""

    def __init__(self, model: mujoco.MjModel, name: str, texture: int) -> None:
        self._texture = texture
        pixels = texture_pixels(model, texture)
        if pixels.shape[1] < 3:
            raise InvalidValueError(f"factor {name!r}: the texture is grey; vary the colour of its material instead.")
        self._kind, self._example, counts = _kinds(pixels)
        colors = pixels[self._example, :3] / 255.0
        self._ends = _ends(colors, counts)
        line = self._ends[1] - self._ends[0]
        if not np.abs(line).max() > 1 / 255:
            raise InvalidValueError(f"factor {name!r}: the texture has one colour; vary that of its material instead.")
        weight = (colors - self._ends[0]) @ line / (line @ line)
        gap = np.abs(colors - self._ends[0] - weight[:, None] * line).max(axis=1)
        self._belongs = (gap < _OFF_LINE) & (weight > -_OFF_LINE) & (weight < 1 + _OFF_LINE)
        if counts[self._belongs].sum() < 0.9 * len(pixels):
            raise InvalidValueError(f"factor {name!r}: the texture is a picture rather than a pattern of two colours.")
        self._weight = np.clip(weight, 0, 1)

    def factor(self, name: str, end: int) -> ModelFactor:
        """The factor of one of the two colours."""
        share = np.where(self._belongs, self._weight if end else 1 - self._weight, 0)
        default = np.rint(self._ends[end] * 255)

        def edit(target: mujoco.MjModel, value: Array) -> None:
            pixels = texture_pixels(target, self._texture)
            present = pixels[self._example].astype(np.float64)
            present[:, :3] += share[:, None] * (value - default)
            np.take(np.rint(present).clip(0, 255).astype(np.uint8), self._kind, axis=0, out=pixels, mode="clip")

        which = "second" if end else "first"
        return ModelFactor(
            name=name,
            kind="visual",
            space=rgb(),
            default=default,
            summary=f"{which} colour of the pattern",
            edit=edit,
            fields=(),
            textures=(self._texture,),
        )


def _kinds(pixels: Array) -> tuple[Array, Array, Array]:
    """The distinct colours of pixels (count, channels): which each has (count,), an example and the count of each."""
    codes = pixels[:, 0].astype(np.uint32)
    for channel in (1, 2):
        codes <<= 8
        codes |= pixels[:, channel]
    number = np.zeros(1 << 24, np.uint32)
    number[codes] = 1
    distinct = np.flatnonzero(number)
    number[distinct] = np.arange(len(distinct))
    kind = number[codes].astype(np.min_scalar_type(len(distinct)))
    example = np.empty(len(distinct), np.intp)
    example[kind] = np.arange(len(kind))
    return kind, example, np.bincount(kind)


def _ends(colors: Array, counts: Array) -> Array:
    """The two colours (2, 3) of a pattern with colours (n, 3), without the few pixels of marks."""
    if len(colors) <= _FEW:
        two = np.argsort(counts)[-2:]
        return colors[two] if len(two) == 2 else np.repeat(colors, 2, axis=0)
    centred = colors - counts @ colors / counts.sum()
    place = centred @ np.linalg.eigh(centred.T @ (counts[:, None] * centred))[1][:, -1]
    order = np.argsort(place)
    rank = np.cumsum(counts[order]) / counts.sum()
    return colors[order[np.searchsorted(rank, (0.01, 0.99))]]


def _color(name: str, default: Array, summary: str, edit: Edit, field: str) -> ModelFactor:
    return ModelFactor(
        name=name,
        kind="visual",
        space=rgb(),
        default=np.rint(default[:3] * 255),
        summary=summary,
        edit=edit,
        fields=(field,),
    )


def _most_common(colors: Array) -> Array:
    """The most common row."""
    return np.array(Counter(map(tuple, colors.tolist())).most_common(1)[0][0])
