"""Runs move between machines as one tar file; every file is checked against its run's checksums on arrival."""

import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from convscope.runs import Run, Store


def export_runs(runs: Iterable[Run], file: Path) -> list[Run]:
    """Writes the finished ones among `runs` into a tar file, returns them; raises ValueError where there are none."""
    done = [run for run in runs if run.state() == "done"]
    if not done:
        raise ValueError("none of these runs is done, so there is nothing to export")
    temporary = file.with_name(f".{file.name}.tmp")
    try:
        with tarfile.open(temporary, "w") as tar:
            for run in done:
                tar.add(run.folder, f"{run.study}/{run.id}", filter=lambda m: None if m.name.endswith(".tmp") else m)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    return done


def import_runs(store: Store, file: Path) -> tuple[list[Run], list[Run]]:
    """Adds the runs of an archive to the store; returns (added, already there).

    Raises ValueError where the file is no archive of runs, is damaged, or a run in it does not match its checksums;
    then nothing was added.
    """
    if not file.is_file():
        raise ValueError(f"no archive {file}: expected a tar file that experiments/runs.py export wrote")
    size = file.stat().st_size
    store.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=store.root, prefix=".import-") as folder:
        try:
            with tarfile.open(file, "r:") as tar:
                for member in tar:
                    if not (member.isfile() or member.isdir()) or len(Path(member.name).parts) < 2:
                        raise ValueError(f"{file} is not an archive of runs: it holds {member.name}")
                    if member.issparse() or member.size > size:  # a few bytes may say that they are many GiB
                        raise ValueError(f"{file} is not an archive of runs: {member.name} would be larger than the "
                                         "archive")
                    tar.extract(member, folder, filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise ValueError(f"{file} is not a readable archive of runs: {error}") from None
        arrived = list(Store(Path(folder)).runs())
        if not arrived:
            raise ValueError(f"{file} holds no run")
        for run in arrived:
            if run.state() != "done":
                raise ValueError(f"{file}: run {run.study}/{run.id} is damaged ({run.state()}); nothing was imported")
        for run in arrived:
            if Run(store.root, run.study, run.id).state() == "edited":
                raise ValueError(f"run {run.study}/{run.id} in {store.root} was changed after it was done; put its "
                                 "files back or remove it, then import again; nothing was imported")
        added, present = [], []
        for run in arrived:
            target = Run(store.root, run.study, run.id)
            with target.lock():
                if target.state() == "done":
                    present.append(target)
                    continue
                if target.folder.exists():  # cut off or failed here: the finished one takes its place
                    shutil.rmtree(target.folder)
                target.folder.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(run.folder, target.folder)
                added.append(target)
    return added, present


