"""The resamplers by name do what their papers say."""

import numpy as np
import pytest

from convscope.resampling.methods import NAMES, build


def points(rare: int = 8) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(40 + rare, 2)), np.repeat([0, 1], [40, rare])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "none"])
def test_classes_afterwards(name: str) -> None:
    x, y = points()
    new_x, new_y = build(name, y, random_state=0).fit_resample(x, y)
    counts = np.bincount(new_y)
    assert len(new_x) == len(new_y)
    if name == "tomek":
        assert counts[1] == 8 and 30 < counts[0] < 40
    elif name == "smote_tomek":
        assert counts.min() > 25
    else:
        assert counts.tolist() == ([8, 8] if name == "random_under" else [40, 40])
    again = build(name, y, random_state=0).fit_resample(x, y)[0]
    np.testing.assert_array_equal(new_x, again)


def test_none_is_none() -> None:
    assert build("none", points()[1], random_state=0) is None


def test_smote_interpolates_between_rare_neighbours() -> None:
    x, y = points()
    new_x, _ = build("smote", y, random_state=0).fit_resample(x, y)
    rare = x[y == 1]
    for made in new_x[len(x):]:
        away = [np.linalg.norm(made - a) + np.linalg.norm(made - b) - np.linalg.norm(a - b)
                for i, a in enumerate(rare) for b in rare[i + 1:]]
        assert min(away) < 1e-9  # on the segment between two of them


def test_tomek_links_by_a_naive_loop() -> None:
    x, y = points()
    distance = np.linalg.norm(x[:, None] - x[None], axis=-1)
    nearest = [min((j for j in range(len(x)) if j != i), key=lambda j: distance[i, j]) for i in range(len(x))]  # noqa: B023
    linked = {i for i, j in enumerate(nearest) if nearest[j] == i and y[i] != y[j] and y[i] == 0}
    new_x, _ = build("tomek", y, random_state=0).fit_resample(x, y)
    assert linked and {tuple(p) for p in x.tolist()} - {tuple(p) for p in new_x.tolist()} == {
        tuple(x[i].tolist()) for i in linked}


@pytest.mark.parametrize(("rare", "neighbours"), [(2, 1), (4, 3), (6, 5), (30, 5)])
def test_smote_takes_fewer_neighbours_of_a_small_class(rare: int, neighbours: int) -> None:
    x, y = points(rare)
    sampler = build("smote", y, random_state=0)
    assert sampler.k_neighbors == neighbours and np.bincount(sampler.fit_resample(x, y)[1]).tolist() == [40, 40]


@pytest.mark.parametrize(("name", "rare", "sentence"), [
    ("boost", 8, "no resampling method 'boost'; there are none, random_over"),
    ("smote", 1, "smote interpolates between samples of the rare class, which has 1; give it at least 2")])
def test_refuses_in_one_sentence(name: str, rare: int, sentence: str) -> None:
    with pytest.raises(ValueError) as error:
        build(name, points(rare)[1], random_state=0)
    assert sentence in str(error.value)
