import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from swm import envs
from swm.cli import COMMANDS, main
from swm.core.registry import load_target
from swm.demo import QUICK, DemoConfig
from swm.evaluation import load_tasks

ENV_ID = "swm/TwoRoom-v0"
ROOT = Path(__file__).parents[1]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from swm.cli import main; main(['--help']); "
        "print([m for m in ('torch', 'tyro', 'rich', 'lance', 'numpy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith("[]")
    assert all(f"  {name} " in run.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(load_target(COMMANDS[name][0]).run)
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    assert f"usage: swm {name}" in capsys.readouterr().out


def test_an_unknown_command_names_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["colect"]) == 2
    assert "error: unknown command: 'colect'. Did you mean 'collect'" in capsys.readouterr().err


def test_environments_and_factors_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["envs", "--json"]) == 0
    assert "swm/TwoRoom-v0" in [row["id"] for row in json.loads(capsys.readouterr().out)]
    assert main(["factors", "swm/TwoRoom-v0", "--json"]) == 0
    rows = {row["factor"]: row for row in json.loads(capsys.readouterr().out)}
    assert len(rows) >= 16
    assert rows["agent.color"]["range"] == [0, 255]
    assert main(["factors", "swm/TwoRooms-v0"]) == 2
    assert "Did you mean 'swm/TwoRoom-v0'" in capsys.readouterr().err


# ------------------------------------------------------------------------ from a dataset to a report

LIGHT = ("--set", "num_samples=4", "num_iterations=1", "num_elites=2", "--horizon", "2", "--receding-horizon", "2")
SMALL = ("train.batch_size=8", "train.eval_every=2", "train.eval_batches=1", "model.predictor_depth=1")


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """A small dataset, a model trained on it, and a small task set."""

    dataset: Path
    checkpoint: Path
    tasks: Path

    def measure(self, command: str, *words: str) -> list[str]:
        tasks = ("--tasks", str(self.tasks))
        return [command, str(self.checkpoint), *tasks, "--num-envs", "6", "--device", "cpu", *LIGHT, *words]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("pipeline")
    made = Pipeline(dataset=folder / "data", checkpoint=folder / "train" / "best", tasks=folder / "few.json")
    whole = load_tasks("two_room-v1")
    dataclasses.replace(whole, name="few", tasks=whole.tasks[:6]).save(made.tasks)
    size = ("--episodes", "12", "--max-steps", "40", "--num-envs", "12")
    assert main(["collect", ENV_ID, str(made.dataset), *size, "--variation", "agent.color"]) == 0
    train = ("--out", str(made.checkpoint.parent), "--steps", "2", "--device", "cpu", "--set", *SMALL)
    assert main(["train", "lewm", str(made.dataset), *train]) == 0
    return made


