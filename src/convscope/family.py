"""Families of methods: a name in a yaml becomes one function in one file.

`find("signals", "one_pixel")` returns the function `encode` of `convscope/signals/one_pixel.py`; a dotted name
(`my_lab.signals.stripe`) finds a user's own module. `bind` checks the parameters of a yaml against the function's
signature, read from the source: nothing is imported, so a wrong config is refused before torch is. What an annotation
may say is in `values`.
"""

import ast
import hashlib
import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from convscope import values
from convscope.values import ConfigError, Count, Fraction, NonNegative, Positive, Whole

__all__ = ["Bound", "ConfigError", "Count", "Fraction", "Method", "NonNegative", "Positive", "Whole", "bind",
           "check_serves", "describe", "find", "names", "part", "whole"]

# What a family's function is called, and the arguments that come at run time and never from a yaml.
VERBS = {"signals": "encode", "conditions": "apply", "models": "build", "data": "load", "training": "fit",
         "attribution": "attribute", "attacks": "attack", "complexity": "measure", "embeddings": "embed",
         "forecasting": "forecast", "studies": "run", "looks/images": "look", "looks/over_time": "look"}
RESERVED = {
    "signals": {"x", "y", "n_classes", "key", "rng"},
    "conditions": {"x"},
    "models": {"n_classes", "input_shape", "alphabet", "random_state", "zero"},
    "data": {"roots", "cache", "download", "seed"},
    "training": {"model", "x", "y", "seed", "env", "folder", "on_epoch", "objective"},
    "attribution": {"model", "x", "target", "rng", "score"},
    "attacks": {"model", "x", "y", "rng", "score"},
    "complexity": {"x", "y", "rng", "indices", "max_samples"},
    "embeddings": {"x", "rng", "features"},
    "forecasting": {"values", "train", "test", "horizon", "per_day"},
    "studies": {"cell"},
    "looks/images": {"scene", "sheets"},
    "looks/over_time": {"scene", "sheets"},
}
REQUIRED = object()


@dataclass(frozen=True)
class Method:
    """One method as its source declares it: `constants` are the module's literal upper-case assignments."""

    family: str
    name: str
    file: Path
    module: str
    defaults: Mapping[str, Any]     # parameter -> default, or REQUIRED
    annotations: Mapping[str, str]  # parameter -> annotation as written
    runtime: frozenset[str]         # which of the family's run-time arguments the function declares
    constants: Mapping[str, Any]

    def serves(self, kind: str) -> bool:
        """Whether the method is for data of this kind (image, text); one that declares no KINDS is for all."""
        return kind in self.constants.get("KINDS", (kind,))

    @property
    def version(self) -> int | str:
        """The module's VERSION; a user's own module also counts its text, so that an edit starts a new run."""
        declared = self.constants.get("VERSION", 1)
        if self.module.startswith("convscope."):
            return declared
        return f"{declared}-{hashlib.sha256(self.file.read_bytes()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Bound:
    """A method with every parameter set: `arguments` holds defaults too, `given` only what differs from them."""

    method: Method
    arguments: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.method.name

    @property
    def given(self) -> dict[str, Any]:
        return {k: v for k, v in self.arguments.items() if v != self.method.defaults[k]}

    @property
    def label(self) -> str:
        """Short text for tables: the name and what differs from the defaults, e.g. `resnet depth=8 width=0.5`."""
        return " ".join([self.name, *(f"{k}={_plain(v)}" for k, v in self.given.items())])

    def identity(self) -> dict[str, Any]:
        """What a run's hash holds of this method: parameters at their defaults are left out."""
        return {"name": self.name, "version": self.method.version, **self.given}

    def function(self) -> Callable[..., Any]:
        """The method's function itself (this imports its module)."""
        return find(self.method.family, self.name)

    def call(self, **runtime: Any) -> Any:
        """The function's result with the bound arguments and those of `runtime` that it declares."""
        return self.function()(**{k: v for k, v in runtime.items() if k in self.method.runtime}, **self.arguments)


def whole(name: str, value: Any, *, least: int = 0) -> int:
    """The value of a config's key that must be a whole number; raises ConfigError where it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number, at least {least}, got {values.shown(value)}")
    if value > values.LARGEST:
        raise ConfigError(f"{name} must be a whole number of at most 18 digits, got {values.shown(value)}")
    return value


def part(cfg: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping at a config's key; raises ConfigError where something else stands there."""
    if not isinstance(cfg[key], Mapping):
        raise ConfigError(f"{key} must be a mapping of settings, as in configs/, got {values.shown(cfg[key])}")
    return cfg[key]


def check_serves(part: str, bound: Bound, kind: str, data: str) -> None:
    """Raises ConfigError where a method, the config's `part`, is not for data of this kind."""
    if not bound.method.serves(kind):
        raise ConfigError(f"the {part} {bound.name} is for {' and '.join(bound.method.constants['KINDS'])} data; "
                          f"{data} is {kind} data")


