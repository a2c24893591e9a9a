"""Video encoders, and pictures as the frames that they take."""

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.data.encoded import VideoCodec

GOP = 8
"""Pictures per group: one is complete, the others are differences to the one before."""

_ENCODERS = {"h264": "libx264", "h264-lossless": "libx264", "av1": "libsvtav1"}

_BT601, _BT709, _SRGB = 6, 1, 13
"""ITU-T H.273 codes of the matrix, the primaries and the transfer that pictures of a screen have."""


def add_stream(container: Any, codec: VideoCodec, picture: tuple[int, ...], fps: float, crf: int) -> Any:
    """Add a video of pictures with even sides to an open MP4 file (see `swm.data.videos.encode`)."""
    from av.video.reformatter import ColorRange

    height, width, channels = picture
    lossless_rgb = codec == "h264-lossless" and channels == 3
    if codec == "av1":
        options = {"preset": "8", "crf": str(crf)}
        options["svtav1-params"] = f"pred-struct=1:keyint={GOP}:scd=0:lookahead=0:enable-overlays=0:lp=1"
    else:
        options = {"preset": "medium", "tune": "fastdecode"}
        options |= {"qp": "0"} if codec == "h264-lossless" else {"crf": str(crf)}
        # without mbtree, whose output differs from run to run, and without psy, which trades fidelity for looks
        options["x264-params"] = f"scenecut=0:bframes=0:keyint={GOP}:min-keyint={GOP}:open-gop=0:mbtree=0:psy=0"
    name = "libx264rgb" if lossless_rgb else _ENCODERS[codec]
    stream = container.add_stream(name, rate=Fraction(fps).limit_denominator(100_000), options=options)
    stream.height, stream.width = height, width
    stream.pix_fmt = "rgb24" if lossless_rgb else "yuv420p"
    context = stream.codec_context
    context.gop_size, context.max_b_frames, context.thread_count = GOP, 0, 1
    context.color_range = ColorRange.JPEG
    if not lossless_rgb:
        context.colorspace, context.color_primaries, context.color_trc = _BT601, _BT709, _SRGB
    return stream


def to_frame(picture: NDArray[np.uint8], codec: VideoCodec, reformatter: Any) -> Any:
    """Turn a picture with even sides into what the encoder takes."""
    import av
    from av.video.reformatter import ColorRange, Colorspace, Interpolation

    height, width, channels = picture.shape
    if channels == 1:
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        planes[:height] = picture[:, :, 0]
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.color_range = ColorRange.JPEG
        return frame
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    if codec == "h264-lossless":
        return frame
    return reformatter.reformat(
        frame,
        format="yuv420p",
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP,
        threads=1,
    )
