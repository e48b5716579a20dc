import io
import re

from convscope.training import progress
from convscope.training.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def written(monkeypatch, stream, seconds_per_step, total=1000, **settings):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    bar = Progress(total, batch_size=128, stream=stream, **settings)
    bar.start(0)
    for step in range(1, total + 1):
        clock[0] = step * seconds_per_step
        bar.show(step, {"train_loss": 0.5, "train_accuracy": 0.875})
    bar.close()
    return stream.getvalue()


def test_a_log_gets_few_lines(monkeypatch):
    lines = written(monkeypatch, io.StringIO(), 1.0).splitlines()
    assert lines[0] == ("training   3%, 30 of 1,000 steps, 128 samples/s, 0:16:10 left, train loss 0.5, "
                        "train accuracy 0.875")
    assert len(lines) == 10
    assert written(monkeypatch, io.StringIO(), 0.02) == ""  # 20 seconds: over before there is anything to say
    steps = [int(s.replace(",", "")) for s in re.findall(r", ([\d,]+) of", written(monkeypatch, io.StringIO(), 60.0))]
    assert max(b - a for a, b in zip(steps, steps[1:], strict=False)) <= 10  # hours long: a line every 10 minutes


def test_a_terminal_gets_one_line_that_is_cleared(monkeypatch):
    text = written(monkeypatch, Terminal(), 1.0)
    assert "\n" not in text
    assert text.count("\r") == 1001
    assert text.endswith("\r\x1b[K")


def test_silence(monkeypatch):
    assert written(monkeypatch, Terminal(), 1.0, shown=False) == ""
    assert written(monkeypatch, io.StringIO(), 1.0, shown=False) == ""
