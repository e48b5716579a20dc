"""What the end-to-end tests share: cells composed from the real configs, and commands run as a user runs them."""

import copy
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported: as many processes as cores, a thread each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "experiments"
TIMEOUT = 240

# Forks each command from a process that has the slow imports behind it; the rest is as by `python script arguments`.
WARM = """
import atexit, gc, json, os, runpy, signal, sys, traceback
import hydra, lightning.pytorch, matplotlib.figure, pandas, pyarrow.parquet, sklearn.naive_bayes, torch, torchvision
import hydra_plugins.hydra_joblib_launcher.joblib_launcher, hydra_plugins.hydra_submitit_launcher.submitit_launcher
gc.freeze()  # else every collection of a fork looks at all of torch
while line := sys.stdin.readline():
    told = json.loads(line)
    if (pid := os.fork()) == 0:
        os.setpgid(0, 0)
        signal.alarm(told["timeout"])
        for number, name in enumerate((os.devnull, told["out"], told["err"])):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        os.chdir(told["cwd"])
        os.environ.clear()
        os.environ.update(told["env"])
        sys.argv, sys.path[0], sys.stdin = told["argv"], os.path.dirname(told["argv"][0]), open(os.devnull)
        code = 0
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
            code = 1
        atexit._run_exitfuncs()
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)  # the usual end would take all of torch apart
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.fixture(autouse=True)
def same_draws() -> None:
    """What a test draws without a seed of its own, like an untrained network, is the same in every run."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@dataclass(frozen=True)
class Done:
    """A command that ended. `cpu` is its own seconds of work, however busy the machine is."""

    code: int
    out: str
    err: str
    cpu: float = 0.0

    @property
    def lines(self) -> list[str]:
        """What it said on stderr."""
        return self.err.splitlines()


class Warm:
    """Runs commands, one at a time, as forks of a process that has everything imported."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._environment = environment
        self._files = {"out": str(folder / "out"), "err": str(folder / "err")}
        self._server = subprocess.Popen([sys.executable, "-c", WARM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)

    def __call__(self, script: str, *arguments: str, cwd: Path, **more: str) -> Done:
        with self.start(script, *arguments, cwd=cwd, **more) as (_, end):
            return end()

    @contextmanager
    def start(self, script: str, *arguments: str, cwd: Path, **more: str) -> Iterator[tuple[int, Callable[[], Done]]]:
        """(number of the command's process and process group, function that waits for its end)."""
        told = {"argv": [str(EXPERIMENTS / script), *arguments], "cwd": str(cwd), "timeout": TIMEOUT,
                "env": {**self._environment, **more}, **self._files}
        assert self._server.stdin
        print(json.dumps(told), file=self._server.stdin, flush=True)
        pid, ended = self._number(), []

        def end() -> Done:
            ended.append(self._number())
            out, err = (Path(self._files[name]).read_text() for name in ("out", "err"))
            return Done(ended[0], out, err)

        try:
            yield pid, end
        finally:
            if not ended:
                os.killpg(pid, 9)
                end()

    def stop(self) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait(timeout=20)

    def _number(self) -> int:
        assert self._server.stdout
        return int(self._server.stdout.readline())


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> dict[str, str]:
    """That of a user without data, keys or settings, with a cache of decoded data of his own."""
    home = tmp_path_factory.mktemp("home")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "CONVSCOPE_", "HYDRA_", "SLURM_"))}
    return {**kept, "XDG_CACHE_HOME": str(home / "cache"), "NETRC": str(home / "netrc"), "OMP_NUM_THREADS": "1",
            "CONVSCOPE_SILENCE_SECONDS": "600",
            **{f"WANDB_{name}_DIR": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}}


@pytest.fixture(scope="session")
def command(environment) -> Callable[..., Done]:
    """Runs a script of experiments/ by a Python of its own."""
    def run(script: str, *arguments: str, cwd: Path, **more: str) -> Done:
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = subprocess.Popen([sys.executable, str(EXPERIMENTS / script), *arguments], cwd=cwd, stdout=out,
                                       stderr=err, stdin=subprocess.DEVNULL, env={**environment, **more})
            limit = threading.Timer(TIMEOUT, process.kill)
            limit.start()
            _, status, used = os.wait4(process.pid, 0)
            limit.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            return Done(process.returncode, out.read(), err.read(), used.ru_utime + used.ru_stime)

    return run


@pytest.fixture(scope="session")
def warm(environment, tmp_path_factory) -> Iterator[Warm]:
    """Runs a script of experiments/ in a process that need not import torch and Lightning first."""
    server = Warm(tmp_path_factory.mktemp("warm"), environment)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def compose(environment) -> Callable[..., dict[str, Any]]:
    """The config of one small cell, as the command line makes it: digits in one copy, four iterations, one thread."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    made: dict[tuple[str, ...], Any] = {}

    def cell(*overrides: str, preset: str = "blindspots", runs: Path) -> dict[str, Any]:
        key = (preset, *overrides)
        if key not in made:
            given = [*(["data.copies=1"] if preset == "blindspots" else []), "fit.iterations=4", "fit.warmup=0",
                     "baseline_fit.iterations=4", "env.threads=1", "env.progress=false",
                     f"env.cache_root={environment['XDG_CACHE_HOME']}/convscope", *overrides]
            with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
                config = compose(preset, [f"++{one}" if "." in one else one for one in given])
            plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
            made[key] = {k: v for k, v in plain.items()  # without the fits of a preset that trains nothing
                         if k not in ("fit", "baseline_fit") or "name" in v}
        found = copy.deepcopy(made[key])
        found["env"] |= {"runs": str(runs), "results": str(runs / "results"), "preset": preset, "cell": "[1/1]"}
        return found

    return cell
