"""The commands as a user types them: sweeps, interruptions, launchers, the mirror, and the run store's own command."""

import importlib.util
import json
import os
import re
import runpy
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from convscope import sweep
from convscope.rows import read_csv
from convscope.runs import Run, Store

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
TINY = ("data.copies=1", "fit.iterations=14", "fit.warmup=0", "baseline_fit.iterations=14", "env.threads=1")
ALONE = (*TINY, "hydra/launcher=basic")
TWO = ("model=gaussian_nb", "signal=one_pixel,clean")


@pytest.fixture(scope="module")
def swept(command, tmp_path_factory):
    """A folder where a sweep of two cells was run in two processes, and what that said."""
    folder = tmp_path_factory.mktemp("swept")
    return folder, command("blindspots.py", *TINY, *TWO, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", cwd=folder)


@pytest.fixture
def store(swept, tmp_path):
    """A copy of the swept store that a test may change."""
    shutil.copytree(swept[0] / "runs", tmp_path / "runs")
    return tmp_path


def runs(folder: Path, study: str = "blindspots") -> list[Run]:
    return list(Store(folder / "runs").runs(study))


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns)
            for file in sorted(folder.rglob("*")) if file.is_file() and ".locks" not in file.parts}


def report_of(folder: Path) -> Path:
    (found,) = (folder / "runs" / "results").glob("*/")
    return found


def test_a_sweep_prints_its_table_and_names_its_files(swept):
    folder, done = swept
    assert done.code == 0, done.err
    assert done.lines[0] == "2 cells, 0 done, 2 to run" and not any("Warning" in line for line in done.lines)
    cells = sorted(line for line in done.lines if "gaussian_nb" in line)
    assert [line.partition(": accuracy")[0][6:] for line in sorted(cells, key=lambda line: line[6:])] == [
        "digits copies=1 | gaussian_nb | seed 0", "digits copies=1 | one_pixel | gaussian_nb | seed 0"]
    assert {line[:5] for line in cells} == {"[1/2]", "[2/2]"}
    shown = next(line for line in done.out.splitlines() if line.startswith("gaussian_nb")).split()
    assert shown[0] == "gaussian_nb" and shown[2] == "100.0"
    report = report_of(folder)
    assert str(report.relative_to(folder)) in done.out
    names = {file.name for file in report.iterdir()}
    assert {"README.md", "rows.csv", "accuracy.csv", "accuracy.md", "accuracy.tex", "heat.png", "heat.pdf",
            "signals.png"} <= names
    assert {run.state() for run in runs(folder)} == {"done"} and len(runs(folder)) == 2
    told = runs(folder)[0].provenance()["command"]
    assert told.startswith("experiments/blindspots.py data.copies=1 ") and "signal=one_pixel,clean" in told


def test_a_report_is_named_by_what_the_command_changed(swept):
    assert re.fullmatch("blindspots,iterations=14,copies=1,[0-9a-f]{6}", report_of(swept[0]).name)


def test_the_same_command_again_runs_nothing(swept, warm):
    folder, first = swept
    before = contents(folder / "runs" / "blindspots")
    rows = (report_of(folder) / "rows.csv").read_bytes()
    again = warm("blindspots.py", "-m", *TINY, *TWO, cwd=folder)  # as a Hydra user types it, by another launcher
    assert (again.code, again.out) == (0, first.out)
    assert not any("gaussian_nb" in line or "to run" in line for line in again.lines)
    assert contents(folder / "runs" / "blindspots") == before
    assert (report_of(folder) / "rows.csv").read_bytes() == rows


def test_a_plan_runs_nothing_and_doubled_cells_are_one(swept, warm):
    folder, _ = swept
    before = contents(folder)
    plan = warm("blindspots.py", *TINY, "model=gaussian_nb", "signal=one_pixel,clean,one_pixel,noise", "env.plan=true",
                cwd=folder)
    *cells, last = plan.out.splitlines()
    assert (plan.code, plan.err) == (0, "") and contents(folder) == before
    assert [line.split()[1] for line in cells] == ["done", "done", "missing"]
    assert last.startswith("3 cells, 2 done, 1 to run: about ")


