"""Where a number comes from: versions, commit, machine, time and memory of the run that measured it."""

import os
import platform
import re
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PLACES = tuple(f"env.{name}=" for name in ("data_root", "cache_root", "runs", "results"))  # they change no result
# A path from the root or a home on: at the beginning of an argument, of a value, or of an entry of a list or mapping.
ABSOLUTE = re.compile(r"""(?:^|(?<=[=,:'"\[{( ]))(?!//)~?/[^,'"\]}]*""")
LIBRARIES = ("torch", "torchvision", "lightning", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib")


@lru_cache(maxsize=1)
def describe() -> dict[str, Any]:
    """Versions, git commit (with `dirty` where files differ from it), python, platform and processor."""
    return {
        "convscope": _version("convscope"), "commit": _commit(), "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "platform": f"{platform.system()} {platform.machine()}", "processor": _processor(),
    }


@contextmanager
def measured() -> Iterator[dict[str, Any]]:
    """A mapping that, after the block, holds its wall seconds, CPU seconds and peak memory in MiB."""
    found: dict[str, Any] = {}
    with suppress(OSError):  # Linux: start the peak anew, else it is the process's so far
        Path("/proc/self/clear_refs").write_text("5")
    cuda = _cuda()
    if cuda:
        cuda.reset_peak_memory_stats()
    wall, cpu = time.perf_counter(), time.process_time()
    yield found
    found["wall_seconds"] = round(time.perf_counter() - wall, 3)
    found["cpu_seconds"] = round(time.process_time() - cpu, 3)
    found["peak_memory_mib"] = _peak_mib()
    cuda = _cuda()
    if cuda:
        found["gpu"] = cuda.get_device_name()
        found["peak_gpu_memory_mib"] = round(cuda.max_memory_allocated() / 2**20)


def command_line() -> str:
    """The command as it was typed, without this machine's folders; also in a process that a launcher started."""
    if "CONVSCOPE_COMMAND" in os.environ:
        return os.environ["CONVSCOPE_COMMAND"]
    script = Path(sys.argv[0])
    roots = _data_roots(sys.argv[1:])
    told = [_without_folders(argument, roots) for argument in sys.argv[1:] if not argument.startswith(PLACES)]
    return shlex.join([f"{script.parent.name}/{script.name}", *told])


def _data_roots(arguments: Sequence[str]) -> list[Path]:
    """Folders that paths of data are relative to, and where the command ran; the last argument of a key counts."""
    given = [argument.partition("=")[2].strip("\"'") for argument in arguments if argument.startswith("env.data_root=")]
    named = [*given[-1:], os.environ.get("CONVSCOPE_DATA"), "data", "."]
    return [Path(root).expanduser().absolute() for root in named if root]


def _without_folders(argument: str, roots: Sequence[Path]) -> str:
    """An argument whose absolute paths are told relative to a data root, or by their last part where they lie in none.

    The folders above it, a user's home most often, are this machine's own, and change no number.
    """
    def told(found: re.Match[str]) -> str:
        path = Path(found[0]).expanduser()
        root = next((root for root in roots if path != root and path.is_relative_to(root)), path.parent)
        return path.relative_to(root).as_posix()

    return re.sub(ABSOLUTE, told, argument)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    root = Path(__file__).parents[2]
    if not (root / "pyproject.toml").is_file():
        return None  # installed from a wheel: the version says all
    try:
        git = ["git", "-C", str(root)]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain", "--", "src", "configs", "experiments"],
                                 capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + (" dirty" if changed else "")


def _processor() -> str:
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return f"{name}, {os.cpu_count()} cores"


def _peak_mib() -> int:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 1024)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _cuda() -> Any:
    """torch.cuda where this process already uses it, else None: looking must not import torch."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized() else None
