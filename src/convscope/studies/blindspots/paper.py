"""The numbers that the paper prints in its tables 1 and 2, and which line of ours stands beside each."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from convscope.reporting.ledger import LedgerRow, judge
from convscope.reporting.tables import Table, paper_table, percent
from convscope.rows import Row
from convscope.studies.blindspots.labels import Frame, labelled

TOLERANCE = 0.01  # the paper prints no spread; one point covers a seed's standard deviation of ResNet-56

# What the paper's ConvNets had of each data set: iterations, and on what.
FULL = {"cifar10": (64_000, "50,000 images"), "reviews yelp_review_full": (165_000, "650,000 reviews"),
        "reviews amazon_review_full": (990_000, "3,000,000 reviews")}


@dataclass(frozen=True)
class Printed:
    """One number of the paper. `signal`, `model` and `data` are choices of configs/; `at` must hold of our line.

    `shorter` names what the paper had of an axis where ours may have less: then the line that has most is taken, and
    the note says how much that is.
    """

    signal: str
    model: str
    value: float
    at: Mapping[str, Any]
    data: str = ""
    called: str = ""
    shorter: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    note: str = ""
    missing: str = ""

    def line(self, lines: Frame) -> Any:
        """Our line for this number, or None; raises ValueError where several could be meant."""
        lines = lines[(lines["metric"] == "accuracy") & (lines["condition"] == "none")]
        for column, value in self.at.items():
            lines = lines[lines[column] == value] if column in lines else lines.iloc[:0]
        if len(lines) > 1 and not self.shorter:
            raise ValueError(f"expected one result beside the paper's for {self.signal} with {self.model}, got "
                             f"{len(lines)}: {', '.join(lines['who'])}; keep the variants in a report of their own")
        return None if lines.empty else max((line for _, line in lines.iterrows()), key=self.rank)

    def rank(self, line: Any) -> tuple[float, ...]:
        """How close a line comes to what the paper had; then by seeds."""
        return (*(_number(line, axis) for axis in self.shorter), float(line["n_seeds"]))

    def told(self, line: Any) -> str:
        """What a reader must know of our line beside the paper's number."""
        return self.missing if line is None else ", ".join(filter(None, [self.less(line), self.note]))

    def less(self, line: Any) -> str:
        """What our line had less of than the paper's number, in words; empty where nothing."""
        words = [f"{_number(line, axis):,.0f} of the paper's {paper:,} {unit}"
                 for axis, (paper, unit) in self.shorter.items() if _number(line, axis) < paper]
        words += [f"network {line['model']}"] if self.shorter and line["model"] != self.model else []
        return ", ".join(words)


@dataclass(frozen=True)
class PaperTable:
    """One table of the paper: its numbers, our name and caption for it, and the preset that measures it."""

    title: str
    name: str
    caption: str
    preset: str
    numbers: Sequence[Printed]
    digits: int  # decimals of a percentage, as printed


def _table1() -> Iterator[Printed]:
    convnet = {"data": "cifar10", "model": "resnet", "axis.iterations": 64000, "axis.n_train": 50000,
               "axis.normalise": True, "axis.fit": ""}
    other = {"data": "cifar10", "axis.n_train": 12500}
    qda = "from the mean of three channels, where two pixels are equal by chance less often"
    for signal, model, value, at in (  # with the axes at which the paper's encoding is read
        ("clean", None, None, {}),
        ("one_pixel", "decision_tree", 1.0, {"axis.amplitude": 1e-3}),
        ("pattern_pixels", "decision_tree", 1.0, {"axis.amplitude": 1e-3}),
        ("random_pixel", "shallow_max", 1.0, {"axis.amplitude": 1e-3}),
        ("paired_pixels", "qda", 0.984, {"axis.amplitude": 1.0, "axis.decoy": True}),
        ("paired_pixels_plain", "qda", 0.984, {"axis.amplitude": 1.0, "axis.decoy": False}),
        ("noise", "linear_softmax", 1.0, {"axis.amplitude": 1e-2}),
        ("mean", "shallow_max", 1.0, {"axis.amplitude": 1e-3}),
    ):
        at = {"method": signal.removesuffix("_plain"), **at}
        yield Printed(signal, "resnet56", 0.849, {**at, **convnet}, called="ConvNet",
                      missing="needs a GPU: 64,000 iterations of ResNet-56")
        if model is not None and value is not None:
            yield Printed(signal, model, value, {**at, **other, "model": model}, note=qda if model == "qda" else "")


def _table2() -> Iterator[Printed]:
    # The paper's Amazon ConvNet repeats the number of Yelp.
    slip = "the paper prints Yelp's number for Amazon too, where Zhang et al. have 59.5 for this network"
    for data, texts, values in (("yelp", 650_000, (1.0, 0.9980, 0.6866, 0.5986, 0.6205)),
                                ("amazon", 3_000_000, (1.0, 0.9997, 0.6966, 0.5526, 0.6205))):
        label = f"reviews {data}_review_full"
        there, reviews = {"data": label}, {"axis.n_train": (texts, "reviews")}
        for signal, value, at in zip(("mnemonic", "length", "pattern_char"), values, (
                {}, {"axis.base": 20, "axis.step": 10, "axis.control": False}, {"axis.positions": "(50, 150, 200)"}),
                strict=False):
            yield Printed(signal, "decision_tree", value, {**there, "method": signal, "model": "decision_tree", **at},
                          data, shorter=reviews)
        yield Printed("clean", "tfidf", values[3], {**there, "method": "clean", "model": "tfidf"}, data,
                      called="logistic regression", shorter=reviews)
        yield Printed("clean", "char_cnn", values[4], {**there, "method": "clean", "network": "char_cnn"}, data,
                      called="ConvNet", shorter={**reviews, "axis.iterations": (FULL[label][0], "minibatches")},
                      note=slip if data == "amazon" else "",
                      missing="needs a GPU: days of training on a CPU")


