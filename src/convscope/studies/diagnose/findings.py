"""What each measured number means, and what to do about it.

One function per finding: it returns what was measured, in words, and cases (when, level, meaning[, what to do]), of
which the first that holds is told. Where what it asks for was not measured, there is no finding: nothing is claimed.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import Any

from convscope.metrics.accuracy import wilson
from convscope.reporting.tables import percent
from convscope.rows import Row

IMBALANCED = 3.0        # largest to smallest class
RARE = 0.05             # of the samples: the paper's "rare event"
LITTLE = 0.95           # of random labels' changes along the sums
TIMES = 4.0             # capacity to complexity, either way
GAP = 0.1               # train minus test accuracy
LOW = 0.8               # accuracy on what was trained on
DEAD = 0.1              # of a layer's units
LITTLE_FALL = 0.05      # of the loss, in the learning-rate range test
SCALES = 100.0          # largest to smallest standard deviation of a table's columns
MEMORISED = 0.8         # of the way from a constant answer to all permuted training labels

PROBLEM, NOTE, OK = LEVELS = ("problem", "note", "ok")
Told = tuple[Any, ...]  # what was measured, case, case, ...


@dataclass(frozen=True)
class Finding:
    """`level` is one of LEVELS; `measured` holds numbers only, `meaning` and `action` what they say."""

    about: str
    level: str
    measured: str
    meaning: str
    action: str = "Nothing to do."


class NotMeasured(LookupError):
    """A run has no such number."""


@dataclass(frozen=True)
class Measured:
    """The numbers of one run, by metric and split."""

    rows: Sequence[Row]

    def __call__(self, metric: str, split: str | None = None, default: float | None = None) -> float:
        """A number; raises NotMeasured where there is none, nor a default."""
        found = self.all(metric, split)
        return default if default is not None and not found else self.row(metric, split).value

    def row(self, metric: str, split: str | None = None) -> Row:
        for row in self.all(metric, split):
            return row
        raise NotMeasured(metric)

    def all(self, metric: str, split: str | None = None) -> list[Row]:
        return [row for row in self.rows if row.metric == metric and split in (None, row.split)]

    def by(self, axis: str, metric: str, split: str | None = None) -> dict[str, float]:
        """A metric's values by class, layer or family."""
        return {str(row.axes[axis]): row.value for row in self.all(metric, split)}

    def constant(self, split: str) -> float:
        """The accuracy of one answer for all: the share of the most frequent class."""
        counts = self.by("class", "class_samples", split).values()
        return max(counts) / sum(counts)

    def interval(self, metric: str, split: str | None = None) -> tuple[float, float]:
        """95 % interval of an accuracy, by its number of samples."""
        row = self.row(metric, split)
        return wilson(round(row.value * row.n), row.n)


def findings(rows: Sequence[Row]) -> list[Finding]:
    """All findings of one run, problems first."""
    found: list[Finding] = []
    for about, tell in FINDINGS.items():
        with suppress(NotMeasured):
            measured, *cases = tell(Measured(rows))
            found += [Finding(about, level, measured, *said) for when, level, *said in cases if when][:1]
    return sorted(found, key=lambda one: LEVELS.index(one.level))


def _data(one: Measured) -> Told:
    train, test, classes = one("samples", "train"), one("samples", "test"), len(one.all("class_samples", "train"))
    low, high = wilson(round(0.9 * test), int(test))
    known = f"An accuracy near 90 % is known to ± {50 * (high - low):.1f} points by the test split's size alone."
    return (
        f"{train:,.0f} training and {test:,.0f} test samples in {classes} classes",
        (train / classes < 50, NOTE, f"{known} Fewer than 50 training samples per class.",
         "Gather more samples, or fine-tune a network that was trained on others."),
        (True, OK, known))


def _balance(one: Measured) -> Told:
    counts = one.by("class", "class_samples", "train")
    least, most = min(counts, key=lambda k: counts[k]), max(counts, key=lambda k: counts[k])
    ratio = counts[most] / max(1, counts[least])
    rare = ", ".join([k for k, n in counts.items() if n < RARE * sum(counts.values()) / max(1, len(counts) / 2)][:5])
    resample = ("Judge by balanced accuracy; train on class-balanced draws (convscope.resampling.balanced) or SMOTE, "
                "and compare both with doing nothing: experiments/resampling.py.")
    return (
        f"{counts[most]:,.0f} training samples of every class" if most == least else
        f"{most}: {counts[most]:,.0f}, {least}: {counts[least]:,.0f} training samples ({ratio:.1f} to 1)",
        (ratio < IMBALANCED, OK, "The classes are about equally frequent.", "No resampling is needed."),
        (rare, PROBLEM, f"Accuracy hides what happens to rare classes ({rare}).", resample),
        (True, NOTE, "Accuracy hides what happens to rare classes.", resample))


