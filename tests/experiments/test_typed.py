"""Paths on the command line are taken as they are, and a report's folder has a short name of its own."""

from pathlib import Path

import numpy as np
import pytest
import typed
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra_plugins.cell_sweeper import CellSweeper
from omegaconf import OmegaConf
from PIL import Image

ROOT = Path(__file__).parents[2]
ODD = ("plain", "pictures (1)", "日本", "a=1", "com,ma", "x#1", "glob(*)", "choice(a,b)", "[a]", "{b: 1}", "it's",
       'say "x"', "~tilde", " lead", "trail ", "a  b", "100%", "$HOME", "x${y}", "a;b&c|d", "!bang", "back\\slash",
       "123", "1e3", "true", "null", "-dash", "ä:ö", "tab\there", "new\nline", "end\\", "'all'", '"all"', "a,b,c (2)",
       "@at", "+plus")


def seen(override: str, others: tuple[str, ...] = ()) -> list[str]:
    """What a sweep's jobs hold for an override, as Hydra passes it on: parsed twice, and resolved."""
    given = OverridesParser.create().parse_overrides([typed.for_hydra(override, others)])
    (jobs,) = CellSweeper.split_arguments(given, None)
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        key = override.partition("=")[0].lstrip("+")
        return [OmegaConf.select(compose("traffic", [*(["data=csv_series"]), *job]), key) for job in jobs]


@pytest.fixture
def there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONVSCOPE_DATA", raising=False)
    for name in ODD:
        (tmp_path / name).mkdir()
        (tmp_path / name / "s.csv").touch()
    return tmp_path


@pytest.mark.parametrize("name", ODD)
def test_a_path_with_any_characters_is_taken_as_it_is(there, name):
    named = f"{there}/{name}" if name.startswith("~") else name  # nobody's home folder
    assert seen(f"data.path={name}") == [named]
    assert seen(f"data.path={name}/s.csv") == [f"{named}/s.csv"]
    assert seen(f"++data.path={there}/{name}/s.csv") == [f"{there}/{name}/s.csv"]
    assert seen(f"data.time={name}/s.csv") == [f"{named}/s.csv"], "a key of a user's own, where the file is there"
    assert seen(f"data.path={name}/s.csv,plain/s.csv") == [f"{named}/s.csv", "plain/s.csv"]


@pytest.mark.parametrize("name", [one for one in ODD if one not in ("null", "'all'", '"all"', "x${y}", "~tilde")])
@pytest.mark.parametrize("key", ["env.runs", "env.results", "env.cache_root", "env.data_root"])
def test_a_folder_that_is_not_there_yet_too(there, key, name):
    assert seen(f"{key}=new {name}") == [f"new {name}"]


def test_two_paths_are_a_sweep_and_what_hydra_knows_stays(there):
    assert seen("data.path=plain/s.csv,日本/s.csv,com,ma/s.csv") == ["plain/s.csv", "日本/s.csv", "com,ma/s.csv"]
    assert seen("data.path=no,where") == seen("data.path=no, where") == ["no", "where"]
    assert seen("data.path=pictures (2)/s.csv") == ["pictures (2)/s.csv"], "so that an error names it"
    assert seen("data.path=choice(a,b)") == ["choice(a,b)"] and seen("data.path=choice(u,v)") == ["u", "v"]
    assert seen("data.path='a,b'") == seen('data.path="a,b"') == ["a,b"]
    assert seen("env.cache_root=null") == [None] and seen("env.results=${env.runs}/x") == ["runs/x"]
    assert seen("env.runs=~/x") == [str(Path.home() / "x")]
    assert typed.for_hydra("signal=clean,noise", []) == "signal=clean,noise"
    assert typed.for_hydra("fit.lr=0.1", []) == "++fit.lr=0.1" and typed.for_hydra("~fit", []) == "~fit"
    (there / "data").mkdir()
    (there / "data" / "one,two").touch()
    assert seen("data.path=one,two") == ["one,two"], "in a folder that is searched for data"
    assert seen("data.path=on,two", ("env.data_root=/no",)) == ["on", "two"]


def test_an_options_value_is_no_override():
    assert typed.split(["--config-dir", "my=lab/configs", "model=lda", "-cn", "x=1", "~fit", "--cfg", "job"]) == (
        ["--config-dir=my=lab/configs", "-cn=x=1", "--cfg", "job"], ["model=lda", "~fit"])
    assert typed.split(["--config-dir=~/lab"])[0] == [f"--config-dir={Path.home() / 'lab'}"]
    assert typed.split(["--config-dir"])[0] == ["--config-dir"], "Hydra says what is missing"


