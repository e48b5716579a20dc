"""One command is a sweep of cells: check them all first, run what is missing, then report. Knows no Hydra."""

import math
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from convscope import environment, provenance
from convscope.family import ConfigError, names, whole
from convscope.heartbeat import beating, say
from convscope.naming import called
from convscope.rows import Row, merge
from convscope.runs import EditedRun, FullDisk, Run, perform, read_json, reason, remove_temporaries, write_json
from convscope.studies.study import Cell, Study, study

warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # a user's letters, drawn as boxes


def check(cfg: Mapping[str, Any]) -> Cell:
    """The cell of a config; raises ConfigError, ValueError or OSError in one sentence where it cannot be run."""
    try:
        environment.check(cfg)
        whole("seed", cfg["seed"])
        if not isinstance(cfg["study"], str):
            raise ConfigError(f"study must be the name of a study, got {cfg['study']!r}; there are "
                              f"{', '.join(names('studies'))}")
        cell = study(cfg["study"]).cell(cfg)
        assert cell.run  # it is named by its data, which are looked for now
        return cell
    except KeyError as error:
        raise ConfigError(f"the config lacks {error}; every preset in configs/ shows what it needs") from None


def check_device(cells: Iterable[Cell]) -> None:
    """Raises ValueError where a cell wants a GPU that this machine does not have."""
    for env in {cell.env["device"]: cell.env for cell in cells if cell.env["device"] == "cuda"}.values():
        from convscope.training import machine

        machine.device(env)


def run_cell(cfg: Mapping[str, Any]) -> None:
    """Runs one cell and stores it. A failure is recorded and told in one line, so that the sweep goes on.

    Raises SystemExit on a full disk: every other cell would meet it too.
    """
    cell, env = check(cfg), cfg["env"]
    try:
        with (_mirror(cell.run.id, cfg, cell.subject.kind) as mirror,
              beating(f"{env['cell']} {cell.title}", shown=env["progress"] is not False)):
            known = cell.run.state() == "done"
            watched = replace(cell, on_epoch=mirror.curve if mirror else None)
            rows = perform(cell.run, lambda _: watched.work(),
                           notes={"seed": cell.seed, "command": provenance.command_line(), **_told_of(cell)})
            if mirror and mirror.started:
                for epoch in cell.curve() if known else []:
                    mirror.curve(epoch)
                mirror.rows(rows)
                write_json(cell.run.folder / "mirror.json", cfg["logger"])
    except FullDisk as error:
        raise SystemExit(f"convscope: {error.strerror}") from None
    except Exception as error:
        if env["debug"]:
            traceback.print_exc()
        say(f"{env['cell']} {cell.title}: FAILED: {_reason(cell.run, error)}")
        return
    say(f"{env['cell']} {cell.title}: {rows[0].metric} {rows[0].value:.4f}, "
        f"{cell.run.provenance().get('wall_seconds', math.nan):.1f} s", passing=True)


def report(cells: Sequence[Cell], folder: Path) -> tuple[str, int]:
    """Writes tables and figures of all finished cells to `folder`; returns the text to print and the exit code."""
    states = [cell.run.state() for cell in cells]
    done = [cell for cell, state in zip(cells, states, strict=True) if state == "done"]
    say(f"{len(done)} of {len(cells)} cells are done")
    with beating(f"drawing the report {folder.name}", shown=cells[0].env["progress"] is not False):
        text = _write(done, folder) if done else ""
    bad: dict[str, list[Cell]] = {}
    for cell, state in zip(cells, states, strict=True):
        if state != "done":
            reason = _reason(cell.run, EditedRun(state)) if state in ("failed", "edited") else "did not end"
            bad.setdefault(f"{state}: {reason}", []).append(cell)
    for reason, those in bad.items():
        named = "; ".join(f"{cell.title} ({cell.run.study}/{cell.run.id})" for cell in those[:3])
        say(f"{reason} [{named}{f'; and {len(those) - 3} more' if len(those) > 3 else ''}]")
    if bad:
        say(f"{len(cells) - len(done)} cells are missing; the same command tries them again")
    return text, 1 if bad else 0


