"""The command line: one console script, each command a dataclass whose fields are its options."""

import os
import sys
import warnings
from collections.abc import Sequence

from swm.core.errors import SwmError, UnknownNameError
from swm.core.registry import load_target
from swm.core.version import __version__

COMMANDS: dict[str, tuple[str, str]] = {
    "envs": ("swm.cli.environments:Envs", "list the environments"),
    "factors": ("swm.cli.environments:Factors", "list the factors of variation of an environment"),
    "collect": ("swm.cli.datasets:Collect", "record a dataset, or continue one that was stopped"),
    "inspect": ("swm.cli.inspection:Inspect", "show what a dataset holds"),
    "preview": ("swm.cli.datasets:Preview", "write a contact sheet and a video of a dataset"),
    "verify": ("swm.cli.datasets:Verify", "check a dataset against its checksums"),
    "compact": ("swm.cli.upkeep:Compact", "merge a dataset's files and forget its old versions"),
    "tag": ("swm.cli.upkeep:Tag", "give a version of a dataset a name that keeps it"),
    "versions": ("swm.cli.upkeep:Versions", "list the versions of a dataset"),
    "convert": ("swm.cli.transfer:Convert", "write a dataset again, in any format"),
    "merge": ("swm.cli.transfer:Merge", "write several datasets into one"),
    "split": ("swm.cli.transfer:Split", "write a dataset into several"),
    "filter": ("swm.cli.transfer:Filter", "write the episodes that fulfil a condition into another dataset"),
    "formats": ("swm.cli.transfer:Formats", "list the formats of datasets"),
    "train": ("swm.cli.models:Train", "train a world model on a dataset, or continue"),
    "tasks": ("swm.cli.tasks:Tasks", "build a task set, for environments without one in the package"),
    "eval": ("swm.cli.evaluation:Eval", "measure planning success on a task set"),
    "bench": ("swm.cli.evaluation:Bench", "measure planning under each factor's shift"),
    "report": ("swm.cli.evaluation:Report", "write the page for results of bench"),
    "doctor": ("swm.cli.system:Doctor", "check this machine and print the fix for each failure"),
    "demo": ("swm.cli.system:Demo", "the whole job on TwoRoom: record, train, plan, report"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words after the program's name; None takes them from the process.

    Returns:
        The exit status: 0 for success, 1 for a failed check or a reader that left, 2 for bad input, 130 when
        interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0
    if words[0] == "--version":
        print(__version__)
        return 0
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            return _run(words[0], words[1:])
    except SwmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, for example head, has what it wants: end as rich does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        text = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else error
        print(f"error: {text}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; what was committed is kept, and the same command continues from there", file=sys.stderr)
        return 130


def usage() -> str:
    """The text of ``swm --help``."""
    rows = "\n".join(f"  {name:<9} {summary}" for name, (_, summary) in COMMANDS.items())
    return f"usage: swm COMMAND [OPTIONS]\n\n{rows}\n\nOptions of a command: swm COMMAND --help"


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning without the line of code that gave it."""
    print(f"warning: {message}", file=sys.stderr)


def _run(name: str, words: list[str]) -> int:
    if name not in COMMANDS:
        raise UnknownNameError("command", name, COMMANDS)
    import tyro

    target, summary = COMMANDS[name]
    command = tyro.cli(
        load_target(target),
        prog=f"swm {name}",
        description=f"{summary[0].upper()}{summary[1:]}.",
        args=words,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
    )
    status: int = command.run()
    return status
