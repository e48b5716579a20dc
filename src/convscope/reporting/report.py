"""A report folder: rows, small arrays, tables and figures, and a README that shows them.

What shows data whose terms restrict redistribution lies in its folder `restricted/`, which git ignores and the README
does not name: an array, figure or page whose name begins with `restricted/`.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convscope import npz as stored_arrays
from convscope import printable
from convscope.reporting import tables as table_files
from convscope.reporting.tables import Table
from convscope.rows import Row, merge, read_csv, to_csv
from convscope.runs import write_bytes, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS, ARRAYS, RESTRICTED = "rows.csv", "arrays.npz", "restricted/"


def write_report(folder: Path, *, tables: Sequence[Table], figures: Mapping[str, "Figure"], rows: Sequence[Row],
                 arrays: Mapping[str, np.ndarray] | None = None, pages: Mapping[str, str] | None = None,
                 command: str | None = None, notes: Sequence[str] = ()) -> list[Path]:
    """The paths written: rows.csv, arrays.npz, each table's and figure's files, README.md; equal content, equal bytes.

    `pages` are html texts by name, `notes` sentences on the data for the README.

    `command` is what the README says rebuilds the folder, `uv run experiments/report.py <folder's name>` by default.
    With no arrays, an arrays.npz of an earlier report is removed, so that a folder never mixes two. Raises ValueError
    where two tables or figures would write one file.
    """
    names = [*(table.name for table in tables), *figures]
    doubled = sorted({name for name in names if names.count(name) > 1} | {"rows", "README"} & set(names))
    if doubled:
        raise ValueError(f"tables and figures need names of their own, other than rows and README, got {doubled}")
    command = command or f"uv run experiments/report.py {folder.name}"
    write_text(folder / ROWS, to_csv(merge([], rows)))
    written = [folder / ROWS]
    arrays, pages = arrays or {}, pages or {}
    free = {k: v for k, v in arrays.items() if not k.startswith(RESTRICTED)}
    for file, part in ((folder / ARRAYS, free),
                       (folder / RESTRICTED / ARRAYS, {k: v for k, v in arrays.items() if k not in free})):
        if part:
            write_bytes(file, npz(part))
            written.append(file)
        else:
            file.unlink(missing_ok=True)
    for table in tables:
        written += table_files.write(table, folder)
    if figures:
        from convscope.reporting.figures import save

        for name, figure in figures.items():
            written += save(figure, folder, name)
    for name, page in pages.items():
        write_text(folder / f"{name}.html", page)
        written.append(folder / f"{name}.html")
    shown, linked = ([name for name in names if not name.startswith(RESTRICTED)] for names in (figures, pages))
    page = _readme(folder.name, tables, shown, linked, len(rows), free, command, notes)
    write_text(folder / "README.md", page)
    return [*written, folder / "README.md"]


def read_report(folder: Path) -> tuple[list[Row], dict[str, np.ndarray]]:
    """The rows and arrays (none: empty) that `write_report` stored; raises ValueError where there is no report."""
    if not (folder / ROWS).is_file():
        raise ValueError(f"{folder} is no report: expected {ROWS} in it, run its experiment first")
    arrays: dict[str, np.ndarray] = {}
    for file in filter(Path.is_file, (folder / ARRAYS, folder / RESTRICTED / ARRAYS)):
        try:
            arrays |= stored_arrays.read(file)
        except ValueError as error:
            raise ValueError(f"{file} is damaged ({error}): run its experiment again") from None
    return read_csv(folder / ROWS), arrays


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A compressed npz whose bytes depend on names, shapes, types and values alone: sorted, without dates.

    Raises ValueError for an array of Python objects, which could only be stored as a pickle, and for more than is read.
    """
    stored_arrays.check(arrays)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in sorted(arrays):
            array = np.asarray(arrays[name])
            if array.dtype.hasobject:
                raise ValueError(f"array {name} must hold numbers or texts of one width, got {array.dtype}: convert it")
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array, order="C"), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system, member.external_attr = 3, 0o644 << 16  # the same on every system
            archive.writestr(member, content.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


def _readme(name: str, tables: Sequence[Table], figures: Sequence[str], pages: Sequence[str], n_rows: int,
            arrays: Mapping[str, np.ndarray], command: str, notes: Sequence[str]) -> str:
    """The folder's page: how to rebuild it, the figures, the tables in full, and what else lies there."""
    parts = [f"# {name}", f"Rebuilt from `{ROWS}`" + (f" and `{ARRAYS}`" if arrays else "") + f" by\n\n    {command}"]
    for table in tables:
        links = " · ".join(f"[{s}]({table.name}.{s})" for s in ("csv", "md", "tex"))
        parts.append(f"## {table.name}\n\n{table_files.markdown(table)}\n{links}")
    for figure in figures:
        page = f" · [html, with more]({figure}.html)" if figure in pages else ""
        parts.append(f"## {figure}\n\n![{figure}]({figure}.png)\n\n[png]({figure}.png) · [pdf]({figure}.pdf){page}")
    files = [f"- [{ROWS}]({ROWS}): {n_rows} measurements, one per line"]
    if arrays:
        named = {k: printable.line(k).replace("`", "'") for k in sorted(arrays)}  # of data sets, which files name
        shapes = ", ".join(f"`{named[k]}` {'×'.join(map(str, np.shape(arrays[k]))) or 'scalar'}" for k in named)
        files.append(f"- [{ARRAYS}]({ARRAYS}): {shapes}")
    files += [f"- {table_files.escaped(note)}" for note in notes]
    return "\n\n".join([*parts, "## Data\n\n" + "\n".join(files)]) + "\n"
