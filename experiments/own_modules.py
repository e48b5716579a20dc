"""A user's own modules: found below the working folder, PYTHONPATH and where --config-dir is, in every process."""

import argparse
import os
import sys
from pathlib import Path


def config_dir() -> Path | None:
    """The folder that --config-dir of this command names."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd", type=Path)
    return parser.parse_known_args()[0].config_dir


def importable() -> None:
    """Puts the working folder, and of --config-dir my_lab/configs the one that holds my_lab, on Python's path.

    Also on that of the processes that a launcher starts.
    """
    configs = config_dir()
    above = list(configs.resolve().parents)[1:2] if configs else []  # none of /configs
    folders = [Path(__file__).parent, Path.cwd(), *above]
    paths = list(dict.fromkeys(map(str, folders)))
    sys.path[1:1] = paths[1:]
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])