def names(family: str) -> list[str]:
    """Every method of a family that comes with convscope, sorted."""
    return sorted(_files(family))


def find(family: str, name: str) -> Callable[..., Any]:
    """The function called `name` in `family`; raises ConfigError where there is none."""
    return getattr(importlib.import_module(describe(family, name).module), VERBS[family])


@cache
def describe(family: str, name: str) -> Method:
    """Reads a method's signature, defaults and constants from its source, without importing it."""
    module, file = _locate(family, name)
    function = _verb(file, VERBS[family])
    if function is None:
        raise ConfigError(f"{name} in {family} has no function {VERBS[family]}(...): {file} must define one")
    given = function.args
    positional = given.posonlyargs + given.args
    pairs = [*zip(positional, [None] * (len(positional) - len(given.defaults)) + given.defaults, strict=True),
             *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    own = [(a, d) for a, d in pairs if a.arg not in RESERVED[family]]
    return Method(
        family, name, file, module,
        defaults={a.arg: REQUIRED if d is None else _literal(d, file) for a, d in own},
        annotations={a.arg: ast.unparse(a.annotation) if a.annotation else "" for a, _ in own},
        runtime=frozenset(RESERVED[family] if given.kwarg else RESERVED[family] & {a.arg for a, _ in pairs}),
        constants=_constants(file),
    )


def bind(family: str, given: Mapping[str, Any]) -> Bound:
    """Binds a yaml's mapping (`name` and parameters) to its method; raises ConfigError with the valid choices."""
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise ConfigError(f"{family}: expected a mapping with a name, got {values.shown(given)}; there are "
                          f"{', '.join(names(family))}")
    method = describe(family, given["name"])
    valid = ", ".join(method.defaults) or "none"
    own = {k: v for k, v in given.items() if k != "name"}
    for key in own:
        if key in RESERVED[family]:
            raise ConfigError(f"{method.name}: {key} is set at run time and cannot come from a config")
        if key not in method.defaults:
            raise ConfigError(f"{method.name} has no parameter {key}{_nearest(key, method.defaults)}; valid: {valid}")
    missing = [k for k, default in method.defaults.items() if default is REQUIRED and k not in own]
    if missing:
        raise ConfigError(f"{method.name} needs a value for {', '.join(missing)}; its parameters are: {valid}")
    check = values.Checker(_aliases(method.file), bind)
    return Bound(method, {k: check.value(f"{method.name}: {k}", method.annotations[k], own[k]) if k in own else default
                          for k, default in method.defaults.items()})


def _files(family: str) -> dict[str, Path]:
    """Name -> file of every method of a family that comes with convscope: a study's is the method.py of its folder."""
    found = sorted((Path(__file__).parent / family).rglob("*.py"))
    return {file.parent.name if file.stem == "method" else file.stem: file for file in found
            if _verb(file, VERBS[family]) is not None}


def _locate(family: str, name: str) -> tuple[str, Path]:
    """Module path and file of a method, ours by its file's name, a user's by its dotted path."""
    if name in (ours := _files(family)):
        inside = ours[name].relative_to(Path(__file__).parent).with_suffix("")
        return ".".join(["convscope", *inside.parts]), ours[name]
    if "." in name and all(part.isidentifier() for part in name.split(".")):
        for folder in sys.path:
            file = Path(folder or ".", *name.split("."))
            for module, source in ((name, file.with_suffix(".py")), (f"{name}.method", file / "method.py"),
                                   (name, file / "__init__.py")):
                if source.is_file():
                    return module, source.resolve()
        raise ConfigError(f"{name}: no module of this name on Python's path; run from the folder that holds "
                          f"{name.split('.')[0]}, or set PYTHONPATH")
    raise ConfigError(f"no {name} in {family}{_nearest(name, names(family))}; there are {', '.join(names(family))}, "
                      "or give the dotted path of a module of your own")


def _nearest(word: Any, choices: Any) -> str:
    close = get_close_matches(str(word), list(choices), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


@cache
def _aliases(file: Path) -> dict[str, ast.expr]:
    return values.aliases(_tree(Path(values.__file__))) | values.aliases(_tree(file))


def _verb(file: Path, verb: str) -> ast.FunctionDef | None:
    return next((n for n in _tree(file).body if isinstance(n, ast.FunctionDef) and n.name == verb), None)


def _literal(node: ast.expr, file: Path) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ConfigError(f"{file.name}:{node.lineno}: a default must be a literal, got {ast.unparse(node)}") from None


def _constants(file: Path) -> dict[str, Any]:
    """Upper-case module constants with literal values, such as VERSION, KIND or KINDS."""
    found = {}
    for node in _tree(file).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
