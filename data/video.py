"""MP4 files that play everywhere."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from swm.core.errors import InvalidValueError, ShapeError

if TYPE_CHECKING:
    from av.container import OutputContainer


def write_mp4(path: str | os.PathLike[str], pictures: Iterable[NDArray[np.uint8]], fps: int = 10) -> None:
    """Write pictures of one size as H.264 with the index in front; the file appears when it is whole.

    Players want 4:2:0 chroma, which needs even sides: an odd side is extended by one pixel that
    repeats the edge, never resized.

    Args:
        path: of the file; its directory is made if need be.
        pictures: each (height, width, 3) uint8.
        fps: pictures per second.

    Raises:
        InvalidValueError: no picture, or `fps` below 1.
        ShapeError: a picture has another shape or dtype than the first.
    """
    import av

    if fps < 1:
        raise InvalidValueError(f"fps must be at least 1, got {fps!r}.")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.touch()  # what the disk refuses is told by Python, with the path
    try:
        with av.open(os.fspath(part), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            _encode(container, pictures, fps, path)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _encode(container: "OutputContainer", pictures: Iterable[NDArray[np.uint8]], fps: int, path: Path) -> None:
    """Encode every picture into a container that is open."""
    import av

    expected: tuple[int, ...] = ()
    stream = None
    for picture in pictures:
        expected = expected or (*picture.shape[:2], 3)
        if picture.shape != expected or picture.dtype != np.uint8:
            raise ShapeError("a picture of the video", f"{expected} uint8", f"{picture.shape} {picture.dtype}")
        even = np.pad(picture, ((0, expected[0] % 2), (0, expected[1] % 2), (0, 0)), mode="edge")
        if stream is None:
            stream = container.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "fast"})
            stream.height, stream.width, stream.pix_fmt = even.shape[0], even.shape[1], "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
    if stream is None:
        raise InvalidValueError(f"{path}: there is no picture to write.")
    container.mux(stream.encode())
