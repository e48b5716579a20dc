"""The study under_the_hood: every technique leaves its numbers and its sheet, on trained and on given weights."""

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from convscope import sweep
from convscope.family import ConfigError, names
from convscope.rng import seeded
from convscope.studies.study import study

PRESET = "under_the_hood"
STUDY = study(PRESET)
TECHNIQUES = names("looks/images")

FAST = ("images=3", "samples=40", "fit.iterations=60",
        "settings.lines.steps=[2,9]", "settings.embeddings.layers=3", "settings.maximisation.steps=5",
        "settings.maximisation.units=2", "settings.adversarial.on_sphere=20", "settings.adversarial.attacked=20",
        "settings.fooling.generations=4", "settings.fooling.iterations=3", "settings.fooling.classes=2",
        "settings.receptive_fields.layers=3")


def test_every_technique_leaves_its_numbers(cell):
    run, _ = cell(*FAST)
    rows = run.rows()
    assert {row.method for row in rows} == {"none", *TECHNIQUES}
    steps = [row for row in rows if row.method == "adversarial" and row.metric == "prob"]
    assert {row.axes["iteration"] for row in steps} == set(range(16))
    assert {row.axes["image"] for row in steps} == {0, 1, 2}
    assert all(0 <= row.value <= 1 for row in rows if row.unit == "fraction")
    field = {row.axes["layer"]: row.value for row in rows if row.metric == "theoretical_width"}
    assert field["network.relu"] == 3
    dilated = {(row.axes["dilation"], row.metric): row.value for row in rows if row.metric.startswith("output_")}
    assert (dilated[4, "output_height"], dilated[4, "output_width"]) == (12, 22)  # the lecture's example
    success = {(row.axes["attack"], row.axes["norm"], row.axes["eps"]): row.value for row in rows
               if row.metric == "success"}
    assert len(success) == 9 and success["pgd", "l2", 1.0] >= success["pgd", "l2", 0.25]


def test_report(cell):
    run, _ = cell(*FAST)
    tables = {table.name: table for table in STUDY.tables(run.rows())}
    assert set(tables) == {"adversarial_iterations", "sphere", "attacks", "separability", "receptive_fields",
                           "dilation", "fooling"}
    assert tables["adversarial_iterations"].values.shape == (16, 2)
    assert len(tables["separability"].values) == 4  # the input and three layers
    arrays = STUDY.arrays([run])
    figures = STUDY.figures(run.rows(), arrays)
    assert {"lines", "filters_1", "filters_2", "activations_1", "embeddings_tsne", "embeddings_pca", "swiss_roll",
            "attributions", "maximisation", "adversarial", "fooling_images", "effective_fields",
            "separability_by_layer"} <= set(figures)
    assert {name for name in figures if name.startswith("attribution_")} == {
        f"attribution_{name.rpartition('/')[2]}" for name in arrays if "/attributions/" in name}
    (legend,) = figures["embeddings_tsne"].legends
    assert [text.get_text() for text in legend.get_texts()] == [str(digit) for digit in range(10)]
    fields = [axes.get_title().partition(":")[0] for axes in figures["effective_fields"].axes if axes.get_title()]
    assert fields == ["relu", "stages.1.0", "stages.2.0"]  # in the order of their depth
    assert not set(tables) & set(figures)
    assert STUDY.pages(run.rows(), arrays) == {} and STUDY.ledger({"x": run.rows()}) == []


def test_one_technique_alone(cell):
    run, cfg = cell("techniques=[filters]", "fit.iterations=60")
    assert {row.method for row in run.rows()} == {"none", "filters"}
    tables = STUDY.tables(run.rows())
    assert tables == [] and set(STUDY.figures(run.rows(), STUDY.arrays([run]))) == {
        "filters_1", "filters_2"}
    checked = sweep.check(cfg)
    assert checked.curve()[-1]["step"] == 60
    assert checked.title == "digits | resnet depth=8 width=0.5 | seed 0" and checked.subject.kind == "convnet"


def test_what_names_a_run(compose, tmp_path):
    """Settings of the chosen techniques that differ from their defaults, and nothing of the others."""
    def named(*overrides: str) -> dict:
        found = sweep.check(compose(*overrides, preset=PRESET, runs=tmp_path)).run.identity
        assert found
        return dict(found)

    whole = named()
    assert whole["techniques"] == ["lines", "filters", "activations", "embeddings", "attributions", "maximisation",
                                   "adversarial", "fooling", "receptive_fields"] and whole["settings"] == {}
    assert set(whole["techniques"]) == set(TECHNIQUES) and len(whole["methods"]) == 9
    assert named("techniques=[filters]", "settings.lines.units=3")["settings"] == {}
    assert named("techniques=[lines]", "settings.lines.units=3", "settings.lines.steps=[2,9]")["settings"] == {
        "lines": {"units": 3, "steps": (2, 9)}}


def test_a_technique_of_ones_own(cell, compose, tmp_path, monkeypatch):
    (tmp_path / "my_lab").mkdir()
    file = tmp_path / "my_lab" / "looks.py"
    file.write_text("""from convscope.family import Fraction

def look(scene, sheets, *, least: Fraction = 0.5):
    sheets["looks/x"] = scene.x.numpy()
    yield "sure", float((scene.logits(scene.x).softmax(1).amax(1) >= least).float().mean()), "fraction", 3, {}
""")
    monkeypatch.syspath_prepend(tmp_path)
    given = ("images=3", "fit.iterations=60", "techniques=[filters,my_lab.looks]")
    run, cfg = cell(*given)
    (row,) = [row for row in run.rows() if row.method == "my_lab.looks"]
    assert row.metric == "sure" and 0 <= row.value <= 1
    assert STUDY.arrays([run])["digits/resnet depth=8 width=0.5/looks/x"].dtype == np.float16
    (table,) = STUDY.tables(run.rows())
    assert table.name == "sure" and table.values.to_numpy().tolist() == [[row.value]]
    cfg["settings"]["my_lab.looks"] = {"least": 0}
    other = sweep.check(cfg).run
    assert other.id != run.id and other.identity and other.identity["settings"]["my_lab.looks"]["least"] == 0
    cfg["settings"]["my_lab.looks"] = {"least": 2}
    with pytest.raises(ConfigError, match=r"my_lab.looks: least must be a number between 0 and 1, got 2"):
        sweep.check(cfg)
    file.write_text(file.read_text() + "# edited\n")
    assert sweep.check(compose(*given, preset=PRESET, runs=tmp_path)).run.id != run.id, "an edit starts a new run"


