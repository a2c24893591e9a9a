"""Pictures of an episode to H.264 or AV1 and back, from any group of pictures."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from swm.data.encoded import EncodedVideo


def decode(video: "EncodedVideo") -> NDArray[np.uint8]:
    """Decode every picture of a video."""
    raise NotImplementedError
