"""The dataset card: a ``README.md`` beside the data, in the form that the Hugging Face Hub shows."""

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from swm.data.dataset import Dataset
from swm.data.provenance import latest_transfer, licenses
from swm.data.summary import byte_text, summarize

MARKER = "<!-- swm:dataset-card: swm.data replaces this page; remove this line to keep your edits -->"
"""In every card that `write_card` wrote: a ``README.md`` without it is somebody's own and stays."""

_NAME = "README.md"
_SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))
_MOST_LINES = 24
"""Of a table; the rest is counted."""


def write_card(dataset: Dataset, *, license: str | None = None) -> str:
    """Write the card of a dataset into its folder as ``README.md``, and return the text.

    A ``README.md`` that was not written by this function is left alone, with a warning.

    Args:
        dataset: what to describe.
        license: as the Hub names it, for example ``"cc-by-4.0"``; None is what the provenance says, if it does.

    Raises:
        DatasetError: the format is no folder that could hold the card.
        OSError: the folder cannot be written.
    """
    text = make_card(dataset, license=license)
    place = dataset.reader.location
    there = place.read_bytes(_NAME)
    if there is not None and MARKER.encode() not in there:
        warnings.warn(f"{place}/{_NAME} is not a card of swm.data: it was left as it is.", stacklevel=2)
    else:
        place.write_bytes(_NAME, text.encode(errors="replace"))
    return text


