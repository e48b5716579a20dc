"""Tables, figures and the page of the study diagnose, from its rows and arrays alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from convscope.reporting import records
from convscope.reporting.tables import Table
from convscope.reporting.words import slug, whole
from convscope.rows import Row
from convscope.studies.diagnose.findings import Measured, findings
from convscope.studies.diagnose.page import page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASSES = 40  # more do not fit into a figure


def tables(rows: Sequence[Row]) -> list[Table]:
    """One table of findings per run, problems first; then the sized alternatives."""
    import pandas as pd

    found: list[Table | None] = []
    for called, suffix, own in _runs(rows):
        told = findings(own)
        frame = pd.DataFrame([{"level": f.level, "measured": f.measured, "what it means": f.meaning,
                               "what to do": f.action} for f in told],
                             index=pd.Index([f.about for f in told], name="finding"))
        count = sum(f.level == "problem" for f in told)
        found.append(Table(f"findings{suffix}", f"{called}: {count} problem{'s' * (count != 1)} in {len(told)} "
                           "findings.", frame, index_name="finding"))
        one = Measured(own)
        bits, weights = (one.by("family", f"alternative_{what}") for what in ("bits", "parameters"))
        sized = {family: {"width": width, "capacity in bits": bits[family], "parameters": weights[family]}
                 for family, width in one.by("family", "alternative_width").items()}
        found.append(records.table(
            f"alternatives{suffix}", "Networks that hold as many bits as the data need, "
            f"{one('complexity_bits', default=0):,.0f}: model=<family> model.width=<width>.", sized, index=["family"],
            show={"width": "{:.3g}".format, "capacity in bits": whole, "parameters": whole}))
    return [table for table in found if table is not None]


def figures(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, "Figure"]:
    """Classes, the learning-rate range test and the training curve of each run."""
    return {f"{name}{suffix}": figure for _, suffix, own in _runs(rows) for name, figure in _of_run(own, arrays)}


def pages(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """The page of each run as html, with its figures inside."""
    return {f"diagnosis{suffix}": page(f"Diagnosis: {called}", findings(own), dict(_of_run(own, arrays)))
            for called, suffix, own in _runs(rows)}


def _runs(rows: Sequence[Row]) -> list[tuple[str, str, list[Row]]]:
    """Each run's name for people, what tells its files from those of others (nothing where it is alone), and rows."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(f"{row.model} on {row.data}, seed {row.seed}", []).append(row)
    return [(called, f"_{slug(called)}" if len(found) > 1 else "", own) for called, own in found.items()]


def _of_run(rows: Sequence[Row], arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[str, "Figure"]]:
    import pandas as pd

    from convscope.reporting.bars import dots
    from convscope.reporting.figures import curves

    one, base = Measured(rows), f"{rows[0].data}/{rows[0].model}/{rows[0].seed}"
    counts = one.by("class", "class_samples", "train")
    if len(counts) <= CLASSES:
        yield "classes", dots(dict(reversed(counts.items())), x_label="training samples", title="Samples per class",
                              log_x=False)
    if f"{base}/lr" in arrays:
        lr, loss = arrays[f"{base}/lr"], arrays[f"{base}/loss"]
        finite = np.isfinite(loss)
        yield "learning_rate", curves(
            pd.DataFrame({"lr": lr[finite], "loss": loss[finite]}), x="lr", y="loss", percent=False,
            x_label="learning rate", y_label="smoothed loss", title="Learning-rate range test")
    if len(arrays.get(f"{base}/curve_step", ())) > 1:
        steps = pd.DataFrame({"step": arrays[f"{base}/curve_step"], "value": arrays[f"{base}/curve_train_accuracy"]})
        accuracy = {row.split: row.value for row in one.all("accuracy")}
        yield "training", curves(
            steps.assign(line="training samples"), x="step", y="value", line="line", log_x=False,
            x_label="minibatches", y_label="accuracy", title="Accuracy while training",
            hlines={"test split, at the end": accuracy["test"]} if accuracy else {})
