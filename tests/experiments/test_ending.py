"""A sweep that is told to end, or killed, leaves no process, no semaphore and no temporary file."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import ending
import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
LONG = ("data.copies=1", "model=resnet8", "signal=noise,clean", "fit.iterations=100000", "fit.warmup=0",
        "env.threads=1", "env.checkpoint_seconds=0")
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


class Sweep:
    """A command in a process of its own, whose descendants carry a mark."""

    def __init__(self, environment: dict[str, str], folder: Path, *given: str) -> None:
        self.mark, self.err, self.before = f"MARK={uuid.uuid4().hex}", folder / "err", semaphores()
        with self.err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, str(EXPERIMENTS / "blindspots.py"), *LONG, *given], cwd=folder, stderr=err,
                stdout=subprocess.DEVNULL, start_new_session=True, env={**environment, "MARK": self.mark[5:]})

    def others(self) -> list[str]:
        """What lives of it besides the first process."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if (int(folder.name) != self.process.pid and self.mark.encode() in (folder / "environ").read_bytes()
                        and "\nState:\tZ" not in (folder / "status").read_text()):
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[-120:])
            except OSError:
                continue
        return found

    def ended(self, number: int) -> int:
        """The exit code after this signal to the first process alone; everything else must be gone soon."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        wait_for(lambda: not self.others(), 15, self.others)
        wait_for(lambda: semaphores() <= self.before, 5, lambda: semaphores() - self.before)
        return code


def semaphores() -> set[str]:
    return {file.name for file in Path("/dev/shm").glob("sem.*")} if Path("/dev/shm").is_dir() else set()


def wait_for(condition: Callable[[], object], seconds: float = 90, said: Callable[[], object] = str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, said()
        time.sleep(0.02)


@pytest.fixture
def started(environment, tmp_path):
    running = []

    def start(*given: str) -> Sweep:
        running.append(Sweep(environment, tmp_path, *given))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)


@pytest.mark.parametrize(("launcher", "when"), [("two_jobs", "starting"), ("submitit_local", "working")])
def test_a_killed_sweep_takes_its_workers_along(started, tmp_path, launcher, when):
    sweep = started(f"hydra/launcher={launcher}")
    there = {"starting": lambda: len(sweep.others()) >= 3,
             "working": lambda: list((tmp_path / "runs" / "train").glob("*/resume.ckpt"))}[when]
    wait_for(lambda: there() or sweep.process.poll() is not None)
    assert sweep.ended(signal.SIGKILL) == -signal.SIGKILL


@pytest.mark.parametrize(("launcher", "name", "code"), [
    ("two_jobs", "SIGTERM", 143), ("submitit_local", "SIGINT", 130), ("basic", "SIGHUP", 129)])
def test_one_that_is_told_to_end_says_so_and_leaves_nothing(started, tmp_path, launcher, name, code):
    sweep = started(f"hydra/launcher={launcher}")
    wait_for(lambda: list((tmp_path / "runs" / "train").glob("*/resume.ckpt")) or sweep.process.poll() is not None)
    assert sweep.ended(getattr(signal, name)) == code
    told = "interrupted" if name == "SIGINT" else f"told to end by {name}"
    first, last = sweep.err.read_text().splitlines()
    assert first == "2 cells, 0 done, 2 to run"
    assert last == f"convscope: {told}: 0 of 2 cells are done; the same command goes on from here"
    assert not list(tmp_path.rglob("*.tmp")) or launcher != "basic"


def test_what_nohup_ignores_stays_ignored(monkeypatch):
    set_to = {}
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_IGN if number == signal.SIGHUP else None)
    monkeypatch.setattr(signal, "signal", set_to.__setitem__)
    monkeypatch.setenv(ending.SWEEP, "")
    ending.listen()
    assert set(set_to) == {signal.SIGTERM} and os.environ[ending.SWEEP].split()[0] == str(os.getpid())


def test_a_number_that_another_process_got_is_not_the_sweep():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    began = ending._began(child.pid)
    assert began not in ("gone", ending._began(os.getpid())) and began == ending._began(child.pid)
    child.kill()
    wait_for(lambda: ending._began(child.pid) == "gone")  # also while nobody has asked for its end
    child.wait()
    assert ending._began(child.pid) == "gone"
