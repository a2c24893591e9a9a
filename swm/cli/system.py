"""``swm doctor`` and ``swm demo``."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swm.cli.options import OptionalInt
from swm.cli.output import show_json, show_table


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Check this machine and print the fix for each failure."""

    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> int:
        """Print the outcome of each check; the status is 1 if one failed."""
        from swm.doctor import check_machine

        checks = check_machine()
        if self.json:
            show_json(checks)
        else:
            marks = {"ok": "ok", "warning": "WARNING", "failure": "FAILURE"}
            rows = [{"check": c.name, "": marks[c.status], "found": c.detail, "fix": c.fix} for c in checks]
            show_table("This machine", rows)
        return int(any(check.status == "failure" for check in checks))


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The whole job on TwoRoom: record, train, plan, shift every factor, report.

    A run that was stopped continues where it was.
    """

    out: Path = Path("runs/demo")
    """The folder for everything."""
    training_seeds: OptionalInt = None
    """Models to train, each with a seed of its own; 1 if not given."""
    ood_episodes: OptionalInt = None
    """Tasks per factor and severity; 20 if not given, 2 with --quick."""
    quick: bool = False
    """A minute's version that shows the way and reaches nothing."""

    def run(self) -> int:
        """Run it and print where the report is."""
        from swm.demo import QUICK, DemoConfig, run_demo

        asked = {"training_seeds": self.training_seeds, "ood_episodes": self.ood_episodes}
        changes: dict[str, Any] = {name: count for name, count in asked.items() if count is not None}
        page = run_demo(self.out, replace(QUICK if self.quick else DemoConfig(), **changes))
        print(f"report:  {page}\nfigures: {page.with_name('results.json')}")
        return 0
