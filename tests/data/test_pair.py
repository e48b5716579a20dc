"""Two classes of another set."""

import numpy as np
import pytest

from convscope.data.dataset import Dataset
from convscope.data.loading import data_label
from convscope.family import ConfigError, bind


def load(tmp_path, **settings) -> Dataset:
    return bind("data", {"name": "pair", "of": "digits", **settings}).call(roots=[], cache=tmp_path, download=False)


def test_the_samples_of_two_classes_in_their_order(tmp_path) -> None:
    whole = bind("data", {"name": "digits"}).call(roots=[], cache=tmp_path, download=False)
    found = load(tmp_path, classes=["8", "3"])
    assert found.class_names == ("8", "3") and found.kind == "image" and found.n_classes == 2
    for name, split in whole.splits.items():
        own = found.splits[name]
        np.testing.assert_array_equal(own.stored[own.y == 0], split.stored[split.y == 8])
        np.testing.assert_array_equal(own.ids[own.y == 1], split.ids[split.y == 3])
    other = load(tmp_path, classes=["3", "8"])
    assert len({found.fingerprint, other.fingerprint, whole.fingerprint}) == 3
    assert data_label(bind("data", {"name": "pair", "of": "digits", "classes": [3, 8]})) == "pair digits 3-8"


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"classes": ["3"]}, "must name two different classes, got 3"),
    ({"classes": ["3", "3"]}, "must name two different classes, got 3, 3"),
    ({"classes": ["3", "x"]}, "digits has no class x; it has 0, 1, 2"),
    ({"of": "pair", "classes": ["3", "8"]}, "a pair of a pair")])
def test_refuses_in_one_sentence(tmp_path, settings: dict, sentence: str) -> None:
    with pytest.raises((ValueError, ConfigError)) as error:
        load(tmp_path, **settings)
    assert sentence in str(error.value)
