"""Seconds of the command line: start-up, a refused config, a plan, a rebuilt report, and the default command.

    uv run benchmarks/command_line.py                # about 2 minutes
    uv run benchmarks/command_line.py --rounds 7

The commands take turns, so that a machine that slows down slows them all; medians over the rounds, wall seconds. The
default command is timed once, in a run store of its own, and then again when everything is done.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def seconds(script: str, *arguments: str, expected: int = 0) -> float:
    """Wall seconds of one command; raises RuntimeError with its last line where it does not exit as expected."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, str(EXPERIMENTS / script), *arguments], capture_output=True, text=True)
    if done.returncode != expected:
        command = " ".join([script, *arguments])
        raise RuntimeError(f"{command} exited with {done.returncode}: {done.stderr.strip()[-300:]}")
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        store = f"env.runs={folder}/runs"
        first = seconds("blindspots.py", store)
        print(f"{'default command (digits, 81 cells)':<40} {first:7.1f} s", flush=True)
        commands = {
            "default command, all cells done": ("blindspots.py", [store], 0),
            "plan of the default command": ("blindspots.py", [store, "env.plan=true"], 0),
            "show a config": ("blindspots.py", ["--cfg", "job"], 0),
            "refuse an unknown signal": ("blindspots.py", ["signal=no_such_signal"], 2),
            "refuse a negative amplitude": ("blindspots.py", ["signal=one_pixel", "signal.amplitude=-1"], 2),
            "list the run store": ("runs.py", ["--runs", f"{folder}/runs"], 0),
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, (script, arguments, expected) in commands.items():
                times[name].append(seconds(script, *arguments, expected=expected))
    for name, found in times.items():
        print(f"{name:<40} {median(found):7.2f} s   ({min(found):.2f} to {max(found):.2f})")


if __name__ == "__main__":
    main()
