"""Looks into the run store and moves runs between machines.

    uv run experiments/runs.py                            # every run with its state
    uv run experiments/runs.py list --study train --state failed
    uv run experiments/runs.py show 3f2a                  # one run: config, provenance, rows, why it failed
    uv run experiments/runs.py export runs.tar --study train
    uv run experiments/runs.py import runs.tar
    uv run experiments/runs.py remove --state failed      # asks first; --yes does not
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from convscope import printable
from convscope.archive import export_runs, import_runs
from convscope.heartbeat import duration
from convscope.runs import STATES, Run, Store


def select(args: argparse.Namespace) -> Iterator[Run]:
    """The runs that the command line names: by study, state and the beginning of the id."""
    for run in Store(args.runs).runs(args.study):
        if args.id and not run.id.startswith(tuple(args.id)):
            continue
        if not args.state or run.state() == args.state:
            yield run


def line(run: Run) -> str:
    """One run in one line: its state, when it ended, how long it took and its cell; also where files are damaged."""
    state = run.state()
    words = run.changed_files() if state == "edited" else []
    if state not in ("missing", "edited"):
        try:
            words = described(run.config(), data=_data(run))
        except ValueError:
            words = ["its config.json is damaged"]
    words += [run.failure()] if state == "failed" else []
    return printable.line(f"{run.study:<12} {run.id}  {state:<8} {_when(run):<16} {_took(run):>7}  {' | '.join(words)}")


def described(config: Mapping[str, Any], *, data: str = "") -> list[str]:
    """What a stored config says of its cell, as far as it is such as we write them: parts, seed, then settings."""
    rest = {key: value for key, value in config.items() if key not in ("version", "seed", "data")}
    parts = {key: _part(rest.pop(key)) for key in ("condition", "signal", "model", "fit")
             if isinstance(rest.get(key), dict)}
    named = config.get("data")
    words = [data or str(named.get("name", "no name"))] if isinstance(named, dict) else []
    words += [parts[key] for key in ("condition", "signal", "model") if key in parts]
    words += [f"seed {config['seed']}"] if "seed" in config else []
    words += [f"fit {parts['fit'].partition(' ')[2]}"] if " " in parts.get("fit", "") else []
    return words + [f"{key}={_part(value)}" for key, value in rest.items()]


def _part(value: Any) -> str:
    """A method with its parameters, or a setting, in short."""
    if isinstance(value, dict) and "name" in value:
        text = " ".join([str(value["name"]), *(f"{k}={v}" for k, v in value.items() if k not in ("name", "version"))])
    elif isinstance(value, list):
        text = ",".join(str(one.get("called", one.get("name"))) if isinstance(one, dict) else str(one) for one in value)
    else:
        text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _data(run: Run) -> str:
    """The data as the run's rows call them, with more than their kind; "" where there are none yet."""
    try:
        return next((row.data for row in run.rows()), "")
    except (ValueError, OSError):
        return ""


def _when(run: Run) -> str:
    """The local time at which the run ended, or was last worked on."""
    for name in ("DONE", "FAILED", "config.json"):
        try:
            return time.strftime("%Y-%m-%d %H:%M", time.localtime((run.folder / name).stat().st_mtime))
        except OSError:
            continue
    return ""


def _took(run: Run) -> str:
    try:
        return duration(float(run.provenance()["wall_seconds"]))
    except (ValueError, KeyError, TypeError, OSError):
        return ""


def show(run: Run) -> None:
    print(line(run), run.folder, sep="\n")
    for name in ("config.json", "provenance.json", "rows.csv", "FAILED"):
        if (run.folder / name).is_file():
            text = (run.folder / name).read_text(encoding="utf-8", errors="replace").rstrip()
            print(f"\n{name}\n{printable.lines(text)}")


def remove(runs: list[Run], yes: bool) -> None:
    if not runs:
        raise ValueError("no run matches")
    print(*map(line, runs), sep="\n")
    try:
        sure = yes or input(f"remove these {len(runs)} runs? [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        sure = False
    if not sure:
        sys.exit("nothing removed")
    kept = []
    for run in runs:
        try:
            run.remove()
        except (ValueError, OSError) as error:  # the others go
            kept.append(str(error))
    print(f"removed {len(runs) - len(kept)} runs")
    if kept:
        raise ValueError("; ".join(kept))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the run store (default: runs)")
    commands = parser.add_subparsers(dest="command")
    for name in ("list", "show", "export", "import", "remove"):
        command = commands.add_parser(name)
        if name in ("export", "import"):
            command.add_argument("file", type=Path)
        if name != "import":
            command.add_argument("id", nargs="*" if name != "show" else "+", help="beginning of a run id")
            command.add_argument("--study")
            command.add_argument("--state", choices=STATES)
        if name == "remove":
            command.add_argument("--yes", action="store_true", help="do not ask")
    args = parser.parse_args()
    if args.runs.exists() and not args.runs.is_dir():
        raise ValueError(f"--runs must be a folder, the run store, got the file {args.runs}")
    if args.command in (None, "list"):
        args = argparse.Namespace(**{"study": None, "state": None, "id": [], **vars(args)})
        print(*([line(run) for run in select(args)] or ["no runs"]), sep="\n")
    elif args.command == "show":
        runs = list(select(args))
        if not runs:
            raise ValueError(f"no run in {args.runs} begins with {' or '.join(args.id)}")
        for run in runs:
            show(run)
    elif args.command == "export":
        print(f"exported {len(export_runs(select(args), args.file))} finished runs to {args.file}")
    elif args.command == "import":
        added, present = import_runs(Store(args.runs), args.file)
        print(f"imported {len(added)} runs, {len(present)} were there already")
    else:
        if not (args.id or args.study or args.state):
            raise ValueError("remove needs an id, --study or --state: it never removes everything")
        remove(list(select(args)), args.yes)


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"convscope: {printable.line(' '.join(str(error).split()))}")
