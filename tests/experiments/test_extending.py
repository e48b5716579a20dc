"""The README, followed to the letter: the lab of its own, its library snippets, and every command it names."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.rows import read_csv

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
TYPED = "uv run experiments/"


def section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands(text: str) -> list[str]:
    """Every command of a text, from code blocks and from code in a line or a table."""
    found = [line.strip() for line in text.splitlines() if line.startswith(("    " + TYPED, TYPED))]
    found += re.findall(rf"`({TYPED}[^`]+)`", text)
    return [shlex.join(shlex.split(one, comments=True)) for one in found]


def arguments(command: str) -> list[str]:
    """[script, argument, ...] of a command of the README."""
    assert command.startswith(TYPED), command
    return shlex.split(command.removeprefix(TYPED))


def write_lab(folder: Path) -> Path:
    """The folder, with the files of the section `Extend it` in it, as they stand there."""
    text = section("Extend it")
    files = re.findall(r"^`(my_lab/[^`]+)`\n\n```\w+\n(.*?)^```", text, re.S | re.M)
    for block in re.findall(r"^```yaml\n(# my_lab/.*?)^```", text, re.S | re.M):
        files += re.findall(r"# (my_lab/\S+)\n(.*?)(?=\n# my_lab/|\Z)", block, re.S)
    for name, content in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    assert len(files) == 15
    return folder


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return write_lab(tmp_path_factory.mktemp("extending"))


TYPED_THERE = [arguments(one) for one in commands("\n".join(re.findall(r"```bash\n(.*?)\n```", section("Extend it"),
                                                                      re.S)))]
STRIPES, BARS, MAPS, FLIPS, FLIPS_MORE, REBUILD, TWO_MAPS = TYPED_THERE
FEW = ("data.copies=1", "fit.iterations=8", "fit.warmup=0", "hydra/launcher=basic")


def test_a_signal_and_a_model_of_ones_own(lab, warm):
    done = warm(*STRIPES, *FEW, cwd=lab)
    assert done.code == 0, done.err
    assert done.lines[0] == "4 cells, 0 done, 4 to run" and "patch_linear" in done.out and "stripe" in done.out
    (report,) = (lab / "runs" / "results").glob("*/")
    rows = {(row.model.rpartition(".")[2], row.method.rpartition(".")[2]): row
            for row in read_csv(report / "rows.csv") if row.metric == "accuracy"}
    assert set(rows) == {(m, s) for m in ("patch_linear", "decision_tree") for s in ("clean", "stripe")}
    assert rows["patch_linear", "stripe"].axes["amplitude"] == 0.05
    table = (report / "accuracy.md").read_text()
    assert "patch_linear" in table and re.search(r"stripe 0\.05", table.replace("\\", ""))
    (cell,) = [line for line in done.lines if "stripe" in line and "decision_tree" in line]
    assert cell.startswith("[") and "FAILED" not in done.err


def test_a_data_set_and_a_condition_of_ones_own(lab, warm):
    done = warm(*BARS, *FEW[1:], cwd=lab)
    assert done.code == 0 and done.lines[0] == "2 cells, 0 done, 2 to run", done.err
    (report,) = (lab / "runs" / "results").glob("*bars*/")
    rows = read_csv(report / "rows.csv")
    assert {(row.data, row.condition, row.axes["magnitude"]) for row in rows} == {
        ("bars", "my_lab.conditions.fog", 0.3)}


def test_an_attribution_of_ones_own(lab, warm):
    done = warm(*MAPS, "fit.iterations=80", "fit.warmup=0", "data.copies=1", "images=5", cwd=lab)
    assert done.code == 0, done.err
    (report,) = (lab / "runs" / "results").glob("attribution_truth*/")
    ranked = {row.method for row in read_csv(report / "rows.csv") if row.metric == "rank_accuracy"}
    assert {"gradient", "occlusion", "chance", "centred"} < ranked


def test_a_preset_that_builds_on_another_chooses_among_its_methods(lab, warm):
    done = warm(*TWO_MAPS, "fit.iterations=80", "fit.warmup=0", "data.copies=1", "images=5", cwd=lab)
    assert done.code == 0 and done.lines[0] == "1 cells, 0 done, 1 to run", done.err
    (report,) = (lab / "runs" / "results").glob("two_maps*/")
    rows = read_csv(report / "rows.csv")
    assert {row.method for row in rows if row.metric == "rank_accuracy"} == {
        "smoothgrad", "occlusion", "edges", "chance"}
    (config,) = [entry["config"] for entry in json.loads((report / "provenance.json").read_text()).values()]
    assert [(one["name"], one.get("window"), one.get("stride")) for one in config["methods"]] == [
        ("smoothgrad", None, None), ("occlusion", 4, 2)]
    plan = warm(*TWO_MAPS, "~methods.smoothgrad", "images=5", "env.plan=true", cwd=lab)
    assert plan.code == 0 and "1 cells, 0 done" in plan.out, plan.err


def test_data_sets_and_conditions_of_ones_own_are_swept(lab, warm):
    given = [one for one in BARS if not one.startswith(("data=", "condition=", "model="))]
    done = warm(*given, "data=bars,digits_3_8", "condition=none,fog", "model=gaussian_nb", "hydra/launcher=basic",
                "env.runs=swept", cwd=lab)
    assert done.code == 0 and done.lines[0] == "8 cells, 0 done, 8 to run", done.err
    (report,) = (lab / "swept" / "results").glob("*/")
    rows = [row for row in read_csv(report / "rows.csv") if row.metric == "accuracy"]
    assert {(row.data.split()[0], row.condition, row.method) for row in rows} == {
        (data, condition, method) for data in ("bars", "pair") for condition in ("none", "my_lab.conditions.fog")
        for method in ("clean", "my_lab.signals.stripe")} and len(rows) == 8
    shown = {file.name: file.read_text() for file in report.glob("*[!n]_accuracy.csv")}
    assert len(shown) == 2 and all(text.count("fog") == 2 for text in shown.values()), shown


@pytest.fixture(scope="module")
def flipped(lab, warm):
    """What the command of a study of one's own said, after one of its cells had been run before."""
    first = warm(*FLIPS, *FEW[1:], "condition=none", "attack=fgsm", "attack.eps=0.03", cwd=lab)
    assert first.code == 0 and first.lines[0] == "1 cells, 0 done, 1 to run", first.err
    return warm(*FLIPS, *FEW[1:], cwd=lab)


