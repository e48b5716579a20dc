"""A sweep without Hydra: cells are checked, run, planned and reported; one that fails stops no other."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from convscope import planning, sweep
from convscope.family import ConfigError
from convscope.rows import read_csv
from convscope.runs import FullDisk
from convscope.studies.blindspots import method, report


@pytest.fixture
def cells(compose, tmp_path):
    """Checked cells of gaussian_nb, one per given list of overrides."""
    def made(*several: tuple[str, ...] | str) -> list[sweep.Cell]:
        given = [(one,) if isinstance(one, str) else one for one in several]
        return [sweep.check(compose("model=gaussian_nb", *one, runs=tmp_path / "runs")) for one in given]

    return made


@pytest.fixture
def undrawn(monkeypatch):
    """Reports without figures: those take a second each."""
    monkeypatch.setattr(report, "figures", lambda rows, arrays: {})


def run(cells: list[sweep.Cell]) -> None:
    for cell in cells:
        sweep.run_cell(cell.cfg)


def test_a_checked_cell_has_run_nothing(cells, tmp_path):
    (cell,) = cells("signal=one_pixel")
    title = "digits copies=1 | one_pixel | gaussian_nb | seed 0"
    assert (cell.run.state(), cell.title, cell.mirrored) == ("missing", title, True)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("key", "value", "told"), [
    ("logger", {"name": "tensorboard"}, "logger must be none or wandb, got 'tensorboard'"),
    ("study", "blindspot", "no blindspot in studies (did you mean blindspots?)"),
    ("study", "my.own", "my.own: no module of this name"),
    ("signal", {"name": "one_pixl"}, "did you mean one_pixel"), ("seed", -1, "seed")])
def test_a_wrong_cell_is_refused(cells, key, value, told):
    (cell,) = cells("signal=one_pixel")
    with pytest.raises(ConfigError) as caught:
        sweep.check({**cell.cfg, key: value})
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_cell_runs_once_and_says_one_line(cells, capsys, monkeypatch):
    (cell,) = cells("signal=one_pixel")
    run([cell])
    told = "[1/1] digits copies=1 | one_pixel | gaussian_nb | seed 0: accuracy 1.0000, "
    assert capsys.readouterr().err.startswith(told)
    assert cell.run.state() == "done" and cell.run.provenance()["seed"] == 0
    monkeypatch.setattr(method, "run", lambda *_, **__: pytest.fail("it is done"))
    run([cell])
    assert cell.run.state() == "done"


@pytest.mark.usefixtures("undrawn")
def test_a_failing_cell_is_recorded_told_and_tried_again(cells, tmp_path, capsys, monkeypatch):
    both = cells("signal=one_pixel", "signal=clean")
    with monkeypatch.context() as patch:
        patch.setattr(method, "training_set", lambda *_: (_ for _ in ()).throw(RuntimeError("two\nlines")))
        patch.setattr(sweep, "check", lambda cfg: both[1])  # a check reads the data too
        run(both[1:])
    run(both[:1])
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "[1/1] digits copies=1 | gaussian_nb | seed 0: FAILED: RuntimeError: two lines"
    assert [cell.run.state() for cell in both] == ["done", "failed"]
    assert "Traceback" in (both[1].run.folder / "log.txt").read_text()

    text, code = sweep.report(both, tmp_path / "report")
    told = "\n".join(capsys.readouterr().err.splitlines())
    assert code == 1 and "gaussian_nb" in text and both[1].run.id in told and "RuntimeError: two lines" in told
    assert {row.run_id for row in read_csv(tmp_path / "report" / "rows.csv")} == {both[0].run.id}

    run(both)
    assert [cell.run.state() for cell in both] == ["done", "done"]
    assert not (both[1].run.folder / "FAILED").exists()
    assert sweep.report(both, tmp_path / "report")[1] == 0
    assert "FAILED" not in capsys.readouterr().err


def test_a_traceback_comes_only_on_demand(cells, capsys, monkeypatch):
    (cell,) = cells("signal=one_pixel")
    monkeypatch.setattr(sweep, "check", lambda cfg: cell)
    monkeypatch.setattr(method, "training_set", lambda *_: 1 / 0)
    run([cell])
    assert "Traceback" not in capsys.readouterr().err
    debug = {**cell.cfg, "env": {**cell.cfg["env"], "debug": True}}
    sweep.run_cell(debug)
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_stops_the_sweep_in_one_sentence(cells, monkeypatch):
    (cell,) = cells("signal=one_pixel")

    def full(*_, **__):
        raise FullDisk(28, "no space left on the disk of runs")

    monkeypatch.setattr(sweep, "perform", full)
    with pytest.raises(SystemExit) as caught:
        sweep.run_cell(cell.cfg)
    assert str(caught.value) == "convscope: no space left on the disk of runs"


def test_a_plan_lists_states_and_the_time_that_is_left(cells, tmp_path):
    done, missing = cells("signal=one_pixel", "signal=clean")
    unknown = sweep.check({**missing.cfg, "model": {"name": "lda"}})
    run([done])
    seconds = done.run.provenance()["wall_seconds"]
    lines = planning.plan([done, missing, unknown], tmp_path).splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [
        [done.run.id, "done"], [missing.run.id, "missing"], [unknown.run.id, "missing"]]
    assert f"{seconds:.1f} s" in lines[1] and "not known digits copies=1 | lda | seed 0" in " ".join(lines[2].split())
    assert lines[3].startswith("3 cells, 1 done, 2 to run: about ")
    assert lines[3].endswith("one after the other, and 1 of unknown duration: nothing like it was run yet")
    assert planning.plan([unknown], tmp_path).splitlines()[-1] == (
        "1 cells, 0 done, 1 to run: 1 of unknown duration: nothing like it was run yet")
    assert planning.plan([done], tmp_path).splitlines()[-1] == "1 cells, 1 done, 0 to run: nothing to do"
    # a committed report knows the time of a model too
    entry = {**done.run.provenance(), "wall_seconds": 1234.0, "config": unknown.run.identity}
    (tmp_path / "provenance.json").write_text(json.dumps({unknown.run.id: entry}))
    assert "1234.0 s" in planning.plan([unknown], tmp_path)


@pytest.mark.parametrize(("seconds", "words"), [(5.4, "5 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")])
def test_duration(seconds, words):
    assert planning.duration(seconds) == words


@pytest.mark.usefixtures("undrawn")
def test_a_report_grows_with_every_command_and_is_rebuilt_from_its_rows(cells, tmp_path, capsys):
    first, second, again = cells("signal=one_pixel", "signal=clean", ("signal=clean", "seed=1"))
    run([first, second])
    text, code = sweep.report([first], tmp_path / "report")
    assert code == 0 and str(tmp_path / "report") in text
    text, _ = sweep.report([second], tmp_path / "report")
    assert {row.run_id for row in read_csv(tmp_path / "report" / "rows.csv")} == {first.run.id, second.run.id}
    told = json.loads((tmp_path / "report" / "provenance.json").read_text())
    assert set(told) == {first.run.id, second.run.id} and told[first.run.id]["config"]["seed"] == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "report").iterdir()}
    sweep.report([first, second], tmp_path / "report")
    assert {file.name: file.read_bytes() for file in (tmp_path / "report").iterdir()} == before

    for file in (tmp_path / "report").glob("*.*"):
        if file.name not in ("rows.csv", "arrays.npz", "provenance.json"):
            file.unlink()
    sweep.rebuild(tmp_path / "report")
    assert {file.name: file.read_bytes() for file in (tmp_path / "report").iterdir()} == before
    run([again])
    assert sweep.report([first, again], tmp_path / "report")[1] == 0
    assert "1 to 2 seeds" in (tmp_path / "report" / "accuracy.md").read_text()


@pytest.mark.parametrize("values", [("fit.lr=0.1", "fit.lr=0.2"), ("fit.weight_decay=0.1", "fit.weight_decay=0.2")])
@pytest.mark.usefixtures("undrawn")
def test_a_sweep_over_any_training_parameter_ends_in_a_line_for_each(compose, tmp_path, values):
    cells = [sweep.check(compose("model=resnet8", "signal=clean", value, runs=tmp_path / "runs")) for value in values]
    run(cells)
    assert sweep.report(cells, tmp_path / "report")[1] == 0
    lines = (tmp_path / "report" / "accuracy.csv").read_text().splitlines()[1:]
    assert sorted(float(line.rsplit(",", 1)[1]) for line in lines) == sorted(c.run.rows()[0].value for c in cells)


@pytest.mark.usefixtures("undrawn")
def test_a_sweep_over_the_magnitude_of_a_condition_ends_in_a_cell_for_each(cells, tmp_path):
    faded = cells(*(("signal=noise", "condition=blank", f"condition.magnitude={m}") for m in (0.25, 0.5)))
    run(faded)
    assert sweep.report(faded, tmp_path / "report")[1] == 0
    (line,) = (tmp_path / "report" / "accuracy.csv").read_text().splitlines()[1:]
    assert [float(value) for value in line.split(",")[1:]] == [cell.run.rows()[0].value for cell in faded]


def test_reports_are_found_by_name_in_the_first_place_that_has_them(tmp_path):
    for place in ("one", "two"):
        (tmp_path / place / "mine").mkdir(parents=True)
        (tmp_path / place / "mine" / "rows.csv").touch()
    places = [tmp_path / "none", tmp_path / "one", tmp_path / "two"]
    assert sweep.find_report("mine", places) == tmp_path / "one" / "mine"
    assert sweep.reports(tmp_path / "one") == ["mine"] and sweep.reports(tmp_path / "none") == []
    with pytest.raises(ValueError, match="no report yours .*: mine"):
        sweep.find_report("yours", places)


def cifar_report(folder, model: str, accuracy: float, **axes) -> None:
    from convscope.rows import Row, to_csv

    folder.mkdir(parents=True)
    (folder / "rows.csv").write_text(to_csv(
        Row("blindspots", "r" * 12, "cifar10", "test", model, "clean", "none", axes, 0, metric, accuracy, "fraction", 9)
        for metric in ("accuracy", "clean_accuracy", "reliance", "blind_level")))


def test_the_ledger_has_one_line_per_number_whatever_reports_there_are(tmp_path):
    """Two reports on CIFAR-10 both know of Table 1; the one that measured a number tells it."""
    full = {"iterations": 64000, "n_train": 50000, "normalise": True, "fit": ""}
    cifar_report(tmp_path / "blindspots_table1", "resnet", 0.85, **full)
    with pytest.raises(ValueError, match="no report in"):
        sweep.write_ledger(tmp_path / "absent")
    text = sweep.write_ledger(tmp_path).read_text()
    assert text.count("84.9 %") == 8 and len(re.findall(r"\| reached +\|", text)) == 1
    short = {"iterations": 780, "n_train": 10000, "normalise": True, "fit": ""}
    cifar_report(tmp_path / "blindspots_short", "resnet depth=8", 0.5, **short)
    assert sweep.write_ledger(tmp_path).read_text() == text
    shutil.rmtree(tmp_path / "blindspots_table1")
    assert not re.search(r"\| reached +\|", sweep.write_ledger(tmp_path).read_text())


def test_what_was_left_out_of_the_data_stands_in_the_report(cells, undrawn, tmp_path, capsys):
    for label in "ab":
        (tmp_path / "mine" / label).mkdir(parents=True)
        for i in range(6):
            pixels = np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8) // (1 + (label == "b"))
            Image.fromarray(pixels).save(tmp_path / "mine" / label / f"{i}.png")
    (tmp_path / "mine" / "a" / "<b>|bad.png").write_bytes(b"no image")
    (digits,) = cells("signal=one_pixel")
    own = {"name": "image_folder", "path": str(tmp_path / "mine"), "size": 8}
    with pytest.raises(ValueError, match=r"bad.png cannot be read as an image .*data.skip_unreadable=true"):
        sweep.check({**digits.cfg, "data": own})
    made = [sweep.check({**digits.cfg, "data": {**own, "skip_unreadable": True}})]
    assert "mine: left out 1 unreadable image(s): a/<b>|bad.png (no image format that is read here)" in (
        capsys.readouterr().err)
    run(made)
    folder = tmp_path / "results" / "mine"
    assert sweep.report(made, folder)[1] == 0
    readme = (folder / "README.md").read_text()
    assert r"- image\_folder mine size=8 skip\_unreadable=True: left out 1 unreadable image(s): a/\<b\>\|" in readme
    assert made[0].run.provenance()["data_notes"] == list(made[0].dataset.notes)
    assert str(tmp_path) not in (folder / "provenance.json").read_text() + readme
    sweep.rebuild(folder)
    assert (folder / "README.md").read_text() == readme
