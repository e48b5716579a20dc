"""The study resampling: what it draws, trains and scores, and its report."""

from typing import get_args

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from convscope import sweep
from convscope.data.loading import load_bound
from convscope.family import ConfigError, bind
from convscope.runs import Run
from convscope.studies.resampling import method, report
from convscope.studies.study import study

STUDY = study("resampling")
PRESET = "resampling"

FEW = ("data=moons", "data.n=300", "ratios=[1,10]", "repeats=3", "methods=[none,smote,smote_least_complex,"
       "smote_most_complex,random_under]")


def values(run: Run, metric: str) -> dict[tuple, float]:
    return {(r.method, r.axes["ratio"]): r.value for r in run.rows() if r.metric == metric}


def test_rows(cell):
    run, cfg = cell(*FEW)
    sizes = values(run, "n_resampled")
    assert sizes["none", 1] == 300 and sizes["none", 10] == 150 + 15
    assert sizes["smote", 10] == sizes["smote_least_complex", 10] == 300 and sizes["random_under", 10] == 30
    dataset = load_bound(bind("data", cfg["data"]), cfg["env"], seed=0)
    train, test = dataset.splits["train"], dataset.splits["test"]
    naive = LogisticRegression().fit(train.x(), train.y)  # at 1:1 nothing is left out
    assert values(run, "auc")["none", 1] == pytest.approx(roc_auc_score(test.y, naive.decision_function(test.x())))
    assert all(0.5 < value <= 1 for value in values(run, "auc").values())
    assert {(r.metric, r.split, r.n) for r in run.rows() if r.metric != "n_resampled"} == {
        (metric, "test", 300) for metric in ("auc", "balanced_accuracy", "average_precision")}


def test_networks_and_images(cell):
    run, _ = cell("data=digits_3_8", "model=lenet", "ratios=[4]", "methods=[none,smote_tomek]")
    assert len(run.rows()) == 8 and set(values(run, "auc")) == {("none", 4), ("smote_tomek", 4)}
    run, cfg = cell(*FEW[:2], "model=mlp", "ratios=[4]", "methods=[none]")
    made = sweep.check(cfg)
    assert (made.subject.kind, made.curve()) == (made.subject.parts["model"].method.constants["KIND"], [])
    assert made.title == "moon n=300 noise=0.3 | mlp | seed 0" and "fit" in made.subject.parts
    assert 0 <= values(run, "auc")["none", 4] <= 1
    run, _ = cell(*FEW[:2], "model=gaussian_nb", "ratios=[4]", "methods=[none]")  # has no decision function
    assert values(run, "balanced_accuracy")["none", 4] > 0.6


def test_report(cell):
    runs = [cell(*FEW, f"seed={seed}")[0] for seed in (0, 1)]
    rows = [row for run in runs for row in run.rows()]
    tables = {table.name: table for table in STUDY.tables(rows)}
    assert set(tables) == {"auc", "balanced_accuracy", "average_precision", "least_complex"}
    auc = [values(run, "auc") for run in runs]
    difference = np.mean([one["smote_least_complex", 10] - one["smote", 10] for one in auc])
    case = ("smote", "moon n=300 noise=0.3, logistic_regression, 10:1")
    assert tables["least_complex"].values.loc[case, "against the plain draw"] == pytest.approx(difference)
    arrays = STUDY.arrays(runs)
    assert arrays["moon n=300 noise=0.3/none/x"].shape == (165, 2)
    figures = STUDY.figures(rows, arrays)
    assert set(figures) == {"points", "auc_against_ratio", "balanced_accuracy_against_ratio",
                            "average_precision_against_ratio"}
    assert STUDY.ledger({"resampling": rows}) == []


@pytest.mark.parametrize(("overrides", "sentence"), [
    (("data=digits",), "digits has 10; choose two: data=pair data.of=digits data.classes=[0,1]"),
    (("data=xor", "model=lenet"), "the model lenet is for image data; xor is table data"),
    (("data=xor", "ratios=[0.5]"), "ratios must be a list of numbers, at least 1"),
    (("data=xor", "ratios=3"), "ratios must be a list of numbers"),
    (("data=xor", "methods=[smite]"), "methods must be a list of some of none, random_over"),
    (("data=xor", "ratios=[5,5]"), "ratios must be a list that names each thing once (5.0 stands there twice)"),
    (("data=xor", "methods=[none,smote,none]"), "methods must be a list that names each thing once (none stands"),
    (("data=xor", "methods=[]"), "methods must be a list of some of none, random_over"),
    (("data=xor", "repeats=0"), "repeats must be a whole number, at least 1 and at most 1000, got 0")])
def test_refuses_in_one_sentence(compose, tmp_path, overrides, sentence):
    with pytest.raises((ConfigError, ValueError)) as error:
        sweep.check(compose(*overrides, preset="resampling", runs=tmp_path))
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_two_classes_of_a_users_table_as_the_refusal_says(compose, tmp_path):
    lines = [f"{i},{i * i % 7},{'abc'[i % 3]}" for i in range(90)]
    (tmp_path / "mine.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(ConfigError, match="table has 3; choose two: data=pair") as error:
        sweep.check(compose("data=table", f"data.path={tmp_path}/mine.csv", preset="resampling", runs=tmp_path))
    said = str(error.value).partition("choose two: ")[2].split()
    assert f"data.path={tmp_path}/mine.csv" in said
    assert sweep.check(compose(*said, "ratios=[5]", preset="resampling", runs=tmp_path)).run.state() == "missing"


def test_a_ratio_that_leaves_no_rare_class_fails_in_one_sentence(compose, tmp_path):
    cfg = compose("data=xor", "data.n=20", "ratios=[30]", preset="resampling", runs=tmp_path)
    sweep.run_cell(cfg)
    assert "at 30:1 the rare class keeps 0 of 10 samples, 2 or more are needed" in sweep.check(cfg).run.failure()


def test_the_report_knows_every_method():
    assert get_args(method.Method) == report.METHODS
