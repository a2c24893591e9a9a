"""Writing datasets from datasets: convert, merge, filter and split."""

from swm.data.transfer.operations import convert, filter, merge, split
from swm.data.transfer.run import TransferReport

__all__ = ["TransferReport", "convert", "filter", "merge", "split"]
