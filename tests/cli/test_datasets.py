"""The commands that look at datasets and write them anew."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swm.data
from swm.cli import main
from swm.cli.sparkline import sparkline
from swm.data import FORMATS


def episode(seed: int, length: int) -> swm.data.Episode:
    rng = np.random.default_rng(seed)
    last = np.arange(length) == length - 1
    return swm.data.Episode(
        observation={
            "pixels": rng.integers(0, 256, (length + 1, 8, 8, 3), dtype=np.uint8),
            "a/very.long name of a component": rng.normal(size=(length + 1, 3)),
            "instruction": np.array(["lift the cup"] * (length + 1)),
        },
        action=rng.uniform(-1, 1, (length, 2)).astype(np.float32),
        reward=rng.normal(size=length),
        terminated=last,
        truncated=last & False,
        success=last & bool(seed % 2),
        metadata={
            "seed": seed,
            "env_id": "lab/arm",
            "variation": {"mass": seed / 4, "kind": ["cup", "bowl"][seed % 2]},
        },
    )


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    with swm.data.create(tmp_path / "source", codec="png", provenance={"command": "record"}) as writer:
        for seed in range(8):
            writer.write(episode(seed, 4 + seed))
    return str(tmp_path / "source")


def output(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command that succeeds prints."""
    capsys.readouterr()
    assert main(words) == 0
    return capsys.readouterr().out


def test_inspect_fits_a_terminal(dataset: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = output(["inspect", dataset], capsys)
    assert max(map(len, text.splitlines())) <= 80
    assert "lab/arm" in text
    assert "cup 4, bowl 4" in text
    assert "▁" in text
    summary = json.loads(output(["inspect", dataset, "--json"], capsys))
    assert summary == swm.data.summarize(swm.data.open(dataset))


def test_the_page_stands_alone(dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "pages" / "source.html"
    assert output(["inspect", dataset, "--html", str(page)], capsys).splitlines()[-1] == str(page)
    text = page.read_text(encoding="utf-8")
    assert "data:image/png;base64," in text
    assert "<svg" in text
    for name in ("a/very.long name of a component[2]", "mass", "instruction", "lab/arm"):
        assert name in text
    assert 'src="http' not in text
    assert 'href="http' not in text


def test_a_page_without_pictures_or_factors(tmp_path: Path) -> None:
    with swm.data.create(tmp_path / "d<b>") as writer:
        plain = episode(0, 5)
        state = {"state": np.full((6, 200), np.nan)}
        writer.write(swm.data.Episode(**{**vars(plain), "observation": state, "metadata": {}}))
    assert main(["inspect", str(tmp_path / "d<b>"), "--html", str(tmp_path / "p.html")]) == 0
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "<img" not in text
    assert "d&lt;b&gt;" in text
    assert "d<b>" not in text


def test_each_transfer_says_what_it_did(dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy, loud = str(tmp_path / "copy"), str(tmp_path / "loud")
    text = output(["convert", dataset, copy], capsys)
    assert text.splitlines() == [f"{copy}: 8 episodes, 60 steps", "  pictures copied as they were stored: pixels"]
    assert "was complete already" in output(["convert", dataset, copy], capsys)
    text = output(["convert", dataset, loud, "--codec", "jpeg", "--columns", "pixels"], capsys)
    assert "note: The pictures of 'pixels' were decoded (png) and encoded again (jpeg)" in text
    words = [
        "filter",
        dataset,
        str(tmp_path / "f"),
        "--where",
        'success and variation["mass"] > 0.5',
        "--episodes",
        "0:6",
    ]
    report = json.loads(output([*words, "--json"], capsys))
    assert (report["episodes"], report["steps"]) == (2, 7 + 9)
    parts = output(["split", dataset, "--out", str(tmp_path / "s"), "--fractions", "train=0.75", "test=0.25"], capsys)
    assert [line.partition(": ")[2][:10] for line in parts.splitlines()[:2]] == ["6 episodes", "2 episodes"]
    sources = [str(tmp_path / "s" / name) for name in ("train", "test")]
    merged = output(["merge", *sources, "--out", str(tmp_path / "m"), "--json"], capsys)
    assert json.loads(merged)["episodes"] == 8
    assert main(["merge", dataset, loud, "--out", str(tmp_path / "c"), "--common"]) == 0
    assert list(swm.data.open(tmp_path / "c").columns) == ["pixels", *swm.data.TRANSITIONS]


def test_formats_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(output(["formats", "--json"], capsys))
    assert [row["format"] for row in rows] == list(FORMATS)
    assert {row["format"]: row["writes"] for row in rows}["stable-worldmodel"] is False
    assert max(map(len, output(["formats"], capsys).splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["filter", "--where", "lenght > 3"], "Did you mean 'length'"),
        (["filter", "--where", "length >"], "at its end"),
        (["filter", "--episodes", "0-3"], "Write for example 0:100,200"),
        (["filter"], "neither"),
        (["convert", "--format", "hdf"], "Did you mean 'hdf5'"),
        (["convert", "--columns", "pixel"], "Did you mean 'pixels'"),
        (["split", "--fractions", "train"], "written name=share"),
        (["split", "--fractions", "a=0.5", "a=0.5"], "named twice"),
        (["split", "--fractions", "a=0.9", "b=0.9"], "sum to at most 1"),
        (["merge"], "hold the same episodes"),
        (["preview", "--cameras", "pixel"], "Did you mean 'pixels'"),
        (["preview", "--episodes", "99"], "there are 8"),
    ],
)
def test_each_mistake_is_one_line_that_helps(
    dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    new = str(tmp_path / "new")
    places: dict[str, list[Any]] = {"split": [dataset, "--out", new], "preview": [dataset, "--out", new]}
    places["merge"] = [dataset, dataset, "--out", new]
    command, *options = words
    assert main([command, *places.get(command, [dataset, new]), *options]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert expected in said.err
    assert not (tmp_path / "new").exists()


def test_what_the_disk_refuses_is_told_plainly(
    dataset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["preview", dataset, "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'file'}: File exists\n"
    assert main(["convert", dataset, str(tmp_path / "file" / "new"), "--format", "mp4"]) == 2
    assert "new cannot be written: " in capsys.readouterr().err
    assert main(["convert", dataset, "s3://bucket/new", "--format", "mp4"]) == 2
    assert "'mp4' is written on local disks alone" in capsys.readouterr().err


@pytest.mark.filterwarnings("always")
def test_a_warning_is_one_line(
    dataset: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("swm.cli._run", lambda *_: warnings.warn("rows are ignored", stacklevel=1))
    main(["inspect", dataset])
    assert capsys.readouterr().err == "warning: rows are ignored\n"


def test_verify_prints_the_first_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with swm.data.create(tmp_path / "many", format="images") as writer:
        for seed in range(24):
            writer.write(episode(seed, 1))
    for folder in (tmp_path / "many").glob("episode_*/pixels"):
        shutil.rmtree(folder)
    assert main(["verify", str(tmp_path / "many")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), lines[-1]) == (22, "and 4 more problems: see --json")
    assert main(["verify", str(tmp_path / "many"), "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 24
    assert main(["inspect", str(tmp_path / "many")]) == 2
    assert "Restore it from a copy" in capsys.readouterr().err


def test_a_sparkline_shows_where_the_counts_are() -> None:
    assert sparkline([0, 1, 8, 4]) == " ▁█▄"
    assert sparkline([1, 1, 2, 2], 2) == "▄█"
    assert sparkline([0, 0]) == "  "
    assert sparkline([1, 10**9]) == "▁█"
