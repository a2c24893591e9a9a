"""Provenance is JSON-ready and true."""

import json
import subprocess
import sys
from pathlib import Path

import swm
from swm.core.provenance import describe_hardware, describe_software

ROOT = Path(__file__).parents[2]


def test_software_names_what_runs() -> None:
    facts = describe_software()
    assert facts["swm"] == swm.__version__
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"numpy", "torch", "gymnasium"} <= set(facts)
    assert json.loads(json.dumps(facts)) == facts


def test_the_commit_is_that_of_the_clone() -> None:
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    assert describe_software()["git_commit"] == (done.stdout.strip() or None)


def test_hardware_is_json_ready() -> None:
    facts = describe_hardware()
    assert facts["cores"] >= 1
    assert json.loads(json.dumps(facts)) == facts
