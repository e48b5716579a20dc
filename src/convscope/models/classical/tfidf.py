"""TF-IDF of words with logistic regression (Zhang, Zhao, LeCun 2015, section 3.1)."""

from functools import partial

from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from convscope.family import Count, Positive
from convscope.models.classical.words import texts

VERSION = 1
KIND = "classical"
KINDS = ("text",)


def build(*, n_classes: int, input_shape: tuple[int, ...], alphabet: str, random_state: int, words: Count = 50000,
          ngrams: Count = 1, C: Positive = 1.0, max_iter: Count = 1000) -> BaseEstimator:
    """An estimator of character indices [N, T], on the training texts' most frequent `words` words as `bag_of_words`.

    Each count is weighted by scikit-learn's smoothed log inverse document frequency, and each text scaled to length 1.
    Zhang et al. divide by "the largest feature value" instead; per word, as in `bag_of_words`, that would undo the
    weights.
    """
    return make_pipeline(
        FunctionTransformer(partial(texts, alphabet=alphabet)),
        TfidfVectorizer(max_features=words, ngram_range=(1, ngrams)),
        LogisticRegression(C=C, max_iter=max_iter, random_state=random_state))
