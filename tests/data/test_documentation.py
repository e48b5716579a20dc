"""The embedded text set: sizes, sides, key; strings found as Python reads them; nothing imported."""

import ast
import re
import subprocess
import sys
import tokenize
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from convscope.data import documentation
from convscope.data.dataset import Dataset
from convscope.data.texts import ALPHABET, encoder

NONE: list[Path] = []

# Prints the fingerprint, then the modules that must not be imported on the way.
COLD = """
import sys
from pathlib import Path
from convscope.data import documentation
print(documentation.load(roots=[], cache=Path(sys.argv[1])).fingerprint)
print(sorted({"torch", "scipy", "matplotlib", "pandas", "sklearn"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def cold(tmp_path_factory) -> tuple[Path, list[str]]:
    """A cache that another process filled, and the lines that it printed."""
    cache = tmp_path_factory.mktemp("documentation")
    done = subprocess.run([sys.executable, "-c", COLD, str(cache)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return cache, done.stdout.splitlines()


@pytest.fixture(scope="module")
def data(cold) -> Dataset:
    return documentation.load(roots=NONE, cache=cold[0])


@pytest.fixture(scope="module")
def passages() -> dict[str, dict[str, list[str]]]:
    return {package: documentation._passages(package, 512) for package in documentation.LIBRARIES}


def test_sizes_classes_and_balance(data):
    assert (data.name, data.kind, data.alphabet, data.input_shape) == ("documentation", "text", ALPHABET, (512,))
    assert data.class_names == ("matplotlib", "numpy", "pandas", "scipy", "sklearn")
    for split, n in (("train", 1500), ("test", 400)):
        part = data.splits[split]
        assert (part.stored.dtype, part.stored.shape) == (np.uint8, (5 * n, 512))
        assert np.bincount(part.y).tolist() == [n] * 5
        assert part.stored.max() <= 70
        assert (part.stored[:, :200] != 0).mean() > .7  # text, not what follows its end
        assert not ((part.stored[:, :-1] == 0) & (part.stored[:, 1:] == 0))[:, :documentation.LEAST - 1].any()


def test_a_cold_load_imports_no_library(cold):
    assert cold[1][1] == "[]"


def test_the_draw_is_a_constant_and_the_cache_is_used(cold, data, passages, monkeypatch):
    monkeypatch.setattr(documentation, "_passages", lambda package, length: passages[package])
    made = documentation._make(encoder(ALPHABET, 512), 512, ALPHABET)  # once more, in this process
    assert made.fingerprint == data.fingerprint == cold[1][0]
    monkeypatch.setattr(documentation, "_make", lambda *_: pytest.fail("made again"))
    assert documentation.load(roots=NONE, cache=cold[0]).fingerprint == data.fingerprint


def test_another_version_of_a_library_or_setting_makes_it_again(cold, monkeypatch):
    monkeypatch.setattr(documentation, "_make", lambda *_: pytest.fail("made again"))
    own = documentation.version
    for distribution in documentation.LIBRARIES.values():
        monkeypatch.setattr(documentation, "version", lambda name, d=distribution: own(name) + ".1" * (name == d))
        with pytest.raises(pytest.fail.Exception, match="made again"):
            documentation.load(roots=NONE, cache=cold[0])
    monkeypatch.setattr(documentation, "version", own)
    documentation.load(roots=NONE, cache=cold[0])
    with pytest.raises(pytest.fail.Exception, match="made again"):
        documentation.load(roots=NONE, cache=cold[0], length=511)
    with pytest.raises(pytest.fail.Exception, match="made again"):
        documentation.load(roots=NONE, cache=cold[0], alphabet=" ab")


def test_no_passage_is_on_both_sides(passages):
    for found in passages.values():
        begins = {split: {re.sub(r"\W", "", text.lower())[:60] for text in texts} for split, texts in found.items()}
        assert not begins["train"] & begins["test"]
        for split, texts in found.items():
            assert len(begins[split]) == len(texts)  # nor twice on one
            assert all(documentation.LEAST <= len(text) <= 512 for text in texts)
            assert not any("  " in text or "\n" in text for text in texts)


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Path:
    """The folder of a library called toy."""
    monkeypatch.setattr(documentation, "find_spec",
                        lambda name: SimpleNamespace(submodule_search_locations=[str(tmp_path / name)]))
    (tmp_path / "toy").mkdir()
    return tmp_path / "toy"


def test_a_file_is_on_one_side_and_what_two_share_is_the_tests(toy):
    words = "which is long enough to be one passage, as it has many words. " * 5
    shared = f"Shared by all: {words}"
    for i in range(60):
        strings = [f"File {i} one {words}", shared, f"File {i} two {words}"]
        (toy / f"m{i}.py").write_text("\n".join(f'"""{string}"""' for string in strings))
    found = documentation._passages("toy", 300)
    files = {split: [int(text.split()[1]) for text in texts if text.startswith("File")]
             for split, texts in found.items()}
    assert sorted(files["train"] + files["test"]) == sorted([*range(60)] * 2)
    assert not set(files["train"]) & set(files["test"])
    assert min(len(files["train"]), len(files["test"])) >= 6
    assert [text for text in found["train"] if text.startswith("Shared")] == []
    assert [text for text in found["test"] if text.startswith("Shared")] == [shared[:300]]


def test_strings_are_those_that_python_reads(toy):
    source = '''
"""Module, with a "quoted" word, a ' and # no comment."""
# a comment with """ three quotes
x = "a string with # and ' and \\" quote"  # and "half
y = 'another """ here'
def f():
    r"""Raw \\d and
    two lines."""
    return '\\'' + "" + \'\'\'single """ ones\'\'\'