def test_a_failing_cell_stops_no_other_and_is_tried_again(warm, tmp_path):
    """A file where the store wants the folder of trainings: every network fails, until it is gone."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "train").touch()
    given = (*ALONE, "model=linear_softmax,gaussian_nb", "signal=clean")
    failed = warm("blindspots.py", *given, cwd=tmp_path)
    assert failed.code == 1 and "Traceback" not in failed.err and "gaussian_nb" in failed.out
    (cell,) = [line for line in failed.lines if line.startswith("[1/2]")]
    assert "digits copies=1 | linear_softmax | seed 0: FAILED: " in cell
    states = {run.config()["model"]["name"]: run for run in runs(tmp_path)}
    assert states["gaussian_nb"].state() == "done" and states["linear_softmax"].state() == "failed"
    assert any(states["linear_softmax"].id in line for line in failed.lines)
    assert states["linear_softmax"].failure() in failed.err and "linear_softmax" not in failed.out

    (tmp_path / "runs" / "train").unlink()
    done = warm("blindspots.py", *given, cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.lines[0] == "2 cells, 1 done, 1 to run" and "linear_softmax" in done.out
    assert {run.state() for run in [*runs(tmp_path), *runs(tmp_path, "train")]} == {"done"}


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def test_interrupted_and_killed_it_goes_on_to_the_same_rows(warm, compose, tmp_path):
    given = (*ALONE, "fit.iterations=90", "env.checkpoint_seconds=0", "model=resnet8", "signal=noise")

    def resume_point() -> int:
        return next((file.stat().st_mtime_ns for file in (tmp_path / "runs" / "train").glob("*/resume.ckpt")), 0)

    with warm.start("blindspots.py", *given, cwd=tmp_path) as (group, end):
        wait_for(resume_point)
        os.killpg(group, signal.SIGINT)  # Ctrl-C
        done = end()
    assert done.code == 130 and done.out == ""
    first, last = done.lines
    assert first == "1 cells, 0 done, 1 to run" and "interrupted: 0 of 1 cells" in last
    (training,) = runs(tmp_path, "train")
    assert training.state() == "cut off" and runs(tmp_path)[0].state() == "cut off"

    reached = resume_point()
    with warm.start("blindspots.py", *given, cwd=tmp_path) as (group, end):
        wait_for(lambda: resume_point() != reached)
        os.killpg(group, signal.SIGKILL)
        assert end().code == -signal.SIGKILL
    assert training.state() == "cut off" and resume_point()

    done = warm("blindspots.py", *given, cwd=tmp_path)
    assert done.code == 0 and "noise" in done.out, done.err
    (cell,), (network,) = runs(tmp_path), runs(tmp_path, "train")
    assert cell.state() == network.state() == "done"

    cfg = compose("model=resnet8", "signal=noise", "fit.iterations=90", "baseline_fit.iterations=14",
                  runs=tmp_path / "other")
    sweep.run_cell(cfg)
    never_interrupted = Run(tmp_path / "other", "blindspots", cell.id)
    assert never_interrupted.state() == "done" and never_interrupted.rows() == cell.rows()
    for name in ("weights.safetensors", "curve.csv", "rows.csv"):
        other = tmp_path / "other" / "train" / network.id / name
        assert other.read_bytes() == (network.folder / name).read_bytes(), name


def test_jobs_by_submitit_with_a_limit(warm, tmp_path):
    done = warm("blindspots.py", *TINY, *TWO, "hydra/launcher=submitit_local", "hydra.sweeper.max_batch_size=1",
                cwd=tmp_path)
    assert done.code == 0 and "gaussian_nb" in done.out, done.err
    assert [run.state() for run in runs(tmp_path)] == ["done", "done"]
    # One at a time: the second was submitted after the first had given its result.
    told = {name: sorted(file.stat().st_mtime for file in (tmp_path / "runs" / ".sweep").rglob(f"*_{name}.pkl"))
            for name in ("submitted", "result")}
    assert len(told["submitted"]) == len(told["result"]) == 2 and told["result"][0] <= told["submitted"][1]


def offline_runs(folder: Path) -> list[dict]:
    """What the mirror wrote, by the reader of its own test."""
    file = Path(__file__).parents[1] / "reporting" / "test_wandb_mirror.py"
    spec = importlib.util.spec_from_file_location("reader_of_offline_runs", file)
    assert spec and spec.loader
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    return reader.stored(folder)


def test_the_mirror_holds_every_cell_once_also_one_that_was_done_before(store, warm):
    assert not (store / "runs" / "wandb").exists()
    given = (*ALONE, "logger=wandb", "logger.project=mine", "model=gaussian_nb,resnet8", "signal=one_pixel")
    done = warm("blindspots.py", *given, cwd=store)
    assert done.code == 0, done.err
    assert done.err.count("wandb sync") == 1  # it says how
    held = {run["run"].run_id: run for run in offline_runs(store / "runs")}
    cells = {run.config()["model"]["name"]: run for run in runs(store) if run.config()["signal"]["name"] != "clean"}
    for name, kind in (("gaussian_nb", "classical"), ("resnet", "convnet")):
        cell = cells[name]
        mirrored = held[cell.id]
        assert (mirrored["run"].run_group, mirrored["run"].job_type) == ("blindspots", kind)
        assert mirrored["run"].project == "mine" and mirrored["exit"] == 0
        assert {f"test/{row.metric}": row.value for row in cell.rows()}.items() <= mirrored["summary"].items()
        assert mirrored["config"]["model"]["name"] == name and mirrored["config"]["seed"] == 0
    points = [point for point in held[cells["resnet"].id]["history"] if "epoch" in point]
    assert [(point["epoch"], point["step"]) for point in points] == [(1, 9), (2, 14)]
    assert all("train_loss" in point for point in points) and held[cells["gaussian_nb"].id]["history"] == []
    (report,) = [run for id, run in held.items() if id not in {cell.id for cell in cells.values()}]
    assert report["run"].job_type == "report"

    assert warm("blindspots.py", *given, cwd=store).code == 0
    counted = [run["run"].run_id for run in offline_runs(store / "runs")]
    assert all(counted.count(cell.id) == 1 for cell in cells.values())


@pytest.fixture
def manage(monkeypatch, capsys):
    """Runs runs.py here: (exit code or message, what it printed), `answer` is what the user types."""
    def run(folder: Path, *arguments: str, answer: str = "") -> tuple[object, str]:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["runs.py", *arguments])
        monkeypatch.setattr("builtins.input", lambda question: print(question) or answer)
        code: object = 0
        try:
            runpy.run_path(str(EXPERIMENTS / "runs.py"), run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
        return code, capsys.readouterr().out

    return run


def test_runs_are_listed_and_shown(store, manage):
    (store / "runs" / "results" / "twelve_chars").mkdir()  # a report is no run, however long its name is
    one, two = runs(store)
    code, out = manage(store)
    assert code == 0 and out == manage(store, "list", "--study", "blindspots", "--state", "done")[1]
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["blindspots", one.id, "done"], ["blindspots", two.id, "done"]]
    cells = [re.sub("  +", "  ", line).split("  ", 1)[1].split("  ") for line in out.splitlines()]
    assert {cell[-1] for cell in cells} == {"digits copies=1 | clean | gaussian_nb | seed 0",
                                            "digits copies=1 | one_pixel | gaussian_nb | seed 0"}
    ended = r"[0-9a-f]{12} done 20\d\d-\d\d-\d\d \d\d:\d\d \d+ s"
    assert all(re.fullmatch(ended, " ".join(cell[:-1])) for cell in cells), cells
    assert manage(store, "list", "--study", "train")[1].strip() == "no runs"
    assert manage(store / "runs" / "results")[1].strip() == "no runs"
    code, out = manage(store, "show", one.id[:5])
    assert code == 0 and two.id not in out and '"fingerprint"' in out and "wall_seconds" in out
    assert (one.folder / "rows.csv").read_text().strip() in out
    assert "no run in runs begins with zz" in str(manage(store, "show", "zz")[0])
    (two.folder / "rows.csv").write_text("")
    assert "edited" in manage(store, "list", two.id)[1] and "rows.csv" in manage(store, "list", two.id)[1]


def test_runs_move_to_another_store(store, manage, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    assert manage(store, "export", str(other / "runs.tar"))[1].startswith("exported 2 finished runs")
    assert manage(other, "import", "runs.tar")[1].startswith("imported 2 runs, 0 ")
    assert [(r.id, r.state(), r.rows()) for r in runs(other)] == [(r.id, r.state(), r.rows()) for r in runs(store)]
    assert manage(other, "import", "runs.tar")[1].startswith("imported 0 runs, 2 ")
    (other / "bad.tar").write_bytes(b"no archive")
    assert str(manage(other, "import", "bad.tar")[0]).startswith("convscope: ")
    assert str(manage(other, "import", "absent.tar")[0]).startswith("convscope: ")


def test_removing_asks_and_never_takes_everything(store, manage, command):
    one, two = runs(store)
    assert "never removes everything" in str(manage(store, "remove")[0])
    assert manage(store, "remove", "--yes")[0] != 0 and len(runs(store)) == 2
    code, out = manage(store, "remove", one.id, answer="n")
    assert code == "nothing removed" and "remove these 1 runs? [y/N]" in out and one.id in out
    assert manage(store, "remove", "--state", "failed", "--yes")[0] == "convscope: no run matches"
    asked = command("runs.py", "remove", one.id, cwd=store)  # nobody is there to answer
    assert asked.code != 0 and len(asked.lines) == 1 and len(runs(store)) == 2
    assert manage(store, "remove", one.id, answer="y")[0] == 0
    assert [run.id for run in runs(store)] == [two.id]
    assert manage(store, "remove", "--study", "blindspots", "--yes")[0] == 0 and runs(store) == []


def test_a_report_is_rebuilt_as_the_sweep_wrote_it(store, warm):
    report = report_of(store)
    before = {file.name: file.read_bytes() for file in report.iterdir()}
    for file in report.iterdir():
        if file.name not in ("rows.csv", "arrays.npz", "provenance.json"):
            file.unlink()
    done = warm("report.py", report.name, cwd=store)
    assert done.code == 0, done.err
    assert {file.name: file.read_bytes() for file in report.iterdir()} == before
    assert f"{report.name}/accuracy.csv" in done.out
    absent = warm("report.py", "absent", cwd=store)
    assert absent.code == 1 and len(absent.lines) == 1 and "no report absent" in absent.err
    assert report.name in absent.err  # what there is instead


def test_an_edited_run_is_refused_by_name_and_an_emptied_one_run_again(store, warm):
    edited, emptied = runs(store)
    rows = edited.folder / "rows.csv"
    rows.write_text(rows.read_text().replace("fraction", "percent"))
    before, measured = contents(edited.folder), emptied.rows()
    for file in emptied.folder.iterdir():
        file.unlink()
    done = warm("blindspots.py", *ALONE, *TWO, cwd=store)
    assert done.code == 1 and "Traceback" not in done.err
    assert done.lines[0] == "2 cells, 0 done, 2 to run" and contents(edited.folder) == before
    assert any(edited.id in line and "rows.csv" in line for line in done.lines)
    assert (emptied.state(), emptied.rows()) == ("done", measured)


def test_rows_of_the_report_are_those_of_the_store(swept):
    folder, _ = swept
    stored = [row for run in runs(folder) for row in run.rows()]
    assert sorted(map(str, read_csv(report_of(folder) / "rows.csv"))) == sorted(map(str, stored))
    told = json.loads((report_of(folder) / "provenance.json").read_text())
    assert set(told) == {run.id for run in runs(folder)}
