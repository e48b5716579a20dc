"""Lines on stderr, and one at least every 15 seconds while something works of which nothing else is said."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from convscope import printable

SECONDS = float(os.environ.get("CONVSCOPE_SILENCE_SECONDS", "15"))
_working: list[object] = []                 # what runs now, the innermost last: that one is told of
_phases: list[Callable[[], str]] = []       # how far it is, where something counts that
_last = time.monotonic()                    # when something was said


def say(text: str, *, passing: bool = False) -> None:
    """One line on stderr; a passing one is overwritten by the next where stderr is a terminal."""
    text = printable.line(text)
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="" if passing else "\n", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)
    spoken()


def spoken() -> None:
    """Something was said: the silence starts anew."""
    global _last
    _last = time.monotonic()


@contextmanager
def beating(what: str | Callable[[], str], *, shown: bool = True,
            elsewhere: Callable[[], object] | None = None) -> Iterator[None]:
    """Says within the block, after 15 seconds of silence and then again, what is being worked on and for how long.

    A new value of `elsewhere` means that another process said something.
    """
    if not shown:
        yield
        return
    spoken()
    ended, begun = threading.Event(), time.monotonic()

    def beat() -> None:
        before = elsewhere() if elsewhere else None
        while not ended.wait(min(1.0, SECONDS / 5)):
            if elsewhere and before != (before := elsewhere()):
                spoken()
            if _working[-1:] == [ended] and time.monotonic() - _last >= SECONDS:
                told = what if isinstance(what, str) else what()
                far = f"{_phases[-1]()}, " if _phases else ""
                say(f"{told}: {far}{duration(time.monotonic() - begun)} so far", passing=True)

    thread = threading.Thread(target=beat, daemon=True)
    _working.append(ended)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        _working.remove(ended)
        thread.join(timeout=5)


@contextmanager
def phase(far: Callable[[], str]) -> Iterator[None]:
    """Within the block, `far` says how far the work is."""
    _phases.append(far)
    try:
        yield
    finally:
        _phases.remove(far)


def duration(seconds: float) -> str:
    """Seconds in words: 45 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
