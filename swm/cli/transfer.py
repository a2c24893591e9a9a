"""``swm convert``, ``merge``, ``split``, ``filter`` and ``formats``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from swm.cli.options import DatasetPath, EpisodeNumbers, Names, OptionalInt, Words
from swm.cli.output import show_json, show_table

if TYPE_CHECKING:
    from swm.data import TransferReport

Sources = Annotated[
    tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="DATASET DATASET ...", help_behavior_hint="(required)")
]
Dest = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DEST")]
FormatName = Annotated[str, tyro.conf.arg(metavar="FORMAT")]
OptionalCodec = Annotated[
    Literal["jpeg", "png", "raw", "h264", "h264-lossless", "av1"] | None,
    tyro.conf.arg(metavar="CODEC", help_behavior_hint=""),
]
Shares = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=SHARE [...]", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """How the new dataset is stored."""

    format: FormatName = "frames"
    """Of the new dataset; `swm formats` lists them."""
    codec: OptionalCodec = None
    """Of the pictures: jpeg, png, raw, h264, h264-lossless or av1; if not given, they are copied where possible."""
    quality: OptionalInt = None
    """Of JPEG, 1 to 100; if given, pictures are encoded again."""
    crf: OptionalInt = None
    """Of lossy video, 0 to 51, lower is better; if given, pictures are encoded again."""
    columns: Names = ()
    """Observation components to keep; all if not given. Actions, rewards and flags are always kept."""
    overwrite: bool = False
    """Replace a dataset that is already there."""
    json: bool = False
    """Print JSON instead of text."""

    def options(self) -> dict[str, Any]:
        """What the functions of `swm.data` take."""
        chosen = {"codec": self.codec, "quality": self.quality, "crf": self.crf, "columns": self.columns or None}
        told = {name: value for name, value in chosen.items() if value is not None}
        return {**told, "format": self.format, "overwrite": self.overwrite}

    def show(self, reports: Mapping[str, "TransferReport"]) -> int:
        """Print what was written, and what was not kept."""
        if self.json:
            show_json(reports if len(reports) > 1 else next(iter(reports.values())))
            return 0
        for report in reports.values():
            print(f"{report.uri}: {report.episodes:,} episodes, {report.steps:,} steps")
        copied = dict.fromkeys(name for report in reports.values() for name in report.copied)
        if copied:
            print(f"  pictures copied as they were stored: {', '.join(copied)}")
        for note in dict.fromkeys(note for report in reports.values() for note in report.notes):
            print(f"  note: {note}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Write a dataset again, in any format."""

    source: DatasetPath
    """The dataset."""
    dest: Dest
    """Where to. The same command continues one that was stopped."""
    stored: Stored = field(default_factory=Stored)

    def run(self) -> int:
        """Convert, and say what was kept."""
        from swm import data

        return self.stored.show({"": data.convert(self.source, self.dest, **self.stored.options())})


@dataclass(frozen=True, kw_only=True)
class Merge:
    """Write several datasets into one."""

    sources: Sources
    """The datasets, in the order of their episodes."""
    out: Annotated[str, tyro.conf.arg(metavar="DEST")]
    """Where to. The same command continues one that was stopped."""
    common: bool = False
    """Keep the components that all datasets have alike, instead of asking that they agree on all."""
    stored: Stored = field(default_factory=Stored)

    def run(self) -> int:
        """Merge, and say what was kept."""
        from swm import data

        options = self.stored.options()
        if self.common:
            options["columns"] = "common"
        return self.stored.show({"": data.merge(self.sources, self.out, **options)})


@dataclass(frozen=True, kw_only=True)
class Split:
    """Write a dataset into several."""

    source: DatasetPath
    """The dataset."""
    out: Annotated[str, tyro.conf.arg(metavar="FOLDER")]
    """Each part becomes a dataset in this folder."""
    fractions: Shares = ()
    """Share of the episodes of each part, for example train=0.8 val=0.2; the stored splits if not given."""
    seed: int = 0
    """Of the draw."""
    stored: Stored = field(default_factory=Stored)

    def run(self) -> int:
        """Split, and say what each part got."""
        from swm import data

        parts = read_shares(self.fractions) or {"train": "train", "val": "val"}
        return self.stored.show(data.split(self.source, self.out, parts, seed=self.seed, **self.stored.options()))


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Write the episodes that fulfil a condition into another dataset."""

    source: DatasetPath
    """The dataset."""
    dest: Dest
    """Where to. The same command continues one that was stopped."""
    where: Words = None
    """For example 'success and length > 20 and variation["agent.speed"] < 3'; also index, split, return, metadata."""
    episodes: EpisodeNumbers = None
    """Numbers and half-open ranges, for example 0:100,200,-1."""
    stored: Stored = field(default_factory=Stored)

    def run(self) -> int:
        """Filter, and say what was kept."""
        from swm import data
        from swm.data.selection import parse_episodes

        dataset = data.open(self.source)
        episodes = None if self.episodes is None else parse_episodes(self.episodes, dataset.num_episodes)
        report = data.filter(dataset, self.dest, self.where, episodes=episodes, **self.stored.options())
        return self.stored.show({"": report})


@dataclass(frozen=True, kw_only=True)
class Formats:
    """List the formats of datasets."""

    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> int:
        """Print one line per format."""
        from swm.data import FORMATS

        rows = [
            {"format": name, "reads": True, "writes": row.writer is not None, "summary": row.summary}
            for name, row in FORMATS.items()
        ]
        if self.json:
            show_json(rows)
        else:
            show_table("Formats", rows)
        return 0


def read_shares(words: tuple[str, ...]) -> dict[str, float | str]:
    """Read ``name=share`` words.

    Raises:
        InvalidValueError: a word of another form, or a name that comes twice.
    """
    from swm.core.errors import InvalidValueError

    shares: dict[str, float | str] = {}
    for word in words:
        name, _, share = word.partition("=")
        try:
            value = float(share)
        except ValueError:
            raise InvalidValueError(f"a fraction is written name=share, for example train=0.8, got {word!r}.") from None
        if name in shares:
            raise InvalidValueError(f"the part {name!r} is named twice in {' '.join(words)}.")
        shares[name] = value
    return shares
