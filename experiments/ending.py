"""How a sweep ends before its end: in one sentence, and with every process that it started. Imports nothing slow."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

SWEEP = "CONVSCOPE_SWEEP"  # in the environment of a sweep's processes: its own process, and when that began
SIGNALS = ("SIGTERM", "SIGHUP")  # besides Ctrl-C, which is Python's own
EVERY_SECONDS = 0.2


_received: list[int] = []  # what is raised for it may become another exception on its way through libraries


def listen() -> None:
    """Makes a signal to end a KeyboardInterrupt, and lets the processes that this one starts know whose they are."""
    os.environ[SWEEP] = f"{os.getpid()} {_began(os.getpid())}"
    for name in SIGNALS:
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, _told)


@cache
def leave_with_the_sweep() -> None:
    """Ends this process soon after its sweep: a worker would outlive a killed one, train on and hold its memory.

    Without effect in the sweep's own process, and where a cluster runs the jobs.
    """
    told = os.environ.get(SWEEP, "").split()
    if not told or int(told[0]) == os.getpid() or os.environ.get("SUBMITIT_EXECUTOR", "local") != "local":
        return

    def watch(pid: int, began: str) -> None:
        while _began(pid) == began:
            time.sleep(EVERY_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, args=(int(told[0]), told[1]), daemon=True).start()


def end_what_was_started() -> None:
    """Kills every process below this one but the trackers of semaphores, which clean up after the rest."""
    for pid in _below(os.getpid()):
        try:
            if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        except OSError:  # it has ended
            continue


def _told(number: int, _: Any) -> None:
    signal.signal(number, signal.SIG_DFL)  # who says it twice means at once
    _received.append(number)
    raise KeyboardInterrupt


def how() -> tuple[str, int]:
    """(what happened, in words; the exit code that says so)."""
    if not _received:
        return "interrupted", 130
    return f"told to end by {signal.Signals(_received[0]).name}", 128 + _received[0]


def _below(pid: int) -> Iterator[int]:
    for file in Path("/proc").glob(f"{pid}/task/*/children"):  # without /proc they leave by themselves
        try:
            children = [int(child) for child in file.read_text().split()]
        except OSError:
            continue
        for child in children:
            yield from _below(child)
            yield child


def _began(pid: int) -> str:
    """When a process began, in the system's own words: another one may get its number. "gone" where it has ended."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "gone" if state in "ZX" else fields[18]
    except (OSError, IndexError, ValueError):
        pass
    if Path("/proc/self/stat").exists():
        return "gone"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except OSError:
        pass
    return "there"
