"""Pictures of another size."""

import numpy as np
from numpy.typing import NDArray


def resize(pictures: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resample N pictures, averaging over areas when they shrink.

    Args:
        pictures: shape (N, height, width, 1 or 3), uint8.
        size: height and width of the result.

    Returns:
        Shape (N, *size, channels).
    """
    import av
    from av.video.reformatter import Interpolation

    if pictures.shape[1:3] == size:
        return pictures
    kind = "gray" if pictures.shape[3] == 1 else "rgb24"
    out = np.empty((len(pictures), *size, pictures.shape[3]), np.uint8)
    for index, picture in enumerate(np.ascontiguousarray(pictures)):
        frame = av.VideoFrame.from_ndarray(picture[:, :, 0] if kind == "gray" else picture, format=kind)
        small = frame.reformat(width=size[1], height=size[0], interpolation=Interpolation.AREA)
        out[index] = small.to_ndarray().reshape(out.shape[1:])
    return out
