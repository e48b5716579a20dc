"""Tables, figures and ledger lines of the study blindspots, from its rows alone."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.metrics.accuracy import wilson
from convscope.reporting.aggregate import over_seeds
from convscope.reporting.ledger import LedgerRow, judge
from convscope.reporting.tables import Table, grid, paper_table
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Frame = Any  # a pandas DataFrame; by pandas' own annotations every selection from one might be a Series

# Table 1 of the paper: ConvNet, best model, which one; with the axes at which the paper's encoding is read.
PAPER: dict[str, tuple[float, float | None, str | None, dict[str, Any]]] = {
    "clean": (0.849, None, None, {}),
    "one_pixel": (0.849, 1.0, "decision_tree", {"amplitude": 1e-3}),
    "pattern_pixels": (0.849, 1.0, "decision_tree", {"amplitude": 1e-3}),
    "random_pixel": (0.849, 1.0, "shallow_max", {"amplitude": 1e-3}),
    "paired_pixels": (0.849, 0.984, "qda", {"amplitude": 1.0, "decoy": True}),
    "paired_pixels_plain": (0.849, 0.984, "qda", {"amplitude": 1.0, "decoy": False}),
    "noise": (0.849, 1.0, "linear_softmax", {"amplitude": 1e-2}),
    "mean": (0.849, 1.0, "shallow_max", {"amplitude": 1e-3}),
}
PAPER_CONVNET = {"model": "resnet", "axis.iterations": 64000, "axis.n_train": 50000, "axis.normalise": True,
                 "axis.fit": ""}
PAPER_PRESET = "blindspots_table1"
TOLERANCE = 0.01  # the paper prints no spread; one point covers a seed's standard deviation of ResNet-56
# Axes that are no signal's: how a model was trained, and how the names of its variants tell that.
TRAINING = {"n_train": "{:g} images", "iterations": "{:g} iterations", "fit": "{}", "normalise": "{}"}
BLIND = "blind level"
NOTES = {"qda": "from the mean of three channels, where two pixels are equal by chance less often"}
NOT_RUN = {"resnet": "needs a GPU: 64,000 iterations of ResNet-56"}
SHEET_LINES = ("carrier", "with the signal", "change")
METRICS = {"accuracy": "accuracy with the signal", "clean_accuracy": "accuracy on clean images",
           "reliance": "follows a wrong signal"}
SIGNALS = ("clean", "one_pixel", "pattern_pixels", "random_pixel", "paired_pixels", "noise", "mean")


def tables(rows: Sequence[Row]) -> list[Table]:
    """Accuracy, reliance and clean accuracy of every model x signal; on CIFAR-10 also the paper's Table 1."""
    import pandas as pd

    frame: Frame = _labelled(over_seeds(rows))
    found = []
    for data in sorted(set(frame["data"])):
        part = frame[frame["data"] == data]
        prefix = "" if frame["data"].nunique() == 1 else f"{data}_"
        where = f"{data}, {part['n'].max()} test images, {_seeds(part)}. {_training(part)}"
        models, signals = _ordered_models(part), _ordered_signals(part)
        by_metric = dict(iter(part.groupby("metric")))
        blind = by_metric["blind_level"][by_metric["blind_level"]["signal"] == "clean"].assign(signal=BLIND)
        for metric, lines, columns, caption in (
            ("accuracy", by_metric["accuracy"], signals, "Accuracy (%) on images with the signal, bold where best: "),
            ("reliance", pd.concat([blind, by_metric["reliance"]]), [BLIND, *signals] if len(blind) else signals,
             f"Reliance (%): how often the prediction follows a wrong signal; {BLIND}: how often a model that sees no "
             "signal does, (1 − clean accuracy) / (K − 1): "),
            ("clean_accuracy", by_metric["clean_accuracy"], signals,
             "Accuracy (%) on clean images of the models that were trained with the signal: "),
        ):
            found.append(grid(lines, name=prefix + metric, caption=caption + where, rows="who", columns="signal",
                              row_order=models, column_order=columns, index_name="model", best=metric == "accuracy"))
        if data == "cifar10" and any(line is not None for *_, line in _paper_cells(part)):
            found.insert(0, _paper(part, prefix))
    return found


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """The encoded images, the table as a heat map, and dose-response curves where an amplitude was varied."""
    from convscope.reporting.figures import heat_table

    frame: Frame = _labelled(over_seeds(rows))
    found: dict[str, Figure] = {}
    for data in sorted(set(frame["data"])):
        part = frame[frame["data"] == data]
        suffix = "" if frame["data"].nunique() == 1 else f"_{data}"
        sheet = _sheet({k: v for k, v in arrays.items() if k.startswith(f"{data}/")})
        if sheet is not None:
            found[f"signals{suffix}"] = sheet
        accuracy = next(t for t in tables([r for r in rows if r.data == data]) if t.name == "accuracy")
        found[f"heat{suffix}"] = heat_table(accuracy.values, accuracy.shown,
                                            title=f"Accuracy on images with the signal ({data})")
        doses = _doses(part)
        if doses is not None:
            found[f"dose{suffix}"] = doses
    return found


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """One line per number of the paper's Table 1, from the report (by its name) that measured it with most seeds."""
    best: dict[tuple[str, str], tuple[str, Any]] = {}
    for name, rows in reports.items():
        frame: Frame = _labelled(over_seeds(rows))
        for signal, model, _, line in _paper_cells(frame[frame["data"] == "cifar10"]):
            if line is not None and ((signal, model) not in best
                                     or line["n_seeds"] > best[signal, model][1]["n_seeds"]):
                best[signal, model] = (name, line)
    found = []
    for signal, (convnet, other, model, _) in PAPER.items():
        for who, paper in (("resnet", convnet), (model, other)):
            if who is None or paper is None:
                continue
            name, line = best.get((signal, who), (PAPER_PRESET, None))
            ours = None if line is None else float(line["mean"])
            seeds = 0 if line is None else int(line["n_seeds"])
            found.append(LedgerRow(
                "blindspots", "Table 1", f"{signal}, {'ConvNet' if who == 'resnet' else who}", paper, ours,
                None if line is None or seeds < 2 else float(line["sem"]), seeds, "fraction",
                judge(paper, ours, tolerance=TOLERANCE), _command(name, signal, who, reports.get(name, [])),
                NOTES.get(who, "") if line is not None else NOT_RUN.get(who, "")))
    return found


