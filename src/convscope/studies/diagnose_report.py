"""The page of the study diagnose, from its rows and arrays alone: findings, and the figures behind them."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from convscope.metrics.accuracy import wilson
from convscope.reporting.ledger import LedgerRow
from convscope.reporting.tables import Table, percent
from convscope.rows import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMBALANCED = 3.0        # largest to smallest class
RARE = 0.05             # of the samples: the paper's "rare event"
LITTLE = 0.95           # of random labels' changes along the sums
TIMES = 4.0             # capacity to complexity, either way
GAP = 0.1               # train minus test accuracy
DEAD = 0.1              # of a layer's units
LITTLE_FALL = 0.05      # of the loss, in the learning-rate range test
SCALES = 100.0          # largest to smallest standard deviation of a table's columns
MEMORISED = 0.8         # of the way from a constant answer to all permuted training labels


@dataclass(frozen=True)
class Finding:
    """`level` is ok, note, or problem; `measured` holds numbers only, `meaning` and `action` what they say."""

    about: str
    level: str
    measured: str
    meaning: str
    action: str = "Nothing to do."


class Measured:
    """The numbers of one run, by metric, split and axes."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.first = rows[0]

    def get(self, metric: str, split: str | None = None) -> float | None:
        return next((r.value for r in self.rows if r.metric == metric and split in (None, r.split)), None)

    def all(self, metric: str, split: str | None = None) -> list[Row]:
        return [r for r in self.rows if r.metric == metric and split in (None, r.split)]


def findings(rows: Sequence[Row]) -> list[Finding]:
    """All findings of one run; of what was not measured there is none."""
    one = Measured(rows)
    return [found for part in (_data, _balance, _equal, _scales, _complexity, _capacity, _rate, _modes, _dead, _gap,
                               _permuted) for found in part(one)]


def tables(rows: Sequence[Row]) -> list[Table]:
    """One table of findings per run, problems first; then the sized alternatives."""
    import pandas as pd

    found = []
    runs = _runs(rows)
    for key, own in runs.items():
        told = sorted(findings(own), key=lambda one: ("problem", "note", "ok").index(one.level))
        frame = pd.DataFrame([{"level": f.level, "measured": f.measured, "what it means": f.meaning,
                               "what to do": f.action} for f in told],
                             index=pd.Index([f.about for f in told], name="finding"))
        count = sum(f.level == "problem" for f in told)
        found.append(Table(_named("findings", key, runs), f"{key}: {count} problem{'s' * (count != 1)} in "
                           f"{len(told)} findings.", frame, None, None, "finding"))
        sized = Measured(own)
        widths = {str(r.axes["family"]): r.value for r in sized.all("alternative_width")}
        if widths:
            bits = {str(r.axes["family"]): r.value for r in sized.all("alternative_bits")}
            weights = {str(r.axes["family"]): r.value for r in sized.all("alternative_parameters")}
            values = pd.DataFrame({"width": widths, "capacity in bits": bits, "parameters": weights})
            text = pd.DataFrame({"width": [f"{v:.3g}" for v in values["width"]], **{
                name: [f"{v:,.0f}" for v in values[name]] for name in ("capacity in bits", "parameters")}},
                index=values.index)
            found.append(Table(_named("alternatives", key, runs), "Networks that hold as many bits as the data need, "
                               f"{sized.get('complexity_bits'):,.0f}: model=<family> model.width=<width>.", values,
                               text, None, "family"))
    return found


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """Classes, the learning-rate range test and the training curve of each run."""
    import pandas as pd

    from convscope.reporting.bars import dots
    from convscope.reporting.figures import curves

    found: dict[str, Figure] = {}
    runs = _runs(rows)
    for key, own in runs.items():
        one = Measured(own)
        counts = {str(r.axes["class"]): r.value for r in reversed(one.all("class_samples", "train"))}
        if len(counts) <= 40:
            found[_named("classes", key, runs)] = dots(counts, x_label="training samples", title="Samples per class",
                                                       log_x=False)
        base = f"{one.first.data}/{one.first.model}/{one.first.seed}"
        if f"{base}/lr" in arrays:
            loss = arrays[f"{base}/loss"]
            kept = np.isfinite(loss)
            found[_named("learning_rate", key, runs)] = curves(
                pd.DataFrame({"lr": arrays[f"{base}/lr"][kept], "loss": loss[kept]}), x="lr", y="loss", percent=False,
                x_label="learning rate", y_label="smoothed loss", title="Learning-rate range test")
        if len(arrays.get(f"{base}/curve_step", ())) > 1:
            steps = pd.DataFrame({"step": arrays[f"{base}/curve_step"],
                                  "value": arrays[f"{base}/curve_train_accuracy"]})
            tested = one.get("accuracy", "test")
            found[_named("training", key, runs)] = curves(
                steps.assign(line="training samples"), x="step", y="value", line="line", log_x=False,
                x_label="minibatches", y_label="accuracy", title="Accuracy while training",
                hlines={} if tested is None else {"test split, at the end": tested})
    return found


