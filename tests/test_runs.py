"""The run store: done runs are skipped, failed ones retried, cut-off ones continued, edited ones refused."""

import errno
import json
import signal
import subprocess
import sys
import time

import pytest

from convscope import runs
from convscope.archive import export_runs, import_runs
from convscope.rows import Row
from convscope.runs import EditedRun, FullDisk, Store, canonical, perform, run_id, write_bytes


def row(run, value=0.5):
    return Row(study=run.study, run_id=run.id, data="toy", split="test", model="m", method="s", condition="none",
               axes={}, seed=0, metric="accuracy", value=value, unit="fraction", n=1)


def work(run):
    (run.folder / "weights.bin").write_bytes(b"learned numbers")
    yield row(run)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


@pytest.fixture
def run(store):
    return store.run("toy", {"model": {"name": "m"}, "seed": 0})


def test_run_id_is_the_hash_of_canonical_json():
    assert canonical({"b": 1.0, "a": [1, "ü"]}) == '{"a":[1,"ü"],"b":1.0}'
    assert run_id("toy", {"a": 1, "b": 2}) == run_id("toy", {"b": 2, "a": 1})
    assert len({run_id("toy", {"a": 1}), run_id("toy", {"a": 2}), run_id("other", {"a": 1})}) == 3
    import hashlib

    assert run_id("toy", {"a": 1}) == hashlib.sha256(b'{"a":1,"study":"toy"}').hexdigest()[:12]


def test_a_done_run_is_read_back_and_not_done_again(run):
    assert run.state() == "missing"
    first = perform(run, work, notes={"seed": 0})
    assert run.state() == "done"
    assert perform(run, lambda run: pytest.fail("done runs are skipped"), notes={}) == first
    provenance = run.provenance()
    assert provenance["seed"] == 0 and provenance["wall_seconds"] >= 0 and provenance["libraries"]["numpy"]


def test_a_failed_run_says_why_and_is_tried_again(run):
    def fail(run):
        yield row(run)
        raise ValueError("labels must be\nin 0..9")

    with pytest.raises(ValueError):
        perform(run, fail, notes={})
    assert run.state() == "failed" and run.failure() == "labels must be in 0..9"
    assert "Traceback" in (run.folder / "log.txt").read_text()
    perform(run, work, notes={})
    assert run.state() == "done" and not (run.folder / "FAILED").exists()


def test_an_interrupted_run_is_cut_off_and_continued(run):
    def interrupted(run):
        (run.folder / "half").write_text("x")
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        perform(run, interrupted, notes={})
    assert run.state() == "cut off"
    perform(run, lambda run: [row(run, float((run.folder / "half").exists()))], notes={})
    assert run.rows()[0].value == 1.0


@pytest.mark.parametrize("damage", [
    lambda f: (f / "rows.csv").write_text((f / "rows.csv").read_text().replace("0.5", "0.9")),
    lambda f: (f / "weights.bin").unlink(),
    lambda f: (f / "extra").write_text("x"),
    lambda f: (f / "DONE").write_text("{"),
    lambda f: ((f / "config.json").write_text('{"seed": 1}'), _trust_again(f)),
])
def test_an_edited_run_is_refused_and_nothing_is_lost(run, damage):
    perform(run, work, notes={})
    damage(run.folder)
    assert run.state() == "edited"
    before = sorted((f.name, f.read_bytes()) for f in run.folder.iterdir())
    with pytest.raises(EditedRun, match="experiments/runs.py remove"):
        perform(run, work, notes={})
    assert before == sorted((f.name, f.read_bytes()) for f in run.folder.iterdir())


def _trust_again(folder):
    import hashlib

    done = json.loads((folder / "DONE").read_text())
    done["config.json"] = hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    (folder / "DONE").write_text(json.dumps(done))


def test_an_emptied_run_is_run_again(run):
    perform(run, work, notes={})
    for file in run.folder.iterdir():
        file.unlink()
    assert run.state() == "missing"
    perform(run, work, notes={})
    assert run.state() == "done"