def make_card(dataset: Dataset, *, license: str | None = None) -> str:
    """The text of the card: what the data are, how they were recorded, and how to load them."""
    summary = summarize(dataset)
    title = summary["uri"].rstrip("/").rpartition("/")[2]
    parts = [
        _header(summary, title, license or ", ".join(licenses(dataset.provenance))),
        MARKER,
        f"# {title}",
        _lead(summary),
        _how_to_load(summary, title),
        _section("Columns", _columns(summary)),
        _section("Episodes", _episodes(summary)),
        _section("Statistics", _statistics(summary)),
        _section("Factors of variation", _factors(summary)),
        _section("How it was recorded", _recordings(summary)),
        _section("What it went through", _transfers(dataset.provenance)),
        _section("Good to know", "\n".join(f"- {note}" for note in summary["notes"])),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(summary: Mapping[str, Any], title: str, license: str) -> str:
    """The YAML that the Hub reads; JSON strings are YAML strings."""
    size = next((name for limit, name in _SIZES if summary["num_steps"] < limit), "n>10M")
    lines = [f"pretty_name: {json.dumps(title)}"]
    lines += [f"license: {json.dumps(license)}"] if license else []
    lines += ["task_categories:", "- reinforcement-learning", "- robotics", "tags:", "- world-model", "- swm"]
    lines += ["size_categories:", f"- {size}"]
    return "\n".join(["---", *lines, "---"])


def _lead(summary: Mapping[str, Any]) -> str:
    envs = ", ".join(f"`{name}`" for name in summary["origin"]["env_id"])
    policies = ", ".join(f"`{name}`" for name in summary["origin"]["policy"])
    facts = f"{summary['num_episodes']:,} episodes with {summary['num_steps']:,} steps"
    facts += f" of {envs}" if envs else ""
    facts += f", recorded with the policy {policies}" if policies else ""
    return (
        f"{facts}; {byte_text(summary['disk_bytes'])} in the format `{summary['format']}`. "
        f"An episode of T steps has T actions between T + 1 observations."
    )


def _how_to_load(summary: Mapping[str, Any], title: str) -> str:
    components = [name for name, column in summary["columns"].items() if column["role"] == "observation"]
    return "\n".join(
        [
            "```python",
            "import swm.data",
            "",
            f"dataset = swm.data.open({json.dumps(title)})",
            "episode = dataset.episode(0)",
            f"print(episode.observation[{json.dumps(components[0])}].shape, episode.action.shape)",
            "loader = swm.data.Loader(dataset.clips(num_steps=4), batch_size=64, seed=0)",
            "```",
        ]
    )


def _columns(summary: Mapping[str, Any]) -> str:
    rows = [
        (f"`{name}`", c["dtype"], _shape(c["shape"]), c["role"], c["codec"] or "", byte_text(c["disk_bytes"]))
        for name, c in summary["columns"].items()
    ]
    carried = [
        (f"`{name}`", facts["dtype"], _shape(facts["shape"]), "once per episode", "", "")
        for name, facts in summary["payload"].items()
    ]
    return _table(("column", "dtype", "shape", "belongs to", "codec", "on disk"), [*rows, *carried])


def _episodes(summary: Mapping[str, Any]) -> str:
    success = summary["success_rate"]
    rows = [
        ("length", *_three(summary["length"])),
        ("return", *_three(summary["return"])),
    ]
    table = _table(("per episode", "minimum", "mean", "maximum"), rows)
    splits = [(name, f"{part['episodes']:,}", f"{part['steps']:,}") for name, part in summary["splits"].items()]
    seen = "" if success is None else f"\n\nSuccess was seen in {100 * success:.0f} % of the episodes."
    return table + "\n\n" + _table(("split", "episodes", "steps"), splits) + seen


def _statistics(summary: Mapping[str, Any]) -> str:
    figures = ("mean", "std", "minimum", "maximum")
    rows = [
        (f"`{column}{entry}`", *map(_number, values))
        for column, facts in summary["statistics"].items()
        if column not in ("terminated", "truncated", "success")
        for entry, *values in zip(facts["entries"], *(facts[name] for name in figures), strict=True)
    ]
    return _table(("value", "mean", "std", "minimum", "maximum"), rows)


def _factors(summary: Mapping[str, Any]) -> str:
    rows = []
    for name, facts in summary["factors"].items():
        if facts["kind"] == "category":
            values = ", ".join(f"{value} ({count:,})" for value, count in list(facts["counts"].items())[:6])
        elif facts["distinct"] == 1:
            values = _shown(facts["minimum"])
        else:
            values = f"{_shown(facts['minimum'])} to {_shown(facts['maximum'])}"
        rows.append((f"`{name}`", f"{facts['distinct']:,}", values))
    rows.sort(key=lambda row: row[1] == "1")
    return _table(("factor", "distinct values", "which"), rows)


def _recordings(summary: Mapping[str, Any]) -> str:
    commands = [entry["command"] for entry in summary["provenance"] if entry.get("command")]
    told = [f"`{command}`" for command in dict.fromkeys(map(str, commands))]
    software = summary["provenance"][-1].get("writer", {}).get("software", {}) if summary["provenance"] else {}
    versions = ", ".join(f"{name} {version}" for name, version in software.items() if version)
    written = [f"Written with {versions}."] if versions else []
    return "\n\n".join([*told, *(_block(recording) for recording in summary["recordings"]), *written])


def _transfers(provenance: Sequence[Mapping[str, Any]]) -> str:
    transfer = latest_transfer(provenance)
    if transfer is None:
        return ""
    sources = [
        (f"`{source['uri']}`", source["version"], f"{source['episodes']:,}", f"`{source['fingerprint'][:16]}`")
        for source in transfer["sources"]
    ]
    told = f"`{transfer['operation']}` of the episodes below, with {_shown(transfer['options'])}."
    return told + "\n\n" + _table(("source", "version", "episodes", "fingerprint"), sources)


# ------------------------------------------------------------------------------------------------ Markdown


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, cut where it gets long."""
    lines = ["| " + " | ".join(_escape(cell) for cell in row) + " |" for row in rows]
    if not lines:
        return ""
    more = [f"\nand {len(lines) - _MOST_LINES:,} more"] if len(lines) > _MOST_LINES else []
    rule = "|" + "---|" * len(head)
    return "\n".join(["| " + " | ".join(head) + " |", rule, *lines[:_MOST_LINES], *more])


def _escape(cell: object) -> str:
    return str(cell).replace("|", "\\|").replace("\n", " ")


def _block(facts: Mapping[str, Any]) -> str:
    return f"```json\n{json.dumps(facts, indent=2)}\n```"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items() if part is not None)
    if isinstance(value, list):
        return f"({', '.join(map(_shown, value))})"
    return f"`{value}`" if isinstance(value, str) else _number(value)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def _three(spread: Mapping[str, Any]) -> tuple[str, str, str]:
    return _number(spread["minimum"]), _number(spread["mean"]), _number(spread["maximum"])


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "one value"
