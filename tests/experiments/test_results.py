"""The committed reports are what their committed rows give, byte by byte."""

import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from convscope import sweep
from convscope.family import bind
from convscope.reporting import figures
from convscope.rows import read_csv
from convscope.runs import canonical

RESULTS = Path(__file__).parents[2] / "results"
REPORTS = sweep.reports(RESULTS)
TEXTS = (".csv", ".md", ".tex", ".html")


@pytest.fixture
def rebuilt(tmp_path, monkeypatch):
    """Rebuilds a committed report elsewhere; its figures are drawn but not saved, which takes most of the time."""
    monkeypatch.setattr(figures, "save", lambda figure, folder, name: [folder / f"{name}.{s}" for s in ("png", "pdf")])

    def build(name: str) -> Path:
        (tmp_path / name).mkdir()
        for file in ("rows.csv", "arrays.npz", "provenance.json"):
            if (RESULTS / name / file).is_file():
                shutil.copy(RESULTS / name / file, tmp_path / name)
        sweep.rebuild(tmp_path / name)
        return tmp_path / name

    return build


def texts(folder: Path) -> dict[str, bytes]:
    """Their contents but for the pictures inside a page, whose pixels are the machine's."""
    return {file.name: re.sub(rb"base64,[^\"]*", b"", file.read_bytes()) for file in folder.iterdir()
            if file.suffix in TEXTS}


@pytest.mark.skipif(not REPORTS, reason="no report is committed yet")
@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_what_its_rows_give(rebuilt, name):
    folder, committed = rebuilt(name), RESULTS / name
    assert texts(folder) == texts(committed)
    arrays = [place / "arrays.npz" for place in (folder, committed) if (place / "arrays.npz").is_file()]
    assert len({file.read_bytes() for file in arrays}) == len(arrays) / 2  # both or none, and the same
    page = (committed / "README.md").read_text()
    drawn = {file.stem for file in committed.glob("*.png")}
    assert drawn == {file.stem for file in committed.glob("*.pdf")} and all(f"![{one}]" in page for one in drawn)


@pytest.mark.skipif(not REPORTS, reason="no report is committed yet")
@pytest.mark.parametrize("name", REPORTS)
def test_every_row_says_where_it_was_measured(name):
    told = json.loads((RESULTS / name / "provenance.json").read_text())
    rows = read_csv(RESULTS / name / "rows.csv")
    assert {row.run_id for row in rows} == set(told)
    for entry in told.values():
        assert entry["libraries"]["torch"] and entry["wall_seconds"] > 0 and entry["config"]["data"]["fingerprint"]


@pytest.mark.parametrize(("name", "needs"), [
    ("digits", ["scikit-learn"]), ("documentation", ["numpy", "scipy", "scikit-learn", "pandas", "matplotlib"])])
def test_the_embedded_sets_are_those_of_the_results(name, needs, tmp_path):
    """What a loader gives today is what the committed rows were measured on: else they cannot be reproduced."""
    places = [json.loads((RESULTS / report / "provenance.json").read_text()) for report in REPORTS]
    told = [entry for place in places for entry in place.values() if entry["config"]["data"]["name"] == name]
    if not told:
        pytest.skip(f"no result on {name} is committed")
    if not all(entry["libraries"].get(library) == version(library) for entry in told for library in needs):
        pytest.skip("other versions of the libraries are installed than the results had")
    given = {canonical({k: v for k, v in entry["config"]["data"].items() if k not in ("fingerprint", "version")}):
             entry["config"]["data"]["fingerprint"] for entry in told}
    for config, fingerprint in given.items():
        data = bind("data", json.loads(config))
        assert data.call(roots=[], cache=tmp_path).fingerprint == fingerprint


@pytest.mark.skipif(not (RESULTS / "ledger.md").is_file(), reason="no ledger is committed yet")
def test_the_ledger_is_what_the_reports_give(tmp_path):
    for name in REPORTS:
        (tmp_path / name).mkdir()
        shutil.copy(RESULTS / name / "rows.csv", tmp_path / name)
    assert sweep.write_ledger(tmp_path).read_bytes() == (RESULTS / "ledger.md").read_bytes()
