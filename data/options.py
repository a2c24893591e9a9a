"""How a dataset is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from swm.core.errors import InvalidValueError, UnknownNameError
from swm.data.encoded import Codec, VideoCodec

Chroma = Literal["4:4:4", "4:2:0"]
"""Resolution of the colour of JPEG pictures."""

Mode = Literal["error", "append", "overwrite"]
"""What to do with a dataset that is already there."""


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """What `swm.data.create` takes."""

    mode: Mode = "error"
    """``"error"`` refuses an existing dataset, ``"append"`` continues it or begins one, ``"overwrite"`` replaces it."""
    codec: Codec | VideoCodec | None = None
    """Of pictures named ``pixels`` or ``pixels.<view>``; None is that of the dataset, or the format's own."""
    quality: int = 95
    """Of JPEG, 1 to 100."""
    chroma: Chroma = "4:4:4"
    """Resolution of JPEG's colour: ``"4:4:4"`` is full, ``"4:2:0"`` is half in each direction."""
    crf: int = 23
    """Constant rate factor of lossy video, 0 to 51 on the codec's own scale; lower is better and larger."""
    fps: float = 10.0
    """Steps per second, for formats that tell time."""
    shard_size: int = 4096
    """Observations per commit: the most that a killed process can lose. A commit holds whole episodes."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """How the data came to be, JSON-ready: command, code version, environment, policy."""
    val_fraction: float = 0.1
    """Share of the episodes that is held out, in [0, 1]."""
    recorder: str | None = None
    """This writer's name among several that write at the same time; None to be alone."""

    def __post_init__(self) -> None:
        """Check every value."""
        if self.mode not in get_args(Mode):
            raise UnknownNameError("mode", self.mode, get_args(Mode))
        known = (*get_args(Codec), *get_args(VideoCodec))
        if self.codec not in (None, *known):
            raise UnknownNameError("codec", self.codec, known)
        if not 1 <= self.quality <= 100:
            raise InvalidValueError(f"quality must be in [1, 100], got {self.quality!r}.")
        if self.chroma not in get_args(Chroma):
            raise UnknownNameError("chroma", self.chroma, get_args(Chroma))
        if not 0 <= self.crf <= 51:
            raise InvalidValueError(f"crf must be in [0, 51], got {self.crf!r}.")
        if not self.fps > 0:
            raise InvalidValueError(f"fps must be positive, got {self.fps!r}.")
        if self.shard_size < 1:
            raise InvalidValueError(f"shard_size must be at least 1 observation, got {self.shard_size!r}.")
        if not 0.0 <= self.val_fraction <= 1.0:
            raise InvalidValueError(f"val_fraction must be in [0, 1], got {self.val_fraction!r}.")