def _equal(one: Measured) -> Told:
    leaked, equal, clash = one("leaked", default=0), one("equal", "train", 0), one("contradicting", "train", 0)
    flatter = ("Test samples that were trained on flatter the accuracy; of equal samples with different labels one is "
               "wrong.")
    remove = "Remove equal samples before splitting, and look at those with several labels."
    return (
        f"{leaked:,.0f} test samples also occur in training; {equal:,.0f} training samples repeat another one; "
        f"{clash:,.0f} contents have different labels",
        (clash or leaked > 0.001 * one("samples", "test"), PROBLEM, flatter, remove),
        (leaked, NOTE, flatter, remove),
        (equal, NOTE, "Repeated samples weigh more than others.", remove),
        (True, OK, "No two samples are equal, value by value. (Near ones were not looked for.)"))


def _scales(one: Measured) -> Told:
    constant, scales = one("constant_features"), one("scales", default=1)
    standardise = "Standardise every column with the training split's mean and deviation; drop constant ones."
    comparable = "The columns are of comparable scale."
    return (
        f"{constant:,.0f} constant columns; standard deviations differ by up to {scales:,.3g} times",
        (scales > SCALES, PROBLEM, "Columns of large numbers drown the others, in a network as in distances and sums.",
         standardise),
        (constant, NOTE, comparable, standardise),
        (True, OK, comparable))


def _complexity(one: Measured) -> Told:
    bits, ratio, csg = one("complexity_bits"), one("threshold_ratio"), one("csg", default=inf)
    classes, close, look = len(one.all("class_samples", "train")), "", []
    for pair in one.all("overlap"):
        both = f"{pair.axes['class']} and {pair.axes['other']}"
        close = (f" {both} overlap by {pair.value:.2f} of 1, in raw values." if classes == 2 else
                 f" Of all pairs, {both} overlap most ({pair.value:.2f} of 1, in raw values).")
        look = [f"Look at samples of {both}, before a larger network."]
    return (
        f"expected complexity {bits:,.0f} bits; label changes {ratio:.2f} of random labels'"
        + (f"; CSG {csg:.2f} of at most {classes - 1}" if csg < inf else ""),
        (ratio >= LITTLE, NOTE, "Along sums of raw values the labels look random: the bits say little beyond the size "
         f"of the data, and are an upper bound of what must be learnt.{close}", *look),
        (True, OK, f"Sums of raw values carry some of the label: the data are simpler than random ones.{close}", *look))


def _capacity(one: Measured) -> Told:
    wanted, bits, parameters = one("complexity_bits"), one("capacity_bits", default=inf), one("parameters", default=inf)
    if bits == inf:
        return ("not measured", (
            True, NOTE, "The network's graph cannot be read (its forward decides by values), so that its layers cannot "
            "be counted.", "Give the part of it that can be traced."))
    sized = [f"{family} width {width:.2g}" for family, width in one.by("family", "alternative_width").items()]
    match = f"Try networks that match: {'; '.join(sized[:4])}." if sized else "Change its width."
    return (
        f"{parameters:,.0f} parameters hold {bits:,.0f} bits; the data need {wanted:,.0f} ({bits / wanted:.2g} times)",
        (bits > TIMES * wanted, NOTE, "The network could store every label of these data: nothing forces it to "
         "generalise but the training itself.", f"{match} Keep the larger one if its test accuracy is better."),
        (bits < wanted / TIMES, NOTE, "By these rules the network cannot store all labels; what it gets right beyond "
         "that it must have generalised. If training accuracy is low, it is too small.", match),
        (True, OK, "Capacity and complexity are of one order."))


def _rate(one: Measured) -> Told:
    lr, steepest, fall = one("lr"), one("lr_steepest"), one("lr_fall", default=0)
    diverged, failed, flat = one("lr_diverged", default=inf), one("not_finite", default=0), fall < LITTLE_FALL
    fastest = "" if flat else f", fastest at {steepest:.2g},"
    ended = f"diverges at {diverged:.2g}" if diverged < inf else "does not diverge up to 10"
    unknown = "Nothing could be measured of a trained network."
    return (
        f"over minibatches of rising rates the loss falls by {fall:.0%}{fastest} and {ended}; the fit's largest is "
        f"{lr:.2g}{'; the training ended with a loss that is not finite' if failed else ''}",
        (failed and flat, PROBLEM, unknown, "No rate lowers the loss at once: standardise the inputs first."),
        (failed, PROBLEM, unknown, f"Take fit.lr={steepest / 10:.1g}, or standardise the inputs first."),
        (flat, NOTE, "The loss hardly falls at any rate: the test says nothing of which is right.", "Check the inputs' "
         "scale and the initial weights; many problems just need more minibatches than the test has."),
        (lr >= diverged, PROBLEM, "Training at this rate diverges, unless a warmup or batch norm saves it.",
         f"Take fit.lr={diverged / 4:.1g} or less, or a longer warmup."),
        (lr < steepest / 30, NOTE, "The rate is far below the one at which the loss falls fastest: training takes "
         "longer than it must.", f"Try fit.lr={steepest / 3:.1g}."),
        (True, OK, "The rate lies in the range in which the loss falls. (A test of one pass of rising rates; it does "
         "not see what happens late in training.)"))


