"""Stores and reports that are damaged, or come from elsewhere: sentences, none of which steers a terminal."""

import io
import json
import os
import runpy
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from convscope import planning, sweep
from convscope.archive import import_runs
from convscope.rows import Row, read_csv, to_csv
from convscope.runs import Run, Store, perform, run_id, write_json

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
STEERING = "\x1b[31mred\x1b]0;title\x07\u202e"
CONFIGS = ("[]", "5", "null", "{}", '{"model": 3}', '{"model": {"depth": 8}}', '{"signal": [1]}', '{"seed": [1]}',
           "[" * 100_000, '{"seed": NaN}', "\x00", "none", '{"seed": ' + "9" * 5000 + "}",
           json.dumps({"model": {"name": STEERING, "k": STEERING}, "seed": STEERING}))
ROW = Row(study="blindspots", run_id="0123456789ab", data="digits", split="test", model="lda", method="clean",
          condition="none", axes={"amplitude": 0.01}, seed=0, metric="accuracy", value=0.5, unit="fraction", n=10)


def plain(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.fixture
def manage(monkeypatch, capsys):
    """Runs runs.py or report.py here: (exit code or message, what it printed)."""
    monkeypatch.syspath_prepend(str(EXPERIMENTS))

    def run(script: str, *arguments: str):
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        code = 0
        try:
            runpy.run_path(str(EXPERIMENTS / script), run_name="__main__")
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def store(folder, finished: bool):
    """A run for each of CONFIGS, done or failed, and a sound one."""
    for i, text in enumerate(CONFIGS):
        try:
            name = run_id("blindspots", json.loads(text))
        except (ValueError, TypeError, RecursionError):
            name = f"{i:012x}"
        run = Run(folder, "blindspots", name)
        run.folder.mkdir(parents=True)
        (run.folder / "config.json").write_text(text)
        if finished:
            write_json(run.folder / "DONE", run._checksums())
        else:
            (run.folder / "FAILED").write_text(text if i % 2 else json.dumps({"reason": STEERING + "\nline"}))
    sound = Store(folder).run("blindspots", {"seed": 7})
    perform(sound, lambda _: [ROW], notes={})
    return sound


@pytest.mark.parametrize("finished", [True, False])
def test_one_damaged_run_hides_no_other(manage, tmp_path, finished):
    sound = store(tmp_path / "runs", finished)
    code, out, err = manage("runs.py", "--runs", str(tmp_path / "runs"), "list")
    assert (code, err, len(out.splitlines())) == (0, "", len(CONFIGS) + 1) and plain(out)
    assert any(sound.id in line and "done" in line and "seed 7" in line for line in out.splitlines())
    code, out, err = manage("runs.py", "--runs", str(tmp_path / "runs"), "show", *"0123456789abcdef")
    assert (code, err) == (0, "") and plain(out) and all(run.id in out for run in Store(tmp_path / "runs").runs())


@pytest.mark.parametrize("name", ["DONE", "FAILED", "config.json", "rows.csv", "log.txt", "provenance.json"])
def test_a_folder_a_pipe_or_bytes_for_any_file(manage, tmp_path, name):
    for i, make in enumerate((os.mkdir, os.mkfifo, lambda path: path.write_bytes(b"\xff\xfe\x00{"))):
        run = Store(tmp_path).run("blindspots", {"seed": i})
        perform(run, lambda _: [ROW], notes={})
        (run.folder / name).unlink(missing_ok=True)
        make(run.folder / name)
    code, out, err = manage("runs.py", "--runs", str(tmp_path), "list")
    assert (code, err, len(out.splitlines())) == (0, "", 3)
    assert manage("runs.py", "--runs", str(tmp_path), "show", *"0123456789abcdef")[0] == 0


@pytest.mark.parametrize("name", ["resume.ckpt", "rows.csv", "log.txt", "FAILED"])
def test_a_folder_in_the_way_is_told_before_the_work(tmp_path, name):
    run = Store(tmp_path).run("train", {"seed": 0})
    (run.folder / name).mkdir(parents=True)
    with pytest.raises(OSError, match="is a folder, and a file"):
        perform(run, lambda _: pytest.fail("it worked"), notes={})


@pytest.mark.parametrize("study", ["/tmp", "../..", "**", ""])
def test_a_study_is_a_name_and_no_path(manage, tmp_path, study):
    store(tmp_path / "runs", True)
    assert manage("runs.py", "--runs", str(tmp_path / "runs"), "list", "--study", study) == (0, "no runs\n", "")


def test_an_archive_that_would_grow_is_refused(tmp_path):
    info = tarfile.TarInfo("blindspots/0123456789ab/rows.csv")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(20 << 30),
                        "GNU.sparse.name": info.name}
    info.size = 512
    with tarfile.open(tmp_path / "bomb.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(b"1\n0\n512\n".ljust(512, b"\0")))
    with pytest.raises(ValueError, match="would be larger than the archive|not a readable archive"):
        import_runs(Store(tmp_path / "runs"), tmp_path / "bomb.tar")
    assert list(Store(tmp_path / "runs").runs()) == []


LINES = to_csv([ROW]).splitlines()
FOREIGN = {  # what stands in rows.csv -> what the sentence must hold
    "": "expected the columns study,run_id", "a,b\n1,2\n": "expected the columns", LINES[0] + "\n": "holds no row",
    LINES[0] + "\nblindspots,1\n": "line 2: not a row: expected 13 cells, got 2",
    "\n".join([LINES[0], LINES[1] + ",x"]): "expected 13 cells, got 14",
    **{"\n".join([LINES[0], LINES[1].replace('"{""amplitude"": 0.01}"', axes)]): told for axes, told in {
        "[1]": "axes must be a flat mapping", '"{""a"": [1]}"': "axes must be flat", "x": "not a row",
        '"{""a"": NaN}"': "axes must be flat and finite", "[" * 5000: "not a row"}.items()},
    **{"\n".join([LINES[0], LINES[1].replace(*change)]): told for change, told in {
        (",lda,", f",{STEERING},"): "model must be a plain text", (",lda,", ",=1+1,"): "model must be a plain text",
        (",fraction,", ",@SUM(1),"): "unit must be a plain text", (",0.5,", ",nan,"): "must be a finite number",
        (",accuracy,", ",nonsense,"): "are not such as blindspots writes", (",0,acc", ",x,acc"): "not a row",
        ("blindspots,", "idlelib.idle,"): "idlelib.idle", ("blindspots,", "..mine,"): "no ..mine in studies",
        ("blindspots,", "nope,"): "no nope in studies"}.items()},
    "x" * 200_000: "field larger than field limit", "\xff": "expected the columns"}


def test_foreign_reports_are_a_sentence_each_and_hide_no_other(manage, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(EXPERIMENTS.parent / "results" / "capacity_imagenet", tmp_path / "results" / "sound")
    (tmp_path / "results" / "sound" / "README.md").unlink()
    for i, text in enumerate(FOREIGN):
        (tmp_path / "results" / f"foreign{i:02}").mkdir()
        (tmp_path / "results" / f"foreign{i:02}" / "rows.csv").write_text(text)
    code, out, err = manage("report.py")
    assert code == 1 and "results/sound/README.md" in out and "ledger" not in out and plain(err)
    for said, told in zip(err.splitlines(), FOREIGN.values(), strict=True):
        assert said.startswith("convscope: ") and told in said and len(said) < 600


def test_damaged_rows_of_bytes_name_their_file(tmp_path):
    (tmp_path / "rows.csv").write_bytes(LINES[0].encode() + b"\n\xff\xfe")
    with pytest.raises(ValueError, match="rows.csv: no csv in UTF-8"):
        read_csv(tmp_path / "rows.csv")


@pytest.mark.parametrize("text", ["[]", "5", "{", '{"0123456789ab": 5}', '{"0123456789ab": {}}',
                                  '{"0123456789ab": {"config": []}}', "[" * 100_000])
def test_a_damaged_provenance_is_a_sentence_and_costs_a_plan_its_times_alone(compose, tmp_path, text, monkeypatch):
    from convscope.studies.blindspots import report

    monkeypatch.setattr(report, "figures", lambda rows, arrays: {})
    cell = sweep.check(compose("model=gaussian_nb", runs=tmp_path / "runs"))
    sweep.run_cell(cell.cfg)
    folder = tmp_path / "runs" / "results" / "mine"
    folder.mkdir(parents=True)
    (folder / "provenance.json").write_text(text)
    with pytest.raises(ValueError, match=r"provenance\.json is damaged"):
        sweep.report([cell], folder)
    assert "1 cells, 1 done" in planning.plan([cell], folder)
    (folder / "provenance.json").unlink()
    (folder / "README.md").mkdir()
    with pytest.raises(OSError, match=r"README\.md is a folder"):
        sweep.report([cell], folder)


def test_a_finished_run_of_elsewhere_costs_a_plan_its_times_alone(compose, tmp_path):
    store(tmp_path / "runs", True)
    assert "1 cells, 0 done, 1 to run" in planning.plan(
        [sweep.check(compose("model=gaussian_nb", runs=tmp_path / "runs"))], tmp_path)
