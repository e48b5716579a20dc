"""The analyses of the study tsviz: each yields numbers over test inputs and leaves what its figures show."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from convscope import gradients
from convscope.data.dataset import Dataset
from convscope.features import clusters, highlight, influence, inverse, pruning
from convscope.metrics.accuracy import accuracy
from convscope.metrics.forecast import errors
from convscope.rng import numpy_rng
from convscope.training import predict
from convscope.training.forecaster import Task
from convscope.training.recipe import Recipe, test_set, training_set

if TYPE_CHECKING:
    from convscope.studies.tsviz import Setup

Number = tuple[str, float, str, int, Mapping[str, Any]]  # metric, value, unit, n, axes
Sheets = dict[str, np.ndarray]

FAINT = 0.01    # of a layer's most influential filter: below it a filter contributes nothing to speak of
ALIKE = 0.95    # correlation from which on two filters' activations are one
CLUSTERED = 50  # inputs, over all of the test, whose filters are clustered or have their saliency computed
PAIRS = 500     # of inputs, whose useful filters are compared
EPS = (0.01, 0.03, 0.1)  # of adversarial windows, in standard deviations of the training rows
STEPS = 10      # of the iterative attack
RAISE = 0.25    # by which inverse optimisation is to raise forecasts, in the same unit
KINDS = {nn.Conv1d: "convolution", nn.Conv2d: "convolution", nn.MaxPool1d: "max-pooling",
         nn.MaxPool2d: "max-pooling", nn.Linear: "dense"}  # layers that an overview shows


@dataclass(frozen=True)
class Scene:
    """A network and what it is looked at with: test inputs `x` [N, ...] with targets `y`, training inputs `fit_x`.

    `judged` says how good a network is on all test inputs: (metric, value, unit). `tuned` trains a copy on, by so many
    steps. `derive` makes inputs of their raw channel, None where that is not known. `spread` [C] is each channel's
    standard deviation over the training inputs, None for texts.
    """

    model: nn.Module
    x: Tensor
    y: Tensor
    fit_x: Tensor
    judged: Callable[[nn.Module], tuple[str, float, str]]
    tuned: Callable[[nn.Module, int], nn.Module]
    derive: Callable[[Tensor], Tensor] | None
    spread: Tensor | None
    names: tuple[str, ...]
    seed: int

    def rng(self, *names: str) -> np.random.Generator:
        return numpy_rng(self.seed, "tsviz", *names)


def forecaster_scene(model: nn.Module, task: Task, rows: np.ndarray, env: Mapping[str, Any]) -> Scene:
    """Of a forecaster: test windows, and all that it was trained on. Errors are in the series' unit."""
    x, y, train = task.inputs(rows), task.targets(rows), np.arange(task.needs, task.stop)
    fit_x, fit_y = task.inputs(train), task.targets(train)
    actual = task.series.values[rows]

    def judged(network: nn.Module) -> tuple[str, float, str]:
        found = predict.logits(network, x, env=env)[:, 0].astype(np.float64) * task.std + task.mean
        return "rmse", errors(found, actual, scale=1.0)["rmse"], ""

    def tuned(network: nn.Module, steps: int) -> nn.Module:
        from convscope.training import regress

        regress.fit(network, fit_x, fit_y, seed=task.seed, env=env, iterations=steps, validation=0, patience=None,
                    schedule="cosine", lr=3e-4)
        return network.eval()

    derive = None if task.own_inputs else differenced
    return Scene(model, x, y, fit_x, judged, tuned, derive, _spread(fit_x), (), task.seed)


