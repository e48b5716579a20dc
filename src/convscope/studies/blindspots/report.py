"""Tables and figures of the study blindspots, from its rows and arrays alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from convscope.metrics.accuracy import wilson
from convscope.reporting.tables import Table, grid, percent
from convscope.reporting.words import seeds, slug
from convscope.rows import Row
from convscope.studies.blindspots.labels import Frame, labelled, missing, nouns, rank
from convscope.studies.blindspots.paper import paper_tables, short_of_paper
from convscope.studies.blindspots.texts import COLUMNS, text_sheets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLIND = "blind level"
WIDE = 15   # signals beside each other in a sheet
SHEET_LINES = ("carrier", "with the signal", "change")
METRICS = {"accuracy": "accuracy with the signal", "clean_accuracy": "accuracy on clean images",
           "reliance": "follows a wrong signal"}


def tables(rows: Sequence[Row]) -> list[Table]:
    """The paper's own tables as far as measured; then accuracy, reliance, clean accuracy of every model x signal."""
    frame = labelled(rows)
    return paper_tables(frame) + [table for data, part in frame.groupby("data")
                                  for table in _of_data(str(data), part, frame["data"].nunique() == 1)]


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """The encoded samples, the table as a heat map, and dose-response curves where an amplitude was varied."""
    from convscope.reporting.figures import heat_table
    from convscope.reporting.texts import text_sheet

    frame = labelled(rows)
    found: dict[str, Figure | None] = {}
    for data, part in frame.groupby("data"):
        suffix = "" if frame["data"].nunique() == 1 else f"_{slug(str(data))}"
        found[f"signals{suffix}"] = _sheet({k: v for k, v in arrays.items() if k.startswith(f"{data}/")})
        accuracy = _of_data(str(data), part, True)[0]
        found[f"heat{suffix}"] = heat_table(accuracy.values, accuracy.shown,
                                            title=f"Accuracy on {nouns(str(data))} with the signal ({data})")
        found[f"dose{suffix}"] = _doses(part)
    for name, (title, panels) in text_sheets(arrays, examples=1).items():
        found[name] = text_sheet(panels, columns=COLUMNS, title=title)
    return {name: figure for name, figure in found.items() if figure is not None}


