"""Families: names to functions, and configs refused before anything is imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from convscope import family
from convscope.family import ConfigError, bind, describe, find, names

DEFAULTS = Path(__file__).parent / "defaults.json"


def test_every_method_is_found_by_its_files_name():
    for group in family.VERBS:
        for name in names(group):
            assert callable(find(group, name)), (group, name)


def test_names_are_unique_within_a_family():
    for group in family.VERBS:
        assert len(set(names(group))) == len(names(group)), group


def test_defaults_are_the_functions_own():
    import inspect

    for group in family.VERBS:
        for name in names(group):
            real = {k: p.default for k, p in inspect.signature(find(group, name)).parameters.items()
                    if k not in family.RESERVED[group]}
            read = {k: inspect.Parameter.empty if v is family.REQUIRED else v
                    for k, v in describe(group, name).defaults.items()}
            assert read == real, (group, name)


def test_changing_a_default_needs_a_new_version():
    """tests/defaults.json is the committed table; `python tests/test_family.py` writes it anew."""
    committed = json.loads(DEFAULTS.read_text())
    current = _table()
    for method, entry in current.items():
        assert method in committed, f"{method} is new: write the table anew (python tests/test_family.py)"
        old = committed[method]
        changed = {k for k in old["defaults"] if k in entry["defaults"] and old["defaults"][k] != entry["defaults"][k]}
        gone = set(old["defaults"]) - set(entry["defaults"])
        if changed or gone:
            assert entry["version"] > old["version"], f"{method}: {changed | gone} changed, raise its VERSION"
    assert current == committed, "the table is out of date: python tests/test_family.py"


def test_parameters_at_their_default_do_not_enter_the_identity():
    assert bind("signals", {"name": "one_pixel", "amplitude": 0.001}).identity() == {"name": "one_pixel", "version": 1}
    assert bind("signals", {"name": "one_pixel", "amplitude": 1}).identity()["amplitude"] == 1.0


def test_label_names_what_differs():
    assert bind("models", {"name": "resnet", "depth": 8, "width": 0.5}).label == "resnet depth=8 width=0.5"


@pytest.mark.parametrize(("group", "given", "words"), [
    ("signals", {"name": "one_pixle"}, ["did you mean one_pixel", "pattern_pixels"]),
    ("signals", {"amplitude": 1}, ["name"]),
    ("signals", {"name": "one_pixel", "amplitud": 1}, ["amplitud", "did you mean amplitude", "valid: amplitude"]),
    ("signals", {"name": "one_pixel", "amplitude": -1}, ["amplitude", "at least 0", "-1"]),
    ("signals", {"name": "one_pixel", "amplitude": "big"}, ["amplitude", "a number", "'big'"]),
    ("signals", {"name": "one_pixel", "amplitude": True}, ["amplitude", "True"]),
    ("signals", {"name": "one_pixel", "amplitude": float("nan")}, ["amplitude", "nan"]),
    ("signals", {"name": "one_pixel", "key": 3}, ["key", "run time"]),
    ("signals", {"name": "paired_pixels", "decoy": 1}, ["decoy", "true or false"]),
    ("signals", {"name": "paired_pixels", "amplitude": 2}, ["between 0 and 1"]),
    ("training", {"name": "fit", "optimizer": "lion"}, ["optimizer", "sgd", "lion"]),
    ("training", {"name": "fit", "n_train": 1.5}, ["n_train", "whole number", "null"]),
    ("models", {"name": "no_such_lab.nets.net"}, ["no_such_lab.nets.net: no module", "PYTHONPATH"]),
])
def test_a_wrong_config_is_refused_in_one_sentence(group, given, words):
    with pytest.raises(ConfigError) as error:
        bind(group, given)
    assert all(word in str(error.value) for word in words), str(error.value)
    assert "\n" not in str(error.value)


def test_a_users_own_module_by_dotted_name(tmp_path, monkeypatch):
    lab = tmp_path / "some_lab" / "signals"
    lab.mkdir(parents=True)
    stripe = lab / "stripe.py"
    stripe.write_text("def encode(x, y, *, n_classes, key, rng, width: int = 2):\n    return x + width\n")
    monkeypatch.syspath_prepend(tmp_path)
    bound = bind("signals", {"name": "some_lab.signals.stripe", "width": 4})
    assert bound.function()(1, 0, n_classes=2, key=0, rng=None, **bound.arguments) == 5
    assert bound.label == "some_lab.signals.stripe width=4", "two labs may have a stripe each"
    before = bound.identity()
    stripe.write_text(stripe.read_text() + "# edited\n")
    assert bound.method.version != before["version"], "an edit of a user's file must start a new run"


def test_a_function_gets_the_run_time_arguments_that_it_declares(tmp_path, monkeypatch):
    (tmp_path / "some_lab").mkdir()
    (tmp_path / "some_lab" / "few.py").write_text("def build(*, n_classes, width: int = 2): return n_classes, width\n")
    (tmp_path / "some_lab" / "all.py").write_text("KINDS = ('text',)\ndef build(*, width=2, **rest): return rest\n")
    monkeypatch.syspath_prepend(tmp_path)
    few, every = (bind("models", {"name": f"some_lab.{name}", "width": 3}) for name in ("few", "all"))
    given = {"n_classes": 5, "input_shape": (9,), "alphabet": " ab"}
    assert few.call(**given) == (5, 3) and every.call(**given) == given
    assert every.method.serves("text") and not every.method.serves("image")
    assert few.method.serves("text") and few.method.serves("image"), "without KINDS it is for all"
    with pytest.raises(ConfigError, match="alphabet is set at run time"):
        bind("models", {"name": "some_lab.few", "alphabet": "abc"})


def test_a_module_without_the_verb_is_refused(tmp_path, monkeypatch):
    (tmp_path / "lonely_module.py").write_text("x = 1\n")
    (tmp_path / "lonely_package").mkdir()
    (tmp_path / "lonely_package" / "empty.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"no function encode"):
        bind("signals", {"name": "lonely_package.empty"})


def test_binding_imports_no_torch():
    code = ("import sys; from convscope.family import bind; bind('signals', {'name': 'noise'}); "
            "bind('models', {'name': 'resnet'}); bind('training', {'name': 'fit'}); bind('data', {'name': 'digits'}); "
            "sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def _table() -> dict:
    table = {}
    for group in family.VERBS:
        for name in names(group):
            method = describe(group, name)
            defaults = {k: "required" if v is family.REQUIRED else v for k, v in method.defaults.items()}
            table[f"{group}/{name}"] = json.loads(json.dumps({"version": method.version, "defaults": defaults}))
    return table


if __name__ == "__main__":
    DEFAULTS.write_text(json.dumps(_table(), indent=1, sort_keys=True) + "\n")
