"""Rebuilds tables and figures from stored rows: no model, no GPU, seconds.

    uv run experiments/report.py blindspots_table1    # one report: a folder of results/, or of runs/results/
    uv run experiments/report.py                      # all committed reports, and results/ledger.md

The report of a study of your own needs that study: run it from the folder that holds yours, or name --config-dir.
"""

import argparse
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

import own_modules

from convscope import printable, sweep

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("name", nargs="*", help="name or folder of a report")
parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the committed reports")
parser.add_argument("--config-dir", "-cd", type=Path, help="that of your own study, as my_lab/configs")
parser.add_argument("--debug", action="store_true", help="tracebacks instead of sentences")


def told(work: Callable[[], Iterable[Path]], debug: bool) -> bool:
    """Prints the paths that `work` wrote; says why, and gives False, where it could not."""
    try:
        print(*(printable.line(str(file)) for file in work()), sep="\n")
    except (ValueError, OSError) as error:
        if debug:
            traceback.print_exc()
        sweep.say(f"convscope: {error}")
        return False
    return True


if __name__ == "__main__":
    args = parser.parse_args()
    own_modules.importable()
    places = [args.results, Path("runs/results"), Path()]
    names = args.name or sweep.reports(args.results)
    good = [told(lambda name=name: sweep.rebuild(sweep.find_report(name, places)), args.debug) for name in names]
    if all(good) and (sweep.reports(args.results) or not args.name):  # else the ledger would lack the damaged ones
        good.append(told(lambda: [sweep.write_ledger(args.results)], args.debug))
    sys.exit(0 if all(good) else 1)