z = """"""
def g(a=""" default """): """Last."""
'''
    for folder in ("", "tests", "sub", "sub/test", "_vendor"):
        (toy / folder).mkdir(exist_ok=True)
        (toy / folder / "m.py").write_text(source.replace("Module", f"Module {folder}"))
    found = list(documentation._strings("toy"))
    tail = ["Raw \\d and\n    two lines.", " default ", "Last."]
    first = ' {}, with a "quoted" word, a \' and # no comment.'
    assert found == [("toy/m.py", text) for text in ["Module" + first.format(""), *tail]] + [
        ("toy/sub/m.py", text) for text in ["Module" + first.format("sub"), *tail]]
    in_python = {node.value for node in ast.walk(ast.parse(source))
                 if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert set(tail) <= in_python


def test_the_strings_of_a_large_file_are_those_of_pythons_tokenizer():
    spec = find_spec("pandas")
    assert spec is not None and spec.submodule_search_locations
    found = {text for name, text in documentation._strings("pandas") if name == "pandas/core/frame.py"}
    with (Path(spec.submodule_search_locations[0]) / "core" / "frame.py").open("rb") as file:
        strings = [token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.STRING]
    written = {text.lstrip("rRuU")[3:-3] for text in strings if text.lstrip("rRuU").startswith('"""')}
    assert len(written) > 100
    assert written == found


def test_what_two_libraries_share_is_left_out(monkeypatch):
    """Also where it is a training passage of one and a test passage of the other."""
    own = {package: {"train": [f"{package} {i}" for i in range(1500)], "test": [f"{package} test {i}" for i in
                                                                            range(400)]}
           for package in documentation.LIBRARIES}
    own["numpy"]["train"].append("Vendored: code of others")
    own["scipy"]["test"].append("vendored code of others")
    own["pandas"]["train"].append("only here")
    seen: set[str] = set()

    def encode(text: str) -> bytes:
        seen.add(text)
        return encoder(ALPHABET, 300)(text)

    monkeypatch.setattr(documentation, "_passages", lambda package, _: own[package])
    monkeypatch.setattr(documentation, "NUMBER", {"train": 1500, "test": 400})
    documentation._make(encode, 300, ALPHABET)
    assert len(seen) == 5 * 1900 and not any("endored" in text for text in seen)


def test_a_length_too_small_is_refused_and_too_few_passages_too(tmp_path, monkeypatch):
    for length in (1, 239):
        with pytest.raises(ValueError, match=f"at least 240 characters, got length {length}; raise it"):
            documentation.load(roots=NONE, cache=tmp_path, length=length)
    monkeypatch.setattr(documentation, "_passages", lambda package, _: {
        "train": [f"{package} {i}" for i in range(1500)], "test": [f"{package} test {i}" for i in range(399)]})
    with pytest.raises(ValueError, match="needs 400 passages of matplotlib for test, found 399; use a smaller length"):
        documentation.load(roots=NONE, cache=tmp_path)
