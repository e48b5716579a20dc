"""Tables, figures and ledger lines of the study blindspots, from its rows alone."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.family import ConfigError, describe
from convscope.metrics.accuracy import wilson
from convscope.reporting.aggregate import over_seeds
from convscope.reporting.ledger import LedgerRow
from convscope.reporting.tables import Table, grid, percent
from convscope.rows import Row
from convscope.studies.blindspots_paper import Frame, paper_ledger, paper_tables, short_of_paper

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Axes that are no signal's: how a model was trained, and how the names of its variants tell that.
TRAINING = {"n_train": "{:g} {}", "iterations": "{:g} iterations", "fit": "{}", "normalise": "{}"}
BLIND = "blind level"
SHEET_LINES = ("carrier", "with the signal", "change")
METRICS = {"accuracy": "accuracy with the signal", "clean_accuracy": "accuracy on clean images",
           "reliance": "follows a wrong signal"}
SIGNALS = ("clean", "one_pixel", "pattern_pixels", "random_pixel", "paired_pixels", "noise", "mean", "mnemonic",
           "length", "pattern_char")
NOUNS = {"image": "images", "text": "texts"}


def tables(rows: Sequence[Row]) -> list[Table]:
    """The paper's own tables as far as measured; then accuracy, reliance, clean accuracy of every model x signal."""
    import pandas as pd

    frame: Frame = _labelled(over_seeds(rows))
    found = paper_tables(frame)
    for data in sorted(set(frame["data"])):
        part = frame[frame["data"] == data]
        prefix = "" if frame["data"].nunique() == 1 else f"{_slug(data)}_"
        nouns, tested = _nouns(data), part[part["split"] == "test"]
        where = f"{data}, {tested['n'].max()} test {nouns}, {_seeds(tested)}. {_training(tested)}"
        models, signals = _ordered_models(part), _ordered_signals(part)
        by_metric = dict(iter(part.groupby("metric")))
        blind = by_metric["blind_level"][by_metric["blind_level"]["signal"] == "clean"].assign(signal=BLIND)
        for metric, lines, columns, caption in (
            ("accuracy", by_metric["accuracy"], signals, f"Accuracy (%) on {nouns} with the signal, bold where best: "),
            ("reliance", pd.concat([blind, by_metric["reliance"]]), [BLIND, *signals] if len(blind) else signals,
             f"Reliance (%): how often the prediction follows a wrong signal; {BLIND}: how often a model that sees no "
             "signal does, (1 − clean accuracy) / (K − 1): "),
            ("clean_accuracy", by_metric["clean_accuracy"], signals,
             f"Accuracy (%) on clean {nouns} of the models that were trained with the signal: "),
        ):
            caption += where + (_ceilings(by_metric) if metric == "accuracy" else "")
            found.append(grid(lines, name=prefix + metric, caption=caption, rows="who", columns="signal",
                              row_order=models, column_order=columns, index_name="model", best=metric == "accuracy"))
    return found


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """The encoded samples, the table as a heat map, and dose-response curves where an amplitude was varied."""
    from convscope.reporting.figures import heat_table
    from convscope.reporting.texts import text_sheet
    from convscope.studies.blindspots_texts import COLUMNS, text_sheets

    frame: Frame = _labelled(over_seeds(rows))
    found: dict[str, Figure] = {}
    for data in sorted(set(frame["data"])):
        part = frame[frame["data"] == data]
        suffix = "" if frame["data"].nunique() == 1 else f"_{_slug(data)}"
        sheet = _sheet({k: v for k, v in arrays.items() if k.startswith(f"{data}/")})
        if sheet is not None:
            found[f"signals{suffix}"] = sheet
        accuracy = next(t for t in tables([r for r in rows if r.data == data]) if t.name == "accuracy")
        found[f"heat{suffix}"] = heat_table(accuracy.values, accuracy.shown,
                                            title=f"Accuracy on {_nouns(data)} with the signal ({data})")
        doses = _doses(part)
        if doses is not None:
            found[f"dose{suffix}"] = doses
    for name, (title, panels) in text_sheets(arrays, SIGNALS, examples=1).items():
        found[name] = text_sheet(panels, columns=COLUMNS, title=title)
    return found


