"""The command as a report tells it: without this machine's folders, whatever names them."""

import sys
from pathlib import Path

import pytest

from convscope import provenance

HOME = "/home/ada"


@pytest.fixture
def told(monkeypatch, tmp_path):
    """What is told of a command's arguments, of a user at home, who works in his own folder."""
    monkeypatch.delenv("CONVSCOPE_COMMAND", raising=False)
    monkeypatch.delenv("CONVSCOPE_DATA", raising=False)
    monkeypatch.setenv("HOME", HOME)
    monkeypatch.chdir(tmp_path)

    def line(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["/home/ada/convscope/experiments/diagnose.py", *arguments])
        return provenance.command_line()

    return line


@pytest.mark.parametrize(("argument", "expected"), [
    ("data.path=/home/ada/pictures", "data.path=pictures"),
    ("data.path=~/pictures", "data.path=pictures"),
    ("data.path=/mnt/disk 1/ada/my pictures", "'data.path=my pictures'"),
    ("weights=/home/ada/nets/vgg.pth", "weights=vgg.pth"),
    ("data.path=/home/ada/a.csv,/home/ada/b/c.csv", "data.path=a.csv,c.csv"),
    ("++data.path='/home/ada/x (1)'", """'++data.path='"'"'x (1)'"'"''"""),
    ('data={name: table, path: "/home/ada/t.csv"}', """'data={name: table, path: "t.csv"}'"""),
    ("shown=[/home/ada/a, /home/ada/b/c]", "'shown=[a, c]'"),
    ("--config-dir=/home/ada/lab/configs", "--config-dir=configs"), ("/home/ada/lab", "lab"),
    ("data.path=pictures/of/cats", "data.path=pictures/of/cats"), ("data.path=../pictures", "data.path=../pictures"),
    ("seed=0,1", "seed=0,1"), ("~signal", "'~signal'"), ("fit.lr=1e-3", "fit.lr=1e-3"),
    ("logger.url=https://example.org/a/b", "logger.url=https://example.org/a/b"),
])
def test_a_folder_above_is_not_told(told, argument, expected):
    line = told("model=lda", argument)
    assert line == f"experiments/diagnose.py model=lda {expected}"
    assert HOME not in line


def test_data_are_told_relative_to_their_root(told, monkeypatch, tmp_path):
    path = "data.path=/home/ada/data/birds/2024"
    assert told(path) == "experiments/diagnose.py data.path=2024"
    assert told("env.data_root=/home/ada/data", path) == "experiments/diagnose.py data.path=birds/2024"
    assert told(path, "env.data_root='~/data'") == "experiments/diagnose.py data.path=birds/2024"
    monkeypatch.setenv("CONVSCOPE_DATA", "/home/ada/data/birds")
    assert told(path) == "experiments/diagnose.py data.path=2024"
    assert told(f"data.path={tmp_path}/data/a/b") == "experiments/diagnose.py data.path=a/b"
    assert told(f"data.path={tmp_path}/own/a") == "experiments/diagnose.py data.path=own/a"
    assert told("data.path=/home/ada/data/birds") == "experiments/diagnose.py data.path=birds"
    assert Path(HOME) not in map(Path, told(path).split())


def test_places_that_change_no_result_are_left_out(told):
    assert told("env.runs=/x", "env.results=/y", "env.cache_root=/z", "seed=0") == "experiments/diagnose.py seed=0"