def output(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command that succeeds prints."""
    capsys.readouterr()
    assert main(words) == 0
    return capsys.readouterr().out


def test_collect_continues(pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["collect", ENV_ID, str(tmp_path / "d"), "--max-steps", "5", "--image-size", "16", "--codec", "raw"]
    assert "2 episodes, 10 steps" in output([*words, "--episodes", "2"], capsys)
    assert "5 episodes, 25 steps" in output([*words, "--episodes", "5"], capsys)
    assert main([*words, "--episodes", "5", "--seed", "1"]) == 2
    assert "seed: 0 there, 1 now" in capsys.readouterr().err
    assert "3 episodes, 15 steps" in output([*words, "--episodes", "3", "--seed", "1", "--overwrite"], capsys)


def test_inspect_shows_the_dataset(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = json.loads(output(["inspect", str(pipeline.dataset), "--json"], capsys))
    assert (summary["num_episodes"], summary["num_steps"]) == (12, 480)
    assert summary["provenance"][0]["recording"]["env_id"] == ENV_ID
    assert summary["factors"]["agent.color"]["distinct"] == 12
    text = output(["inspect", str(pipeline.dataset)], capsys)
    assert summary["fingerprint"] in text
    assert max(map(len, text.splitlines())) <= 80
    varying, fixed = text.split("Factors that vary")[1].split("Factors of one value")
    assert "agent.color" in varying
    assert "wall.thickness" in fixed


def test_preview_writes_a_sheet_and_a_film(
    pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["preview", str(pipeline.dataset), "--out", str(tmp_path), "--episodes", "0:2,-1", "--columns", "4"]
    assert output(words, capsys).split() == [str(tmp_path / "sheet.png"), str(tmp_path / "film.mp4")]
    assert (tmp_path / "sheet.png").read_bytes()[:4] == b"\x89PNG"
    assert b"ftyp" in (tmp_path / "film.mp4").read_bytes()[:16]


def test_verify_tells_a_whole_dataset_from_a_damaged_one(
    pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "every episode is what was written" in output(["verify", str(pipeline.dataset)], capsys)
    report = json.loads(output(["verify", str(pipeline.dataset), "--json"], capsys))
    assert (report["num_episodes"], report["problems"]) == (12, [])
    copy = tmp_path / "copy"
    shutil.copytree(pipeline.dataset, copy)
    largest = max((copy / "steps.lance").rglob("*.lance"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    largest.write_bytes(content)
    assert main(["verify", str(copy)]) == 1


def test_train_applies_every_change_and_continues(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    provenance = json.loads((pipeline.checkpoint / "provenance.json").read_text(encoding="utf-8"))
    config = json.loads((pipeline.checkpoint / "config.json").read_text(encoding="utf-8"))
    assert config["config"]["predictor_depth"] == 1
    assert provenance["train"]["batch_size"] == 8
    assert provenance["train"]["device"] == "cpu"
    assert provenance["train"]["steps"] == 2
    words = ["train", "lewm", str(pipeline.dataset), "--out", str(pipeline.checkpoint.parent), "--device", "cpu"]
    assert str(pipeline.checkpoint) in output([*words, "--steps", "2", "--set", *SMALL], capsys)
    assert main([*words, "--steps", "3", "--set", *SMALL]) == 2
    assert "steps" in capsys.readouterr().err


def test_eval_bench_and_report(
    pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ("--out", str(tmp_path))
    table = json.loads(output(pipeline.measure("eval", *out, "--json"), capsys))
    assert list(table) == ["model", "random", "no-op", "oracle"]
    assert table["oracle"]["success"]["successes"] == 6
    monkeypatch.setenv("COLUMNS", "100")
    text = output(pipeline.measure("eval", *out), capsys)
    assert max(map(len, text.splitlines())) <= 100
    assert all(name in text for name in table)
    page = str(tmp_path / "report.html")
    assert output(pipeline.measure("report", *out), capsys).strip() == page
    size = ("--factors", "agent.color", "agent.speed", "--episodes", "2", "--severities", "0", "1")
    assert output(pipeline.measure("bench", *out, *size, "--data", str(pipeline.dataset)), capsys).strip() == page
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert {cell["factor"] for cell in results["out_of_distribution"]["cells"]} == {None, "agent.color", "agent.speed"}
    assert set(results["probe"]) == {"x", "y"}
    assert output(pipeline.measure("report", *out), capsys).strip() == page
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["out_of_distribution"]["cells"]


def test_the_demo_command_passes_its_options_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[DemoConfig] = []

    def run_demo(out_dir: Path, config: DemoConfig) -> Path:
        asked.append(config)
        return out_dir / "report.html"

    monkeypatch.setattr("swm.demo.run_demo", run_demo)
    output(["demo", "--out", str(tmp_path)], capsys)
    output(["demo", "--out", str(tmp_path), "--quick"], capsys)
    text = output(["demo", "--out", str(tmp_path), "--quick", "--ood-episodes", "3", "--training-seeds", "2"], capsys)
    assert asked == [DemoConfig(), QUICK, dataclasses.replace(QUICK, ood_episodes=3, training_seeds=2)]
    assert str(tmp_path / "results.json") in text


def test_factors_keep_their_names_whole_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = output(["factors", ENV_ID], capsys)
    assert max(map(len, text.splitlines())) <= 100
    assert all(f" {name} " in text for name in envs.make(ENV_ID).factors)


# ------------------------------------------------------------------------------------------ mistakes


def mistakes(pipeline: Pipeline, folder: Path) -> dict[str, tuple[list[str], str]]:
    """Name -> a command with one mistake, and what its message must say."""
    data, out = str(pipeline.dataset), ("--out", str(folder / "out"))
    train = ["train", "lewm", data, *out, "--steps", "1"]
    collect = ["collect", ENV_ID, str(folder / "d"), "--episodes", "1"]
    return {
        "environment": (["collect", "swm/TwoRom-v0", str(folder / "d")], "Did you mean 'swm/TwoRoom-v0'"),
        "policy": ([*collect, "--policy", "expart"], "Did you mean 'expert'"),
        "factor": ([*collect, "--variation", "agent.colour"], "Did you mean 'agent.color'"),
        "executor": ([*collect, "--executor", "nativ"], "Did you mean 'native'"),
        "baseline": (["train", "lewn", data, *out], "Did you mean 'lewm'"),
        "preset": ([*train, "--preset", "tinny"], "Did you mean 'tiny'"),
        "training field": ([*train, "--set", "train.batchsize=8"], "Did you mean 'batch_size'"),
        "model field": ([*train, "--set", "model.latent_dims=8"], "Did you mean 'latent_dim'"),
        "section": ([*train, "--set", "trian.steps=8"], "Did you mean 'train'"),
        "form": ([*train, "--set", "batch_size=8"], "written section.field=value"),
        "no value": ([*train, "--set", "train.batch_size"], "written section.field=value"),
        "type": ([*train, "--set", "train.batch_size=many"], "must be of type int, got 'many'"),
        "range": ([*train, "--set", "train.batch_size=0"], "batch_size must be at least 1, got 0"),
        "tracker": ([*train, "--trackers", "tensorbord"], "Did you mean 'tensorboard'"),
        "no dataset": (["train", "lewm", str(folder / "none"), *out], "no dataset at"),
        "a file in the way": (["preview", data, "--out", str(pipeline.tasks)], str(pipeline.tasks)),
        "inspect": (["inspect", str(folder / "none")], "no dataset at"),
        "verify": (["verify", str(folder)], "is not a dataset"),
        "preview": (["preview", str(folder / "none")], "no dataset at"),
        "no checkpoint": (["eval", str(folder / "none")], "A checkpoint is a directory with"),
        "task set": ([*pipeline.measure("bench", *out), "--tasks", "two_room-v9"], "Did you mean 'two_room-v1'"),
        "solver": ([*pipeline.measure("eval", *out), "--solver", "cme"], "Did you mean 'cem'"),
        "option": ([*pipeline.measure("eval", *out), "--set", "num_sample=3"], "Did you mean 'num_samples'"),
        "option's form": ([*pipeline.measure("eval", *out), "--set", "num_samples"], "written name=number"),
        "option's type": ([*pipeline.measure("eval", *out), "--set", 'num_samples="a"'], "must be of type int"),
        "objective": ([*pipeline.measure("eval", *out), "--objective", "lost"], "Did you mean 'last'"),
        "horizon": ([*pipeline.measure("eval", *out), "--horizon", "1"], "receding_horizon must be from 1 to horizon"),
        "shifted factor": ([*pipeline.measure("bench", *out), "--factors", "agent.colr"], "Did you mean 'agent.color'"),
        "severities": ([*pipeline.measure("bench", *out), "--severities", "0.5"], "severities must rise from 0.0"),
    }


def test_each_mistake_is_one_line_that_helps(
    pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, (words, expected) in mistakes(pipeline, tmp_path).items():
        capsys.readouterr()
        assert main(words) == 2, name
        said = capsys.readouterr()
        assert said.out == "", name
        assert said.err.startswith("error: "), name
        assert said.err.count("\n") == 1, name
        assert expected in said.err, (name, said.err)
        assert not list(tmp_path.iterdir()), name
