import sys
import types

import pytest

from swm import doctor
from swm.cli import main


def test_what_the_default_job_needs_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    checks = {check.name: check for check in doctor.check_machine()}
    assert {"python", "torch", "lance", "jpeg", "video", "gl egl", "gl osmesa"} <= set(checks)
    assert [check for check in checks.values() if check.status == "failure"] == []


def test_the_wrong_lance_package_is_named_with_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lance", types.ModuleType("lance"))
    check = doctor.CHECKS["lance"]()
    assert check.status == "failure"
    assert "unrelated PyPI project" in check.detail
    assert "pip uninstall -y lance pylance && pip install 'pylance" in check.fix


def test_missing_gl_is_a_warning_with_the_apt_line() -> None:
    check = doctor.check_gl("no-such-backend")
    assert check.status == "warning"
    assert "apt-get install -y libegl1" in check.fix


def test_a_broken_package_does_not_stop_the_other_checks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    monkeypatch.setattr(doctor, "check_gl", lambda backend: doctor.Check(name=f"gl {backend}", status="ok", detail=""))
    assert main(["doctor", "--json"]) == 1
    out = capsys.readouterr().out
    assert '"name": "jpeg",\n    "status": "failure"' in out
    assert '"name": "video",\n    "status": "ok"' in out
