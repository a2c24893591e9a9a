"""``swm doctor`` and ``swm demo``."""

from dataclasses import dataclass

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
