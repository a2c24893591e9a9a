"""``swm collect``, ``inspect``, ``preview`` and ``verify``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from swm.cli.output import show_json, show_table


@dataclass(frozen=True, kw_only=True)
class Collect:
    """Record a dataset, or continue one that was stopped."""

    env: Annotated[str, tyro.conf.Positional]
    """The environment's id, for example swm/TwoRoom-v0."""
    uri: Annotated[str, tyro.conf.Positional]
    """Where the dataset is or will be."""
    episodes: int = 1000
    """Episodes that the dataset shall have."""
    policy: str = "expert"
    """expert, random or noop."""
    seed: int = 0
    variation: tuple[str, ...] = ()
    """Factors or groups to draw from their full ranges; or "all"; or "train" for all from their train ranges."""
    max_steps: int | None = None
    """Steps per episode; the environment's own limit if not given."""
    num_envs: int = 64
    """Copies of the environment that are stepped together."""
    image_size: int = 64
    """Side of the pictures in pixels."""
    executor: str = "auto"
    """auto, native, process or inline."""
    codec: Literal["jpeg", "png", "raw"] = "jpeg"
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
                codec=self.codec,
                quality=self.quality,
            )
        print(f"{self.uri}: {dataset.num_episodes:,} episodes, {dataset.num_steps:,} steps")
        return 0


@dataclass(frozen=True, kw_only=True)
class Inspect:
    """Show what a dataset holds."""

    uri: Annotated[str, tyro.conf.Positional]
    json: bool = False
    """Print JSON instead of tables."""

    def run(self) -> int:
        """Print the summary."""
        from swm import data
        from swm.data.inspect import summarize

        summary = summarize(data.open(self.uri))
        if self.json:
            show_json(summary)
            return 0
        plain = [
            {"": key, "value": str(value)} for key, value in summary.items() if not isinstance(value, (dict, list))
        ]
        show_table(self.uri, plain, as_json=False)
        for key, value in summary.items():
            if isinstance(value, dict) and value:
                rows = [
                    {key: name, **(facts if isinstance(facts, dict) else {"value": facts})}
                    for name, facts in value.items()
                ]
                show_table(key, rows, as_json=False)
        return 0


@dataclass(frozen=True, kw_only=True)
class Preview:
    """Write a contact sheet and a video of a dataset."""

    uri: Annotated[str, tyro.conf.Positional]
    out: Path = Path("runs/preview")
    """The folder to write sheet.png and film.mp4 into."""
    episodes: int = 8
    """Episodes to show, spread over the dataset."""
    columns: int = 8
    """Pictures per episode on the sheet, and episodes beside each other in the film."""

    def run(self) -> int:
        """Write both files and print their paths."""
        import numpy as np

        from swm import data
        from swm.data.inspect import write_preview

        dataset = data.open(self.uri)
        count = min(self.episodes, dataset.num_episodes)
        chosen = np.unique(np.linspace(0, dataset.num_episodes - 1, count).round().astype(int)).tolist()
        for name in ("sheet.png", "film.mp4"):
            write_preview(dataset, self.out / name, episodes=chosen, columns=self.columns)
            print(self.out / name)
        return 0


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Check a dataset against its checksums."""

    uri: Annotated[str, tyro.conf.Positional]
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
            print("\n".join(report.problems) or "every episode is what was written")
        return int(bool(report.problems))
