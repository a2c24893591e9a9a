"""What is behind the scene: one colour is keyed out and replaced by a pattern, a picture or a video."""

from pathlib import Path

import numpy as np

from swm.core.errors import InvalidValueError
from swm.core.protocols import Array
from swm.envs.adapters.linear import EIGHTHS, Separable, linear, to_eighths
from swm.envs.adapters.visual_stage import Episode, Stage, Values, strength

FACTORS = (
    strength("background", 1.0, "opacity of the pattern, picture or video that replaces the colour that is keyed out"),
)
_TOLERANCE, _SOFT = 0.08, 0.04
"""Distance in RGB, of the length of the cube's diagonal, up to which a colour counts as the key, and the width of
the passage to where it does not."""
_PATTERN = 5
"""Random colours along each side of the pattern."""
_DIAGONAL = 255 * EIGHTHS * np.sqrt(3)


def prepare(values: Values, episode: Episode) -> Stage | None:
    """Blend the replacement in where the picture has the key colour."""
    opacity = values["background"]
    if opacity == 0:
        return None
    frames = episode.frames
    pattern = _pattern(episode) if frames is None else None
    key = np.float32(EIGHTHS) * episode.key_color[:, None, None]

    def stage(picture: Array, step: int) -> Array:
        gap = picture - key
        distance = np.sqrt((gap * gap).sum(axis=0)) * np.float32(1 / _DIAGONAL)
        match = np.clip((_TOLERANCE + _SOFT - distance) * np.float32(1 / _SOFT), 0, 1) * np.float32(opacity)
        behind = pattern if frames is None else to_eighths(frames[step % len(frames)])
        picture += np.rint(match * (behind - picture))
        return picture

    return stage


def dominant_color(pixels: Array) -> Array:
    """The most frequent colour of a picture, (3,) uint8, by bins of 16 grey levels: the mean of the fullest one."""
    bins = pixels.reshape(-1, 3) >> 4
    codes = bins[:, 0].astype(np.int64) * 256 + bins[:, 1] * 16 + bins[:, 2]
    chosen = pixels.reshape(-1, 3)[codes == np.bincount(codes).argmax()]
    color: Array = np.rint(chosen.mean(axis=0)).astype(np.uint8)
    return color


def load_media(media: str | Path | Array) -> Array:
    """Turn what a user gives as background into frames (T, height, width, 3) uint8.

    Args:
        media: a colour (3,), a picture (height, width, 3) or a video (T, height, width, 3), uint8, or the path
            of a picture or video file.

    Raises:
        InvalidValueError: it is none of them.
    """
    array = _decode(Path(media)) if isinstance(media, (str, Path)) else np.asarray(media)
    shaped = array.reshape((1,) * (4 - array.ndim) + array.shape) if array.ndim in (1, 3, 4) else array
    if shaped.ndim != 4 or shaped.shape[-1] != 3 or not shaped.size or array.dtype != np.uint8:
        raise InvalidValueError(
            "a background is a colour (3,), a picture (height, width, 3) or a video (T, height, width, 3), "
            f"all uint8, or the path of a file; got {array.dtype} of shape {array.shape}."
        )
    return shaped


def _decode(path: Path) -> Array:
    import av

    if not path.is_file():
        raise InvalidValueError(f"no picture or video at {path}.")
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def _pattern(episode: Episode) -> Array:
    """A smooth pattern of random colours: (3, height, width) in eighths."""
    colors = np.rint(255 * EIGHTHS * episode.uniform("background", _PATTERN * _PATTERN * 3))
    places = [(np.arange(size) + 0.5) / size * (_PATTERN - 1) for size in episode.image_size]
    spread = Separable(*(linear(place, _PATTERN) for place in places))
    return spread(colors.reshape(3, _PATTERN, _PATTERN).astype(np.float32))