def classifier_scene(model: nn.Module, recipe: Recipe, dataset: Dataset, env: Mapping[str, Any]) -> Scene:
    """Of a classifier of windows or texts."""
    _, x, y = test_set(recipe, dataset)
    _, fit_x, fit_y = training_set(recipe, dataset)
    assert recipe.fit is not None
    fit, settings = recipe.fit.function(), dict(recipe.fit.arguments)

    def judged(network: nn.Module) -> tuple[str, float, str]:
        found = predict.logits(network, x, env=env).argmax(axis=1)
        return "accuracy", accuracy(found, y.numpy()), "fraction"

    def tuned(network: nn.Module, steps: int) -> nn.Module:
        fit(network, fit_x, fit_y, seed=recipe.seed, env=env, **{
            **settings, "iterations": steps, "lr": settings["lr"] / 10, "schedule": "cosine", "warmup": 0})
        return network.eval()

    shuffled = torch.from_numpy(numpy_rng(recipe.seed, "tsviz", "inputs").permutation(len(x)))  # they lie by class
    drawn = torch.from_numpy(numpy_rng(recipe.seed, "tsviz", "training inputs").permutation(len(fit_x)))
    return Scene(model, x[shuffled], y[shuffled], fit_x[drawn], judged, tuned, None,
                 _spread(fit_x) if fit_x.is_floating_point() else None, dataset.class_names, recipe.seed)


def differenced(raw_BT: Tensor) -> Tensor:
    """[B, 2, T]: `data.series.two_channels` in torch: the window, and its differences, the last one their mean size."""
    steps_BT = raw_BT.diff(dim=1)
    return torch.stack([raw_BT, torch.cat([steps_BT, steps_BT.abs().mean(dim=1, keepdim=True)], dim=1)], dim=1)


def importance(scene: Scene, sheets: Sheets, setup: "Setup") -> Iterator[Number]:
    """Of each filter, its mean influence and how often it is dead; of each layer, how many filters are useless."""
    x = scene.x[:setup.inputs]
    found = influence.filter_influence(scene.model, x)
    after = influence.filter_influence(scene.model, x, at="activation")
    by_loss = influence.loss_influence(scene.model, x, scene.y[:setup.inputs])
    dead = influence.dead(scene.model, x)
    for name, layer in found.items():
        raw, scaled, gone = layer.raw, layer.scaled, dead[name]
        for k in range(raw.shape[1]):
            axes = {"layer": name, "filter": k}
            yield "influence", float(raw[:, k].mean()), "", len(x), axes
            yield "scaled_influence", float(scaled[:, k].mean()), "fraction", len(x), axes
            yield "dead", float(gone[:, k].float().mean()), "fraction", len(x), axes
        of = {"layer": name}
        yield "filters", raw.shape[1], "filters", 1, of
        yield "useless", float((raw == 0).float().mean()), "fraction", len(x), of
        yield "faint", float((scaled < FAINT).float().mean()), "fraction", len(x), of
        yield "dead_always", float(gone.all(dim=0).float().mean()), "fraction", len(x), of
        yield "useless_always", float((raw == 0).all(dim=0).float().mean()), "fraction", len(x), of
        yield "shared", _overlap(raw > 0, scene.rng("pairs", name)), "fraction", PAIRS, of
        total = after[name].raw
        yield "on_dead", float((total * gone).sum() / total.sum().clamp(min=1e-30)), "fraction", len(x), of
        yield "rank_by_loss", _rank_correlation(raw.mean(dim=0), by_loss[name].raw.mean(dim=0)), "", len(x), of


def redundancy(scene: Scene, sheets: Sheets, setup: "Setup") -> Iterator[Number]:
    """Of each layer: living filters that another one repeats, and clusters, for single inputs."""
    twins: dict[str, list[float]] = {}
    for part in scene.x[:setup.inputs].split(256):
        for name, activation in _activations(scene.model, part).items():
            living = (one[one.any(axis=1)] for one in activation)
            twins.setdefault(name, []).extend(_repeated(one) for one in living if len(one) > 1)
    x = evenly(scene.x, min(CLUSTERED, setup.inputs))
    for name, activation in _activations(scene.model, x).items():
        of, rng = {"layer": name}, scene.rng("clusters", name)
        ks = [clusters.cluster(one, rng=rng).k for one in activation]
        silhouettes = [clusters.cluster(one, rng=rng, method="silhouette").k for one in activation[::10]]
        yield "clusters", float(np.mean(ks)), "clusters", len(ks), of
        yield "clusters_by_silhouette", float(np.mean(silhouettes)), "clusters", len(silhouettes), of
        if twins[name]:
            yield "twins", float(np.mean(twins[name])), "fraction", len(twins[name]), of


