"""The formats that a dataset may have, and what each of them provides."""

from dataclasses import dataclass

from swm.core.registry import Registry, Row
from swm.data.formats.base import EpisodeIndex, Reader, Writer

__all__ = ["FORMATS", "EpisodeIndex", "FormatRow", "Reader", "Writer"]


@dataclass(frozen=True, kw_only=True)
class FormatRow(Row):
    """One format: `target` opens a `Reader` from ``(location, version, cache_bytes)``."""

    writer: str | None
    """``"package.module:Name"`` of the `Writer`, made from ``(location, options)``; None if it is read alone."""
    detect: str
    """``"package.module:name"`` of a function that says whether a `Path` holds a dataset of this format: it is
    cheap, looks at names and headers alone, and never raises."""
    remote: bool = False
    """Whether it is read and written in object stores too."""


FORMATS: Registry[FormatRow] = Registry(
    "dataset format",
    {
        "frames": FormatRow(
            target="swm.data.formats.lance.reader:LanceReader",
            writer="swm.data.formats.lance.writer:FramesWriter",
            detect="swm.data.formats.lance.reader:detect_frames",
            summary="Lance tables with one row per step and one encoded picture per row: fast random access",
            remote=True,
        ),
        "video": FormatRow(
            target="swm.data.formats.lance.reader:LanceReader",
            writer="swm.data.formats.lance.writer:VideoWriter",
            detect="swm.data.formats.lance.reader:detect_video",
            summary="Lance tables with one H.264 or AV1 video per episode and camera: small",
            remote=True,
        ),
        "mp4": FormatRow(
            target="swm.data.formats.folders.mp4:Mp4Reader",
            writer="swm.data.formats.folders.mp4:Mp4Writer",
            detect="swm.data.formats.folders.mp4:detect",
            summary="a folder with one MP4 per episode and camera, and the other columns beside it",
        ),
        "images": FormatRow(
            target="swm.data.formats.folders.images:ImagesReader",
            writer="swm.data.formats.folders.images:ImagesWriter",
            detect="swm.data.formats.folders.images:detect",
            summary="a folder per episode with one picture file per step, and the other columns beside them",
        ),
        "hdf5": FormatRow(
            target="swm.data.formats.hdf5.flat:Hdf5Reader",
            writer="swm.data.formats.hdf5.flat:Hdf5Writer",
            detect="swm.data.formats.hdf5.flat:detect",
            summary="one HDF5 file with flat columns and the episodes' offsets, as world-model code bases use it",
        ),
        "robomimic": FormatRow(
            target="swm.data.formats.hdf5.robomimic:RobomimicReader",
            writer="swm.data.formats.hdf5.robomimic:RobomimicWriter",
            detect="swm.data.formats.hdf5.robomimic:detect",
            summary="one HDF5 file with a group per demonstration, as robomimic uses it",
        ),
        "lerobot": FormatRow(
            target="swm.data.formats.lerobot:LeRobotReader",
            writer="swm.data.formats.lerobot:LeRobotWriter",
            detect="swm.data.formats.lerobot:detect",
            summary="LeRobotDataset v3.0 (read and written) and v2.1 (read)",
        ),
        "minari": FormatRow(
            target="swm.data.formats.minari.reader:MinariReader",
            writer="swm.data.formats.minari.reader:MinariWriter",
            detect="swm.data.formats.minari.reader:detect",
            summary="Minari datasets, in HDF5, Arrow or Parquet",
        ),
        "stable-worldmodel": FormatRow(
            target="swm.data.formats.stable_worldmodel.reader:open_reader",
            writer=None,
            detect="swm.data.formats.stable_worldmodel.reader:detect",
            summary="the Lance, Lance-video, folder and MP4 layouts of stable-worldmodel (read)",
        ),
    },
    group="swm.formats",
)
