"""Types of options that several commands have, with the words that ``--help`` shows for them."""

from pathlib import Path
from typing import Annotated

import tyro

from swm.core.errors import InvalidValueError

EnvId = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ENV")]
DatasetPath = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
CheckpointPath = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]
OptionalInt = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]
OptionalFloat = Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint="")]
OptionalStr = Annotated[str | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")]
OptionalPath = Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")]
OptionalShard = Annotated[str | None, tyro.conf.arg(metavar="K/N", help_behavior_hint="")]
Names = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME [NAME ...]", help_behavior_hint="")]
Words = Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")]
EpisodeNumbers = Annotated[str | None, tyro.conf.arg(metavar="0:100,200", help_behavior_hint="")]
Changes = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE [...]", help_behavior_hint="")]


def parse_shard(text: str) -> tuple[int, int]:
    """Turn ``"3/8"`` into (3, 8).

    Raises:
        InvalidValueError: it is not two numbers with a slash between them.
    """
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal()):
        raise InvalidValueError(f"a shard is written K/N, for example 0/8, got {text!r}.")
    return int(number), int(count)