def rebuild(folder: Path) -> list[Path]:
    """Rebuilds every table and figure of a report folder from the rows and arrays stored in it."""
    from convscope.reporting.report import read_report, write_report

    rows, arrays = read_report(folder)
    if not rows:
        raise ValueError(f"{folder / 'rows.csv'} holds no row: run its experiment first")
    own = _stored(rows[0].study)
    try:
        shown = {"tables": own.tables(rows), "figures": own.figures(rows, arrays), "pages": own.pages(rows, arrays)}
    except Exception as error:  # rows of elsewhere may lack anything that the study counts on
        why = f"they lack {error}" if isinstance(error, KeyError) else " ".join(str(error).split()) or "unknown"
        raise ValueError(f"{folder / 'rows.csv'} and its arrays are not such as {own.name} writes ({why}); run its "
                         "experiment again, or see where with --debug") from error
    return write_report(folder, rows=rows, arrays=arrays, notes=_notes(rows, read_provenance(folder)), **shown)


def reports(results: Path) -> list[str]:
    """Names of the committed reports."""
    return sorted(file.parent.name for file in results.glob("*/rows.csv") if file.is_file())


def find_report(name: str, places: Iterable[Path]) -> Path:
    """The folder of a report by its name, in the first place that has it; raises ValueError where none has."""
    places = list(places)
    for place in places:
        if (place / name / "rows.csv").is_file():
            return place / name
    known = ", ".join(name for place in places[:-1] for name in reports(place)) or "none yet"
    raise ValueError(f"no report {name} (a folder with rows.csv); there are: {known}")


def write_ledger(results: Path) -> Path:
    """Writes results/ledger.md: every number of a paper beside ours, from the rows of all committed reports."""
    from convscope.reporting import ledger
    from convscope.rows import read_csv

    if not reports(results):
        raise ValueError(f"no report in {results}: expected folders with rows.csv, run an experiment first")
    by_study: dict[str, dict[str, list[Row]]] = {}
    for name in reports(results):
        rows = read_csv(results / name / "rows.csv")
        if not rows:
            raise ValueError(f"{results / name / 'rows.csv'} holds no row: run its experiment first, or move it away")
        by_study.setdefault(rows[0].study, {})[name] = rows
    lines = [line for name, found in by_study.items() for line in _stored(name).ledger(found)]
    return ledger.write(lines, results / "ledger.md")


def _stored(name: str) -> Study:
    """The study that stored rows name: ours, or one below PYTHONPATH. Rows come from anywhere: no other is imported."""
    own = study(name)
    places = [Path(place, name.partition(".")[0]).resolve()
              for place in filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    if not any(own.file.is_relative_to(place) for place in (Path(__file__).parent, *places)):
        raise ConfigError(f"the rows are of the study {name}, which is neither ours nor below the working folder; run "
                          "from the folder that holds yours, or set PYTHONPATH")
    return own


def _write(done: Sequence[Cell], folder: Path) -> str:
    from convscope.reporting.report import read_report, write_report
    from convscope.reporting.tables import render

    runs = [called(cell) for cell in done]
    rows: list[Row] = [row for run in runs for row in run.rows()]
    own = done[0].study
    arrays = own.arrays(runs)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):  # two commands may end at the same time
        remove_temporaries(folder)
        known = read_provenance(folder)
        if (folder / "rows.csv").is_file():
            old_rows, old_arrays = read_report(folder)
            rows, arrays = merge(_fresh(old_rows, known, rows, runs), rows), {**old_arrays, **arrays}
        tables = own.tables(rows)
        known |= {cell.run.id: {**cell.run.provenance(), "config": cell.run.config(), **_told_of(cell)}
                  for cell in done}
        files = write_report(folder, tables=tables, figures=own.figures(rows, arrays), rows=rows, arrays=arrays,
                             pages=own.pages(rows, arrays), notes=_notes(rows, known))
        wanted = {row.run_id for row in rows}
        write_json(folder / "provenance.json", {key: known[key] for key in sorted(known) if key in wanted})
    with _mirror(re.sub(r"[^\w-]", "-", f"{folder.name}-report"), done[0].cfg, "report") as mirror:
        if mirror:
            for table in tables:
                mirror.table(table)
            for file in files:
                if file.suffix == ".png" and file.parent == folder:
                    mirror.image(file)
    shown = [render(table, ansi=sys.stdout.isatty()) for table in tables]
    kinds = "  ".join(sorted({f"*{file.suffix}" for file in files}))
    shown.append(f"wrote {len(files)} files to {folder}/ ({kinds}): start with {folder}/README.md")
    if any(file.parent != folder for file in files):
        shown.append(f"{folder}/restricted/ shows texts whose terms restrict redistribution: git ignores it")
    return "\n\n".join(shown)