def pages(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """The sheets of texts as html pages, with every text that was kept."""
    from convscope.reporting.texts import html_page
    from convscope.studies.blindspots_texts import COLUMNS, text_sheets

    return {name: html_page(panels, columns=COLUMNS, title=title)
            for name, (title, panels) in text_sheets(arrays, SIGNALS).items()}


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """One line per number of the paper's tables, from the report (by its name) that comes closest to it."""
    return paper_ledger({name: (rows, _labelled(over_seeds(rows))) for name, rows in reports.items()})


def _labelled(frame: Frame) -> Frame:
    """The aggregated lines with two columns more: `signal` and `who`, unique names of a table's column and row."""
    frame = frame.copy()
    axes = [c for c in frame if str(c).startswith("axis.")]
    frame["signal"] = [_name(line["method"], {c.removeprefix("axis."): line[c] for c in axes if not _missing(line[c])},
                             line["condition"]) for _, line in frame.iterrows()]
    varied = {key: [c for c in axes if c.removeprefix("axis.") in TRAINING and _varies(lines[c])]
              for key, lines in frame.groupby(["data", "model"])}
    frame["who"] = [_who(line, varied[line["data"], line["model"]]) for _, line in frame.iterrows()]
    return frame


def spoken(row: Row) -> str:
    """What a row's images carry, in words: `noise 0.02`, `paired_pixels decoy=false`, `one_pixel 0.001 on blank`."""
    return _name(row.method, row.axes, row.condition)


def _name(method: str, axes: Mapping[str, Any], condition: str) -> str:
    words = [method]
    if "amplitude" in axes and not (method == "paired_pixels" and axes["amplitude"] == 1):
        words.append(f"{axes['amplitude']:g}")
    defaults = _defaults(method)
    others = {k: v for k, v in axes.items() if k not in {*TRAINING, "amplitude", "magnitude"}}
    words += [f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}".lower() for k, v in sorted(others.items())
              if v != defaults.get(k) and str(v) != str(defaults.get(k))]  # a row holds a tuple as its text
    if condition != "none":
        words += ["on", condition, *([f"{axes['magnitude']:g}"] if axes.get("magnitude", 1) != 1 else [])]
    return " ".join(words)


def _defaults(method: str) -> Mapping[str, Any]:
    """The defaults of a signal's parameters, which its name leaves out; none for a user's module that is not here."""
    try:
        return describe("signals", method).defaults
    except ConfigError:
        return {}


def _nouns(data: str) -> str:
    """What the samples of a data set are, in the plural; `data` is its label in a row."""
    try:
        return NOUNS[describe("data", data.split()[0]).constants["KIND"]]
    except (ConfigError, KeyError):
        return "samples"


def _slug(data: str) -> str:
    """A data set's label as part of a file's name."""
    return re.sub(r"[^\w.=-]+", "-", data)


def _who(line: Any, varied: Sequence[str]) -> str:
    """The model, and how it was trained where that varies: `resnet depth=8, raw pixels`."""
    words = [line["model"]]
    for column in varied:
        axis, value = column.removeprefix("axis."), line[column]
        if axis == "normalise":
            words += [] if value or _missing(value) else ["raw pixels"]
        elif axis == "fit" and not _missing(value):
            words.append(value or "as He et al.")
        elif not _missing(value):
            words.append(TRAINING[axis].format(value, _nouns(line["data"])))
    return ", ".join(words)


def _convnets(part: Frame) -> Any:
    """Which lines are of ConvNets: only they can normalise their input."""
    if "axis.normalise" in part:
        return part["axis.normalise"].notna()
    return part["model"].isna()


def _varies(column: Any) -> bool:
    return len({json.dumps(v, default=str) for v in column if not _missing(v)}) > 1