TABLES = (
    PaperTable(
        "Table 1", "paper_table1", "Table 1 of Hoffer et al. 2018, accuracy (%) on CIFAR-10 with the signal. ConvNet: "
        "ResNet-56, 64,000 iterations on 50,000 images; the other models: a quarter of them. paired_pixels has decoy "
        "pairs, paired_pixels_plain is the paper's plain reading; the paper gives one number for both.",
        "blindspots_table1", tuple(_table1()), 1),
    PaperTable(
        "Table 2", "paper_table2", "Table 2 of Hoffer et al. 2018, accuracy (%) on reviews with the signal. The paper "
        "trains on 650,000 (Yelp) and 3,000,000 (Amazon) reviews, and prints the ConvNet of Yelp for Amazon too, where "
        "Zhang et al. have 59.5. Decision tree: on character indices; logistic regression: on TF-IDF of words.",
        "blindspots_table2", tuple(_table2()), 2),
)


def paper_tables(frame: Frame) -> list[Table]:
    """The paper's tables beside our labelled lines, where there is at least one of ours."""
    found = []
    for table in TABLES:
        lines = [(one, one.line(frame)) for one in table.numbers]
        if any(line is not None for _, line in lines):
            found.append(paper_table(table.name, table.caption + _shorter(lines), _beside(lines),
                                     show=partial(percent, digits=table.digits)))
    return found


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """One line per number of the paper, from the report (by its name) that comes closest to it, then by seeds."""
    frames = {name: labelled(rows) for name, rows in reports.items()}
    return [_ledger_row(table, one, reports, frames) for table in TABLES for one in table.numbers]


def _ledger_row(table: PaperTable, one: Printed, reports: Mapping[str, Sequence[Row]],
                frames: Mapping[str, Frame]) -> LedgerRow:
    lines = {name: line for name, frame in frames.items() if (line := one.line(frame)) is not None}
    name = max(lines, key=lambda key: one.rank(lines[key]), default=table.preset)
    line = lines.get(name)
    seeds = 0 if line is None else int(line["n_seeds"])
    ours = None if line is None else float(line["mean"])
    return LedgerRow(
        "blindspots", table.title, _cell(one), one.value, ours,
        None if line is None or seeds < 2 else float(line["sem"]), seeds, "fraction",
        judge(one.value, ours, tolerance=TOLERANCE),
        _command(name, one, line, reports[name] if line is not None else []), one.told(line))


def short_of_paper(data: str, iterations: float) -> str:
    """` (short: ...)` where ConvNets on this data were trained for less than the paper's, else nothing."""
    paper = FULL.get(data)
    return f" (short: the paper trains {paper[0]:,} on {paper[1]})" if paper and iterations < paper[0] else ""


def _cell(one: Printed) -> str:
    return ", ".join(filter(None, [one.data, one.signal, one.called or one.model]))


def _shorter(lines: Sequence[tuple[Printed, Any]]) -> str:
    """What ours had less of than the paper, for a caption: ` Ours: yelp (ConvNet) 1,000 of the paper's 165,000 ...`."""
    told: dict[tuple[str, str], list[str]] = {}
    for one, line in lines:
        if line is not None and (less := one.less(line)):
            told.setdefault((one.data, less), []).append(one.called or one.model)
    said = [f"{data} ({', '.join(dict.fromkeys(models))}) {less}" for (data, less), models in told.items()]
    return f" Ours: {'; '.join(said)}." if said else ""


def _beside(lines: Sequence[tuple[Printed, Any]]) -> Frame:
    import pandas as pd

    nothing = {"mean": math.nan, "sem": math.nan, "n_seeds": 0}
    several = any(one.data for one, _ in lines)
    keys = [(*([one.data] if several else []), one.signal, one.called or one.model) for one, _ in lines]
    return pd.DataFrame(
        [{"paper": one.value, **(nothing if line is None else {key: line[key] for key in nothing})}
         for one, line in lines],
        index=pd.MultiIndex.from_tuples(keys, names=[*(["data"] if several else []), "signal", "model"]))


def _command(name: str, one: Printed, line: Any, rows: Sequence[Row]) -> str:
    """The command that measures one number of the report `name` (a preset, then perhaps overrides)."""
    preset, *overrides = name.split(",")
    chosen = [f"data={one.data}"] if one.data and f"data={one.data}" not in overrides else []
    model = [f"model={one.model}"]
    seeds: list[int] = []
    if line is not None:
        seeds = sorted({row.seed for row in rows if row.method == line["method"] and row.model == line["model"]})
        if one.shorter:
            network, *settings = line["model"].split()
            model = [f"model={network}", *(f"model.{setting}" for setting in settings)]
    return " ".join(["uv run experiments/blindspots.py --config-name", preset, *overrides, *chosen, *model,
                     f"signal={one.signal}", *([f"seed={','.join(map(str, seeds))}"] if seeds else [])])


def _number(line: Any, axis: str) -> float:
    """A line's value on an axis, -1 where it has none."""
    value = line.get(axis, math.nan)
    return -1.0 if math.isnan(value) else float(value)
