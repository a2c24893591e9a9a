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
        count, channels = pixels.shape
        colors = pixels[:, :3] / 255.0
        self._ends = _ends(colors)
        line = self._ends[1] - self._ends[0]
        if channels < 3 or not np.abs(line).max() > 1 / 255:
            raise InvalidValueError(f"factor {name!r}: the texture has one colour; vary that of its material instead.")
        weight = (colors - self._ends[0]) @ line / (line @ line)
        gap = np.abs(colors - self._ends[0] - weight[:, None] * line).max(axis=1)
        self._members = np.flatnonzero((gap < _OFF_LINE) & (weight > -_OFF_LINE) & (weight < 1 + _OFF_LINE))
        if len(self._members) < 0.9 * count:
            raise InvalidValueError(f"factor {name!r}: the texture is a picture rather than a pattern of two colours.")
        self._weight = np.clip(weight[self._members], 0, 1)

    def factor(self, name: str, end: int) -> ModelFactor:
        """The factor of one of the two colours."""
        share = self._weight if end else 1 - self._weight
        default = np.rint(self._ends[end] * 255)

        def edit(target: mujoco.MjModel, value: Array) -> None:
            pixels = texture_pixels(target, self._texture)
            moved = pixels[self._members, :3] + share[:, None] * (value - default)
            pixels[self._members, :3] = np.clip(np.rint(moved), 0, 255)

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


def _ends(colors: Array) -> Array:
    """The two colours (2, 3) of a pattern, without the few pixels of marks."""
    distinct, counts = np.unique(colors, axis=0, return_counts=True)
    if len(distinct) <= _FEW:
        two = np.argsort(counts)[-2:]
        return distinct[two] if len(two) == 2 else np.repeat(distinct, 2, axis=0)
    centred = colors - colors.mean(axis=0)
    place = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -1]
    low, high = np.quantile(place, (0.02, 0.98))
    return np.stack([np.median(colors[part], axis=0) for part in (place <= low, place >= high)])


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
