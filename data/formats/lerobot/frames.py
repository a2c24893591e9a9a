"""One episode as the frames of LeRobot: a value of every feature at every frame."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError
from swm.data import codecs
from swm.data.columns import Array, Column
from swm.data.encoded import EncodedPictures, as_array
from swm.data.episode import TRANSITIONS, Episode
from swm.data.formats.lerobot.binding import Binding
from swm.data.formats.lerobot.extras import FINAL
from swm.data.formats.lerobot.layout import CLOCK, TASK_INDEX
from swm.data.formats.lerobot.naming import TASK_COMPONENTS, VALID
from swm.data.formats.lerobot.schema import is_video, pictures_to_arrow, stored_shape, to_arrow
from swm.data.formats.lerobot.stats import Figures, number_figures, picture_figures, sample_steps


@dataclass(frozen=True, kw_only=True)
class Frames:
    """N frames, of which the last has no transition or the one that the payload held."""

    values: Mapping[str, Array]
    """Feature -> numbers or texts, shape (N, ...); without the clock."""
    blobs: Mapping[str, list[Any]]
    """Feature -> N encoded pictures."""
    samples: Mapping[str, NDArray[np.uint8]]
    """Feature of `blobs` -> the pictures that enter its statistics."""
    texts: tuple[str, ...]
    """The task at each frame."""
    final: tuple[str, ...]
    """Transitions whose value in the last frame is real."""
    payload: Mapping[str, Array]
    """What is not in a frame."""

    @property
    def length(self) -> int:
        """The number N of frames."""
        return len(self.texts)

    def with_clock(self, tasks: Mapping[str, int], number: int, begin: int, fps: int) -> dict[str, Array]:
        """Every feature of numbers or texts, each value with at least one axis.

        Args:
            tasks: text -> number.
            number: of the episode.
            begin: frames of all earlier episodes.
            fps: frames per second.
        """
        steps = np.arange(self.length)
        clock = {
            "timestamp": steps / fps,
            "frame_index": steps,
            "episode_index": np.full(self.length, number),
            "index": begin + steps,
        }
        return {
            **self.values,
            **{name: clock[name].astype(dtype)[:, None] for name, dtype in CLOCK.items()},
            TASK_INDEX: np.array([[tasks[text]] for text in self.texts], np.int64),
        }

    def table(self, values: Mapping[str, Array], schema: Any) -> Any:
        """The rows of the data table, from what `with_clock` returned."""
        import pyarrow as pa

        arrays = [
            pictures_to_arrow(self.blobs[field.name], field.type)
            if field.name in self.blobs
            else to_arrow(values[field.name], field.type)
            for field in schema
        ]
        return pa.Table.from_arrays(arrays, schema=schema)

    def figures(self, values: Mapping[str, Array]) -> dict[str, Figures]:
        """The statistics of all features but texts and videos, from what `with_clock` returned."""
        numbers = {name: array for name, array in values.items() if array.dtype.kind != "U"}
        return {
            **{name: picture_figures(pictures) for name, pictures in self.samples.items()},
            **{name: number_figures(array) for name, array in numbers.items()},
        }


def frames_of(episode: Episode, bindings: Mapping[str, Binding], quality: int) -> Frames:
    """Turn an episode of T transitions into T + 1 frames.

    Args:
        episode: its columns are those of `bindings`.
        bindings: column -> feature.
        quality: of JPEG.

    Raises:
        InvalidValueError: a text is no Unicode.
        PictureError: an encoded picture is damaged.
    """
    final = tuple(name for name in TRANSITIONS if _is_final(episode, bindings[name].column))
    values: dict[str, Array] = {}
    blobs: dict[str, list[Any]] = {}
    samples: dict[str, NDArray[np.uint8]] = {}
    for name, binding in bindings.items():
        column, feature = binding.column, binding.feature
        if feature is None or feature == TASK_INDEX or is_video(column):
            continue
        array = episode.arrays()[name]
        if column.codec is not None:
            blobs[feature], samples[feature] = _encode(array, column, quality)
            continue
        if name in TRANSITIONS:
            last = episode.payload[FINAL + name] if name in final else array[-1:]
            array = np.concatenate([array, last])
        values[feature] = _checked(name, array.astype(np.str_ if column.dtype == "str" else column.dtype, copy=False))
        values[feature] = values[feature].reshape(len(array), *stored_shape(column))
    real = np.ones(episode.num_steps + 1, np.bool_)
    real[-1] = "action" in final
    values[VALID] = real.reshape(-1, 1)
    task = next((name for name, binding in bindings.items() if binding.feature == TASK_INDEX), None)
    texts = [_task_of(episode)] * len(real) if task is None else episode.observation[task].tolist()
    return Frames(
        values=values,
        blobs=blobs,
        samples=samples,
        texts=tuple(_checked("task", np.array(texts, np.str_)).tolist()),
        final=final,
        payload={name: array for name, array in episode.payload.items() if name.removeprefix(FINAL) not in final},
    )


def _is_final(episode: Episode, column: Column) -> bool:
    """Whether the payload holds the value that belongs to the last frame."""
    array = episode.payload.get(FINAL + column.name)
    like = getattr(episode, column.name)
    return array is not None and array.dtype == like.dtype and array.shape == (1, *like.shape[1:])


def _task_of(episode: Episode) -> str:
    """The task of an episode without a text at each step: from its metadata, else its environment."""
    for name in (*TASK_COMPONENTS, "env_id"):
        if isinstance(found := episode.metadata.get(name), str):
            return found
    return ""


def _encode(array: Any, column: Column, quality: int) -> tuple[list[Any], NDArray[np.uint8]]:
    """Encode pictures one by one, unless they are, and decode those that enter the statistics."""
    steps = sample_steps(len(array))
    if isinstance(array, EncodedPictures) and array.codec == column.codec:
        chosen = EncodedPictures(codec=array.codec, blobs=[array.blobs[step] for step in steps], picture=array.picture)
        return list(array.blobs), chosen.decode()
    pictures = np.ascontiguousarray(as_array(array))
    return list(codecs.encode(str(column.codec), pictures, quality)), pictures[steps]


def _checked(name: str, array: Array) -> Array:
    """Return the array.

    Raises:
        InvalidValueError: it holds a text that UTF-8 cannot.
    """
    if array.dtype.kind == "U":
        for text in array.reshape(-1).tolist():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise InvalidValueError(f"{name!r} holds the text {text!r}, which is no Unicode: {error}.") from error
    return array
