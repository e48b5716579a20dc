"""What a command would do: its cells with their state, and the time that the missing ones may take."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from convscope.heartbeat import duration
from convscope.runs import Store
from convscope.studies.study import Cell
from convscope.sweep import read_provenance


def plan(cells: Sequence[Cell], results: Path) -> str:
    """A table of the cells with their state, and the time that the missing ones may take."""
    lines, total, unknown = [], 0.0, 0
    seconds = _known_seconds(cells, results)
    states = [cell.run.state() for cell in cells]
    for cell, state in zip(cells, states, strict=True):
        expected = seconds.get(_model(cell.run.identity or {}))
        if state != "done":
            total, unknown = total + (expected or 0), unknown + (expected is None)
        lines.append(f"{cell.run.id}  {state:<8}  {f'{expected:8.1f} s' if expected else 'not known '}  {cell.title}")
    done = states.count("done")
    time = f"about {duration(total)}, one after the other" * (unknown < len(cells) - done)
    if unknown:
        time += ", and " * bool(time) + f"{unknown} of unknown duration: nothing like it was run yet"
    return "\n".join([*lines, f"{len(cells)} cells, {done} done, {len(cells) - done} to run: "
                      + (time if done < len(cells) else "nothing to do")])


def _known_seconds(cells: Sequence[Cell], results: Path) -> dict[str, float]:
    """Median wall seconds per model, from the runs in the store and from committed reports."""
    found: dict[str, list[float]] = {}
    known: list[tuple[Mapping[str, Any], Any]] = []
    for run in {cell.run.root: cell.run for cell in cells}.values():
        for other in Store(run.root).runs(run.study):
            with suppress(ValueError):  # a damaged one says nothing of time
                if other.state() == "done":
                    known.append((other.config(), other.provenance().get("wall_seconds")))
    with suppress(ValueError):
        known += [(entry["config"], entry.get("wall_seconds")) for entry in read_provenance(results).values()]
    for config, seconds in known:
        if isinstance(seconds, (int, float)):
            found.setdefault(_model(config), []).append(seconds)
    return {model: median(times) for model, times in found.items()}


def _model(identity: Mapping[str, Any]) -> str:
    """What decides most of a cell's time: its model and how that is trained."""
    return json.dumps([identity.get("model"), identity.get("fit"), identity.get("data")], sort_keys=True)
