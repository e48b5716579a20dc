"""What of a config cannot change a number, env and logger: where files lie, on what device, who watches; checked."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convscope import values
from convscope.family import ConfigError, part

SWITCH = 'Literal["auto", True, False]'
ALIASES = values.aliases(ast.parse(Path(values.__file__).read_text(encoding="utf-8")))
WHAT = {  # key of env -> what it must be, as the annotation of a setting says it
    "device": 'Literal["auto", "cpu", "cuda"]', "threads": 'Literal["auto"] | Count',
    "checkpoint_seconds": "NonNegative", "download": "bool", "plan": "bool", "debug": "bool", "compile": SWITCH,
    "channels_last": SWITCH, "progress": SWITCH}
FOLDERS = {"runs": "", "results": "", "data_root": "null for none", "cache_root": "null for the user's cache folder"}
LOGGERS = ("none", "wandb")


def check(cfg: Mapping[str, Any]) -> None:
    """Raises ConfigError, one sentence, for an env or a logger that cannot be meant so; KeyError where one lacks."""
    env, logger = part(cfg, "env"), part(cfg, "logger")
    if logger["name"] not in LOGGERS:
        raise ConfigError(f"logger must be {' or '.join(LOGGERS)}, got {values.shown(logger['name'])}")
    project = logger.get("project")
    if logger["name"] == "wandb" and not (isinstance(project, str) and project.strip()):
        raise ConfigError(f"logger.project must be the name of a W&B project, got {values.shown(project)}")
    checker = values.Checker(ALIASES, lambda *_: None)
    for key, annotation in WHAT.items():
        checker.value(f"env.{key}", annotation, env[key])
    for key, default in FOLDERS.items():
        _folder(f"env.{key}", env[key], default)
    root = env["data_root"]
    if root is not None and not Path(root).expanduser().is_dir():
        raise ConfigError(f"env.data_root: expected a folder to look for data in, found none at {root!r}; null leaves "
                          "it out")


def _folder(key: str, value: Any, default: str) -> None:
    """An empty text is most often a shell's variable that is not set: files would go where nobody looks for them."""
    if value is None and default:
        return
    if not isinstance(value, str):
        raise ConfigError(f"{key} must be the path of a folder{f' ({default})' * bool(default)}, got "
                          f"{values.shown(value)}" + ("" if value is None else f"; write {key}=./{value}"))
    if not value.strip():
        raise ConfigError(f"{key} must be the path of a folder{f' ({default})' * bool(default)}, got an empty text; is "
                          "a variable of the shell not set?")
    if "\0" in value:
        raise ConfigError(f"{key} must be the path of a folder, got {values.shown(value)}")