def test_a_study_of_ones_own(lab, flipped):
    assert flipped.code == 0, flipped.err
    assert flipped.lines[0] == "12 cells, 1 done, 11 to run" and "Right answers that the attack flips" in flipped.out
    assert len(list((lab / "runs" / "my_lab.studies.flips").iterdir())) == 12
    rows = read_csv(flips(lab) / "rows.csv")
    assert {(row.method, row.condition, row.axes["eps"]) for row in rows} == {
        (attack, condition, eps) for attack in ("fgsm", "my_lab.attacks.speckle")
        for condition in ("none", "my_lab.conditions.fog") for eps in (0.01, 0.03, 0.1)}
    assert {(row.metric, row.unit, row.model, row.data) for row in rows} == {
        (metric, "fraction", "my_lab.models.patch_linear", "bars") for metric in ("accuracy", "flipped")}
    trained = [json.loads(file.read_text()) for file in (lab / "runs" / "train").glob("*/config.json")]
    assert sum((one["data"]["name"], one["model"]["name"]) == ("my_lab.data.bars", "my_lab.models.patch_linear")
               for one in trained) == 2, "one network with fog and one without, for twelve cells"
    assert {file.name for file in flips(lab).iterdir()} == {
        "README.md", "rows.csv", "provenance.json", "flips.png", "flips.pdf", "flipped.csv", "flipped.md",
        "flipped.tex"}
    assert "patch_linear, speckle, eps 0.1 " in (flips(lab) / "flipped.md").read_text()


def test_its_sweeps_are_planned_and_continued(lab, flipped, warm):
    plan = warm(*FLIPS, *FEW[1:], "images=100", "env.plan=true", cwd=lab)
    assert plan.out.splitlines()[-1].startswith("12 cells, 0 done, 12 to run: about"), plan.err
    assert len(planned(plan)) == 12, "each cell is named by its condition and attack"
    again = warm(*FLIPS, *FEW[1:], cwd=lab)
    assert again.code == 0 and again.lines == ["12 of 12 cells are done"] and again.out == flipped.out
    assert warm(*FLIPS_MORE, *FEW[1:], "env.plan=true", cwd=lab).out.splitlines()[-1].startswith("72 cells, 12 done")


