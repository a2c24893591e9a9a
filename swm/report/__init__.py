"""The report of a model: one self-contained page, the same numbers as JSON, and one figure."""

from swm.report.clips import Clip, film
from swm.report.data import ReportData
from swm.report.figure import report_figure
from swm.report.page import write_report

__all__ = ["Clip", "ReportData", "film", "report_figure", "write_report"]
