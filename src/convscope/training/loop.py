"""Lightning's loop, quiet, resumable, and open to Ctrl-C."""

import json
import logging
import signal
import sys
import threading
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch import Trainer

from convscope.training.module import Batches, Training


def run(training: Training, device: torch.device) -> None:
    """Trains to the end, from the module's resume point where there is a sound one of the same training."""
    resume = training.resume if training.resume and _usable(training.resume, training.identity) else None
    with _quiet(), _interruptible():
        # barebones: no logger, checkpoint callback, bar or summary; the plain environment: under SLURM, Lightning
        # would take over its signals and requeue the job by itself.
        trainer = Trainer(barebones=True, accelerator="gpu" if device.type == "cuda" else "cpu", devices=1,
                          max_epochs=training.batches.epochs, plugins=[LightningEnvironment()])
        trainer.fit(training, datamodule=Batches(training.batches), ckpt_path=resume, weights_only=True)
    if resume is not None and not training.resumed_from:
        training.resumed_from = training.batches.step  # it was complete: Lightning had nothing to start


def _usable(path: Path, identity: str) -> bool:
    """Whether the file is whole and of the same training; else says in one line that training starts over."""
    if not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not compare checksums
            damaged = archive.testzip()
        found = None if damaged else torch.load(path, map_location="cpu", weights_only=True)["convscope"]["identity"]
    except Exception:  # whatever a damaged file brings up: it is not trusted
        found = None
    if found == identity:
        return True
    why = "is damaged" if found is None else "belongs to another training"
    print(f"{path} {why}: training starts from the beginning", file=sys.stderr)
    return False


def identity(**parts: object) -> str:
    """A text that two fits share exactly if one may continue the other."""
    return json.dumps(parts, sort_keys=True, default=list)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Lightning's notes and tips off the terminal, and its warnings about loaders that we mean as they are."""
    loggers = [logging.getLogger(name) for name in (
        "lightning", "lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero",
        "lightning.fabric.utilities.rank_zero")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=PossibleUserWarning)
            warnings.filterwarnings("ignore", module=r"lightning\.")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lightning 2.6 turns Ctrl-C into exit code 1 and leaves SIGINT ignored: both are undone here."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    finally:
        if threading.current_thread() is threading.main_thread() and handler is not None:
            signal.signal(signal.SIGINT, handler)