def test_its_report_is_rebuilt_from_the_working_folder(lab, flipped, warm, tmp_path):
    folder = flips(lab)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    for name in before.keys() - {"rows.csv", "provenance.json"}:
        (folder / name).unlink()
    name = REBUILD[-1] + folder.name.removeprefix("flips")  # FEW is part of its name
    done = warm(*REBUILD[:-1], name, cwd=lab)
    assert done.code == 0, done.err
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert f"uv run experiments/report.py {folder.name}" in before["README.md"].decode()
    done = warm("report.py", str(folder), cwd=tmp_path)
    assert done.code == 1 and "my_lab.studies.flips: no module of this name" in done.err and len(done.lines) == 1
    assert warm("report.py", str(folder), "--config-dir", str(lab / "my_lab" / "configs"), cwd=tmp_path).code == 0


def test_a_report_that_names_someone_elses_module_imports_nothing(lab, flipped, warm, tmp_path):
    (tmp_path / "evil").mkdir()
    text = (flips(lab) / "rows.csv").read_text()
    (tmp_path / "evil" / "rows.csv").write_text(text.replace("my_lab.studies.flips", "asyncio.runners"))
    done = warm("report.py", "evil", cwd=tmp_path)
    assert done.code == 1 and "asyncio.runners, which is neither ours nor below the working folder" in done.err


def test_a_study_without_tables_and_figures_has_those_of_every_metric(warm, tmp_path):
    file = write_lab(tmp_path) / "my_lab" / "studies" / "flips.py"
    file.write_text(file.read_text().partition("\n\ndef tables")[0])
    done = warm(*FLIPS, *FEW[1:], "attack.eps=0.1", cwd=tmp_path)
    assert done.code == 0, done.err
    assert {f"{metric}.{s}" for metric in ("accuracy", "flipped") for s in ("csv", "md", "tex")} | {
        "README.md", "rows.csv", "provenance.json"} == {file.name for file in flips(tmp_path).iterdir()}
    table = re.sub(" +", " ", (flips(tmp_path) / "flipped.md").read_text())
    assert "| model | fgsm, fog | fgsm | speckle, fog | speckle |" in table


@pytest.mark.parametrize(("given", "sentence"), [
    (["images=0"], "my_lab.studies.flips: images must be a whole number, at least 1, got 0"),
    (["attack.epz=1"], "has no parameter epz (did you mean eps?)"),
    (["attack=fgsm", "attack.eps=-1"], "fgsm: eps must be a number, at least 0, got -1"),
    (["attack=boom"], "no attack boom; there are fgsm, pgd, speckle"),
    (["model=decision_tree"], "my_lab.studies.flips looks into networks, decision_tree is none"),
    (["data=moon", "model=mlp"], "the study my_lab.studies.flips is for image data; moon is table data"),
    (["study=my_lab.studies.flops"], "my_lab.studies.flops: no module of this name on Python's path")])
def test_a_wrong_setting_of_it_is_refused(lab, warm, given, sentence):
    done = warm(*FLIPS, *given, cwd=lab)
    assert done.code == 2 and sentence in done.err and len(done.lines) == 1, done.err


def test_a_preset_must_be_named(lab, warm):
    for given, sentence in (([], "which preset? --config-name <preset>; there are attribution_truth,"),
                            (["--config-name", "flops"], "no preset flops; there are attribution_truth,")):
        done = warm("study.py", "--config-dir", "my_lab/configs", *given, cwd=lab)
        assert done.code == 2 and sentence in done.err and ", flips," in done.err, done.err


def flips(folder: Path) -> Path:
    """The report of the sweep of a study of one's own: the last, of twelve cells."""
    (report,) = [one for one in (folder / "runs" / "results").glob("flips*/") if "attack=fgsm" not in one.name]
    return report


def planned(done) -> dict[str, str]:
    """{title: run id} of a plan."""
    assert done.code == 0, done.err
    found = [line.split(maxsplit=1) for line in done.out.splitlines()[:-1]]
    return {re.split(r"  +", rest)[-1]: run for run, rest in found}


def test_an_edit_of_ones_own_file_starts_new_runs(warm, tmp_path):
    folder = write_lab(tmp_path)

    def kept_after(command: list[str], edits: dict[str, tuple[str, str]]) -> list[str]:
        """The titles of cells that are the same runs after the edits."""
        before = planned(warm(*command, "env.plan=true", cwd=folder))
        for name, (old, new) in edits.items():
            text = (folder / "my_lab" / name).read_text()
            assert text.count(old) == 1
            (folder / "my_lab" / name).write_text(text.replace(old, new))
        after = planned(warm(*command, "env.plan=true", cwd=folder))
        assert set(before) == set(after)
        return [title for title in before if before[title] == after[title]]

    kept = kept_after(FLIPS, {"attacks/speckle.py": (".sign()", ".tanh()")})
    assert len(kept) == 6 and all("fgsm" in title for title in kept)
    assert kept_after(FLIPS, {"studies/flips.py": ("= 200", "= 100")}) == []
    assert kept_after(STRIPES, {"signals/stripe.py": ("+= amplitude", "-= amplitude"), "models/patch_linear.py": (
        "nn.ReLU()", "nn.GELU()")}) == ["digits | decision_tree | seed 0"]


