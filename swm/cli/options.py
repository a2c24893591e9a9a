"""Types of options that several commands have, with the words that ``--help`` shows for them."""

from pathlib import Path
from typing import Annotated

import tyro

EnvId = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ENV")]
DatasetPath = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
CheckpointPath = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
OptionalInt = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]
OptionalStr = Annotated[str | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")]
OptionalPath = Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")]
Names = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME [NAME ...]", help_behavior_hint="")]
Words = Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")]
EpisodeNumbers = Annotated[str | None, tyro.conf.arg(metavar="0:100,200", help_behavior_hint="")]
Changes = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE [...]", help_behavior_hint="")]
