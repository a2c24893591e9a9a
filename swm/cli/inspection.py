"""``swm inspect``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swm.cli.options import DatasetPath, OptionalPath
from swm.cli.output import cell, show_facts, show_json, show_table, span
from swm.cli.sparkline import sparkline

_FLAGS = ("terminated", "truncated", "success")
_MOST_ENTRIES = 4
"""Entries of a vector whose histograms are shown."""
_MOST_ROWS = 32
"""Lines of the table of values; ``--json`` and ``--html`` have the rest."""


@dataclass(frozen=True, kw_only=True)
class Inspect:
    """Show what a dataset holds."""

    uri: DatasetPath
    """The dataset."""
    json: bool = False
    """Print JSON instead of tables."""
    html: OptionalPath = None
    """Also write one self-contained page with plots and pictures."""

    def run(self) -> int:
        """Print the summary."""
        from swm import data

        dataset = data.open(self.uri)
        summary = data.summarize(dataset)
        if self.html is not None:
            from swm.report.dataset import write_dataset_page

            write_dataset_page(dataset, self.html, summary=summary)
        if self.json:
            show_json(summary)
            return 0
        show_summary(summary)
        if self.html is not None:
            print(self.html)
        return 0


def show_summary(summary: Mapping[str, Any]) -> None:
    """Print what `swm.data.summarize` found, the factors that vary apart from those that do not."""
    show_facts(summary["uri"], _facts(summary))
    show_table("Columns", [_column(column) for column in summary["columns"].values()])
    values = list(_values(summary["statistics"]))
    if values:
        show_table("Values", values[:_MOST_ROWS])
        _say_rest(len(values))
    factors = summary["factors"]
    if varying := [_varying(name, facts) for name, facts in factors.items() if facts["distinct"] > 1]:
        show_table("Factors that vary", varying)
    if fixed := [{"factor": name, "value": _only(facts)} for name, facts in factors.items() if facts["distinct"] == 1]:
        show_table("Factors of one value", fixed)
    if summary["payload"]:
        rows = [{"once per episode": name, **facts} for name, facts in summary["payload"].items()]
        show_table("Payload of the first episode", rows)
    if summary["notes"]:
        show_facts("Notes", {"-" * (index >= 0): note for index, note in enumerate(summary["notes"])})


def _facts(summary: Mapping[str, Any]) -> dict[str, Any]:
    from swm.data.summary import byte_text

    origin = {name.removesuffix("_id"): ", ".join(counts) for name, counts in summary["origin"].items() if counts}
    seeds = [recording["seed"] for recording in summary["recordings"] if "seed" in recording]
    splits = [f"{name} {part['episodes']:,} ({part['steps']:,} steps)" for name, part in summary["splits"].items()]
    success = summary["success_rate"]
    facts = {
        **origin,
        "seed": seeds,
        "format": summary["format"],
        "episodes": f"{summary['num_episodes']:,} with {summary['num_steps']:,} steps",
        "splits": ", ".join(splits),
        "length": _spread(summary["length"]),
        "return": _spread(summary["return"]),
        "success": "" if success is None else f"{100 * success:.0f} % of the episodes",
        "on disk": f"{byte_text(summary['disk_bytes'])}, {byte_text(summary['bytes_per_observation'])} per observation",
        "recorded by": _origin(summary["provenance"]),
        "version": summary["version"],
        "fingerprint": summary["fingerprint"],
        "torn rows": summary["torn_rows"] or "",
    }
    return {name: value for name, value in facts.items() if value not in ("", [])}


def _origin(provenance: Sequence[Mapping[str, Any]]) -> str:
    """One phrase per writing session: a recording, a transfer, or a command."""
    told = []
    for session in provenance:
        transfer = session.get("transfer")
        if transfer:
            told.append(f"{transfer['operation']} of {', '.join(source['uri'] for source in transfer['sources'])}")
        elif session.get("command"):
            told.append(str(session["command"]))
    return "; ".join(dict.fromkeys(told))


def _spread(figures: Mapping[str, Any]) -> str:
    if figures["mean"] is None:
        return ""
    if figures["minimum"] == figures["maximum"]:
        return cell(figures["minimum"])
    reach = span(figures["minimum"], figures["maximum"])
    return f"{reach}, mean {cell(figures['mean'])}  {sparkline(figures['histogram'])}"


def _column(column: Mapping[str, Any]) -> dict[str, Any]:
    from swm.data.summary import byte_text

    return {
        "column": column["name"],
        "dtype": column["dtype"],
        "shape": " x ".join(map(str, column["shape"])),
        "per": "action" if column["role"] == "transition" else "observation",
        "codec": column["codec"],
        "on disk": byte_text(column["disk_bytes"]),
        "per row": byte_text(column["bytes_per_row"]),
    }


def _values(statistics: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One line per number of a step; flags are told by their share alone."""
    for name, facts in statistics.items():
        for index, entry in enumerate(facts["entries"]):
            figures = {key: facts[key][index] for key in ("mean", "std", "minimum", "maximum")}
            counts = facts["histograms"][index] if facts["histograms"] and name not in _FLAGS else []
            yield {"value": f"{name}{entry}", **figures, "histogram": sparkline(counts)}


def _say_rest(count: int) -> None:
    if count > _MOST_ROWS:
        print(f"and {count - _MOST_ROWS:,} more: see --json or --html")


def _varying(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    if facts["kind"] == "category":
        shown = ", ".join(f"{value} {count:,}" for value, count in list(facts["counts"].items())[:4])
        return {"factor": name, "values": facts["distinct"], "range": shown, "histogram": ""}
    entries = facts["histograms"]
    width = {1: 16, 2: 8, 3: 8}.get(len(entries), 4)
    lines = "│".join(sparkline(counts, width) for counts in entries[:_MOST_ENTRIES])
    return {
        "factor": name,
        "values": facts["distinct"],
        "range": span(_least(facts["minimum"], min), _least(facts["maximum"], max)),
        "histogram": lines,
    }


def _least(value: Any, choose: Any) -> Any:
    """The extreme of a number or of a vector of any rank."""
    return choose(_least(part, choose) for part in value) if isinstance(value, list) else value


def _only(facts: Mapping[str, Any]) -> Any:
    return next(iter(facts["counts"])) if facts["kind"] == "category" else facts["minimum"]