def test_a_parameter_of_ones_own_is_checked(lab, warm):
    done = warm(*STRIPES, "signal.amplitude=-1", "signal=stripe", cwd=lab)
    assert done.code == 2 and "amplitude must be a number, at least 0, got -1" in done.err and len(done.lines) == 1
    done = warm(*STRIPES, "model.hiden=3", "model=patch_linear", cwd=lab)
    assert done.code == 2 and "did you mean hidden?" in done.err


def pasted(title):
    (code,) = re.findall(r"```python\n(.*?)```", section(title), re.S)
    space = {}
    exec(compile(code, "README.md", "exec"), space)
    return space


def test_the_library_snippet_runs_as_pasted():
    space = pasted("Use it as a library")
    assert space["encoded"].shape == (8, 3, 32, 32) and not np.array_equal(space["encoded"], space["x"])


def test_the_snippet_for_a_network_of_torchvision_runs_as_pasted():
    heat = pasted("Look under the hood")["heat"]
    assert heat.shape == (2, 1, 224, 224) and heat.min() >= 0 and heat.flatten(1).amax(dim=1).gt(0).all()


def test_the_snippet_for_a_network_over_time_runs_as_pasted():
    space = pasted("Forecast a series, and look into the forecaster")
    assert space["found"]["conv2"].scaled.shape == (100, 32) and set(space["lost"]) <= {"conv1", "conv2", "conv3"}
    assert space["small"](space["x"]).shape == (100, 1)


STUDIES = ("blindspots.py", "diagnose.py", "complexity.py", "capacity.py", "resampling.py", "under_the_hood.py",
           "attribution_truth.py", "traffic.py", "tsviz.py")
EXPERIMENTS = [one for one in dict.fromkeys(commands(README)) if arguments(one)[0] in STUDIES and "my_lab" not in one]


def test_the_readme_names_commands():
    assert len(EXPERIMENTS) >= 27 and {arguments(one)[0] for one in commands(README)} == {
        *STUDIES, "study.py", "report.py", "runs.py"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    for name in ("cat", "dog"):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(np.random.default_rng(i).integers(0, 255, (9, 9), np.uint8)).save(
                folder / "pictures" / name / f"{name}{i}.png")
    (folder / "mine.csv").write_text("".join(f"{i % 7}.5,{i * i % 11},{'ab'[i % 2]}\n" for i in range(20)))
    (folder / "series.csv").write_text("time,value\n" + "".join(
        f"2024-01-{day:02}T{hour:02}:00,{hour * day % 17}\n" for day in range(1, 31) for hour in range(24)))
    np.savez(folder / "w.npz", np.zeros(3))
    (folder / "tickets").mkdir()
    for name in ("train", "test"):
        (folder / "tickets" / f"{name}.csv").write_text('"1","it is late"\n"2","it is broken"\n')
    return folder


@pytest.mark.parametrize("command", EXPERIMENTS)
def test_every_command_of_the_readme_composes(warm, home, tmp_path, command):
    given = [one.replace("$HOME", str(home)) for one in arguments(command)]
    few = {"model": "gaussian_nb", "signal": "one_pixel", "signal.amplitude": "0.1"}  # a cell takes a tenth of a second
    if given[0] != "blindspots.py":
        few = {"seed": "0"}
    elif re.search("_text|_table2", command):
        few = {"model": "gaussian_nb", "signal": "mnemonic", **({} if "data.path" in command else {"data": "yelp"})}
    given += [f"{k}={v}" for k, v in few.items() if not any(one.startswith(f"{k}=") for one in given)]
    done = warm(*given, "env.plan=true", cwd=tmp_path, HOME=str(home))
    real = "_table|spots_text$|_short|cifar10|mnist|_images|_embeddings|hood_imagenet|_internet|c_design|c_paper"
    if re.search(real, command):
        missing = r"(CIFAR-10|MNIST|yelp_review_full|internet traffic) not found:|weights=auto: torchvision's cache .* "
        assert done.code == 2 and re.fullmatch(rf"convscope: ({missing}).*\n", done.err), done.err  # none is here
        return
    assert done.code == 0 and done.err == "", done.err
    assert re.match(r"\d+ cells, 0 done, \d+ to run: ", done.out.splitlines()[-1])