def test_the_same_cell_gives_the_same_numbers(cell, compose, tmp_path):
    first, cfg = cell(*FAST)
    cfg["env"] |= {"runs": str(tmp_path)}
    sweep.run_cell(cfg)
    again = sweep.check(cfg).run
    assert [row.value for row in again.rows()] == [row.value for row in first.rows()] and again.id == first.id


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name in ("bike", "cat"):
        (folder / name).mkdir()
        for i in range(14):
            Image.fromarray(rng.integers(0, 255, (70, 80, 3), dtype=np.uint8)).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    with seeded(0, "init"):
        torch.save(torchvision.models.resnet18().state_dict(), file)
    return file


SMALL = ("model=imagenet_resnet18", "data.size=64", "images=2", "samples=20",
         *FAST[3:], "settings.adversarial.steps=2", "settings.adversarial.on_sphere=4",
         "settings.adversarial.attacked=2", "settings.fooling.generations=1",
         "settings.fooling.iterations=1", "methods.smoothgrad.n_samples=2", "methods.integrated_gradients.n_steps=2")


def test_given_weights_on_ones_own_pictures(cell, pictures, weights):
    """The path of pretrained networks, with random weights: nothing is trained, classes are ImageNet's."""
    run, cfg = cell(*SMALL, f"data.path={pictures}", f"weights={weights}", preset="under_the_hood_imagenet")
    rows = run.rows()
    assert {row.method for row in rows} == set(TECHNIQUES) and sweep.check(cfg).curve() == []
    seen = {row.axes["class"] for row in rows if row.method == "adversarial" and row.metric == "prob"}
    assert seen <= set(torchvision.models.ResNet18_Weights.DEFAULT.meta["categories"])
    config = run.config()
    assert "fit" not in config and len(config["weights"]) == 64
    assert not list((run.root / "train").glob("*/weights.safetensors")) or all(
        "imagenet" not in (one / "config.json").read_text() for one in (run.root / "train").iterdir())
    assert "maximisation" in STUDY.figures(rows, STUDY.arrays([run]))


def test_weights_that_do_not_fit_or_are_not_there(compose, pictures, weights, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    given = [*SMALL, f"data.path={pictures}"]

    def refusal(*overrides: str) -> str:
        cfg = compose(*given, *overrides, preset="under_the_hood_imagenet", runs=tmp_path)
        try:
            cell = sweep.check(cfg)
        except (ValueError, OSError) as error:
            return str(error)
        sweep.run_cell(cfg)
        return cell.run.failure()

    assert "torchvision's cache" in refusal() and "fetch https://download.pytorch.org" in refusal()
    assert "found none at nowhere.pth" in refusal("weights=nowhere.pth")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    assert "junk.pth is no file of tensors" in refusal(f"weights={tmp_path / 'junk.pth'}")
    assert "resnet18.pth does not fit alexnet" in refusal(f"weights={weights}", "model=imagenet_alexnet")
    assert "weights are for torchvision's networks, got model resnet" in refusal(f"weights={weights}", "model=resnet8")


@pytest.mark.parametrize(("overrides", "sentence"), [
    (("techniques=[filters,saliency]",), "no saliency in looks/images; there are activations, adversarial,"),
    (("techniques=filters",), "under_the_hood: techniques must be a list of texts, got 'filters'"),
    (("techniques=[]",), "under_the_hood: techniques must be a list of texts, got []"),
    (("techniques=[filters,filters]",), "techniques must be a list that names each thing once (filters stands there"),
    (("settings.fooling.generation=3",), "fooling has no parameter generation (did you mean generations?); valid: cl"),
    (("settings.fooling.generations=0",), "fooling: generations must be a whole number, at least 1, got 0"),
    (("settings.lines.steps=5",), "lines: steps must be a list of whole numbers, at least 1, got 5"),
    (("settings.lines.steps=[]",), "lines: steps must be a list of whole numbers, at least 1, got []"),
    (("settings.maximisation.penalty=-1",), "maximisation: penalty must be a number, at least 0, got -1"),
    (("settings.lines=5",), "settings must be a mapping of names of looks/images to their settings, got {"),
    (("settings=5",), "settings must be a mapping of names of looks/images to their settings, got 5"),
    (("methods=null",), "methods must be a mapping of names of attribution to their settings, got None"),
    (("data=documentation",), "is for image data; documentation is text data"),
    (("data=xor", "model=mlp"), "under_the_hood is for images, xor is table data; take digits, or images of your own"),
    (("+signal=noise",), "under_the_hood has no parameter signal"),
    (("model=decision_tree",), "under_the_hood looks into networks, decision_tree is none"),
    (("samples=5",), "samples must be a whole number, at least 20 and at most 10000, got 5")])
def test_refuses_in_one_sentence(compose, tmp_path, overrides, sentence):
    with pytest.raises((ConfigError, ValueError)) as error:
        sweep.check(compose(*overrides, preset="under_the_hood", runs=tmp_path))
    assert sentence in str(error.value)
