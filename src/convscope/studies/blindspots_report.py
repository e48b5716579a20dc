"""Tables, figures and ledger lines of the study blindspots, from its rows alone."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

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
    "paired_pixels": (0.849, 0.984, "qda", {"decoy": True}),
    "paired_pixels_plain": (0.849, 0.984, "qda", {"decoy": False}),
    "noise": (0.849, 1.0, "linear_softmax", {"amplitude": 1e-2}),
    "mean": (0.849, 1.0, "shallow_max", {"amplitude": 1e-3}),
}
PAPER_CONVNET = {"model": "resnet", "axis.iterations": 64000, "axis.n_train": 50000, "axis.normalise": True}
TOLERANCE = 0.01  # the paper prints no spread; one point covers a seed's standard deviation of ResNet-56
TRAINING = {"n_train": "{:g} images", "iterations": "{:g} iterations", "normalise": "{}"}  # axes that are no signal's
BLIND = "blind level"
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
        if data == "cifar10":
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


def ledger(rows: Sequence[Row], name: str) -> list[LedgerRow]:
    """One line per number of the paper's Table 1, from the rows of the report `name`; none without CIFAR-10."""
    frame: Frame = _labelled(over_seeds(rows))
    part = frame[(frame["data"] == "cifar10") & (frame["metric"] == "accuracy")]
    if part.empty:
        return []
    found = []
    for signal, model, paper, line in _paper_cells(part):
        ours = None if line is None else float(line["mean"])
        sem = None if line is None or math.isnan(line["sem"]) else float(line["sem"])
        convnet = model == "resnet"
        note = "QDA reads an equal pair by its zero variance" if model == "qda" else ""
        found.append(LedgerRow(
            "blindspots", "Table 1", f"{signal}, {'ConvNet' if convnet else model}", paper, ours, sem,
            0 if line is None else int(line["n_seeds"]), "fraction", judge(paper, ours, tolerance=TOLERANCE),
            f"uv run experiments/blindspots.py --config-name {name} model={'resnet56' if convnet else model}",
            note if line is not None else "needs a GPU: 64,000 iterations of ResNet-56" if convnet else ""))
    return found


def _paper_cells(part: Frame) -> list[tuple[str, str, float, Any]]:
    """(signal, model, the paper's accuracy, our line or None) for every number of Table 1."""
    import pandas as pd

    cells = []
    for signal, (convnet, best, model, axes) in PAPER.items():
        at = part[part["method"] == signal.removesuffix("_plain")]
        for axis, value in axes.items():
            at = at[at[f"axis.{axis}"] == value] if f"axis.{axis}" in at else at.iloc[:0]
        ours = at
        for column, value in PAPER_CONVNET.items():
            ours = ours[ours[column] == value] if column in ours else ours.iloc[:0]
        cells.append((signal, "resnet", convnet, None if ours.empty else ours.iloc[0]))
        if model is not None and best is not None:
            quarter = at[(at["model"] == model) & (pd.to_numeric(at["axis.n_train"]) == 12500)]
            cells.append((signal, model, best, None if quarter.empty else quarter.iloc[0]))
    return cells


def _paper(part: Frame, prefix: str) -> Table:
    import pandas as pd

    cells = _paper_cells(part[part["metric"] == "accuracy"])
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
    signal_axes = [c for c in axes if c.removeprefix("axis.") not in TRAINING and c != "axis.amplitude"]
    frame["signal"] = [_signal(line, [c for c in signal_axes if _varies(frame[frame["method"] == line["method"]][c])])
                       for _, line in frame.iterrows()]
    same = frame.groupby(["data", "model"])
    varied = {key: [c for c in axes if c.removeprefix("axis.") in TRAINING and _varies(lines[c])]
              for key, lines in same}
    frame["who"] = [_who(line, varied[line["data"], line["model"]]) for _, line in frame.iterrows()]
    return frame


def _signal(line: Any, varied: Sequence[str]) -> str:
    """Name, amplitude where it is not 1, the condition, what else varies: `noise 0.02`, `one_pixel 0.001 on blank`."""
    amplitude = line.get("axis.amplitude", math.nan)
    words = [f"{c.removeprefix('axis.')}={line[c]}".lower() for c in varied if not _missing(line[c])]
    return " ".join([_spoken(line["method"], 1 if math.isnan(amplitude) else amplitude, line["condition"]), *words])


def _who(line: Any, varied: Sequence[str]) -> str:
    """The model, and how it was trained where that varies: `resnet depth=8, raw pixels`."""
    words = [line["model"]]
    for column in varied:
        axis, value = column.removeprefix("axis."), line[column]
        if axis == "normalise":
            words += [] if value else ["raw pixels"]
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
        dose = 0 if math.isnan(amplitude) else amplitude
        return (line["condition"] != "none", known, line["method"], dose, line["signal"])
    return list(dict.fromkeys(entry[-1] for entry in sorted(rank(line) for _, line in part.iterrows())))


def _seeds(part: Frame) -> str:
    low, high = int(part["n_seeds"].min()), int(part["n_seeds"].max())
    if high == 1:
        return "one seed"
    return f"mean ± standard error over {high if low == high else f'{low} to {high}'} seeds"


def _training(part: Frame) -> str:
    """How the models were trained, said for each kind of model in the table."""
    said = []
    convnet = _convnets(part)
    for kind, lines in (("ConvNets", part[convnet]), ("Others", part[~convnet])):
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
        _, method, amplitude, condition = key.split("/")
        carrier, encoded = arrays[f"{key}/carrier"][0], arrays[f"{key}/encoded"][0]
        places = [(int(r), int(c)) for r, c in np.argwhere((encoded != carrier).any(axis=0))]
        name = _spoken(method, float(amplitude), condition).replace("_", " ")
        columns.append([Picture(name, carrier), Picture("", encoded, circles=places if len(places) <= 2 else []),
                        change(carrier, encoded)])
    return image_sheet(list(zip(*columns, strict=True)), labels=SHEET_LINES) if columns else None


def _spoken(method: str, amplitude: float, condition: str) -> str:
    words = [method.rpartition(".")[2], *([f"{amplitude:g}"] if amplitude not in (0, 1) else [])]
    return " ".join([*words, *([] if condition == "none" else ["on", condition])])


def _sheet_rank(key: str) -> tuple[int, str, float]:
    _, method, amplitude, _ = key.split("/")
    return (SIGNALS.index(method) if method in SIGNALS else len(SIGNALS), method, float(amplitude))


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
    levels = convnets[(convnets["metric"] == "blind_level") & (convnets["method"].isin(enough))]
    blind = {str(method): {BLIND: float(lines.loc[lines["axis.amplitude"].idxmin(), "mean"])}
             for method, lines in levels.groupby("method")}
    return curves(chosen, x="axis.amplitude", y="mean", band="ci95", line="line", panel="method", hlines=blind,
                  x_label="amplitude", y_label="% of test images", y_limits=(0, 1))
