"""What the lines of blindspots are called: signals and models, each named by what tells it apart from the others."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from convscope.family import ConfigError, describe
from convscope.reporting.aggregate import over_seeds
from convscope.rows import Row

Frame = Any  # a pandas DataFrame; by pandas' own annotations every selection from one might be a Series

# Axes that are no signal's: how a model was trained, and how the names of its variants tell that.
TRAINING = {"n_train": "{:g} {}", "iterations": "{:g} iterations", "fit": "{}", "normalise": "{}"}
SIGNALS = ("clean", "one_pixel", "pattern_pixels", "random_pixel", "paired_pixels", "noise", "mean", "mnemonic",
           "length", "pattern_char")
NOUNS = {"image": "images", "text": "texts"}


def labelled(rows: Sequence[Row]) -> Frame:
    """Lines over the seeds with the columns `signal` and `who` (unique names of a table's column and row), `network`
    (the model without its parameters), and every axis that is no signal's, also where no row has it."""
    frame: Frame = over_seeds(rows)
    axes = [c for c in frame if str(c).startswith("axis.")]
    frame["network"] = frame["model"].str.split().str[0]
    frame["signal"] = [_name(line["method"], {c.removeprefix("axis."): line[c] for c in axes if not missing(line[c])},
                             line["condition"]) for _, line in frame.iterrows()]
    varied = {key: [c for c in axes if c.removeprefix("axis.") in TRAINING and _varies(lines[c])]
              for key, lines in frame.groupby(["data", "model"])}
    frame["who"] = [_who(line, varied[line["data"], line["model"]]) for _, line in frame.iterrows()]
    absent = {f"axis.{axis}": float("nan") for axis in (*TRAINING, "amplitude") if f"axis.{axis}" not in frame}
    return frame.assign(**absent)


def spoken(row: Row) -> str:
    """What a row's images carry, in words: `noise 0.02`, `paired_pixels decoy=false`, `one_pixel 0.001 on blank`."""
    return _name(row.method, row.axes, row.condition)


def rank(signal: str) -> tuple[int, str]:
    """The paper's order of signals, by their spoken names; fixed decimals sort as texts."""
    method = signal.partition(" ")[0]
    return (SIGNALS.index(method) if method in SIGNALS else len(SIGNALS), signal)


def nouns(data: str) -> str:
    """What the samples of a data set are, in the plural; `data` is its label in a row."""
    try:
        return NOUNS[describe("data", data.split()[0]).constants["KIND"]]
    except (ConfigError, KeyError):
        return "samples"


def missing(value: Any) -> bool:
    return isinstance(value, float) and value != value


def _name(method: str, axes: Mapping[str, Any], condition: str) -> str:
    words = [method]
    if "amplitude" in axes and not (method == "paired_pixels" and axes["amplitude"] == 1):
        words.append(f"{axes['amplitude']:g}")
    try:
        defaults = describe("signals", method).defaults
    except ConfigError:  # a user's module that is not here
        defaults = {}
    others = {k: v for k, v in axes.items() if k not in {*TRAINING, "amplitude", "magnitude"}}
    words += [f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}".lower() for k, v in sorted(others.items())
              if v != defaults.get(k) and str(v) != str(defaults.get(k))]  # a row holds a tuple as its text
    if condition != "none":
        words += ["on", condition, *([f"{axes['magnitude']:g}"] if axes.get("magnitude", 1) != 1 else [])]
    return " ".join(words)


def _who(line: Any, varied: Sequence[str]) -> str:
    """The model, and how it was trained where that varies: `resnet depth=8, raw pixels`."""
    words = [line["model"]]
    for column in varied:
        axis, value = column.removeprefix("axis."), line[column]
        if missing(value):
            continue
        if axis == "normalise":
            words += [] if value else ["raw pixels"]
        elif axis == "fit":
            words.append(value or "as He et al.")
        else:
            words.append(TRAINING[axis].format(value, nouns(line["data"])))
    return ", ".join(words)


def _varies(column: Any) -> bool:
    return len({json.dumps(v, default=str) for v in column if not missing(v)}) > 1