def saliency(scene: Scene, sheets: Sheets, setup: "Setup") -> Iterator[Number]:
    """Which channel does the output look at, and which do filters: by the gradient, and by it times the spread."""
    if scene.spread is None or len(scene.spread) < 2:
        return
    x = scene.x[:setup.inputs]
    output = influence.input_saliency(scene.model, x).sum(dim=2)
    for kind, weight in (("raw", torch.ones_like(scene.spread)), ("times spread", scene.spread)):
        yield "on_signal", float(_first(output * weight).mean()), "fraction", len(x), {"of": "output", "by": kind}
    some = evenly(x, CLUSTERED)
    for name, layer in influence.filter_influence(scene.model, some[:1]).items():
        found = torch.stack([influence.input_saliency(scene.model, some, layer=name, filter=k).sum(dim=2)
                             for k in range(layer.raw.shape[1])], dim=1)  # [B, F, C]
        for kind, weight in (("raw", torch.ones_like(scene.spread)), ("times spread", scene.spread)):
            seen = found.sum(dim=2) > 0
            share = _first(found * weight)
            axes = {"of": name, "by": kind}
            yield "on_signal", float(share[seen].mean()), "fraction", int(seen.sum()), axes
            yield "filters_on_signal", float((share[seen] > 0.5).float().mean()), "fraction", int(seen.sum()), axes


def example(scene: Scene, sheets: Sheets, setup: "Setup") -> Iterator[Number]:
    """One input through the network: activations, importance, clusters, saliency, and what the output came from."""
    if setup.example >= len(scene.x):
        raise ValueError(f"example must be one of the {len(scene.x)} test inputs, 0..{len(scene.x) - 1}, got "
                         f"{setup.example}")
    x = scene.x[setup.example:setup.example + 1]
    with torch.no_grad():
        output = scene.model(x)[0].numpy()
    sheets |= {"x": x[0].numpy(), "y": scene.y[setup.example].numpy()[None], "output": output,
               "class_names": np.array(scene.names, dtype=str)}
    found = influence.filter_influence(scene.model, x)
    activations = _activations(scene.model, x)
    sheets["layers"] = np.array([shown(name) for name in found])
    sheets["percentile"] = np.array(setup.percentile)
    sheets |= _overview(scene.model, x, {name: int(layer.raw[0].argmax()) for name, layer in found.items()})
    for name, layer in found.items():
        grouped = clusters.cluster(activations[name][0], rng=scene.rng("example", name), method=setup.clusters)
        kept, key = influence.by_percentile(layer.raw, setup.percentile)[0], shown(name)
        sheets |= {f"activation/{key}": activations[name][0], f"importance/{key}": layer.scaled[0].numpy(),
                   f"profile/{key}": layer.profile[0].flatten(1).numpy(), f"clusters/{key}": grouped.labels,
                   f"shown/{key}": kept.numpy()}
        yield "example_useless", float((layer.raw[0] == 0).float().mean()), "fraction", layer.raw.shape[1], {
            "layer": name}
        yield "example_shown", float(kept.float().mean()), "fraction", layer.raw.shape[1], {"layer": name}
    if scene.spread is None:
        return
    sheets["saliency"] = influence.input_saliency(scene.model, x)[0].numpy()
    top = {name: int(layer.raw[0].argmax()) for name, layer in found.items()}
    for name, k in top.items():
        sheets[f"saliency/{shown(name)}"] = influence.input_saliency(scene.model, x, layer=name, filter=k)[0].numpy()
    explained = 0 if not scene.names else int(output.argmax())
    try:
        maps = highlight.highlight(scene.model, x, filter=explained, threshold=0.1)
    except ValueError:  # a network that is no chain: everything else can be looked at
        return
    for name in ("input", *found):
        sheets[f"highlight/{shown(name)}"] = maps[name].numpy()


