"""The report of bench_envs.py as Markdown."""

import statistics
from typing import Any

_LENGTH = 110
"""Characters of an error that a table shows; the report has all of it."""


def tables(report: dict[str, Any]) -> str:
    """Speed, what the peer could not do, coverage, and the machine."""
    lines = [_line("environment", "executor", *_heads(report)), _line("---", "---", *["---:"] * 3 * _columns(report))]
    notes = []
    for name, row in report["rows"].items():
        ours, peer = row["ours"], _with_backup(row.get("peer", {}))
        cells = [f"{name}{', ' + _arguments(row['arguments']) if row['arguments'] else ''}", ours.get("executor", "")]
        for what in _whats(report):
            mine, theirs = _rates(ours, what), _rates(peer, what)
            marked = "*" if theirs and what in peer.get("backed", ()) else ""
            cells += [_spread(mine), _spread(theirs) + marked, _ratio(mine, theirs)]
        lines.append(_line(*cells))
        bare = [each["instead_of_world"] for each in peer.get("resets", []) if "instead_of_world" in each]
        notes += [
            f"{name}, peer: a World does not reset with factors; bare ones do: {_short(each)}" for each in bare[:1]
        ]
        notes += [_note(name, "ours", ours)] if "error" in ours else []
        notes += [_note(name, "peer", row["peer"])] if "error" in row.get("peer", {}) else []
    lines += ["", *(f"- {note}" for note in notes), ""] if notes else [""]
    for side, found in report.get("coverage", {}).items():
        lines.append(f"- {side}: {found['work']} of {found['ids']} ids construct, reset, step, render and record")
        lines += [f"  - {name}: {each['failed']}: {_short(each['reason'])}" for name, each in found["failures"].items()]
    software, hardware = report["software"], report["hardware"]
    lines += [
        "",
        f"{hardware['processor']}, {hardware['cores']} cores, Python {software['python']}, "
        f"commit {str(software['git_commit'])[:10]}, {report['seconds']:.0f} s.",
    ]
    return "\n".join(lines)


def _columns(report: dict[str, Any]) -> int:
    return len(_whats(report))


def _whats(report: dict[str, Any]) -> list[str]:
    return [*(f"steps_{size}" for size in report["sizes"]), "resets"]


def _heads(report: dict[str, Any]) -> list[str]:
    names = [*(f"steps/s, {size} px" for size in report["sizes"]), "resets/s"]
    return [head for name in names for head in (name, "peer", "ratio")]


def _with_backup(peer: dict[str, Any]) -> dict[str, Any]:
    """The peer's numbers; what it could not do with EGL is taken from OSMesa, else from the loop."""
    again = peer.get("again")
    if not again:
        return peer
    filled, backed = dict(peer), set()
    software, loop = again["osmesa"], again["loop"].get("loop")
    for what in {*peer, *software, *(["steps_64", "steps_224"] if loop else [])}:
        if what.startswith(("steps_", "resets")) and not peer.get(what):
            filled[what] = software.get(what) or (loop if what.startswith("steps_") else [])
            backed.add(what)
    return {**filled, "backed": backed}


def _note(name: str, side: str, found: dict[str, Any]) -> str:
    """Why a side failed, and what stands in its place."""
    text = f"{name}, {side}: does not run: {_short(found['error'])}"
    again = found.get("again")
    if not again:
        return text
    if "error" in again["osmesa"]:
        text += f"; with OSMesa: {_short(again['osmesa']['error'])}"
    else:
        text += "; the numbers marked * are with OSMesa"
    if loop := again["loop"].get("loop"):
        text += (
            f"; best case, one environment stepped and rendered in a loop, nothing recorded: {_spread(_all(loop))}/s"
        )
    return text


def _rates(found: dict[str, Any], what: str) -> list[float]:
    return _all(found.get(what, []))


def _all(samples: list[dict[str, Any]]) -> list[float]:
    return [sample["per_second"] for sample in samples]


def _spread(rates: list[float]) -> str:
    """The median, the least and the most."""
    if not rates:
        return "-"
    spread = f" ({_number(min(rates))}-{_number(max(rates))})" if len(rates) > 1 else ""
    return _number(statistics.median(rates)) + spread


def _ratio(mine: list[float], theirs: list[float]) -> str:
    return f"{_number(statistics.median(mine) / statistics.median(theirs))}x" if mine and theirs else "-"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _arguments(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in arguments.items())


def _short(text: str) -> str:
    plain = " ".join(text.split()).replace("|", "/")
    return plain if len(plain) <= _LENGTH else plain[:_LENGTH] + " ..."


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
