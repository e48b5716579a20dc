"""After some silence a line says what is worked on; where something else is said, or nothing may be, there is none."""

import io
import re
import sys
import time

import pytest

from convscope import heartbeat
from convscope.training.progress import Progress


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(heartbeat, "SECONDS", 0.1)


def wait(lines: int, capsys, seconds: float = 20) -> list[str]:
    """The lines that are said until there are so many."""
    said, end = "", time.monotonic() + seconds
    while said.count("\n") < lines and time.monotonic() < end:
        time.sleep(0.02)
        said += capsys.readouterr().err
    return list(said.splitlines())


def test_what_is_worked_on_is_told_after_silence_and_again(capsys):
    with heartbeat.beating("[1/2] digits | lda"):
        said = wait(2, capsys)
    assert len(said) >= 2 and all(re.fullmatch(r"\[1/2\] digits \| lda: \d s so far", line) for line in said)
    capsys.readouterr()
    time.sleep(0.3)
    assert capsys.readouterr().err == "", "it ends with the work"


def test_the_innermost_work_is_told_and_how_far_it_is(capsys):
    progress = Progress(10, batch_size=1, shown=False)
    with heartbeat.beating("outer"), heartbeat.beating(lambda: "inner"), heartbeat.phase(progress.told):
        progress.start(0)
        progress.show(5, {"train_loss": 0.25})
        (said, *_) = wait(1, capsys)
    assert said.startswith("inner: training  50%, 5 of 10 steps") and "train loss 0.25, 0 s so far" in said


def test_none_while_something_else_is_said_here_or_elsewhere(capsys):
    count = iter(range(1000))
    with heartbeat.beating("here"):
        for _ in range(12):
            heartbeat.spoken()
            time.sleep(0.03)
    with heartbeat.beating("elsewhere", elsewhere=lambda: next(count)):
        time.sleep(0.4)
    with heartbeat.beating("hidden", shown=False):
        time.sleep(0.4)
    assert capsys.readouterr().err == ""


def test_an_error_ends_it_and_a_progress_line_counts_as_said(capsys, monkeypatch):
    with pytest.raises(ZeroDivisionError), heartbeat.beating("it"):
        raise ZeroDivisionError
    assert heartbeat._working == []
    monkeypatch.setattr(heartbeat, "_last", 0.0)
    progress = Progress(10, batch_size=1, stream=io.StringIO())
    progress._write("a line")
    assert time.monotonic() - heartbeat._last < 5


def test_on_a_terminal_the_line_is_overwritten(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    heartbeat.say("still", passing=True)
    heartbeat.say("done")
    assert sys.stderr.getvalue() == "\r\x1b[Kstill\r\x1b[Kdone\n"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("launcher", ["basic", "two_jobs"])
def test_a_sweep_is_never_mute(command, tmp_path, launcher):
    given = ("model=gaussian_nb", "signal=clean,noise", "data.copies=1", f"hydra/launcher={launcher}")
    done = command("blindspots.py", *given, cwd=tmp_path, CONVSCOPE_SILENCE_SECONDS="0.2")
    told = [line for line in done.lines if line.endswith(" s so far")]
    assert done.code == 0 and any(line.startswith("drawing the report blindspots") for line in told), done.err
    if launcher == "two_jobs":
        assert any("of 2 cells have ended" in line for line in told), done.err
    quiet = command("blindspots.py", *given, "env.progress=false", "env.runs=other", cwd=tmp_path,
                    CONVSCOPE_SILENCE_SECONDS="0.2")
    assert quiet.code == 0 and "so far" not in quiet.err
