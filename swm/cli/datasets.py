"""``swm collect``, ``inspect``, ``preview`` and ``verify``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from swm.cli.options import DatasetPath, EnvId, Names, OptionalInt
from swm.cli.output import show_facts, show_json, show_table, span


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
    codec: Literal["jpeg", "png", "raw"] = "jpeg"
    """Of the pictures; png and raw lose nothing."""
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

    uri: DatasetPath
    """The dataset."""
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
        _show_summary(summary)
        return 0


@dataclass(frozen=True, kw_only=True)
class Preview:
    """Write a contact sheet and a video of a dataset."""

    uri: DatasetPath
    """The dataset."""
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
            print("\n".join(report.problems) or "every episode is what was written")
        return int(bool(report.problems))


def _show_summary(summary: dict[str, Any]) -> None:
    """Print what `swm.data.summarize` found, the factors that vary apart from those that do not."""
    import numpy as np

    recording = summary["provenance"][-1].get("recording", {}) if summary["provenance"] else {}
    origin = {key: recording[key] for key in ("env_id", "seed") if key in recording}
    if "policy" in recording:
        origin["policy"] = recording["policy"].get("name", "unnamed")
    splits = [
        f"{name}: {part['episodes']:,} episodes, {part['steps']:,} steps" for name, part in _items(summary, "splits")
    ]
    facts = {
        **origin,
        "episodes": summary["num_episodes"],
        "steps": summary["num_steps"],
        "length": _spread(summary["length"]),
        "return": _spread(summary["return"]),
        "success": f"{100 * summary['success_rate']:.0f} % of the episodes",
        "splits": "; ".join(splits),
        "version": summary["version"],
        "fingerprint": summary["fingerprint"],
    }
    if summary["torn_rows"]:
        facts["torn rows"] = summary["torn_rows"]
    show_facts(summary["uri"], facts)
    show_table("Columns", [_column(column) for _, column in _items(summary, "columns")])
    figures = ("mean", "std", "minimum", "maximum")
    rows = zip(*(np.atleast_1d(summary["action"][name]).tolist() for name in figures), strict=True)
    show_table("Action", [{"component": i, **dict(zip(figures, row, strict=True))} for i, row in enumerate(rows)])
    factors = _items(summary, "factors")
    varying = [
        {"factor": name, "values": facts["distinct"], "range": span(facts["minimum"], facts["maximum"])}
        for name, facts in factors
        if facts["distinct"] > 1
    ]
    if varying:
        show_table("Factors that vary", varying)
    fixed = [{"factor": name, "value": facts["minimum"]} for name, facts in factors if facts["distinct"] == 1]
    if fixed:
        show_table("Factors of one value", fixed)


def _items(summary: dict[str, Any], key: str) -> list[tuple[str, dict[str, Any]]]:
    return list(summary[key].items())


def _spread(figures: dict[str, float]) -> str:
    return f"{span(figures['minimum'], figures['maximum'])} (mean {figures['mean']:,.4g})"


def _column(column: dict[str, Any]) -> dict[str, Any]:
    kept = {key: column[key] for key in ("name", "dtype", "shape", "role", "codec")}
    return {**kept, "on disk": f"{column['disk_bytes'] / 1e6:,.2f} MB"}
