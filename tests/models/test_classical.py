"""The classical baselines keep the family's contract and solve the signals they are in the table for."""

import pickle
import string
import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from convscope import family
from convscope.models.classical.features import channel_mean, max_min_mean, on
from convscope.models.classical.words import UNKNOWN, texts
from convscope.rng import torch_rng

CLASSICAL = [n for n in family.names("models") if family.describe("models", n).constants["KIND"] == "classical"]
KINDS = {name: family.describe("models", name).constants["KINDS"] for name in CLASSICAL}
WORDS = [name for name in CLASSICAL if KINDS[name] == ("text",)]
ALPHABET = " " + string.ascii_lowercase + ".,\n'_"


def carriers(n: int, shape: tuple[int, ...], seed: int, blur: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth random images in steps of 1/255, as photographs are; the labels say nothing about them."""
    noise = torch.rand(n, *shape, generator=torch_rng(seed, "carriers"))
    smooth = torch.nn.functional.avg_pool2d(noise, blur, 1, blur // 2, count_include_pad=False) if blur > 1 else noise
    return ((smooth - 0.5) * blur * 0.8 + 0.5).clamp(0, 1).mul(255).round() / 255, torch.arange(n) % 10


def solve(signal: str, model: str, shape: tuple[int, ...] = (3, 8, 8), n: int = 1000, blur: int = 5,
          signal_settings: dict | None = None, **settings: object) -> float:
    """Test accuracy of a model trained on n encoded images, on 500 others."""
    flat, labels = [], []
    for seed, count in ((0, n), (1, 500)):
        x, y = carriers(count, shape, seed, blur)
        encoded = family.find("signals", signal)(x, y, n_classes=10, key=0, rng=torch_rng(seed, "signal"),
                                                 **signal_settings or {})
        flat.append(encoded.flatten(1).numpy())
        labels.append(y.numpy())
    estimator = family.find("models", model)(n_classes=10, input_shape=shape, random_state=0, **settings)
    return float(accuracy_score(labels[1], estimator.fit(flat[0], labels[0]).predict(flat[1])))


def characters(lines: list[str], length: int = 60) -> np.ndarray:
    """uint8 [N, T], by a naive loop: spaces after a text's end, len(ALPHABET) for an unknown character."""
    x = np.zeros((len(lines), length), dtype=np.uint8)
    for row, line in zip(x, lines, strict=True):
        for t, character in enumerate(line):
            row[t] = ALPHABET.index(character) if character in ALPHABET else len(ALPHABET)
    return x


def reviews(n: int, seed: int, n_classes: int = 10) -> tuple[list[str], np.ndarray]:
    """Toy texts of eight words in random order, two of which belong to the class and the others to any."""
    draw = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    own = ["good", "bad", "cold", "fresh", "slow", "loud", "cheap", "late", "rude", "fine"]
    lines = [draw.permutation([own[k], own[k], *draw.choice(["the", "a", "food", "was", "and", "we"], 6)]) for k in y]
    return [" ".join(line) for line in lines], y


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name in CLASSICAL for kind in KINDS[name]])
def test_contract(name: str, kind: str) -> None:
    shape, alphabet = ((3, 4, 4), "") if kind == "image" else ((60,), ALPHABET)
    if kind == "image":
        x, y = carriers(400, shape, 0, 3)
        flat, labels = x.flatten(1).numpy(), y.numpy()
    else:
        lines, labels = reviews(800, 0)
        flat = characters(lines)
    before = flat.copy()
    bound = family.bind("models", {"name": name})
    estimators = [bound.call(n_classes=10, input_shape=shape, alphabet=alphabet, random_state=0) for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 100 iterations of logistic regression, constant last characters
        pred, again = (e.fit(flat, labels).predict(flat) for e in estimators)
    assert pred.shape == labels.shape and set(pred) <= set(range(10)) and np.array_equal(pred, again)
    assert np.array_equal(flat, before)
    assert np.array_equal(pickle.loads(pickle.dumps(estimators[0])).predict(flat), pred)


def test_every_baseline_but_those_on_words_serves_every_kind() -> None:
    assert WORDS == ["bag_of_words", "tfidf"]
    assert all(kinds == ("image", "table", "text") for name, kinds in KINDS.items() if name not in WORDS)


@pytest.mark.parametrize(("signal", "model"), [
    ("one_pixel", "decision_tree"), ("one_pixel", "gaussian_nb"), ("one_pixel", "lda"),
    ("pattern_pixels", "decision_tree"), ("noise", "lda"), ("pattern_pixels", "extra_trees"),
])
def test_solves(signal: str, model: str) -> None:
    assert solve(signal, model) >= 0.99
    assert solve("clean", model) < 0.2


def test_lda_reads_the_mean() -> None:
    assert solve("mean", "lda", solver="lsqr", shrinkage=1e-6) >= 0.99
    assert solve("mean", "lda", features="max_min_mean") >= 0.99


@pytest.mark.parametrize(("name", "settings"), [
    ("lda", {"solver": "lsqr", "shrinkage": 1e-6, "tol": 1e-3}), ("qda", {"reg_param": 1e-8, "tol": 0.0}),
    ("gaussian_nb", {"var_smoothing": 1e-8}), ("decision_tree", {"max_depth": 3, "min_samples_leaf": 2}),
    ("extra_trees", {"n_estimators": 7, "max_depth": 3}), ("logistic_regression", {"C": 0.5, "max_iter": 9}),
    ("bag_of_words", {"C": 0.5, "max_iter": 9}), ("tfidf", {"C": 0.5, "max_iter": 9}),
])
def test_settings_reach_the_estimator(name: str, settings: dict) -> None:
    bound = family.bind("models", {"name": name, **settings})
    built = bound.call(n_classes=10, input_shape=(1, 8, 8), alphabet=ALPHABET, random_state=5)
    estimator = built.steps[-1][1] if hasattr(built, "steps") else built
    held = estimator.get_params()
    assert {key: held[key] for key in settings} == settings
    assert held.get("random_state", 5) == 5


@pytest.mark.parametrize("decoy", [True, False])
def test_qda_solves_paired_pixels_only_with_its_tiny_regularisation(decoy: bool) -> None:
    settings = {"shape": (1, 8, 8), "n": 3000, "signal_settings": {"decoy": decoy}}
    assert solve("paired_pixels", "qda", **settings) >= 0.95
    assert solve("paired_pixels", "qda", reg_param=1e-1, **settings) < 0.9
    assert solve("clean", "qda", shape=(1, 8, 8), n=3000) < 0.2


def test_features() -> None:
    x = np.random.default_rng(0).random((5, 3 * 4 * 6), dtype=np.float32)
    images = x.reshape(5, 3, 4, 6).astype(np.float64)
    by_hand = (images[:, 0] + images[:, 1] + images[:, 2]) / 3
    assert channel_mean(x, channels=3) == pytest.approx(by_hand.reshape(5, 24), abs=1e-15)
    assert channel_mean(x, channels=3).dtype == np.float64
    for row, image in zip(max_min_mean(x), x, strict=True):
        assert row == pytest.approx([max(image), min(image), sum(map(float, image)) / 72], abs=1e-12)


def test_features_of_texts_are_of_one_channel() -> None:
    lines, y = reviews(200, 0, 2)
    x = characters(lines)
    for name, expected in (("channel_mean", x.astype(np.float64)),
                           ("max_min_mean", [[max(row), min(row), sum(map(int, row)) / 60] for row in x])):
        steps = on(name, DecisionTreeClassifier(), (60,))
        assert isinstance(steps, Pipeline)
        found = steps.fit(x, y)[:-1].transform(x)
        assert found.dtype == np.float64 and found == pytest.approx(np.array(expected), abs=1e-12)
    assert on("raw", tree := DecisionTreeClassifier(), (60,)) is tree


@pytest.mark.parametrize("length", [1, 60])
def test_texts_of_characters(length: int) -> None:
    draw = np.random.default_rng(0)
    x = draw.integers(0, len(ALPHABET) + 1, size=(5000, length)).astype(np.uint8)
    x[1::3, length // 2:] = 0  # texts that end early, some of them at once
    x[0] = 0
    x[1] = 255
    by_hand = []
    for row in x.tolist():
        text = "".join(ALPHABET[i] if i < len(ALPHABET) else "\N{REPLACEMENT CHARACTER}" for i in row)
        while text.endswith(" "):
            text = text[:-1]
        by_hand.append(text)
    assert list(texts(x, alphabet=ALPHABET)) == by_hand and by_hand[0] == "" and by_hand[1] == UNKNOWN * length
    lines = ["the food was good.\n", "  'fine', we_said", ""]
    assert list(texts(characters(lines), alphabet=ALPHABET)) == lines
    assert list(texts(np.array([[1, 0, 2]], dtype=np.uint8), alphabet=" \u00fc\U0001f600")) == ["\u00fc \U0001f600"]


@pytest.mark.parametrize("name", WORDS)
def test_words_solve_what_characters_do_not(name: str) -> None:
    (train, y), (test, y_test) = reviews(600, 0), reviews(200, 1)
    build = family.find("models", name)
    estimator = build(n_classes=10, input_shape=(60,), alphabet=ALPHABET, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it converges
        estimator.fit(characters(train), y)
    assert accuracy_score(y_test, estimator.predict(characters(test))) == 1.0
    tree = DecisionTreeClassifier(random_state=0).fit(characters(train), y)
    assert accuracy_score(y_test, tree.predict(characters(test))) < 0.5
    turned = [" ".join(reversed(line.split())) for line in test]
    probs = [estimator.predict_proba(characters(lines)) for lines in (test, turned)]
    assert np.allclose(*probs, rtol=0, atol=1e-12), "the order of words must not matter"


@pytest.mark.parametrize("name", WORDS)
def test_vocabulary_and_values(name: str) -> None:
    train = ["good food. good!", "bad food", "food\u00e9bad \u00e9", "a food slow slow slow"]  # 3 x slow, good 2, bad 2
    common = {"n_classes": 2, "input_shape": (60,), "alphabet": ALPHABET, "random_state": 0}
    build, x = family.find("models", name), characters(train)
    fitted = build(**common).fit(x, [0, 1, 1, 0])
    assert list(fitted[1].get_feature_names_out()) == ["bad", "food", "good", "slow"]  # unknown characters split words
    values = fitted[:-1].transform(x).toarray()
    if name == "bag_of_words":
        assert values.tolist() == [[0, 1, 1, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 0, 1]]  # 2 / 2, 3 / 3
        new = fitted[:-1].transform(characters(["good slow new"])).toarray()
        assert new.tolist() == [[0, 0, 1 / 2, pytest.approx(1 / 3)]]
    else:
        idf = {"bad": np.log(5 / 3) + 1, "food": 1.0, "good": np.log(5 / 2) + 1, "slow": np.log(5 / 2) + 1}
        assert values[0] == pytest.approx(np.array([0, 1, 2 * idf["good"], 0]) / np.hypot(1, 2 * idf["good"]))
        assert values[1] == pytest.approx(np.array([idf["bad"], 1, 0, 0]) / np.hypot(1, idf["bad"]))
    few = build(**common, words=2).fit(x, [0, 1, 1, 0])
    assert list(few[1].get_feature_names_out()) == ["food", "slow"]  # the most frequent ones of the training texts
    pairs = build(**common, ngrams=2).fit(x, [0, 1, 1, 0])
    assert {"good food", "food slow", "slow slow"} <= set(pairs[1].get_feature_names_out())


def test_what_cannot_be_built_is_refused() -> None:
    common = {"n_classes": 10, "input_shape": (1, 8, 8), "random_state": 0}
    with pytest.raises(ValueError, match="no shrinkage, got 0.1; set solver"):
        family.find("models", "lda")(**common, shrinkage=0.1)
    with pytest.raises(ValueError, match="features must be raw, channel_mean or max_min_mean, got 'hog'"):
        family.find("models", "qda")(**common, features="hog")
    with pytest.raises(family.ConfigError, match="one of raw, channel_mean, max_min_mean, got 'hog'"):
        family.bind("models", {"name": "qda", "features": "hog"})


@pytest.mark.parametrize("solver", ["svd", "eigen"])
@pytest.mark.parametrize("x", [
    np.repeat([[0.0], [1.0]], 5, axis=0),                       # an image of one pixel, which a signal wrote
    np.repeat([[0.2, 0.4, 0.4], [0.2, 0.4, 0.5]], 5, axis=0),   # a table whose rows repeat
    np.repeat(np.eye(2, 192), 5, axis=0), np.ones((10, 3))])
def test_lda_says_where_nothing_varies_within_the_classes(solver, x):
    model = family.find("models", "lda")(n_classes=2, input_shape=(x.shape[1],), random_state=0, solver=solver)
    with pytest.raises(ValueError, match="^lda: too little varies within the classes"):
        model.fit(x.astype(np.float32), np.repeat([0, 1], 5))
