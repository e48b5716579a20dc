"""Which library does a passage of documentation come from? The embedded text set, which needs no file.

Five classes: passages from the documentation strings of libraries that convscope needs and that are therefore
installed; what two of them share is left out. The set is a function of their versions (uv.lock pins them; the
fingerprint tells). All five are under permissive licences (BSD; matplotlib: PSF style), which allow to show excerpts.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from convscope.data.cache import cached
from convscope.data.dataset import Dataset, Part, assemble
from convscope.data.texts import encoder
from convscope.family import Count

VERSION = 1
KIND = "text"
LIBRARIES = {"matplotlib": "matplotlib", "numpy": "numpy", "pandas": "pandas", "scipy": "scipy",
             "sklearn": "scikit-learn"}  # package -> distribution
# Triple-quoted strings; other strings and comments are matched too, so that a quote in them opens nothing.
STRINGS = re.compile(r"""[\"]{3}(?P<doc>(?:\\.|[^\\])*?)[\"]{3}|'{3}(?:\\.|[^\\])*?'{3}"""
                     r"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*""", re.S)
NUMBER = {"train": 1500, "test": 400}  # passages per class
LEAST, TESTED = 240, 6  # characters of a passage; one file in so many is the test's


def load(*, roots: Sequence[Path], cache: Path, download: bool = False, length: Count = 512,
         alphabet: str = " abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+=<>()[]{}\n") -> Dataset:
    """Passages uint8 [N, length], 1,500 per library for training and 400 for the test, from different files.

    White space is folded to single spaces. A constant for given versions: the draw comes from a fixed generator.
    `roots` and `download` are not needed. Raises ValueError for a length that leaves too few passages.
    """
    encode = encoder(alphabet, length)
    if length < LEAST:
        raise ValueError(f"documentation has passages of at least {LEAST} characters, got length {length}; raise it")
    parameters = {"length": length, "alphabet": alphabet, **{name: version(name) for name in LIBRARIES.values()}}
    return cached(cache, "documentation", lambda: _make(encode, length, alphabet), version=VERSION,
                  parameters=parameters, title="the documentation of five installed libraries")


def _make(encode: Callable[[str], bytes], length: int, alphabet: str) -> Dataset:
    # RandomState, not Generator: numpy keeps its streams for ever.
    rng = np.random.RandomState(0)
    texts: dict[str, list[bytes]] = {split: [] for split in NUMBER}
    labels: dict[str, list[int]] = {split: [] for split in NUMBER}
    everything = {package: _passages(package, length) for package in LIBRARIES}
    owners = Counter(key for found in everything.values() for key in {_key(t) for s in found.values() for t in s})
    for label, package in enumerate(LIBRARIES):
        found = {split: [text for text in passages if owners[_key(text)] == 1]  # some share vendored code
                 for split, passages in everything[package].items()}
        for split, count in NUMBER.items():
            if len(found[split]) < count:
                raise ValueError(f"documentation needs {count} passages of {package} for {split}, found "
                                 f"{len(found[split])}; use a smaller length, or another version of {package}")
            texts[split] += [encode(found[split][i]) for i in rng.permutation(len(found[split]))[:count]]
            labels[split] += [label] * count
    parts = {split: Part(np.frombuffer(b"".join(texts[split]), np.uint8).reshape(-1, length), labels[split])
             for split in NUMBER}
    return assemble("documentation", list(LIBRARIES), parts, alphabet=alphabet)


def _passages(package: str, length: int) -> dict[str, list[str]]:
    """The passages of a library by split; no two begin alike, and a file's are all on one side."""
    found: dict[str, dict[str, str]] = {split: {} for split in NUMBER}
    for name, text in _strings(package):
        test = int(hashlib.sha256(name.encode()).hexdigest(), 16) % TESTED == 0
        folded = " ".join(text.split())
        for start in range(0, len(folded) - LEAST + 1, length):
            passage = folded[start:start + length]
            found["test" if test else "train"].setdefault(_key(passage), passage)
    return {"train": [text for key, text in found["train"].items() if key not in found["test"]],
            "test": list(found["test"].values())}


def _key(passage: str) -> str:
    """What two passages share that begin alike: their first 60 letters and digits."""
    return re.sub(r"\W", "", passage.lower())[:60]


def _strings(package: str) -> Iterator[tuple[str, str]]:
    """(file, text) of every triple-quoted string in a package, which is not imported; tests are left out."""
    spec = find_spec(package)
    assert spec is not None and spec.submodule_search_locations
    root = Path(spec.submodule_search_locations[0])
    for file in sorted(root.rglob("*.py")):
        name = file.relative_to(root)
        if not {"tests", "test", "testing", "_vendor"} & set(name.parts):
            for match in STRINGS.finditer(file.read_text(encoding="utf-8")):
                if match["doc"]:
                    yield f"{package}/{name.as_posix()}", match["doc"]