def smaller(scene: Scene, setup: "Setup") -> Iterator[tuple[str, float, nn.Module]]:
    """(what was removed, the share of each layer that it asks for, the smaller network); chosen on training inputs."""
    x = evenly(scene.fit_x, setup.inputs)
    lossless, _ = pruning.lossless(scene.model, scene.fit_x)
    yield "dead on all training inputs", 0.0, lossless
    found = influence.filter_influence(scene.model, x)
    ways: dict[str, Callable[[str, float], list[int]]] = {
        "least influence": lambda name, share: pruning.least_important(found[name].raw.mean(dim=0), share),
        "at random": lambda name, share: pruning.at_random(found[name].raw.shape[1], share,
                                                           scene.rng("prune", name, str(share)))}
    for share in setup.shares:
        for way, choose in ways.items():
            chosen = {name: choose(name, share) for name in found}
            yield way, share, pruning.remove(scene.model, x[:1], {
                name: which for name, which in chosen.items() if which})
    side_by_side = {name: np.concatenate(list(one), axis=1)
                    for name, one in _activations(scene.model, evenly(x, 20)).items()}
    chosen = {}
    for name, one in side_by_side.items():
        grouped = clusters.cluster(one, rng=scene.rng("representatives", name), k=max(2, len(one) // 2))
        if grouped.k:  # else all of the layer is dead on these: it is left alone
            chosen[name] = pruning.outside_representatives(grouped.labels, grouped.representatives.tolist())
    yield "all but one of each cluster", 0.5, pruning.remove(scene.model, x[:1], {
        name: which for name, which in chosen.items() if which})


def removal(scene: Scene, sheets: Sheets, setup: "Setup") -> Iterator[Number]:
    """Parameters against the error on the test set, of networks without some of their filters."""
    yield "parameters", pruning.parameters(scene.model), "parameters", 1, {"way": "nothing", "share": 0.0, "tuned": 0}
    for way, share, network in smaller(scene, setup):
        axes = {"way": way, "share": share}
        yield "parameters", pruning.parameters(network), "parameters", 1, {**axes, "tuned": 0}
        metric, value, unit = scene.judged(network)
        yield metric, value, unit, len(scene.x), {**axes, "tuned": 0}
        if setup.finetune:
            metric, value, unit = scene.judged(scene.tuned(network, setup.finetune))
            yield metric, value, unit, len(scene.x), {**axes, "tuned": setup.finetune}


def adversarial(scene: Scene, sheets: Sheets, setup: "Setup") -> Iterator[Number]:
    """Forecasts of windows that were changed a little to be forecast wrongly; windows made for a wanted forecast."""
    if scene.derive is None:
        return
    x, y = scene.x[:setup.inputs], scene.y[:setup.inputs]
    forecast = partial(_forecast, scene.model)
    clean = float((forecast(x) - y).square().mean().sqrt())
    yield "rmse_scaled", clean, "", len(x), {"attack": "none", "eps": 0.0}
    for eps in EPS:
        for name, steps in (("fgsm", 1), ("iterative", STEPS)):
            changed = inverse.adversarial(scene.model, x, y, derive=scene.derive, eps=eps, steps=steps)
            wrong = float((forecast(changed) - y).square().mean().sqrt())
            yield "rmse_scaled", wrong, "", len(x), {"attack": name, "eps": eps}
    noise = torch.from_numpy(scene.rng("noise").choice([-1.0, 1.0], size=tuple(x[:, 0].shape)).astype(np.float32))
    for eps in EPS:  # the control: as large a change without aim
        wrong = float((forecast(scene.derive(x[:, 0] + eps * noise)) - y).square().mean().sqrt())
        yield "rmse_scaled", wrong, "", len(x), {"attack": "random signs", "eps": eps}
    one = scene.x[setup.example:setup.example + 1]
    made = torch.cat([one, inverse.adversarial(scene.model, one, scene.y[setup.example:setup.example + 1],
                                               derive=scene.derive, eps=EPS[-1], steps=STEPS)])
    some = evenly(x, CLUSTERED)
    wanted = forecast(some) + RAISE
    raised = inverse.optimise(scene.model, some, wanted, derive=scene.derive)
    yield "inverse_missed", float((forecast(raised) - wanted).abs().mean() / RAISE), "fraction", len(some), {}
    yield "inverse_change", float((raised - some)[:, 0].square().mean().sqrt()), "", len(some), {}
    made = torch.cat([made, inverse.optimise(scene.model, one, forecast(one) + RAISE, derive=scene.derive)])
    sheets |= {"made": made[:, 0].numpy(), "made_forecasts": forecast(made).numpy()}


def evenly(x: Tensor, n: int) -> Tensor:
    """n of the inputs at even distances, or all: neighbouring windows of a series are nearly the same."""
    return x[torch.linspace(0, len(x) - 1, min(n, len(x))).round().long()]


def _activations(model: nn.Module, x: Tensor) -> dict[str, np.ndarray]:
    """Name -> [B, F, T]: of each convolution, what comes after its ReLU."""
    return {name: layer.activation.relu().flatten(2).numpy() for name, layer in influence.filter_influence(
        model, x).items()}


def _overview(model: nn.Module, x: Tensor, top: Mapping[str, int]) -> Sheets:
    """What each layer gives for one input, of filters the most important one: `overview` names them, in order."""
    names, found, filter = [], {}, 0
    outputs: list[tuple[str, nn.Module, Tensor]] = []
    with gradients.borrowed(model) as network, torch.no_grad():
        handles = [module.register_forward_hook(
            lambda module, _, output, name=name: outputs.append((name, module, output.clone())))
            for name, module in network.named_modules() if type(module) in KINDS]
        try:
            gradients.logits(network, x)
        finally:
            for handle in handles:
                handle.remove()
    for k, (name, module, output) in enumerate(outputs):
        filter = top.get(name, filter)
        trace = output[0] if output.ndim == 2 else output[0, filter].flatten()
        names.append(f"{shown(name)}\n{KINDS[type(module)]}\n{' x '.join(map(str, [output.shape[1], len(trace)]))}"
                     if output.ndim > 2 else f"{shown(name)}\n{KINDS[type(module)]}, {len(trace)}")
        found[f"overview/{k}"] = (trace.relu() if name in top else trace).numpy()
    return {"overview": np.array(names, dtype=str), **found}


def shown(name: str) -> str:
    """A layer's name without that of the classifier around it."""
    return name.removeprefix("network.")


def _forecast(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x)[:, 0]


def _spread(x: Tensor) -> Tensor:
    return x.double().transpose(0, 1).flatten(1).std(dim=1).float()


def _first(by_channel: Tensor) -> Tensor:
    """The first channel's share of the sum over channels, the last axis."""
    return by_channel[..., 0] / by_channel.sum(dim=-1).clamp(min=1e-30)


def _overlap(useful: Tensor, rng: np.random.Generator) -> float:
    """Mean Jaccard index of the useful filters of two inputs drawn at random: 1 where they are always the same."""
    a, b = (useful[torch.from_numpy(rng.integers(len(useful), size=PAIRS))] for _ in range(2))
    both, either = (a & b).sum(dim=1).float(), (a | b).sum(dim=1).float()
    return float(torch.where(either > 0, both / either.clamp(min=1), torch.ones_like(both)).mean())


def _repeated(living: np.ndarray) -> float:
    """The share of filters [F, T] whose activations go along with those of another one."""
    varied = living[living.std(axis=1) > 1e-12]
    if len(varied) < 2:
        return 0.0
    alike = np.corrcoef(varied)
    np.fill_diagonal(alike, -1)
    return float((alike.max(axis=1) >= ALIKE).mean())


def _rank_correlation(a: Tensor, b: Tensor) -> float:
    from scipy.stats import rankdata

    ranks = [rankdata(one.numpy()) for one in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1]) if min(np.ptp(one) for one in ranks) > 0 else 1.0
