"""LeRobot datasets, as the files that they are: v3.0 is read and written, v2.1 and v2.0 are read.

The layout of v3.0, as lerobot 0.4 to 0.6 has it::

    meta/info.json  meta/stats.json  meta/tasks.parquet  meta/episodes/chunk-000/file-000.parquet
    data/chunk-000/file-000.parquet                 one row per frame, many episodes per file
    videos/<feature>/chunk-000/file-000.mp4         many episodes per file, at constant fps
    meta/swm/                                       what this package adds; other readers ignore it
"""

from swm.data.formats.lerobot.layout import detect
from swm.data.formats.lerobot.reader import LeRobotReader
from swm.data.formats.lerobot.sinks import FileSizes
from swm.data.formats.lerobot.writer import LeRobotWriter

__all__ = ["FileSizes", "LeRobotReader", "LeRobotWriter", "detect"]