def pages(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """The page of each run as html, with its figures inside."""
    runs = _runs(rows)
    return {_named("diagnosis", key, runs): _html(key, own, arrays) for key, own in runs.items()}


def ledger(reports: Mapping[str, Sequence[Row]]) -> list[LedgerRow]:
    """None: the paper prints no diagnosis."""
    return []


def _data(one: Measured) -> Iterator[Finding]:
    train, test = one.get("samples", "train") or 0, one.get("samples", "test") or 0
    classes = len(one.all("class_samples", "train"))
    low, high = wilson(round(0.9 * test), int(test))
    few = train / classes < 50
    yield Finding(
        "data", "note" if few else "ok", f"{train:,.0f} training and {test:,.0f} test samples in {classes} classes",
        f"An accuracy near 90 % is known to ± {50 * (high - low):.1f} points by the test split's size alone."
        + (" Fewer than 50 training samples per class." if few else ""),
        "Gather more samples, or fine-tune a network that was trained on others." if few else "Nothing to do.")


def _balance(one: Measured) -> Iterator[Finding]:
    counts = {str(r.axes["class"]): int(r.value) for r in one.all("class_samples", "train")}
    least, most = min(counts, key=lambda k: counts[k]), max(counts, key=lambda k: counts[k])
    ratio, total = counts[most] / max(1, counts[least]), sum(counts.values())
    measured = f"{most}: {counts[most]:,}, {least}: {counts[least]:,} training samples ({ratio:.1f} to 1)"
    if most == least:
        measured = f"{counts[most]:,} training samples of every class"
    rare = [k for k, n in counts.items() if n < RARE * total / max(1, len(counts) / 2)]
    if ratio < IMBALANCED:
        yield Finding("class balance", "ok", measured, "The classes are about equally frequent.",
                      "No resampling is needed.")
        return
    yield Finding(
        "class balance", "problem" if rare else "note", measured,
        "Accuracy hides what happens to rare classes" + (f" ({', '.join(rare[:5])})" if rare else "") + ".",
        "Judge by balanced accuracy; train on class-balanced draws (convscope.resampling.balanced) or SMOTE, and "
        "compare both with doing nothing: experiments/resampling.py.")


def _equal(one: Measured) -> Iterator[Finding]:
    leaked, test = one.get("leaked") or 0, one.get("samples", "test") or 1
    equal, clash = one.get("equal", "train") or 0, one.get("contradicting", "train") or 0
    measured = (f"{leaked:,.0f} test samples also occur in training; {equal:,.0f} training samples repeat another one; "
                f"{clash:,.0f} contents have different labels")
    if not leaked and not equal and not clash:
        yield Finding("duplicates", "ok", measured, "No two samples are equal, value by value. (Near ones were not "
                      "looked for.)")
        return
    yield Finding(
        "duplicates", "problem" if leaked > 0.001 * test or clash else "note", measured,
        "Test samples that were trained on flatter the accuracy; of equal samples with different labels one is wrong."
        if leaked or clash else "Repeated samples weigh more than others.",
        "Remove equal samples before splitting, and look at those with several labels.")


def _scales(one: Measured) -> Iterator[Finding]:
    constant, scales = one.get("constant_features"), one.get("scales")
    if constant is None:
        return
    wide = scales is not None and scales > SCALES
    measured = f"{constant:,.0f} constant columns; standard deviations differ by up to {scales or 1:,.3g} times"
    yield Finding(
        "columns", "problem" if wide else "note" if constant else "ok", measured,
        "Columns of large numbers drown the others, in a network as in distances and sums." if wide else
        "The columns are of comparable scale.",
        "Standardise every column with the training split's mean and deviation; drop constant ones."
        if wide or constant else "Nothing to do.")


def _complexity(one: Measured) -> Iterator[Finding]:
    bits, ratio, csg = one.get("complexity_bits"), one.get("threshold_ratio"), one.get("csg")
    if bits is None or ratio is None:
        return
    classes = len(one.all("class_samples", "train"))
    measured = f"expected complexity {bits:,.0f} bits; label changes {ratio:.2f} of random labels'"
    measured += f"; CSG {csg:.2f} of at most {classes - 1}" if csg is not None else ""
    pair = next(iter(one.all("overlap")), None)
    close, action = "", "Nothing to do."
    if pair is not None:
        both = f"{pair.axes['class']} and {pair.axes['other']}"
        close = (f" {both} overlap by {pair.value:.2f} of 1, in raw values." if classes == 2 else
                 f" Of all pairs, {both} overlap most ({pair.value:.2f} of 1, in raw values).")
        action = f"Look at samples of {both}, before a larger network."
    yield Finding(
        "complexity", "note" if ratio >= LITTLE else "ok", measured,
        ("Along sums of raw values the labels look random: the bits say little beyond the size of the data, and are an "
         "upper bound of what must be learnt." if ratio >= LITTLE else
         "Sums of raw values carry some of the label: the data are simpler than random ones.") + close,
        action)


def _capacity(one: Measured) -> Iterator[Finding]:
    bits, wanted, parameters = one.get("capacity_bits"), one.get("complexity_bits"), one.get("parameters")
    if wanted is None:
        return
    if bits is None or parameters is None:
        yield Finding("capacity", "note", "not measured", "The network's graph cannot be read (its forward decides by "
                      "values), so that its layers cannot be counted.", "Give the part of it that can be traced.")
        return
    measured = (f"{parameters:,.0f} parameters hold {bits:,.0f} bits; the data need {wanted:,.0f} "
                f"({bits / wanted:.2g} times)")
    sized = {str(r.axes["family"]): r.value for r in one.all("alternative_width")}
    offer = "; ".join(f"{family} width {width:.2g}" for family, width in list(sized.items())[:4])
    action = f"Try networks that match: {offer}." if offer else "Change its width."
    if bits > TIMES * wanted:
        yield Finding("capacity", "note", measured, "The network could store every label of these data: nothing forces "
                      "it to generalise but the training itself.", f"{action} Keep the larger one if its test accuracy "
                      "is better.")
    elif bits < wanted / TIMES:
        yield Finding("capacity", "note", measured, "By these rules the network cannot store all labels; what it gets "
                      "right beyond that it must have generalised. If training accuracy is low, it is too small.",
                      action)
    else:
        yield Finding("capacity", "ok", measured, "Capacity and complexity are of one order.")


def _rate(one: Measured) -> Iterator[Finding]:
    lr, steepest, diverged = one.get("lr"), one.get("lr_steepest"), one.get("lr_diverged")
    if lr is None or steepest is None:
        return
    ended = f"diverges at {diverged:.2g}" if diverged is not None else "does not diverge up to 10"
    fall = one.get("lr_fall") or 0.0
    flat = fall < LITTLE_FALL
    measured = (f"over minibatches of rising rates the loss falls by {fall:.0%}"
                + ("" if flat else f", fastest at {steepest:.2g},") + f" and {ended}; the fit's largest is {lr:.2g}")
    if one.get("not_finite"):
        yield Finding("learning rate", "problem", f"{measured}; the training ended with a loss that is not finite",
                      "Nothing could be measured of a trained network.",
                      "No rate lowers the loss at once: standardise the inputs first." if flat else
                      f"Take fit.lr={steepest / 10:.1g}, or standardise the inputs first.")
    elif flat:
        yield Finding("learning rate", "note", measured, "The loss hardly falls at any rate: the test says nothing of "
                      "which is right.", "Check the inputs' scale and the initial weights; many problems just need "
                      "more minibatches than the test has.")
    elif diverged is not None and lr >= diverged:
        yield Finding("learning rate", "problem", measured, "Training at this rate diverges, unless a warmup or batch "
                      "norm saves it.", f"Take fit.lr={diverged / 4:.1g} or less, or a longer warmup.")
    elif lr < steepest / 30:
        yield Finding("learning rate", "note", measured, "The rate is far below the one at which the loss falls "
                      "fastest: training takes longer than it must.", f"Try fit.lr={steepest / 3:.1g}.")
    else:
        yield Finding("learning rate", "ok", measured, "The rate lies in the range in which the loss falls. (A test of "
                      "one pass of rising rates; it does not see what happens late in training.)")


def _modes(one: Measured) -> Iterator[Finding]:
    repeated, mixed = (next(iter(one.all(metric)), None) for metric in ("repeated", "mixed_in"))
    if repeated is None or mixed is None:
        return
    measured = (f"in eval mode, logits change by {repeated.value:.1%} of the largest from pass to pass, and by "
                f"{mixed.value:.1%} when the others of the batch change")
    if repeated.axes["wrong"]:
        yield Finding("chance at evaluation", "problem", measured, "Something random is active at evaluation, most "
                      "likely dropout: functional.dropout(x) without training=self.training is always on.",
                      "Pass training=self.training, or use the module nn.Dropout.")
    if mixed.axes["wrong"]:
        yield Finding("batches at evaluation", "problem", measured, "A prediction depends on the other inputs of its "
                      "batch, most likely by a batch norm that uses the batch's statistics: so does the accuracy.",
                      "Use nn.BatchNorm with track_running_stats, and call eval() on the whole model.")
    if not repeated.axes["wrong"] and not mixed.axes["wrong"]:
        yield Finding("evaluation mode", "ok", measured, "Dropout and batch norm are off at evaluation, as they must.")


def _dead(one: Measured) -> Iterator[Finding]:
    total = {str(r.axes["layer"]): int(r.value) for r in one.all("units")}
    if not total:
        return
    dead = {str(r.axes["layer"]): int(r.value) for r in one.all("dead_units")}
    worst = max(total, key=lambda layer: dead[layer] / total[layer])
    n = one.all("units")[0].n
    measured = (f"{sum(dead.values()):,} of {sum(total.values()):,} units behind {len(total)} ReLU modules are zero "
                f"for all of {n:,} test samples; most in {worst}: {dead[worst]} of {total[worst]}")
    if dead[worst] > DEAD * total[worst]:
        yield Finding("dead filters", "note", measured, "Such units are no use, and no gradient reaches them.",
                      "Lower the learning rate or add a warmup, use batch norm, or make the layer narrower.")
    else:
        yield Finding("dead filters", "ok", measured, "Nearly all units are active for some input.")


def _gap(one: Measured) -> Iterator[Finding]:
    train, test = one.get("accuracy", "train"), one.get("accuracy", "test")
    if train is None or test is None:
        return
    counts = [r.value for r in one.all("class_samples", "test")]
    common = max(counts) / sum(counts)
    n = one.all("accuracy", "test")[0].n
    low, high = wilson(round(test * n), n)
    measured = (f"accuracy {train:.1%} on training, {test:.1%} on test samples (95 % interval {low:.1%} to "
                f"{high:.1%}); the most frequent class alone: {common:.1%}")
    if low <= common:
        learnt = train - test > GAP
        yield Finding("accuracy", "problem", measured, "The network is not shown to beat a constant answer."
                      + (f" It has learnt the training samples {train - test:.0%} better than the rest: it overfits."
                         if learnt else ""),
                      "Gather more samples and check their labels; then augmentation, or a network of the matching "
                      "capacity." if learnt else
                      "Check labels and inputs, then the learning rate and the number of iterations.")
    elif train - test > GAP:
        yield Finding("accuracy", "note", measured, f"It has learnt the training samples {train - test:.0%} better "
                      "than the rest: it overfits.", "More or augmented data, weight decay, dropout, or a network of "
                      "the matching capacity.")
    else:
        yield Finding("accuracy", "ok", measured, "Training and test accuracy are close."
                      + (" Both are low: the network underfits." if train < 0.8 else ""),
                      "More iterations or a larger network." if train < 0.8 else "Nothing to do.")


def _permuted(one: Measured) -> Iterator[Finding]:
    train, test = one.get("permuted_train_accuracy"), one.get("permuted_test_accuracy")
    if train is None or test is None:
        return
    counts = [r.value for r in one.all("class_samples", "test")]
    common, n = max(counts) / sum(counts), one.all("permuted_test_accuracy")[0].n
    low, _ = wilson(round(test * n), n)
    labels = [r.value for r in one.all("class_samples", "train")]
    constant = max(labels) / sum(labels)  # what one answer for all would reach
    measured = f"trained on permuted labels: {percent(train)} % on these, {percent(test)} % on the true test labels"
    if low > common:
        yield Finding("permuted labels", "problem", measured, "Without any relation between training inputs and labels "
                      "the test labels are still predicted: they leak, or the classes differ in size.",
                      "Look for the label in the inputs' order, names or duplicates.")
    elif train - constant > MEMORISED * (1 - constant):
        yield Finding("permuted labels", "note", measured, "The network can memorise these data in this training: its "
                      "training accuracy proves nothing.", "Trust the test accuracy only.")
    else:
        yield Finding("permuted labels", "ok", measured, "The network does not memorise random labels in this "
                      "training: what it gets right on the true ones, it has found in the inputs.")


def _runs(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each run, by a name for it."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(f"{row.model} on {row.data}, seed {row.seed}", []).append(row)
    return found


def _named(name: str, key: str, runs: Mapping[str, Sequence[Row]]) -> str:
    return name if len(runs) == 1 else f"{name}_{''.join(c if c.isalnum() or c in '.=-' else '-' for c in key)}"


def _html(key: str, rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> str:
    from convscope.reporting.figures import as_png

    cards = "\n".join(
        f'<section class="{f.level}"><h2>{escape(f.about)} <small>{f.level}</small></h2>'
        f"<p><b>{escape(f.measured)}</b></p>"
        f"<p>{escape(f.meaning)}</p><p>→ {escape(f.action)}</p></section>"
        for f in sorted(findings(rows), key=lambda one: ("problem", "note", "ok").index(one.level)))
    images = "\n".join(
        f'<img alt="{name}" src="data:image/png;base64,{base64.b64encode(as_png(figure)).decode()}">'
        for name, figure in figures(rows, arrays).items())
    return HTML.format(title=escape(f"Diagnosis: {key}"), cards=cards, images=images)


HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 1.5rem auto; max-width: 60rem; color: #222; background: #fff;
       font: 15px/1.45 system-ui, sans-serif; padding: 0 1rem; }}
h1 {{ font-size: 1.3rem; }}
h2 {{ font-size: 1rem; margin: 0; }}
p {{ margin: .2rem 0; }}
section {{ border-left: 5px solid #009E73; padding: .4rem .8rem; margin: .8rem 0; background: #f7f7f7; }}
section.note {{ border-color: #E69F00; }}
section.problem {{ border-color: #D55E00; }}
small {{ color: #6b6b6b; font-weight: normal; }}
img {{ max-width: 100%; height: auto; display: block; margin: 1rem 0; }}
</style>
</head>
<body>
<h1>{title}</h1>
{cards}
{images}
</body>
</html>
"""
