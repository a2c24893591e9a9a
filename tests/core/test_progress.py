import pytest

from swm.core import progress as module
from swm.core.progress import progress


def test_a_log_ends_with_the_total_and_the_rate(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("record", 10, "episodes", done=4) as advance:
        for _ in range(6):
            advance()
    err = capsys.readouterr().err
    assert err.startswith("record: 10/10 episodes (")
    assert err.count("\n") == 1
    assert "left" not in err


def test_a_long_loop_says_where_it_is_and_forecasts_once_it_can(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_LOG_EVERY_S", 0.0)
    with progress("train", 1000, "steps") as advance:
        advance(1, "loss 2")
        advance(499, "loss 1")
    first, second, last = capsys.readouterr().err.splitlines()
    assert first.startswith("train: 1/1,000 steps (")
    assert "left" not in first
    assert first.endswith("loss 2")
    assert second.startswith("train: 500/1,000 steps (")
    assert "s left) loss 1" in second
    assert last.startswith("train: 500/1,000")


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("train", 2, "steps", show=False) as advance:
        advance(2)
    assert capsys.readouterr().err == ""
