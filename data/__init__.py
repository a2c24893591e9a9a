"""Video datasets of episodes: written crash-safe, read by episode or by clips.

```
with swm.data.create("runs/demo") as writer:
    writer.write(episode)
dataset = swm.data.open("runs/demo")
loader = swm.data.Loader(dataset.clips(num_steps=4), 64, seed=0)
```
"""

if __name__ != "swm.data":
    raise ImportError(f"import this package as swm.data, not as {__name__!r}")

import importlib
from typing import TYPE_CHECKING, Any

from swm.data.access import create, open
from swm.data.card import write_card
from swm.data.clips import Clips
from swm.data.columns import Column
from swm.data.dataset import Dataset, VerifyReport
from swm.data.decoded import DecodedCache
from swm.data.encoded import Codec, EncodedPictures, EncodedVideo, VideoCodec
from swm.data.episode import TRANSITIONS, Episode
from swm.data.formats import FORMATS, FormatRow, Reader, Writer
from swm.data.goals import Goals
from swm.data.loader import Loader
from swm.data.location import Location
from swm.data.mixture import Mixture
from swm.data.normalize import Normalizer
from swm.data.options import Mode
from swm.data.preview import contact_sheet, write_preview
from swm.data.replay import ReplayBuffer
from swm.data.returns import NStep
from swm.data.statistics import Statistics
from swm.data.summary import summarize
from swm.data.transfer import TransferReport, convert, filter, merge, split
from swm.data.video import write_mp4

if TYPE_CHECKING:
    from swm.data.upkeep import CompactReport, compact, tag, versions

_LAZY = dict.fromkeys(("CompactReport", "compact", "tag", "versions"), "swm.data.upkeep")
"""What needs Arrow to be imported is imported when first used."""

__all__ = [
    "FORMATS",
    "TRANSITIONS",
    "Clips",
    "Codec",
    "Column",
    "CompactReport",
    "Dataset",
    "DecodedCache",
    "EncodedPictures",
    "EncodedVideo",
    "Episode",
    "FormatRow",
    "Goals",
    "Loader",
    "Location",
    "Mixture",
    "Mode",
    "NStep",
    "Normalizer",
    "Reader",
    "ReplayBuffer",
    "Statistics",
    "TransferReport",
    "VerifyReport",
    "VideoCodec",
    "Writer",
    "compact",
    "contact_sheet",
    "convert",
    "create",
    "filter",
    "merge",
    "open",
    "split",
    "summarize",
    "tag",
    "versions",
    "write_card",
    "write_mp4",
    "write_preview",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'swm.data' has no attribute {name!r}")