def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(run, monkeypatch):
    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(runs.os, "fsync", full)
    with pytest.raises(FullDisk, match="no space left on the disk"):
        perform(run, work, notes={})
    monkeypatch.undo()
    assert not list(run.folder.rglob("*.tmp"))
    perform(run, work, notes={})
    assert run.state() == "done"


def test_write_bytes_is_whole_or_nothing(tmp_path):
    target = tmp_path / "file"
    write_bytes(target, b"old")
    with pytest.raises(TypeError):
        write_bytes(target, "text")  # pyright: ignore[reportArgumentType]
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


def test_warnings_go_to_the_runs_log(run, capfd):
    import warnings

    def warns(run):
        warnings.warn("variables are collinear", stacklevel=1)
        return [row(run)]

    with pytest.warns(UserWarning, match="outside"):
        warnings.simplefilter("always")
        perform(run, warns, notes={})
        warnings.warn("outside of a run nothing is captured", stacklevel=1)
    assert "variables are collinear" in (run.folder / "log.txt").read_text()
    assert "collinear" not in capfd.readouterr().err


SLOW = """
import sys, time
from pathlib import Path
from convscope.rows import Row
from convscope.runs import Store, perform
run = Store(Path(sys.argv[1])).run("toy", {"seed": 0})
def work(run):
    with (Path(sys.argv[1]) / "worked").open("a") as file:
        file.write("x")
    print("working", flush=True)
    time.sleep(float(sys.argv[2]))
    yield Row(study="toy", run_id=run.id, data="d", split="test", model="m", method="s", condition="none", axes={},
              seed=0, metric="accuracy", value=.5, unit="fraction", n=1)
print(len(perform(run, work, notes={})))
"""


def test_two_processes_on_one_run_the_second_waits_and_finds_it_done(tmp_path):
    command = [sys.executable, "-c", SLOW, str(tmp_path), "0.5"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert all(p.communicate(timeout=30)[0].endswith("1\n") for p in processes)
    assert (tmp_path / "worked").read_text() == "x"


def test_kill_minus_9_leaves_a_run_that_is_continued(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(tmp_path), "60"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "working\n"
    run = Store(tmp_path).run("toy", {"seed": 0})
    assert run.state() == "running"
    with pytest.raises(ValueError, match="another process"):
        run.remove()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert run.state() == "cut off"
    started = time.monotonic()
    perform(run, lambda run: [row(run)], notes={})
    assert run.state() == "done" and time.monotonic() - started < 5, "the lock died with its process"


def test_runs_move_between_stores(store, run, tmp_path):
    perform(run, work, notes={})
    failed = store.run("toy", {"seed": 1})
    with pytest.raises(ZeroDivisionError):
        perform(failed, lambda run: [row(run, 1 / 0)], notes={})
    assert failed.failure() == "ZeroDivisionError: division by zero"
    archive = tmp_path / "runs.tar"
    assert [r.id for r in export_runs(store.runs(), archive)] == [run.id]
    other = Store(tmp_path / "other")
    added, present = import_runs(other, archive)
    assert [r.id for r in added] == [run.id] and not present
    assert added[0].state() == "done" and added[0].rows() == run.rows()
    assert [len(part) for part in import_runs(other, archive)] == [0, 1]


def test_a_damaged_archive_adds_nothing(store, run, tmp_path):
    perform(run, work, notes={})
    archive = tmp_path / "runs.tar"
    export_runs([run], archive)
    other = Store(tmp_path / "other")
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"learned numbers", b"altered numbers"))
    with pytest.raises(ValueError, match="damaged"):
        import_runs(other, archive)
    archive.write_bytes(data[: len(data) // 3])
    with pytest.raises(ValueError, match=r"archive|damaged|no run"):
        import_runs(other, archive)
    archive.write_bytes(b"not a tar")
    with pytest.raises(ValueError, match="not a readable archive"):
        import_runs(other, archive)
    assert not list(other.runs())


def test_an_archive_that_points_outside_is_refused(tmp_path):
    import io
    import tarfile

    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("toy/../../escaped")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(ValueError, match="archive"):
        import_runs(Store(tmp_path / "deep" / "runs"), archive)
    assert not list(tmp_path.rglob("escaped"))
