"""Writing the report: the page and its numbers."""

from html import escape
from pathlib import Path
from string import Template

from swm.core.config import write_json
from swm.report import details, sections
from swm.report.data import ReportData

TEMPLATE = Path(__file__).with_name("page.html")


def render_page(data: ReportData) -> str:
    """Return the page: one HTML document that loads nothing from anywhere."""
    parts = [
        sections.headline(data),
        sections.verdicts(data),
        sections.curves(data),
        sections.frames(data),
        details.films(data),
        details.prediction(data),
        details.training(data),
        details.protocol(data),
        details.glossary(),
    ]
    template = Template(TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(title=escape(data.title), body="\n".join(part for part in parts if part))


def write_report(data: ReportData, out_dir: Path) -> Path:
    """Write ``report.html`` and, with every figure in it, ``results.json``; return the page's path."""
    write_json(out_dir / "results.json", data.to_json())
    path = out_dir / "report.html"
    path.write_text(render_page(data), encoding="utf-8")
    return path
