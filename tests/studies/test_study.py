"""What a cell gives a study, whichever it is."""

import pytest

from convscope import sweep

STUDY = '''
from typing import Annotated

from convscope.family import Bound, Count

def run(cell, *, attack: Annotated[Bound, "attacks"], methods: dict[str, Annotated[Bound, "attribution"]],
        images: Count = 8):
    yield cell.row("images", images, "images", images, {"methods": " ".join(methods)}, method=attack.name)
'''
PARTS = {"study": "a_lab.look", "attack": {"name": "fgsm", "eps": 0.1}, "methods": {"gradient": None}}


@pytest.fixture
def cell(compose, tmp_path, monkeypatch):
    """A cell of a study in one file, of a user's own."""
    (tmp_path / "a_lab").mkdir()
    (tmp_path / "a_lab" / "look.py").write_text(STUDY)
    monkeypatch.syspath_prepend(str(tmp_path))

    def made(*overrides: str, **parts) -> sweep.Cell:
        cfg = compose(*overrides, preset="attribution_truth", runs=tmp_path / "runs")
        return sweep.check({**{k: v for k, v in cfg.items() if k != "images"}, **PARTS, **parts})

    return made


def test_its_title_names_the_methods_among_its_settings(cell):
    assert cell().title.endswith(" | resnet depth=8 width=0.5 | seed 0 | attack fgsm eps=0.1")


def test_a_setting_at_its_default_is_left_out_of_the_hash(cell):
    assert cell(images=8).run.id == cell().run.id != cell(images=9).run.id


def test_one_of_several_methods_may_have_a_name_of_its_own(cell):
    own = cell(methods={"gradient": None, "fine": {"name": "occlusion", "window": 2}})
    same = cell(methods={"gradient": None, "occlusion": {"window": 2}})
    assert list(own.settings.arguments["methods"]) == ["gradient", "fine"] and own.run.id != same.run.id
    assert [row.axes["methods"] for row in own.work()] == ["gradient fine"]
    assert same.run.identity["methods"][1] == {"name": "occlusion", "version": 1, "window": 2}


def test_a_row_has_its_subjects_condition(cell):
    (row,) = cell().work()
    assert (row.condition, row.method, row.study, row.split) == ("shuffled", "fgsm", "a_lab.look", "test")
    (row,) = cell("condition=none").work()
    assert row.condition == "none" and cell("condition=none").row("m", 1, "", 1, condition="fog").condition == "fog"