def _missing(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _ordered_models(part: Frame) -> list[str]:
    """ConvNets (only they normalise), shallow networks (only they have iterations besides), then the others."""
    def rank(line: Any) -> tuple[int, str]:
        convnet = not _missing(line.get("axis.normalise", math.nan))
        network = not _missing(line.get("axis.iterations", math.nan))
        return (0 if convnet else 1 if network else 2, line["who"])
    return list(dict.fromkeys(name for _, name in sorted(rank(line) for _, line in part.iterrows())))


def _ordered_signals(part: Frame) -> list[str]:
    def rank(line: Any) -> tuple[Any, ...]:
        known = SIGNALS.index(line["method"]) if line["method"] in SIGNALS else len(SIGNALS)
        amplitude = line.get("axis.amplitude", math.nan)
        dose = 0 if _missing(amplitude) else amplitude
        return (line["condition"] != "none", known, line["method"], dose, line["signal"])
    return list(dict.fromkeys(entry[-1] for entry in sorted(rank(line) for _, line in part.iterrows())))


def _seeds(part: Frame) -> str:
    low, high = int(part["n_seeds"].min()), int(part["n_seeds"].max())
    if high == 1:
        n = int(part["n"].max())
        low, high = wilson(round(n / 2), n)
        nouns = _nouns(str(part["data"].iloc[0]))
        return f"one seed (95 % interval of a value near 50 by the test {nouns} alone: ± {50 * (high - low):.1f})"
    return f"mean ± standard error over {high if low == high else f'{low} to {high}'} seeds"


def _ceilings(by_metric: Mapping[str, Frame]) -> str:
    """What a signal that tells only a part of the label allows at most, where it says so."""
    lines = by_metric.get("signal_ceiling")
    if lines is None:
        return ""
    best = {line["signal"]: percent(line["mean"]) for _, line in lines.iterrows()}
    nouns = _nouns(str(lines["data"].iloc[0]))
    return (" The signal alone allows: " + ", ".join(f"{k} {v} %" for k, v in sorted(best.items())) +
            f", its places taken as independent; what else the {nouns} tell may add to that.")


def _training(part: Frame) -> str:
    """How the models were trained, said for each kind of model in the table."""
    said = []
    convnet = _convnets(part)
    for kind, lines in (("ConvNets", part[convnet]), ("Others" if convnet.any() else "Models", part[~convnet])):
        if lines.empty:
            continue
        counts = " to ".join(f"{n:,.0f}" for n in sorted({lines["axis.n_train"].min(), lines["axis.n_train"].max()}))
        data = str(lines["data"].iloc[0])
        text = f"{kind}: {counts} training {_nouns(data)}"
        if kind == "ConvNets":
            iterations = sorted({int(i) for i in lines["axis.iterations"]})
            text += ", " + " to ".join(f"{i:,}" for i in sorted({iterations[0], iterations[-1]})) + " iterations"
            text += short_of_paper(data, iterations[-1])
        said.append(text + ".")
    return " ".join(said)


def _sheet(arrays: Mapping[str, np.ndarray]) -> "Figure | None":
    """One column per signal: carrier, encoded image, and the change, magnified until it shows."""
    from convscope.reporting.figures import Picture, change, image_sheet

    columns = []
    for key in sorted({key.rpartition("/")[0] for key in arrays}, key=_sheet_rank):
        carrier, encoded = arrays[f"{key}/carrier"][0], arrays[f"{key}/encoded"][0]
        places = [(int(r), int(c)) for r, c in np.argwhere((encoded != carrier).any(axis=0))]
        columns.append([Picture(key.partition("/")[2].replace("_", " "), carrier),
                        Picture("", encoded, circles=places if len(places) <= 2 else []), change(carrier, encoded)])
    return image_sheet(list(zip(*columns, strict=True)), labels=SHEET_LINES) if columns else None


def _sheet_rank(key: str) -> tuple[int, str]:
    """The paper's order; fixed decimals sort as texts."""
    name = key.partition("/")[2]
    method = name.partition(" ")[0]
    return (SIGNALS.index(method) if method in SIGNALS else len(SIGNALS), name)


def _doses(part: Frame) -> "Figure | None":
    """Accuracy, clean accuracy and reliance against amplitude, one panel per signal that has at least three."""
    from convscope.reporting.figures import curves

    if "axis.amplitude" not in part:
        return None
    convnets = part[_convnets(part) & (part["condition"] == "none")]
    enough = [m for m, lines in convnets.groupby("method") if lines["axis.amplitude"].nunique() >= 3]
    chosen = convnets[convnets["method"].isin(enough) & convnets["metric"].isin(METRICS)]
    if chosen.empty:
        return None
    if chosen["who"].nunique() > 1:  # several models: one line each
        chosen = chosen[chosen["metric"] == "accuracy"].assign(line=lambda lines: lines["who"])
    else:
        chosen = chosen.assign(line=[METRICS[metric].replace("images", _nouns(data)) for metric, data in
                                     zip(chosen["metric"], chosen["data"], strict=True)])
    blind = {str(method): {BLIND: _blind(lines)} for method, lines in convnets.groupby("method") if method in enough}
    return curves(chosen, x="axis.amplitude", y="mean", band="ci95", line="line", panel="method", hlines=blind,
                  x_label="amplitude", y_label="% of test images", y_limits=(0, 1))


def _blind(lines: Frame) -> float:
    """(1 - accuracy) / (K - 1) at the least amplitude of one signal; K - 1 as in that cell's own blind_level."""
    least = lines[lines["axis.amplitude"] == lines["axis.amplitude"].min()].groupby("metric")["mean"].mean()
    return float((1 - least["accuracy"]) * least["blind_level"] / (1 - least["clean_accuracy"]))