def _told_of(cell: Cell) -> dict[str, Any]:
    """What is told of a cell's data, for its provenance: nothing of most."""
    notes = list(getattr(cell.dataset, "notes", ()))
    return {"data_notes": notes} if notes else {}


def _notes(rows: Sequence[Row], known: Mapping[str, Any]) -> list[str]:
    """What was done to each data set behind the rows before it was one, in sentences."""
    return sorted({f"{row.data}: {note}" for row in rows if isinstance(entry := known.get(row.run_id), Mapping)
                   for note in entry.get("data_notes", ())})


def read_provenance(folder: Path) -> dict[str, Any]:
    """Where and how each run of a report was measured, with its config; empty where there is none yet.

    Raises ValueError for a file that no report wrote: without it, nobody can say which old rows still hold.
    """
    file = folder / "provenance.json"
    found = read_json(file) if file.exists() else {}
    for key, entry in found.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("config"), dict):
            raise ValueError(f"{file} is damaged: {key} has no config; put it back, or move {folder} away and give the "
                             "same command again, which remakes the report from its runs")
    return found


def _fresh(old_rows: Sequence[Row], known: Mapping[str, Any], new_rows: Sequence[Row],
           runs: Sequence[Run]) -> list[Row]:
    """The old rows without those of a study, method or data set that has changed since, as the new runs show."""
    configs = {run.id: run.config() for run in runs}
    current = {key: value for row in new_rows for key, value in _versions(row, configs[row.run_id]).items()}

    def fresh(row: Row) -> bool:
        then = _versions(row, known[row.run_id]["config"]) if row.run_id in known else {("", ""): None}
        return all(current.get(key, value) == value for key, value in then.items())

    kept = [row for row in old_rows if fresh(row)]
    dropped = len({row.run_id for row in old_rows} - {row.run_id for row in kept})
    if dropped:
        say(f"{dropped} older runs left the report: their method or data has changed since")
    return kept


def _versions(row: Row, config: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """The version of the study and of each method behind a row, and its data's fingerprint."""
    found = {(key, part["name"]): part["version"] for key, part in config.items()
             if isinstance(part, dict) and {"name", "version"} <= set(part)}
    told = config.get("data")
    drawn = told if isinstance(told, dict) else {}
    data = f"{row.data} {drawn.get('draw', '')}"  # a set that a seed draws is another one for each seed
    return found | {("study", row.study): config.get("version"), ("data", data): drawn.get("fingerprint")}


def _mirror(run_id: str, cfg: Mapping[str, Any], kind: str) -> AbstractContextManager[Any]:
    """The W&B mirror of a run, or a context that gives None where the logger is none."""
    if cfg["logger"]["name"] == "none":
        return nullcontext()
    from convscope.reporting.wandb_mirror import mirror

    settings = {k: v for k, v in cfg["logger"].items() if k != "name"}
    return mirror(run_id, preset=cfg["env"]["preset"], kind=kind, config=cfg, folder=Path(cfg["env"]["runs"]),
                  **settings)


def _reason(run: Run, error: Exception) -> str:
    if isinstance(error, EditedRun) and run.state() == "edited":
        return (f"{', '.join(run.changed_files())} changed after the run was done; put the files back, or remove it: "
                f"experiments/runs.py remove {run.id}")
    return run.failure() if (run.folder / "FAILED").is_file() else reason(error)
