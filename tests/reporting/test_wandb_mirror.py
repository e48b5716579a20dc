"""The W&B mirror offline: its own .wandb files are read back record by record."""

import importlib
import json
import os
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from convscope.reporting import wandb_mirror
from convscope.reporting.tables import Table
from convscope.reporting.wandb_mirror import mirror, summary
from convscope.rows import Row


def row(metric="accuracy", value=0.5, **changes) -> Row:
    given = {"study": "s", "run_id": "r", "data": "digits", "split": "test", "model": "resnet", "method": "noise",
             "condition": "encoded", "axes": {}, "seed": 0, "unit": "fraction", "n": 10}
    return Row(**{**given, "metric": metric, "value": value, **changes})


@pytest.fixture(autouse=True)
def no_account(monkeypatch, tmp_path_factory):
    """No key, no netrc, and nothing in the user's own folders."""
    home = tmp_path_factory.mktemp("home")
    for name in [name for name in os.environ if name.startswith("WANDB_") or name.lower() == "http_proxy"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))
    for name in ("CACHE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(home / name.lower()))
    monkeypatch.setattr(wandb_mirror, "_told", set())


def records(file: Path) -> list:
    """Records of a .wandb file: 7 bytes of header, then LevelDB's log: 32 KiB blocks of (crc, length, kind, data)."""
    Record = importlib.import_module("wandb.proto.wandb_internal_pb2").Record
    data, at, part, found = file.read_bytes(), 7, b"", []
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at:at + 7])
        if kind == 0:
            break
        part = (b"" if kind in (1, 2) else part) + data[at + 7:at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            found.append(Record.FromString(part))
    return found


def complete(file: Path) -> list:
    """The records once the last one is there: W&B's own process may write a moment after `finish` returned."""
    for _ in range(500):
        found = records(file)
        if any(record.WhichOneof("record_type") == "exit" for record in found):
            return found
        time.sleep(0.01)
    raise AssertionError(f"{file} has no exit record")


def items(given) -> dict:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in given}


def stored(folder: Path) -> list[dict]:
    """Per offline run in `folder`, oldest first: run record, config, history lines, summary, exit code, curve axes."""
    runs = []
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        run = {"history": [], "summary": {}, "axes": {}, "exit": None}
        for record in complete(file):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                run["run"] = record.run
                run["config"] = {u.key: json.loads(u.value_json) for u in record.run.config.update}
            elif kind == "history":
                run["history"].append(items(record.history.item))
            elif kind == "summary":
                run["summary"].update(items(record.summary.update))
            elif kind == "metric":
                run["axes"][record.metric.name] = record.metric.step_metric
            elif kind == "exit":
                run["exit"] = record.exit.exit_code
        runs.append(run)
    return runs


def test_offline_run_holds_everything_and_says_how_to_sync(tmp_path, capfd):
    from PIL import Image

    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "figure.png")
    config = {"model": {"name": "resnet", "depth": 8}, "milestones": (1, 2), "path": Path("x")}
    with mirror("abc123", preset="blindspots", kind="convnet", config=config, folder=tmp_path, tags=("digits",)) as run:
        for epoch in (1, 2, 3):
            run.curve({"epoch": epoch, "train/loss": 1 / epoch})
        run.rows([row(value=0.834), row("reliance", 0.02), row(value=0.9, split="train")])
        run.table(Table("results", "c", pd.DataFrame({"noise": [0.5, np.nan]}, ["a", "b"]), index_name="model"))
        run.image(tmp_path / "figure.png")
    (held,) = stored(tmp_path)
    assert (held["run"].run_id, held["run"].run_group, held["run"].job_type) == ("abc123", "blindspots", "convnet")
    assert held["run"].project == "convscope" and list(held["run"].tags) == ["digits"]
    expected = {"model": {"name": "resnet", "depth": 8}, "milestones": [1, 2], "path": "x"}
    assert {k: v for k, v in held["config"].items() if k != "_wandb"} == expected
    points = [(h["epoch"], h["train/loss"]) for h in held["history"] if "epoch" in h]
    assert points == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert held["axes"]["train/loss"] == "epoch"
    assert held["summary"]["test/accuracy"] == 0.834 and held["summary"]["train/accuracy"] == 0.9
    assert held["summary"]["test/reliance"] == 0.02
    assert held["exit"] == 0
    media = tmp_path.glob("wandb/offline-run-*/files/media/**/*.*")
    tables = [json.loads(p.read_text()) for p in media if p.name.endswith(".table.json")]
    assert tables[0]["columns"] == ["model", "noise"] and tables[0]["data"] == [["a", 0.5], ["b", None]]
    assert list(tmp_path.glob("wandb/offline-run-*/files/media/images/figure*.png"))
    told = f"W&B run stored offline; to upload: wandb sync {tmp_path}/wandb/offline-run-*\n"
    assert tuple(capfd.readouterr()) == ("", told)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_crash_closes_the_run_and_goes_on_and_the_next_one_resumes(tmp_path, error, capfd):
    with pytest.raises(error, match="mine"), mirror("dead01", preset="p", kind="k", config={}, folder=tmp_path) as run:
        run.curve({"epoch": 1, "loss": 0.5})
        raise error("mine")
    with mirror("dead01", preset="p", kind="k", config={}, folder=tmp_path) as run:
        run.curve({"epoch": 2, "loss": 0.25})
    first, second = stored(tmp_path)
    assert (first["exit"], second["exit"]) == (1, 0)
    assert first["run"].run_id == second["run"].run_id == "dead01"
    assert [h["epoch"] for held in (first, second) for h in held["history"]] == [1, 2]
    assert capfd.readouterr().err.count("wandb sync") == 1


