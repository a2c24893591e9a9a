"""``swm collect``, ``preview`` and ``verify``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from swm.cli.options import DatasetPath, EnvId, EpisodeNumbers, Names, OptionalInt, OptionalShard, parse_shard
from swm.cli.output import show_json

_MOST_PROBLEMS = 20
"""Damages that `swm verify` prints; ``--json`` has the rest."""


@dataclass(frozen=True, kw_only=True)
class Collect:
    """Record a dataset, or continue one that was stopped."""

    env: EnvId
    """The environment's id, for example swm/TwoRoom-v0."""
    uri: DatasetPath
    """Where the dataset is or will be."""
    episodes: int = 1000
    """Episodes that the dataset shall have."""
    policy: str = "expert"
    """expert, random or noop."""
    seed: int = 0
    """Of the run; the episodes' seeds derive from it."""
    variation: Names = ()
    """Factors or groups to draw from their full ranges; or "all"; or "train" for all from their train ranges."""
    max_steps: OptionalInt = None
    """Steps per episode; the environment's own limit if not given."""
    num_envs: int = 64
    """Copies of the environment that are stepped together."""
    image_size: int = 64
    """Side of the pictures in pixels."""
    executor: str = "auto"
    """auto, native, process or inline."""
    shard: OptionalShard = None
    """K/N: record only the episodes K, K + N, K + 2N and so on, beside N - 1 other processes."""
    format: Literal["frames", "video"] = "frames"
    """frames is fastest to read, video is smallest; a codec of the other layout chooses that layout."""
    codec: Literal["auto", "jpeg", "png", "raw", "h264", "h264-lossless", "av1"] = "auto"
    """Of the pictures: jpeg, png and raw for frames, the others for video; png, raw and h264-lossless lose nothing."""
    quality: int = 95
    """Of JPEG, 1 to 100."""
    overwrite: bool = False
    """Discard what is there."""

    def run(self) -> int:
        """Record, and say what the dataset holds."""
        from swm.world import World

        request = self.variation[0] if self.variation in (("all",), ("train",)) else list(self.variation) or None
        with World(self.env, num_envs=self.num_envs, image_size=self.image_size, executor=self.executor) as world:
            dataset = world.collect(
                self.uri,
                episodes=self.episodes,
                policy=self.policy,
                seed=self.seed,
                variation=request,
                max_steps=self.max_steps,
                overwrite=self.overwrite,
                shard=None if self.shard is None else parse_shard(self.shard),
                format=self.format,
                codec=None if self.codec == "auto" else self.codec,
                quality=self.quality,
            )
        print(f"{self.uri}: {dataset.num_episodes:,} episodes, {dataset.num_steps:,} steps")
        return 0


@dataclass(frozen=True, kw_only=True)
class Preview:
    """Write a contact sheet and a video of a dataset."""

    uri: DatasetPath
    """The dataset."""
    out: Path = Path("runs/preview")
    """The folder to write sheet.png and film.mp4 into."""
    count: int = 8
    """Episodes to show, spread over the dataset."""
    episodes: EpisodeNumbers = None
    """Episodes to show instead, for example 0:4,17,-1."""
    cameras: Names = ()
    """Components that hold pictures; every camera if not given."""
    columns: int = 8
    """Pictures per row of the sheet, and episodes beside each other in the film."""
    fps: int = 10
    """Steps per second of the film."""

    def run(self) -> int:
        """Write both files and print their paths."""
        from swm import data
        from swm.data.preview import spread, write_preview
        from swm.data.selection import parse_episodes

        dataset = data.open(self.uri)
        total = dataset.num_episodes
        chosen = spread(total, self.count) if self.episodes is None else parse_episodes(self.episodes, total)
        for name in ("sheet.png", "film.mp4"):
            write_preview(
                dataset,
                self.out / name,
                episodes=chosen,
                columns=self.columns,
                fps=self.fps,
                component=self.cameras or None,
            )
            print(self.out / name)
        return 0


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Check a dataset against its checksums."""

    uri: DatasetPath
    """The dataset."""
    json: bool = False
    """Print JSON instead of text."""

    def run(self) -> int:
        """Print each damage; the status is 1 if there is one."""
        from swm import data

        report = data.open(self.uri).verify()
        if self.json:
            show_json(report)
        else:
            print(f"{report.uri}: {report.num_episodes:,} episodes, {report.num_steps:,} steps")
            print("\n".join(report.problems[:_MOST_PROBLEMS]) or "every episode is what was written")
            if len(report.problems) > _MOST_PROBLEMS:
                print(f"and {len(report.problems) - _MOST_PROBLEMS:,} more problems: see --json")
        return int(bool(report.problems))
