"""Visual factors for any environment: which there are, and the filter that they are to an episode's pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.core.factors import Factor, FactorSpace, Variation
from swm.core.protocols import Array
from swm.core.seeding import derive_seed
from swm.envs.adapters import visual_background, visual_color, visual_noise, visual_optics, visual_patches
from swm.envs.adapters.linear import to_eighths, to_pixels
from swm.envs.adapters.resize import resize
from swm.envs.adapters.visual_background import dominant_color, load_media
from swm.envs.adapters.visual_schedule import Schedule
from swm.envs.adapters.visual_stage import PREFIX, Episode, Stage

_GROUPS = (visual_background, visual_patches, visual_optics, visual_color, visual_noise)
"""In the order in which they act: behind the scene, in front of it, the lens, the colours, the sensor."""
FACTORS: dict[str, Factor] = {factor.name.removeprefix(PREFIX): factor for group in _GROUPS for factor in group.FACTORS}
"""Every visual factor, by its name without the prefix."""
_MARK = 1.8014398509481985e16
"""Begins the numbers that `Filter.state` appends to a state: no simulator has this number there."""
_NUM_STATE = 4
_KEY_BITS = 52
_LIMITS = (2.0**_KEY_BITS, 2.0**53, 2.0**24)


@dataclass(frozen=True, kw_only=True)
class VisualConfig:
    """Which visual factors an environment has, and how they act."""

    names: str | Sequence[str] = "all"
    """Keys of `FACTORS`, or ``"all"``."""
    schedule: Schedule = field(default_factory=Schedule)
    """How strong they are as the episode goes on."""
    key_color: tuple[int, int, int] | None = None
    """The colour that ``visual.background`` replaces; None is the most frequent one of the first picture."""
    media: str | Path | Array | None = None
    """What it is replaced by: a colour (3,), a picture (height, width, 3) or a video (T, height, width, 3), uint8, or
    the path of a picture or video; None is a pattern of random colours, new in each episode."""

    def __post_init__(self) -> None:
        """Check the names and the colour."""
        names = [self.names] if isinstance(self.names, str) else list(self.names)
        names = [name.removeprefix(PREFIX) for name in names]
        for name in names:
            if name not in FACTORS and name != "all":
                raise UnknownNameError("visual factor", name, [*FACTORS, "all"])
        chosen = tuple(name for name in FACTORS if name in names or "all" in names)
        if not chosen:
            raise InvalidValueError(f"no visual factor was named; there are {', '.join(FACTORS)} and 'all'.")
        object.__setattr__(self, "names", chosen)
        color = self.key_color
        if color is not None and (len(color) != 3 or not all(0 <= level <= 255 for level in color)):
            raise InvalidValueError(f"key_color must be three numbers from 0 to 255, got {color!r}.")

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The factors, in declared order."""
        return tuple(FACTORS[name] for name in self.names)

    def frames(self, image_size: tuple[int, int]) -> Array | None:
        """What is put behind the scene, at `image_size`: (T, height, width, 3) uint8.

        Raises:
            InvalidValueError: `media` is not what it must be.
        """
        if self.media is None:
            return None
        return np.stack([resize(frame, image_size) for frame in load_media(self.media)])


def as_config(visual: Any) -> VisualConfig:
    """Turn what ``visual=`` takes, a config, a name or several, into a config."""
    return visual if isinstance(visual, VisualConfig) else VisualConfig(names=visual)


def extend(factors: FactorSpace, config: VisualConfig) -> FactorSpace:
    """The factors of an environment and the visual ones."""
    return FactorSpace((*factors.factors, *config.factors), factors.constraints)


def inner_part(variation: Variation, factors: FactorSpace) -> dict[str, Any]:
    """The values of `variation` that belong to `factors`."""
    return {name: variation[name] for name in factors}


def split_state(state: Array) -> tuple[Array, Array | None]:
    """Part states into the environment's own and the filter's, None if they are observed states.

    Raises:
        InvalidValueError: the filter's numbers are not those of `Filter.state`.
    """
    if not state.ndim or state.shape[-1] <= _NUM_STATE or not np.all(state[..., -_NUM_STATE] == _MARK):
        return state, None
    numbers = state[..., 1 - _NUM_STATE :]
    if not ((numbers >= 0) & (numbers == np.floor(numbers)) & (numbers < _LIMITS)).all():
        raise InvalidValueError(f"state: its last three numbers are not of visual effects: {numbers.tolist()}.")
    return state[..., :-_NUM_STATE], state[..., -_NUM_STATE:]


class Filter:
    """The visual effects on the pictures of one environment, episode after episode.

    What a picture becomes is a function of the picture, the factors' values, the episode's seed, the
    key colour and the step: not of any other picture, nor of the order of the calls.
    """

    def __init__(self, config: VisualConfig, image_size: tuple[int, int], frames: Array | None) -> None:
        """Prepare for pictures of `image_size`, height and width in pixels; `frames` are those of the config."""
        self._config, self._image_size, self._frames = config, image_size, frames
        self._values: Mapping[str, Any] = {}
        self._key = self._step = 0
        self._key_color = np.zeros(3, np.uint8)

    def begin(self, variation: Mapping[str, Any], seed: int, first_picture: Array) -> None:
        """Begin an episode with the values that `variation` has of the visual factors."""
        self._values = {name: variation.get(PREFIX + name, factor.default) for name, factor in FACTORS.items()}
        self._key, self._step = derive_seed(seed, "visual") >> (63 - _KEY_BITS), 0
        chosen = self._config.key_color
        self._key_color = dominant_color(first_picture) if chosen is None else np.array(chosen, np.uint8)
        self._prepare()

    def advance(self) -> None:
        """Go on by one step."""
        self._step += 1
        if self._config.schedule.strength(self._step) != self._strength:
            self._prepare()

    def __call__(self, pixels: Array) -> Array:
        """What the camera shows of `pixels` (height, width, 3) at the present step: a fresh uint8 array."""
        if not self._stages:
            return pixels.copy()
        picture = to_eighths(pixels)
        for stage in self._stages:
            picture = stage(picture, self._step)
        return to_pixels(picture)

    @property
    def state(self) -> Array:
        """What decides the effects besides the factors' values: (4,) float64."""
        red, green, blue = self._key_color.tolist()
        return np.array([_MARK, self._key, self._step, red * 65536 + green * 256 + blue], np.float64)

    @state.setter
    def state(self, state: Array) -> None:
        """Take back what `state` gave."""
        self._key, self._step, color = (int(number) for number in state[1:])
        self._key_color = np.array([color >> 16, color >> 8 & 255, color & 255], np.uint8)
        self._prepare()

    def _prepare(self) -> None:
        self._strength = self._config.schedule.strength(self._step)
        values = {
            name: factor.default + self._strength * (self._values[name] - factor.default)
            for name, factor in FACTORS.items()
        }
        episode = Episode(key=self._key, key_color=self._key_color, image_size=self._image_size, frames=self._frames)
        prepared = (group.prepare(values, episode) for group in _GROUPS)
        self._stages: list[Stage] = [stage for stage in prepared if stage is not None]