def test_runs_may_be_nested(tmp_path):
    with mirror("outer1", preset="p", kind="k", config={}, folder=tmp_path) as outer:
        with mirror("inner1", preset="p", kind="train", config={}, folder=tmp_path) as inner:
            inner.curve({"epoch": 1, "loss": 1.0})
        outer.rows([row(value=0.25)])
    held = {run["run"].run_id: run for run in stored(tmp_path)}
    assert held["outer1"]["summary"]["test/accuracy"] == 0.25 and held["outer1"]["history"] == []
    assert held["inner1"]["history"][0]["loss"] == 1.0
    assert "test/accuracy" not in held["inner1"]["summary"]


def test_a_failing_wandb_never_stops_the_run(tmp_path, monkeypatch, capsys):
    import wandb

    def refuse(**_):
        raise OSError("no network\nsecond line")

    with monkeypatch.context() as patch:
        patch.setattr(wandb, "init", refuse)
        patch.setattr(wandb_mirror, "_reachable", lambda server: True)
        patch.setenv("WANDB_MODE", "online")
        with mirror("a", preset="p", kind="k", config={}, folder=tmp_path) as run:
            run.curve({"epoch": 1})
            run.rows([row()])
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["W&B did not start online (no network); the run goes on offline",
                     "W&B did not start offline (no network); the run goes on without it"]
    with mirror("b", preset="p", kind="k", config={}, folder=tmp_path) as run:
        run.image(tmp_path / "absent.png")
        run.image(tmp_path / "absent.png")
        run.rows([row(value=0.75)])
    assert capsys.readouterr().err.count("W&B did not take absent") == 1
    assert stored(tmp_path)[-1]["summary"]["test/accuracy"] == 0.75


def test_without_a_network_the_run_is_kept_offline(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setattr(wandb_mirror, "_reachable", lambda server: False)
    with mirror("far001", preset="p", kind="k", config={}, folder=tmp_path) as run:
        run.rows([row(value=0.125)])
    assert "; the run goes on offline\n" in capsys.readouterr().err
    assert stored(tmp_path)[0]["summary"]["test/accuracy"] == 0.125


def test_reachable_is_whoever_answers():
    class NotFound(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), NotFound) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert wandb_mirror._reachable(address)
    assert not wandb_mirror._reachable(address)


@pytest.mark.parametrize(("environment", "mode"), [
    ({}, "offline"), ({"WANDB_API_KEY": "x" * 40}, "online"), ({"WANDB_MODE": "online"}, "online"),
    ({"WANDB_API_KEY": "x" * 40, "WANDB_MODE": "offline"}, "offline"), ({"WANDB_MODE": "disabled"}, "disabled"),
    ({"WANDB_MODE": "dryrun"}, "offline")])
def test_mode(environment, mode, monkeypatch):
    import wandb

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wandb_mirror._mode(wandb) == mode


def test_summary_keys_tell_rows_apart_only_where_they_must():
    rows = [row(value=0.1, condition="clean"), row(value=0.2, condition="wrong", axes={"amplitude": 0.1}),
            row("loss", 0.3)]
    assert summary(rows) == {"test/accuracy/condition=clean": 0.1,
                             "test/accuracy/condition=wrong/amplitude=0.1": 0.2, "test/loss": 0.3}