@pytest.mark.parametrize(("overrides", "name"), [
    ([], "traffic"), (["model=ar50", "seed=0,1", "env.runs=x", "logger=wandb"], "traffic"),
    (["window=24"], "traffic,window=24"), (["++window=24", "seed=1"], "traffic,window=24")])
def test_a_report_keeps_its_presets_name_where_only_cells_are_chosen(overrides, name):
    assert typed.report_name("traffic", overrides) == name


def test_a_reports_name_is_short_a_files_name_and_its_own():
    several = [["fit.iterations=9"], ["baseline_fit.iterations=9"], ["data.path=a b"], ["data.path=a-b"],
               ["data.path=a#b"], ["signal.amplitude=0.1"], [f"data.path=/very/long/{'x' * 300}"],
               [f"data.path=/very/long/{'x' * 299}y"], ["a=1", "b=2"], ["a=1,b=2"], ["data.path=日本/" + "本" * 99],
               ["~fits", "data.path=.."], ["model.width=2"]]
    names = [typed.report_name("traffic", one) for one in several]
    assert len(set(names)) == len(several)
    for name in names:
        assert len(name) <= 48 and name.startswith("traffic,") and not set(name) & set("/\\ \n'\"#()~")
    assert names[0].startswith("traffic,iterations=9,") and names[5].startswith("traffic,amplitude=0.1,")


def pictures(folder: Path, seed: int) -> str:
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i in range(3):
            pixels = np.random.default_rng([seed, i]).integers(0, 255, (9, 9), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}{i}.png")
    return folder.name


def test_pictures_in_an_odd_folder_are_swept_and_reported_from_an_odd_store(warm, tmp_path):
    odd = [pictures(tmp_path / name, i) for i, name in enumerate(("my (1), 日本's", "b [2] = ü"))]
    given = ("data=image_folder", f"data.path={','.join(odd)}", "data.size=9", "model=gaussian_nb", "signal=one_pixel",
             "hydra/launcher=basic", "env.runs=a store, #1", "env.cache_root=~cache (x)")
    done = warm("blindspots.py", *given, cwd=tmp_path)
    assert done.code == 0 and done.lines[0] == "2 cells, 0 done, 2 to run", done.err
    assert all(any(f"image_folder {name} size=9" in line for line in done.lines) for name in odd)
    (report,) = (tmp_path / "a store, #1" / "results").glob("[!.]*")
    assert (report / "rows.csv").is_file() and (tmp_path / "~cache (x)").is_dir()
    again = warm("report.py", str(report.relative_to(tmp_path)), cwd=tmp_path)
    assert again.code == 0, again.err


def test_a_config_folder_with_any_characters(warm, tmp_path):
    for name in ("my lab (1)", "x=1, #2", "日本"):
        configs = tmp_path / name / "configs"
        configs.mkdir(parents=True)
        (configs / "mine.yaml").write_text("defaults:\n  - blindspots\n  - _self_\nseed: 0\n")
        for option in (["--config-dir", f"{name}/configs"], [f"--config-dir={configs}"]):
            done = warm("blindspots.py", *option, "--config-name", "mine", "model=lda", "signal=clean", "env.plan=true",
                        cwd=tmp_path)
            assert done.code == 0 and "1 cells, 0 done" in done.out, done.err


@pytest.mark.parametrize(("given", "told"), [
    (["data=table", "data.path=com,ma/no.csv"], """one path that holds it is written 'data.path="com,ma/no.csv"'"""),
    (["data=table", "data.path=glob(*)"], '"glob(*)" is a folder: does data.path want a file in it?'),
    (["env.data_root=no where"], "env.data_root: expected a folder to look for data in, found none at 'no where'"),
    (["env.data_root="], "env.data_root must be the path of a folder (null for none), got an empty text"),
    (["~fit.nope"], "no fit.nope that could be left out; where it is a method, fit.nope=false"),
    (["seed=range(0,0)"], "seed=range(0,0) names nothing to sweep over"),
    (["signal=glob(zz*)"], "signal=glob(zz*) names nothing to sweep over"),
    (["fit.lr=a(b"], """other characters want quotes within quotes: 'fit.lr="a(b"'""")])
def test_what_is_no_path_is_refused_with_what_to_do(there, warm, given, told):
    done = warm("blindspots.py", "model=lda", *given, "env.plan=true", cwd=there)
    assert done.code == 2 and told in done.err and len(done.lines) == 1, done.err