def _command(name: str, signal: str, model: str, rows: Sequence[Row]) -> str:
    """The command that measures one number of the report `name` (a preset, then perhaps overrides)."""
    preset, *overrides = name.split(",")
    seeds = sorted({row.seed for row in rows if row.model == model and row.method == signal.removesuffix("_plain")})
    return " ".join(["uv run experiments/blindspots.py --config-name", preset, *overrides,
                     f"model={'resnet56' if model == 'resnet' else model}", f"signal={signal}",
                     *([f"seed={','.join(map(str, seeds))}"] if seeds else [])])


def _paper_cells(part: Frame) -> list[tuple[str, str, float, Any]]:
    """(signal, model, the paper's accuracy, our line or None) for every number of Table 1; `part` is of CIFAR-10."""
    part = part[(part["metric"] == "accuracy") & (part["condition"] == "none")]
    cells = []
    for signal, (convnet, other, model, axes) in PAPER.items():
        at = {"method": signal.removesuffix("_plain"), **{f"axis.{k}": v for k, v in axes.items()}}
        cells.append((signal, "resnet", convnet, _only(part, {**at, **PAPER_CONVNET})))
        if model is not None and other is not None:
            cells.append((signal, model, other, _only(part, {**at, "model": model, "axis.n_train": 12500})))
    return cells


def _only(part: Frame, wanted: Mapping[str, Any]) -> Any:
    """The one line with these values, or None; raises ValueError where several have them."""
    for column, value in wanted.items():
        part = part[part[column] == value] if column in part else part.iloc[:0]
    if len(part) > 1:
        raise ValueError(f"expected one result beside the paper's for {wanted['method']} with {wanted['model']}, got "
                         f"{len(part)}: {', '.join(part['who'])}; keep the variants in a report of their own")
    return None if part.empty else part.iloc[0]


def _paper(part: Frame, prefix: str) -> Table:
    import pandas as pd

    cells = _paper_cells(part)
    frame = pd.DataFrame(
        [{"paper": paper, **({"mean": math.nan, "sem": math.nan, "n_seeds": 0} if line is None else
                             {key: line[key] for key in ("mean", "sem", "n_seeds")})} for _, _, paper, line in cells],
        index=pd.MultiIndex.from_tuples([(s, "ConvNet (ResNet-56)" if m == "resnet" else m) for s, m, _, _ in cells],
                                        names=["signal", "model"]))
    return paper_table(
        prefix + "paper_table1", "Table 1 of Hoffer et al. 2018, accuracy (%) on CIFAR-10 with the signal. ConvNet: "
        "ResNet-56, 64,000 iterations on 50,000 images; the other models: a quarter of them. paired_pixels has decoy "
        "pairs, paired_pixels_plain is the paper's plain reading; the paper gives one number for both.", frame)


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
    others = {k: v for k, v in axes.items() if k not in {*TRAINING, "amplitude", "magnitude"} and v is not True}
    words += [f"{k}={v}".lower() for k, v in sorted(others.items())]
    if condition != "none":
        words += ["on", condition, *([f"{axes['magnitude']:g}"] if axes.get("magnitude", 1) != 1 else [])]
    return " ".join(words)


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
            words.append(TRAINING[axis].format(value))
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
        return f"one seed (95 % interval of a value near 50 by the test images alone: ± {50 * (high - low):.1f})"
    return f"mean ± standard error over {high if low == high else f'{low} to {high}'} seeds"


def _training(part: Frame) -> str:
    """How the models were trained, said for each kind of model in the table."""
    said = []
    convnet = _convnets(part)
    for kind, lines in (("ConvNets", part[convnet]), ("Others" if convnet.any() else "Models", part[~convnet])):
        if lines.empty:
            continue
        images = " to ".join(f"{n:,.0f}" for n in sorted({lines["axis.n_train"].min(), lines["axis.n_train"].max()}))
        text = f"{kind}: {images} training images"
        if kind == "ConvNets":
            iterations = sorted({int(i) for i in lines["axis.iterations"]})
            text += ", " + " to ".join(f"{i:,}" for i in sorted({iterations[0], iterations[-1]})) + " iterations"
            if iterations[-1] < PAPER_CONVNET["axis.iterations"] and "cifar10" in set(lines["data"]):
                text += " (short: the paper trains 64,000 on 50,000 images)"
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
        chosen = chosen.assign(line=chosen["metric"].map(METRICS))
    blind = {str(method): {BLIND: _blind(lines)} for method, lines in convnets.groupby("method") if method in enough}
    return curves(chosen, x="axis.amplitude", y="mean", band="ci95", line="line", panel="method", hlines=blind,
                  x_label="amplitude", y_label="% of test images", y_limits=(0, 1))


def _blind(lines: Frame) -> float:
    """(1 - accuracy) / (K - 1) at the least amplitude of one signal; K - 1 as in that cell's own blind_level."""
    least = lines[lines["axis.amplitude"] == lines["axis.amplitude"].min()].groupby("metric")["mean"].mean()
    return float((1 - least["accuracy"]) * least["blind_level"] / (1 - least["clean_accuracy"]))
