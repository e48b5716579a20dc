"""Two data sets of a sweep that would read the same get longer names, in titles and reports; others keep theirs."""

from pathlib import Path

import pytest

from convscope import naming, sweep
from convscope.data.loading import data_label, labels_apart
from convscope.family import Bound, ConfigError, bind
from convscope.rows import read_csv


def sets(*paths: str, name: str = "table", **more) -> list[Bound]:
    return [bind("data", {"name": name, "path": path, **more}) for path in paths]


@pytest.mark.parametrize(("paths", "labels"), [
    (["a/x.csv", "b/y.csv"], ["x", "y"]),
    (["site_a/s.csv", "site_b/s.csv"], ["site_a-s", "site_b-s"]),
    (["a/x/s.csv", "b/x/s.csv"], ["a-x-s", "b-x-s"]),
    (["s.csv", "b/s.csv"], ["s", "b-s"]),
    (["s.csv", "s.tsv"], ["s.csv", "s.tsv"]),
    (["v1.0", "v1.5", "w"], ["v1.0", "v1.5", "w"]),
    (["/s.csv", "b/s.csv", "b/t.csv"], ["-s", "b-s", "t"]),
    (["a/s.csv", "a/s.csv", "b/s.csv"], ["a-s", "a-s", "b-s"])])
def test_two_paths_of_one_name_are_told_by_more_of_them(paths, labels):
    given = sets(*paths)
    assert labels_apart(given) == [f"table {label}" for label in labels]
    assert not any("/" in label for label in labels_apart(given))
    assert labels_apart(given[:1]) == [data_label(given[0])], "alone it is called as always"


def test_whatever_tells_two_sets_apart_their_labels_do():
    pairs = [bind("data", {"name": "pair", "of": "digits", "classes": classes}) for classes in (
        ["a-b", "c"], ["a", "b-c"])]
    fractions = sets("t.csv", test_fraction=0.12345678) + sets("t.csv", test_fraction=0.12345679)
    third = sets("a/s.csv", "b/s.csv", "a-s.csv")  # the longer label of the first is the third one's own
    for given in (pairs, fractions, third, [*pairs, *fractions, *third]):
        assert len(set(labels_apart(given))) == len(given)
        assert not any("/" in label for label in labels_apart(given))


def series(folder: Path, factor: int) -> str:
    folder.mkdir()
    (folder / "s.csv").write_text("time,value\n" + "".join(
        f"2024-01-{1 + i // 24:02}T{i % 24:02}:00,{factor * (i % 24 + i * i % 5)}\n" for i in range(24 * 20)))
    return str(folder / "s.csv")


def test_a_sweep_calls_them_apart_whichever_command_ran_them(compose, tmp_path, capsys):
    def cell(path: str) -> sweep.Cell:
        return sweep.check(compose("data=csv_series", f"data.path={path}", "model=persistence", "window=24",
                                   "reference.day=false", "reference.week=false", preset="traffic",
                                   runs=tmp_path / "runs"))

    one, two = (cell(series(tmp_path / f"site_{k}", n)) for k, n in (("a", 1), ("b", 100)))
    sweep.run_cell(one.cfg)  # alone, it has its plain name in the store
    both = naming.told_apart([one, two])
    sweep.run_cell(both[1].cfg)
    assert [cell.title.partition(" | ")[0] for cell in both] == ["csv_series site_a-s", "csv_series site_b-s"]
    assert [cell.run.id for cell in both] == [one.run.id, two.run.id] and one.title.startswith("csv_series s |")
    assert {row.data for cell in both for row in cell.run.rows()} == {"csv_series s"}
    told = capsys.readouterr().err
    assert "csv_series s |" in told and "csv_series site_b-s |" in told

    assert sweep.report(both, tmp_path / "report")[1] == 0
    found = {(row.data, row.value) for row in read_csv(tmp_path / "report" / "rows.csv") if row.metric == "rmse"
             and row.model == "persistence"}
    small, large = (next(value for data, value in found if f"site_{k}-s" in data) for k in "ab")
    assert large == pytest.approx(100 * small) and len(found) == 2
    before = {file.name: file.read_bytes() for file in (tmp_path / "report").iterdir()}
    sweep.rebuild(tmp_path / "report")
    assert {file.name: file.read_bytes() for file in (tmp_path / "report").iterdir()} == before


def test_two_files_of_weights_in_one_sweep_are_refused(compose, tmp_path):
    for name in ("v.npz", "w.npz"):
        (tmp_path / name).write_bytes(name.encode())
    cells = [sweep.check(compose(f"weights={tmp_path / name}", preset="tsviz", runs=tmp_path / "runs"))
             for name in ("v.npz", "w.npz")]
    with pytest.raises(ConfigError, match="weights: a report would not tell .*v.npz and .*w.npz apart; give a command"):
        naming.told_apart(cells)
    assert naming.told_apart(cells[:1]) == cells[:1]