def _modes(one: Measured) -> tuple[str, Any, Any]:
    """What was measured at evaluation; whether chance is on, and whether a batch's inputs change each other."""
    repeated, mixed = one.row("repeated"), one.row("mixed_in")
    return (f"in eval mode, logits change by {repeated.value:.1%} of the largest from pass to pass, and by "
            f"{mixed.value:.1%} when the others of the batch change", repeated.axes["wrong"], mixed.axes["wrong"])


def _chance(one: Measured) -> Told:
    measured, random, _ = _modes(one)
    return measured, (
        random, PROBLEM, "Something random is active at evaluation, most likely dropout: "
        "functional.dropout(x) without training=self.training is always on.",
        "Pass training=self.training, or use the module nn.Dropout.")


def _batches(one: Measured) -> Told:
    measured, _, coupled = _modes(one)
    return measured, (
        coupled, PROBLEM, "A prediction depends on the other inputs of its batch, most likely by a batch norm that "
        "uses the batch's statistics: so does the accuracy.",
        "Use nn.BatchNorm with track_running_stats, and call eval() on the whole model.")


def _evaluation(one: Measured) -> Told:
    measured, random, coupled = _modes(one)
    return measured, (not (random or coupled), OK, "Dropout and batch norm are off at evaluation, as they must.")


def _dead(one: Measured) -> Told:
    samples, total, dead = one.row("units").n, one.by("layer", "units"), one.by("layer", "dead_units")
    worst = max(total, key=lambda layer: dead[layer] / total[layer])
    return (
        f"{sum(dead.values()):,.0f} of {sum(total.values()):,.0f} units behind {len(total)} ReLU modules are zero for "
        f"all of {samples:,} test samples; most in {worst}: {dead[worst]:.0f} of {total[worst]:.0f}",
        (dead[worst] > DEAD * total[worst], NOTE, "Such units are no use, and no gradient reaches them.",
         "Lower the learning rate or add a warmup, use batch norm, or make the layer narrower."),
        (True, OK, "Nearly all units are active for some input."))


def _gap(one: Measured) -> Told:
    train, test, common = one("accuracy", "train"), one("accuracy", "test"), one.constant("test")
    low, high = one.interval("accuracy", "test")
    overfits = f"It has learnt the training samples {train - test:.0%} better than the rest: it overfits."
    poor = "The network is not shown to beat a constant answer."
    return (
        f"accuracy {train:.1%} on training, {test:.1%} on test samples (95 % interval {low:.1%} to {high:.1%}); the "
        f"most frequent class alone: {common:.1%}",
        (low <= common and train - test > GAP, PROBLEM, f"{poor} {overfits}", "Gather more samples and check their "
         "labels; then augmentation, or a network of the matching capacity."),
        (low <= common, PROBLEM, poor, "Check labels and inputs, then the learning rate and the number of iterations."),
        (train - test > GAP, NOTE, overfits,
         "More or augmented data, weight decay, dropout, or a network of the matching capacity."),
        (train < LOW, OK, "Training and test accuracy are close. Both are low: the network underfits.",
         "More iterations or a larger network."),
        (True, OK, "Training and test accuracy are close."))


def _permuted(one: Measured) -> Told:
    train, test, constant = one("permuted_train_accuracy"), one("permuted_test_accuracy"), one.constant("train")
    return (
        f"trained on permuted labels: {percent(train)} % on these, {percent(test)} % on the true test labels",
        (one.interval("permuted_test_accuracy")[0] > one.constant("test"), PROBLEM, "Without any relation between "
         "training inputs and labels the test labels are still predicted: they leak, or the classes differ in size.",
         "Look for the label in the inputs' order, names or duplicates."),
        (train - constant > MEMORISED * (1 - constant), NOTE, "The network can memorise these data in this training: "
         "its training accuracy proves nothing.", "Trust the test accuracy only."),
        (True, OK, "The network does not memorise random labels in this training: what it gets right on the true ones, "
         "it has found in the inputs."))


FINDINGS: dict[str, Callable[[Measured], Told]] = {
    "data": _data, "class balance": _balance, "duplicates": _equal, "columns": _scales, "complexity": _complexity,
    "capacity": _capacity, "learning rate": _rate, "chance at evaluation": _chance, "batches at evaluation": _batches,
    "evaluation mode": _evaluation, "dead filters": _dead, "accuracy": _gap, "permuted labels": _permuted}
