"""The README, followed to the letter: its own signal and model, its library snippet, and every command it names."""

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


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A folder with the files of the section `Extend it`, as they stand there."""
    folder = tmp_path_factory.mktemp("extending")
    files = re.findall(r"^`(my_lab/[^`]+)`\n\n```\w+\n(.*?)^```", section("Extend it"), re.S | re.M)
    for name, content in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    assert len(files) == 4
    return folder


def typed() -> list[str]:
    (command,) = re.findall(r"```bash\n(.*?)\n```", section("Extend it"), re.S)
    return arguments(command)


def test_a_signal_and_a_model_of_ones_own(lab, warm):
    done = warm(*typed(), "data.copies=1", "fit.iterations=8", "fit.warmup=0", "hydra/launcher=basic", cwd=lab)
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


def planned(done) -> dict[str, str]:
    """{title: run id} of a plan."""
    assert done.code == 0, done.err
    found = [line.split(maxsplit=1) for line in done.out.splitlines()[:-1]]
    return {re.split(r"  +", rest)[-1]: run for run, rest in found}


def test_an_edit_of_ones_own_file_starts_new_runs(lab, warm):
    before = planned(warm(*typed(), "env.plan=true", cwd=lab))
    assert len(before) == 4
    for name, old, new in (("signals/stripe", "+= amplitude", "-= amplitude"),
                           ("models/patch_linear", "nn.ReLU()", "nn.GELU()")):
        file = lab / "my_lab" / f"{name}.py"
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))
    after = planned(warm(*typed(), "env.plan=true", cwd=lab))
    (same,) = [title for title in before if before[title] == after[title]]
    assert same == "clean | decision_tree | seed 0"


def test_a_parameter_of_ones_own_is_checked(lab, warm):
    done = warm(*typed(), "signal.amplitude=-1", "signal=stripe", cwd=lab)
    assert done.code == 2 and "amplitude must be a number, at least 0, got -1" in done.err and len(done.lines) == 1
    done = warm(*typed(), "model.hiden=3", "model=patch_linear", cwd=lab)
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
        *STUDIES, "report.py", "runs.py"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    for name in ("cat", "dog"):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(np.random.default_rng(i).integers(0, 255, (9, 9), np.uint8)).save(
                folder / "pictures" / name / f"{name}{i}.png")
    (folder / "mine.csv").write_text("".join(f"{i},{i * i},{'ab'[i % 2]}\n" for i in range(20)))
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
