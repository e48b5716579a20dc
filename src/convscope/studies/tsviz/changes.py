"""What changes a forecast: filters that are removed for good, and windows made to be forecast wrongly, or higher."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from convscope.features import clusters, influence, inverse, pruning
from convscope.studies.tsviz.scene import CLUSTERED, Numbers, Scene, Sheets, activations, evenly

EPS = (0.01, 0.03, 0.1)  # of adversarial windows, in standard deviations of the training rows
STEPS = 10      # of the iterative attack
RAISE = 0.25    # by which inverse optimisation is to raise forecasts, in the same unit


def smaller(scene: Scene) -> Iterator[tuple[str, float, nn.Module]]:
    """(what was removed, the share of each layer that it asks for, the smaller network); chosen on training inputs."""
    x = evenly(scene.fit_x, scene.asked.inputs)
    lossless, _ = pruning.lossless(scene.model, scene.fit_x)
    yield "dead on all training inputs", 0.0, lossless
    found = influence.filter_influence(scene.model, x)
    ways: dict[str, Callable[[str, float], list[int]]] = {
        "least influence": lambda name, share: pruning.least_important(found[name].raw.mean(dim=0), share),
        "at random": lambda name, share: pruning.at_random(found[name].raw.shape[1], share,
                                                           scene.rng("prune", name, str(share)))}
    for share in scene.asked.shares:
        for way, choose in ways.items():
            chosen = {name: choose(name, share) for name in found}
            yield way, share, pruning.remove(scene.model, x[:1], {
                name: which for name, which in chosen.items() if which})
    side_by_side = {name: np.concatenate(list(one), axis=1)
                    for name, one in activations(scene.model, evenly(x, 20)).items()}
    chosen = {}
    for name, one in side_by_side.items():
        grouped = clusters.cluster(one, rng=scene.rng("representatives", name), k=max(2, len(one) // 2))
        if grouped.k:  # else all of the layer is dead on these: it is left alone
            chosen[name] = pruning.outside_representatives(grouped.labels, grouped.representatives.tolist())
    yield "all but one of each cluster", 0.5, pruning.remove(scene.model, x[:1], {
        name: which for name, which in chosen.items() if which})


def removal(scene: Scene, sheets: Sheets) -> Numbers:
    """Parameters against the error on the test set, of networks without some of their filters."""
    yield "parameters", pruning.parameters(scene.model), "parameters", 1, {"way": "nothing", "share": 0.0, "tuned": 0}
    for way, share, network in smaller(scene):
        axes = {"way": way, "share": share}
        yield "parameters", pruning.parameters(network), "parameters", 1, {**axes, "tuned": 0}
        metric, value, unit = scene.judged(network)
        yield metric, value, unit, len(scene.x), {**axes, "tuned": 0}
        if scene.asked.finetune:
            metric, value, unit = scene.judged(scene.tuned(network, scene.asked.finetune))
            yield metric, value, unit, len(scene.x), {**axes, "tuned": scene.asked.finetune}


def adversarial(scene: Scene, sheets: Sheets) -> Numbers:
    """Forecasts of windows that were changed a little to be forecast wrongly; windows made for a wanted forecast."""
    if scene.derive is None:
        return
    x, y = scene.x[:scene.asked.inputs], scene.y[:scene.asked.inputs]
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
    one = scene.x[scene.asked.example:scene.asked.example + 1]
    made = torch.cat([one, inverse.adversarial(scene.model, one, scene.y[scene.asked.example:scene.asked.example + 1],
                                               derive=scene.derive, eps=EPS[-1], steps=STEPS)])
    some = evenly(x, CLUSTERED)
    wanted = forecast(some) + RAISE
    raised = inverse.optimise(scene.model, some, wanted, derive=scene.derive)
    yield "inverse_missed", float((forecast(raised) - wanted).abs().mean() / RAISE), "fraction", len(some), {}
    yield "inverse_change", float((raised - some)[:, 0].square().mean().sqrt()), "", len(some), {}
    made = torch.cat([made, inverse.optimise(scene.model, one, forecast(one) + RAISE, derive=scene.derive)])
    sheets |= {"made": made[:, 0].numpy(), "made_forecasts": forecast(made).numpy()}


def _forecast(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x)[:, 0]
