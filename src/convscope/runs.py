"""The run store: one cell of a study is one folder, named by the hash of everything that can change its numbers.

`runs/<study>/<run_id>/` holds config.json, rows.csv, provenance.json, log.txt, artifacts, and DONE, written last with
the checksum of every other file. What was cut off, also by kill -9, has no DONE and is continued by the same command.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from convscope import provenance
from convscope.rows import Row, read_csv, to_csv

STATES = ("done", "missing", "failed", "cut off", "running", "edited")
UNCHECKED = {"DONE", "FAILED", "log.txt", "mirror.json"}  # may change after DONE, and hold no result


class EditedRun(ValueError):
    """A finished run whose files no longer are what it wrote."""


class FullDisk(OSError):
    """No space is left for a run's files: the sweep has to stop, what is done stays."""


def canonical(identity: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, no NaN; equal configs give equal texts."""
    return json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def run_id(study: str, identity: Mapping[str, Any]) -> str:
    """First 12 hex digits of sha256 over the study's name and the identity of one cell."""
    return hashlib.sha256(canonical({"study": study, **identity}).encode()).hexdigest()[:12]


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all: temporary name in the same folder, flush, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, and a file is to be written there; move it away")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for a text, in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """`write_bytes` for readable JSON."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False, default=str) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The mapping that a file holds; raises ValueError, one sentence, for a file that holds anything else."""
    if not path.is_file():  # a named pipe would be waited for, a device never ends
        raise ValueError(f"{path} is {'no file' if path.exists() else 'missing'}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        why = "it nests too deep" if isinstance(error, RecursionError) else getattr(error, "strerror", None) or error
        raise ValueError(f"{path} is damaged: {why}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} is damaged: expected a mapping, got a {type(found).__name__}")
    return found


def reason(error: BaseException) -> str:
    """Why something failed, in one line: our own errors are sentences, any other keeps its type."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"there is not enough memory for this ({text}); take fewer or smaller samples, or a smaller network"
    return text if isinstance(error, (ValueError, OSError, FloatingPointError)) else f"{type(error).__name__}: {text}"


def remove_temporaries(folder: Path) -> None:
    """Removes what `write_bytes` left in a folder where it was killed; for who holds the folder's lock."""
    for file in folder.glob(".*.tmp"):
        if file.is_file():
            file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Run:
    """One cell of a study in a store. `identity` is None where only the folder is known."""

    root: Path
    study: str
    id: str
    identity: Mapping[str, Any] | None = None

    @property
    def folder(self) -> Path:
        return self.root / self.study / self.id

    def state(self) -> str:
        """One of STATES."""
        if (self.folder / "DONE").is_file():
            return "edited" if self.changed_files() else "done"
        if self._locked():
            return "running"
        if (self.folder / "FAILED").is_file():
            return "failed"
        return "cut off" if (self.folder / "config.json").is_file() else "missing"

    def rows(self) -> list[Row]:
        return read_csv(self.folder / "rows.csv")

    def config(self) -> dict[str, Any]:
        """The identity that was hashed, as stored; raises ValueError for a damaged one."""
        return read_json(self.folder / "config.json")

    def provenance(self) -> dict[str, Any]:
        return read_json(self.folder / "provenance.json")

    def failure(self) -> str:
        """Why the run failed: one sentence."""
        try:
            return " ".join(str(read_json(self.folder / "FAILED")["reason"]).split())
        except (ValueError, KeyError):
            return "its file FAILED is damaged"

    def changed_files(self) -> list[str]:
        """Files of a finished run that are missing, added or not as it wrote them."""
        try:
            expected = read_json(self.folder / "DONE")
            found = self._checksums()
            wrong = {name for name in {*expected, *found} if expected.get(name) != found.get(name)}
        except (ValueError, OSError):
            return ["DONE"]
        try:
            known = run_id(self.study, self.config()) == self.id
        except (ValueError, RecursionError):
            known = False
        if not wrong and not known:
            wrong.add("config.json")
        return sorted(wrong)

    def finish(self) -> None:
        """Marks the run as done: from here on its files are checked against what they are now."""
        (self.folder / "FAILED").unlink(missing_ok=True)
        write_json(self.folder / "DONE", self._checksums())

    def remove(self) -> None:
        """Deletes the run's folder; raises ValueError while another process works in it."""
        try:
            with self.lock(timeout=0):
                shutil.rmtree(self.folder)
        except Timeout:
            raise ValueError(f"{self.study}/{self.id} is being run by another process; stop it first") from None

    def lock(self, timeout: float = -1) -> FileLock:
        """A lock that dies with its process; a second process waits for it."""
        path = self.root / ".locks" / f"{self.study}-{self.id}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path, timeout=timeout)

    def _locked(self) -> bool:
        path = self.root / ".locks" / f"{self.study}-{self.id}"
        if not path.exists():
            return False
        try:
            with self.lock(timeout=0):
                return False
        except Timeout:
            return True

    def _checksums(self) -> dict[str, str]:
        files = (f for f in self.folder.rglob("*") if f.is_file() and not f.name.endswith(".tmp"))
        return {f.relative_to(self.folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest()
                for f in sorted(files) if f.relative_to(self.folder).parts[0] not in UNCHECKED}


@dataclass(frozen=True)
class Store:
    """All runs below one folder."""

    root: Path

    def run(self, study: str, identity: Mapping[str, Any]) -> Run:
        return Run(self.root, study, run_id(study, identity), identity)

    def runs(self, study: str | None = None) -> Iterator[Run]:
        """Every run in the store, by study and id."""
        for folder in sorted(self.root.glob("*/*")):
            named = re.fullmatch(r"[^\W\d][\w.]*", folder.parent.name) and re.fullmatch("[0-9a-f]{12}", folder.name)
            if named and study in (None, folder.parent.name):
                yield Run(self.root, folder.parent.name, folder.name)


def perform(run: Run, work: Callable[[Run], Iterable[Row]], *, notes: Mapping[str, Any]) -> list[Row]:
    """The rows of `run`: read back if it is done, else measured by `work` and stored.

    A second process on the same run waits, then finds it done. Any error is recorded in FAILED (and its traceback in
    log.txt) and raised again. `notes` joins the provenance: the seed, the command line, the device.
    """
    with run.lock():
        state = run.state()
        if state == "edited":
            raise EditedRun(f"{run.study}/{run.id} was changed after it was done ({', '.join(run.changed_files())}); "
                            "put the files back, or remove the run with experiments/runs.py remove and run it again")
        if state == "done":
            return run.rows()
        try:
            _refuse_folders(run)
            remove_temporaries(run.folder)  # of a process that was killed: this one holds the lock
            (run.folder / "FAILED").unlink(missing_ok=True)
            write_json(run.folder / "config.json", run.identity)
            with _log(run.folder / "log.txt"), provenance.measured() as measured:
                rows = list(work(run))
            if not rows:
                raise ValueError(f"{run.study} measured nothing: its run must yield at least one row")
            write_text(run.folder / "rows.csv", to_csv(rows))
            write_json(run.folder / "provenance.json", {**provenance.describe(), **notes, **measured})
            run.finish()
            return rows
        except OSError as error:
            if error.errno != errno.ENOSPC:
                _record(run, error)
                raise
            raise FullDisk(errno.ENOSPC, f"no space left on the disk of {run.root}: free some, then give the same "
                                         "command again; what is done is kept") from error
        except Exception as error:
            _record(run, error)
            raise


def _refuse_folders(run: Run) -> None:
    """Raises IsADirectoryError where a folder has the name of a file: after hours, the file could not be written."""
    for path in sorted(run.folder.glob("*")):
        if path.is_dir() and (path.suffix or path.name in UNCHECKED):
            raise IsADirectoryError(f"{path} is a folder, and a file of the run belongs there; move it away")


def _record(run: Run, error: Exception) -> None:
    with suppress(IsADirectoryError), (run.folder / "log.txt").open("a", encoding="utf-8") as log:
        log.write(traceback.format_exc())
    write_json(run.folder / "FAILED", {"reason": reason(error), "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")})


@contextmanager
def _log(path: Path) -> Iterator[None]:
    """Python warnings of one run (and of a training inside it) go to its log.txt, not to the terminal."""
    def show(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {category.__name__}: {message} ({Path(filename).name}:{lineno})\n")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
