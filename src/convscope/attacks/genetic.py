"""Fooling images from scratch by evolution, which needs no gradients (Nguyen, Yosinski and Clune 2015).

The paper's direct encoding: a gene is a pixel's value. Images start as uniform noise; a mutant has each of its values
changed with probability RATE, halved every HALVING generations, by polynomial mutation of the fixed STRENGTH.
Deviations: values are real numbers in [0, 1] instead of 0..255, and colours are evolved as the model's own channels
instead of hue, saturation and value. Fitness is the log-probability, which orders images as the probability does and
still tells them apart where that is 0 or 1 in single precision.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from convscope import gradients
from convscope.attacks import checks
from convscope.family import Count, Fraction
from convscope.outputs import Score

VERSION = 1
RATE, HALVING, STRENGTH = 0.1, 1000, 15.0  # Nguyen 2015, section 2.2


def direct(model: nn.Module, target: Sequence[int] | Tensor, *, shape: Sequence[int], rng: torch.Generator,
           population: Count = 20, generations: Count = 500, enough: Fraction = 0.9999,
           batch_size: Count = 256, score: Score | None = None) -> tuple[Tensor, Tensor]:
    """(images [N, *shape] in [0, 1], probabilities [N]): for each of the N target classes the best of a population.

    One population after the other evolves: as many mutants as it has members, whose parents win tournaments of two,
    and the best half of both lives on, so the best is never lost. (The paper leaves the algorithm for one class open;
    small populations need the fewest images on small networks.) A class is done after `generations`, or when its
    probability reaches `enough`, by default the paper's median. Raises ValueError for settings out of range, a shape
    that the model does not take, and targets that are not its classes.
    """
    checks.counts(population=population, generations=generations, batch_size=batch_size)
    checks.fraction(enough=enough)
    _check_shape(shape)
    classes = torch.as_tensor(target)
    if classes.ndim != 1 or not len(classes) or classes.dtype != torch.int64 or int(classes.min()) < 0:
        raise ValueError(f"target must be a list of classes, each 0 or above, got {target}; give at least one")
    with gradients.borrowed(model, score) as network, torch.no_grad():
        found = [_evolved(network, wanted, tuple(shape), rng, population, generations, enough, batch_size)
                 for wanted in classes.tolist()]
        return _result(network, torch.stack([image for image, _ in found]), torch.stack([fit for _, fit in found]))


def map_elites(model: nn.Module, *, n_classes: Count, shape: Sequence[int], rng: torch.Generator,
               iterations: Count = 1000, batch_size: Count = 200, enough: Fraction = 0.9999,
               score: Score | None = None) -> tuple[Tensor, Tensor]:
    """(images [K, *shape] in [0, 1], probabilities [K]): the champion of every class, evolved together.

    MAP-Elites (Mouret and Clune 2015) as the paper uses it: in each iteration `batch_size` mutants of champions drawn
    at random compete in every class, and the best of them replaces the champion that it beats. Ends after `iterations`
    or when every probability reaches `enough`. The defaults are those of the authors' code for MNIST. Raises ValueError
    for settings out of range, a shape that the model does not take, and another number of classes than the model's.
    """
    checks.counts(n_classes=n_classes, iterations=iterations, batch_size=batch_size)
    checks.fraction(enough=enough)
    _check_shape(shape)
    with gradients.borrowed(model, score) as network, torch.no_grad():
        images = torch.rand(batch_size, *shape, generator=rng)
        fit_BK = _fitness(network, images, batch_size)
        if fit_BK.shape[1] != n_classes:
            raise ValueError(f"n_classes must be {fit_BK.shape[1]}, as many as the model has, got {n_classes}")
        best_K, index = fit_BK.max(dim=0)
        champions = images[index]
        for generation in range(iterations):
            if bool((best_K.exp() >= enough).all()):
                break
            images = _mutants(champions[torch.randint(n_classes, (batch_size,), generator=rng)], rng, generation)
            fit_K, index = _fitness(network, images, batch_size).max(dim=0)
            better = fit_K > best_K
            champions[better], best_K[better] = images[index[better]], fit_K[better]
        return _result(network, champions, best_K)


def _evolved(network: nn.Module, wanted: int, shape: tuple[int, ...], rng: torch.Generator, population: int,
             generations: int, enough: float, batch_size: int) -> tuple[Tensor, Tensor]:
    """The fittest image [*shape] for one class, and its log-probability."""
    images = torch.rand(population, *shape, generator=rng)
    fit_BK = _fitness(network, images, batch_size)
    if wanted >= fit_BK.shape[1]:
        raise ValueError(f"targets must be in 0..{fit_BK.shape[1] - 1}, one of the model's classes, got {wanted}")
    fit = fit_BK[:, wanted]
    for generation in range(generations):
        if fit.max().exp() >= enough:
            break
        pair = torch.randint(population, (population, 2), generator=rng)
        parents = pair.gather(1, fit[pair].argmax(dim=1, keepdim=True))[:, 0]
        images = torch.cat([images, _mutants(images[parents], rng, generation)])
        fit = torch.cat([fit, _fitness(network, images[population:], batch_size)[:, wanted]])
        alive = fit.argsort(descending=True, stable=True)[:population]
        images, fit = images[alive], fit[alive]
    return images[fit.argmax()], fit.max()


def _mutants(parents: Tensor, rng: torch.Generator, generation: int) -> Tensor:
    """Like parents: each value changed with the generation's probability by polynomial mutation, and kept in [0, 1]."""
    chosen = torch.rand(parents.shape, generator=rng) < RATE * 0.5 ** (generation // HALVING)
    mutants = parents.clone()
    mutants[chosen] = (mutants[chosen] + _polynomial(torch.rand(int(chosen.sum()), generator=rng))).clamp(0, 1)
    return mutants


def _polynomial(u: Tensor) -> Tensor:
    """The change in [-1, 1] that belongs to u, uniform in [0, 1): mostly small, about 1 / (STRENGTH + 2)."""
    power = 1 / (STRENGTH + 1)  # Deb 2001, whom the paper cites
    return torch.where(u < 0.5, (2 * u) ** power - 1, 1 - (2 * (1 - u)) ** power)


def _fitness(network: nn.Module, images: Tensor, batch_size: int) -> Tensor:
    """float64 [B, K] on the CPU: the log-probabilities of images there, so many at once in the network."""
    like = _like(network)
    return torch.cat([gradients.class_scores(network, part.to(like)).double().log_softmax(dim=1).cpu()
                      for part in images.split(batch_size)])


def _result(network: nn.Module, images: Tensor, fitness: Tensor) -> tuple[Tensor, Tensor]:
    like = _like(network)
    return images.to(like), fitness.exp().to(like)


def _like(network: nn.Module) -> Tensor:
    """A tensor of the network's own type and place."""
    return next((weight for weight in network.parameters() if weight.is_floating_point()), torch.empty(0))


def _check_shape(shape: Sequence[int]) -> None:
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"shape must be [C, H, W] of an image, got {list(shape)}; give three numbers from 1 on")
