"""How far a training is: one live line on a terminal, a few lines in a log."""

import sys
import time
from collections.abc import Mapping
from typing import TextIO

from convscope import heartbeat


class Progress:
    """Writes to stderr: on a terminal a line that renews itself, else a line after 30 seconds and then every 10 %.

    Two lines in a log are at least 30 seconds apart, and at most 10 minutes.
    """

    def __init__(self, total: int, *, batch_size: int, shown: bool = True, stream: TextIO | None = None) -> None:
        self._total, self._batch_size, self._stream = total, batch_size, stream or sys.stderr
        self._live = shown and self._stream.isatty()
        self._lines = shown and not self._live
        self._start = self._last = time.monotonic()
        self._first_step = self._last_step = 0
        self._written = False
        self._now: tuple[int, Mapping[str, float]] = 0, {}

    def start(self, step: int) -> None:
        """Begins to count at this step: what an interrupted run did before is not this one's speed."""
        self._start = self._last = time.monotonic()
        self._first_step = self._last_step = step

    def show(self, step: int, numbers: Mapping[str, float]) -> None:
        """Says that `step` steps are done, if it is time to; `numbers` are those of the last epoch."""
        now, self._now = time.monotonic(), (step, numbers)
        if self._live:
            self._write(f"\r{self._text(step, now, numbers)}\x1b[K")
            self._written = True
        elif self._lines and now - self._last >= 30:
            far = step - self._last_step >= self._total / 10
            if far or not self._written or now - self._last >= 600:
                self._write(self._text(step, now, numbers) + "\n")
                self._last, self._last_step, self._written = now, step, True

    def told(self) -> str:
        """How far it is now, for who asks."""
        return self._text(self._now[0], time.monotonic(), self._now[1])

    def close(self) -> None:
        """Leaves the terminal's line empty."""
        if self._live and self._written:
            self._write("\r\x1b[K")

    def _text(self, step: int, now: float, numbers: Mapping[str, float]) -> str:
        speed = (step - self._first_step) / max(now - self._start, 1e-9)
        text = f"training {step / self._total:4.0%}, {step:,} of {self._total:,} steps"
        if speed > 0:
            left = round((self._total - step) / speed)
            text += (f", {speed * self._batch_size:,.0f} samples/s, "
                     f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left")
        kept = ("train_loss", "train_accuracy", "holdout_accuracy", "validation_loss")
        return text + "".join(f", {k.replace('_', ' ')} {numbers[k]:.4g}" for k in kept if k in numbers)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
        heartbeat.spoken()
