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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from convscope import printable
from convscope.archive import export_runs, import_runs
from convscope.runs import STATES, Run, Store


def select(args: argparse.Namespace) -> Iterator[Run]:
    """The runs that the command line names: by study, state and the beginning of the id."""
    for run in Store(args.runs).runs(args.study):
        if args.id and not run.id.startswith(tuple(args.id)):
            continue
        if not args.state or run.state() == args.state:
            yield run


def line(run: Run) -> str:
    """One run in one line, also of one whose files are damaged."""
    state = run.state()
    words = run.changed_files() if state == "edited" else []
    if state not in ("missing", "edited"):
        try:
            words = described(run.config())
        except ValueError:
            words = ["its config.json is damaged"]
    words += [run.failure()] if state == "failed" else []
    return printable.line(f"{run.study:<12} {run.id}  {state:<8} {' | '.join(words)}")


def described(config: Mapping[str, Any]) -> list[str]:
    """What a stored config says of its cell, as far as it is such as we write them."""
    parts = [part for part in (config.get("signal"), config.get("model")) if isinstance(part, dict) and part]
    words = [" ".join([str(part.get("name", "no name")),
                       *(f"{k}={v}" for k, v in part.items() if k not in ("name", "version"))]) for part in parts]
    return [*words, *([f"seed {config['seed']}"] if "seed" in config else [])]


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
