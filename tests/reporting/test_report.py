"""A report folder: what was written can be read again, equal content gives equal bytes."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from convscope.reporting.report import npz, read_report, write_report
from convscope.reporting.tables import Table
from convscope.rows import Row

ROWS = [Row("s", "r", "digits", "test", "resnet", "noise", "encoded", {"amplitude": amplitude}, seed, "accuracy",
            0.1 + amplitude, "fraction", 9) for amplitude in (0.1, 0.02) for seed in (1, 0)]
ARRAYS = {"images": np.arange(12, dtype=np.float32).reshape(3, 2, 2), "labels": np.array(["a", "bc"]),
          "scalar": np.array(3.0)}


def figure() -> Figure:
    drawn = Figure(figsize=(2, 1))
    drawn.add_subplot().plot([0, 1])
    return drawn


def report(folder, **changes):
    table = Table("table1", "Accuracy of | all", pd.DataFrame({"noise": [0.5]}, ["resnet"]), index_name="model")
    given = {"tables": [table], "figures": {"fig1": figure()}, "rows": ROWS, "arrays": ARRAYS}
    return write_report(folder, **{**given, **changes})


def test_round_trip(tmp_path):
    paths = report(tmp_path / "blindspots")
    assert [p.name for p in paths] == [
        "rows.csv", "arrays.npz", "table1.csv", "table1.md", "table1.tex", "fig1.png", "fig1.pdf", "README.md"]
    assert sorted(p.name for p in paths) == sorted(p.name for p in (tmp_path / "blindspots").iterdir())
    rows, arrays = read_report(tmp_path / "blindspots")
    assert sorted(map(str, rows)) == sorted(map(str, ROWS))
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype and np.array_equal(arrays[name], array)


def test_readme_embeds_figures_and_names_every_file_and_the_command(tmp_path):
    paths = report(tmp_path / "blindspots")
    text = paths[-1].read_text()
    assert "![fig1](fig1.png)" in text and r"Accuracy of \| all" in text and "| resnet  |     0.5 |" in text
    assert "    uv run experiments/report.py blindspots\n" in text and "`images` 3×2×2" in text
    assert all(path.name in text for path in paths[:-1])
    assert "    make all\n" in report(tmp_path / "other", command="make all")[-1].read_text()


def test_what_is_restricted_lies_apart_and_is_named_nowhere(tmp_path):
    arrays, pages = {**ARRAYS, "restricted/secret": np.arange(3)}, {"fig1": "<p>1</p>", "restricted/sheet": "<p>2</p>"}
    figures = {"fig1": figure(), "restricted/sheet": figure()}
    folder = tmp_path / "blindspots"
    report(folder, arrays=arrays, pages=pages, figures=figures)
    assert {p.name for p in (folder / "restricted").iterdir()} == {"arrays.npz", "sheet.png", "sheet.pdf", "sheet.html"}
    text = (folder / "README.md").read_text()
    assert "restricted" not in text and "secret" not in text and "[html, with more](fig1.html)" in text
    assert (folder / "fig1.html").read_text() == "<p>1</p>"
    assert set(np.load(folder / "arrays.npz")) == set(ARRAYS)
    assert set(read_report(folder)[1]) == set(arrays)
    report(tmp_path / "free" / "blindspots", pages={"fig1": "<p>1</p>"})
    for name in ("arrays.npz", "README.md"):  # a clone has no restricted folder, and rebuilds the same
        assert (tmp_path / "free" / "blindspots" / name).read_bytes() == (folder / name).read_bytes()
    report(folder)
    assert not (folder / "restricted" / "arrays.npz").exists()


def test_equal_reports_have_equal_bytes_whatever_the_order(tmp_path):
    first = {p.name: p.read_bytes() for p in report(tmp_path / "a" / "x")}
    other = report(tmp_path / "b" / "x", rows=ROWS[::-1], arrays=dict(reversed(ARRAYS.items())))
    assert {p.name: p.read_bytes() for p in other} == first


def test_without_arrays_none_of_an_earlier_report_remain(tmp_path):
    report(tmp_path)
    paths = report(tmp_path, arrays=None, figures={})
    assert not (tmp_path / "arrays.npz").exists() and "arrays.npz" not in paths[-1].read_text()
    assert read_report(tmp_path)[1] == {}


def test_npz_depends_on_content_alone():
    array = np.arange(12.0).reshape(3, 4)
    assert npz({"a": array}) == npz({"a": np.asfortranarray(array)})
    assert npz({"a": array}) != npz({"a": array + 1}) and npz({"a": array}) != npz({"b": array})
    with zipfile.ZipFile(io.BytesIO(npz(ARRAYS))) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    with pytest.raises(ValueError, match="array a must hold numbers"):
        npz({"a": np.array([{}], dtype=object)})


def test_bad_folders_and_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is no report"):
        read_report(tmp_path)
    with pytest.raises(ValueError, match=r"got \['table1'\]"):
        report(tmp_path, figures={"table1": figure()})
    report(tmp_path)
    (tmp_path / "arrays.npz").write_bytes((tmp_path / "arrays.npz").read_bytes()[:100])
    with pytest.raises(ValueError, match="arrays.npz is damaged"):
        read_report(tmp_path)


def test_arrays_of_elsewhere_are_bounded(tmp_path, monkeypatch):
    report(tmp_path)
    np.savez_compressed(tmp_path / "arrays.npz", images=np.zeros(2**20))
    monkeypatch.setattr("convscope.npz.MAX_BYTES", 2**20)
    with pytest.raises(ValueError, match=r"arrays.npz is damaged \(it would unpack to 8,388,736 bytes, at most"):
        read_report(tmp_path)
    with pytest.raises(ValueError, match="arrays of 8,388,608 bytes, at most 1,048,576 are kept"):
        report(tmp_path, arrays={"images": np.zeros(2**20)})  # what is written can be read
