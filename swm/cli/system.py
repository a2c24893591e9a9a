"""``swm doctor`` and ``swm demo``."""

from dataclasses import dataclass
from pathlib import Path

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
            show_table("This machine", rows, as_json=False)
        return int(any(check.status == "failure" for check in checks))


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The whole job on TwoRoom: record, train, plan, shift every factor, report.

    A run that was stopped continues where it was.
    """

    out: Path = Path("runs/demo")
    """The folder for everything."""
    training_seeds: int = 1
    """Models to train, each with a seed of its own."""
    ood_episodes: int = 10
    """Tasks per factor and severity."""
    quick: bool = False
    """A minute's version that shows the way and reaches nothing."""

    def run(self) -> int:
        """Run it and print where the report is."""
        from swm.demo import QUICK, DemoConfig, run_demo

        config = DemoConfig(training_seeds=self.training_seeds, ood_episodes=self.ood_episodes)
        page = run_demo(self.out, QUICK if self.quick else config)
        print(f"report:  {page}\nfigures: {page.with_name('results.json')}")
        return 0
