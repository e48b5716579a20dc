"""Settings of the techniques: which there are, with their defaults; read without torch."""

from collections.abc import Mapping
from typing import Any

from convscope.family import ConfigError

DEFAULTS: dict[str, dict[str, Any]] = {
    "lines": {"steps": [5, 20, 100, 1000], "units": 20},
    "filters": {"filters": 20, "channels": 15},
    "activations": {"images": 4, "channels": 8},
    "embeddings": {"layers": 8, "perplexity": 50},
    "maximisation": {"units": 8, "steps": 150, "penalty": 1.0, "noise": 0.01},
    "adversarial": {"lr": 0.1, "steps": 15, "on_sphere": 1000, "attacked": 200},
    "fooling": {"classes": 8, "generations": 150, "iterations": 400},
    "receptive_fields": {"layers": 8},
}


def check(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings that differ from the defaults, by technique; raises ConfigError for unknown or unfit ones."""
    found: dict[str, dict[str, Any]] = {}
    for technique, settings in given.items():
        known = DEFAULTS.get(technique, {})
        for name, value in (settings or {}).items():
            if name not in known:
                raise ConfigError(f"settings.{technique} has no {name}; valid: {', '.join(known) or 'none'}")
            _check(f"settings.{technique}.{name}", value, known[name])
            if value != known[name]:
                found.setdefault(technique, {})[name] = value
    return found


def _check(name: str, value: Any, default: Any) -> None:
    if isinstance(default, list):
        if not isinstance(value, (list, tuple)) or not value or not all(_whole(one) for one in value):
            raise ConfigError(f"{name} must be a list of whole numbers, at least 1, got {value!r}")
    elif isinstance(default, float):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise ConfigError(f"{name} must be a number, at least 0, got {value!r}")
    elif not _whole(value):
        raise ConfigError(f"{name} must be a whole number, at least 1, got {value!r}")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