def pages(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """The sheets of texts as html pages, with every text that was kept."""
    from convscope.reporting.texts import html_page

    return {name: html_page(panels, columns=COLUMNS, title=title)
            for name, (title, panels) in text_sheets(arrays).items()}


def _of_data(data: str, part: Frame, single: bool) -> list[Table]:
    """Accuracy, reliance and clean accuracy of every model x signal on one data set."""
    import pandas as pd

    said, tested = nouns(data), part[part["split"] == "test"]
    where = f"{data}, {tested['n'].max()} test {said}, {_seeds(tested)}. {_training(tested)}"
    signals, by_metric = _ordered_signals(part), dict(iter(part.groupby("metric")))
    blind = by_metric["blind_level"][by_metric["blind_level"]["signal"] == "clean"].assign(signal=BLIND)
    return [grid(lines, name=metric if single else f"{slug(data)}_{metric}", caption=caption + where + more, rows="who",
                 columns="signal", row_order=_ordered_models(part), column_order=columns, index_name="model",
                 best=metric == "accuracy")
            for metric, lines, columns, caption, more in (
                ("accuracy", by_metric["accuracy"], signals, f"Accuracy (%) on {said} with the signal, bold where "
                 "best: ", _ceilings(by_metric)),
                ("reliance", pd.concat([blind, by_metric["reliance"]]), [BLIND, *signals] if len(blind) else signals,
                 f"Reliance (%): how often the prediction follows a wrong signal; {BLIND}: how often a model that sees "
                 "no signal does, (1 − clean accuracy) / (K − 1): ", ""),
                ("clean_accuracy", by_metric["clean_accuracy"], signals,
                 f"Accuracy (%) on clean {said} of the models that were trained with the signal: ", ""))]


def _ordered_models(part: Frame) -> list[str]:
    """ConvNets (only they normalise), shallow networks (only they have iterations besides), then the others."""
    order = part.assign(rank=part["axis.normalise"].isna().astype(int) * (1 + part["axis.iterations"].isna()))
    return list(dict.fromkeys(order.sort_values(["rank", "who"], kind="stable")["who"]))


def _ordered_signals(part: Frame) -> list[str]:
    order = sorted((line["condition"] != "none", rank(line["method"]),
                    0 if missing(line["axis.amplitude"]) else line["axis.amplitude"], line["signal"])
                   for _, line in part.iterrows())
    return list(dict.fromkeys(entry[-1] for entry in order))


def _seeds(part: Frame) -> str:
    if part["n_seeds"].max() > 1:
        return seeds(part)
    n = int(part["n"].max())
    low, high = wilson(round(n / 2), n)
    return (f"one seed (95 % interval of a value near 50 by the test {nouns(str(part['data'].iloc[0]))} alone: ± "
            f"{50 * (high - low):.1f})")


def _ceilings(by_metric: Mapping[str, Frame]) -> str:
    """What a signal that tells only a part of the label allows at most, where it says so."""
    lines = by_metric.get("signal_ceiling")
    if lines is None:
        return ""
    best = sorted({line["signal"]: percent(line["mean"]) for _, line in lines.iterrows()}.items())
    return (f" The signal alone allows: {', '.join(f'{k} {v} %' for k, v in best)}, its places taken as independent; "
            f"what else the {nouns(str(lines['data'].iloc[0]))} tell may add to that.")


def _training(part: Frame) -> str:
    """How the models were trained, said for each kind of model in the table."""
    said, data = [], str(part["data"].iloc[0])
    convnet = part["axis.normalise"].notna()
    for kind, lines in (("ConvNets", part[convnet]), ("Others" if convnet.any() else "Models", part[~convnet])):
        if lines.empty:
            continue
        text = f"{kind}: {_range(lines['axis.n_train'])} training {nouns(data)}"
        if kind == "ConvNets":
            iterations = lines["axis.iterations"]
            text += f", {_range(iterations)} iterations{short_of_paper(data, iterations.max())}"
        said.append(text + ".")
    return " ".join(said)


def _range(numbers: Frame) -> str:
    return " to ".join(f"{n:,.0f}" for n in sorted({numbers.min(), numbers.max()}))


def _sheet(arrays: Mapping[str, np.ndarray]) -> "Figure | None":
    """Carrier, encoded image and the change, magnified until it shows: a column per signal, of many a row."""
    from convscope.reporting.figures import Picture, change, image_sheet

    shown = {}
    for key in sorted({key.rpartition("/")[0] for key in arrays}, key=lambda key: rank(key.partition("/")[2])):
        carrier, encoded = arrays[f"{key}/carrier"][0], arrays[f"{key}/encoded"][0]
        places = [(int(r), int(c)) for r, c in np.argwhere((encoded != carrier).any(axis=0))]
        shown[key.partition("/")[2]] = (carrier, Picture("", encoded, circles=places if len(places) <= 2 else []),
                                        change(carrier, encoded))
    if len(shown) > WIDE:
        return image_sheet([[Picture("", carrier), *others] for carrier, *others in shown.values()],
                           labels=[name.replace("_", " ") for name in shown], title="Carrier, with the signal, change")
    columns = [[Picture(name.replace("_", " "), carrier), *others] for name, (carrier, *others) in shown.items()]
    return image_sheet(list(zip(*columns, strict=True)), labels=SHEET_LINES) if columns else None


def _doses(part: Frame) -> "Figure | None":
    """Accuracy, clean accuracy and reliance against amplitude, one panel per signal that has at least three."""
    from convscope.reporting.figures import curves

    convnets = part[part["axis.normalise"].notna() & (part["condition"] == "none")]
    enough = [m for m, lines in convnets.groupby("method") if lines["axis.amplitude"].nunique() >= 3]
    chosen = convnets[convnets["method"].isin(enough) & convnets["metric"].isin(METRICS)]
    if chosen.empty:
        return None
    if chosen["who"].nunique() > 1:  # several models: one line each
        chosen = chosen[chosen["metric"] == "accuracy"].assign(line=lambda lines: lines["who"])
    else:
        said = nouns(str(chosen["data"].iloc[0]))
        chosen = chosen.assign(line=[METRICS[metric].replace("images", said) for metric in chosen["metric"]])
    blind = {str(method): {BLIND: _blind(lines)} for method, lines in convnets.groupby("method") if method in enough}
    return curves(chosen, x="axis.amplitude", y="mean", band="ci95", line="line", panel="method", hlines=blind,
                  x_label="amplitude", y_label="% of test images", y_limits=(0, 1))


def _blind(lines: Frame) -> float:
    """(1 - accuracy) / (K - 1) at the least amplitude of one signal; K - 1 as in that cell's own blind_level."""
    least = lines[lines["axis.amplitude"] == lines["axis.amplitude"].min()].groupby("metric")["mean"].mean()
    return float((1 - least["accuracy"]) * least["blind_level"] / (1 - least["clean_accuracy"]))
