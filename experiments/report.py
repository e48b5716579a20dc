"""Rebuilds tables and figures from stored rows: no model, no GPU, seconds.

    uv run experiments/report.py blindspots_table1    # one report: a folder of results/, or of runs/results/
    uv run experiments/report.py                      # all committed reports, and results/ledger.md

The report of a study of your own needs that study: run it from the folder that holds yours, or name --config-dir.
"""

import argparse
import sys
from pathlib import Path

import own_modules

from convscope import sweep

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("name", nargs="*", help="name or folder of a report")
parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the committed reports")
parser.add_argument("--config-dir", "-cd", type=Path, help="that of your own study, as my_lab/configs")

if __name__ == "__main__":
    args = parser.parse_args()
    own_modules.importable()
    try:
        for name in args.name or sweep.reports(args.results):
            for file in sweep.rebuild(sweep.find_report(name, [args.results, Path("runs/results"), Path()])):
                print(file)
        if sweep.reports(args.results) or not args.name:
            print(sweep.write_ledger(args.results))
    except (ValueError, OSError) as error:
        sys.exit(f"convscope: {error}")
