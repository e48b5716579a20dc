"""Adversarial: windows made to be forecast wrongly, and windows made for a wanted forecast."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from convscope.features import inverse
from convscope.looks.over_time.scene import CLUSTERED, Number, Scene, Sheets, evenly

VERSION = 1
EPS = (0.01, 0.03, 0.1)  # of adversarial windows, in standard deviations of the training rows
STEPS = 10      # of the iterative attack
RAISE = 0.25    # by which inverse optimisation is to raise forecasts, in the same unit


def look(scene: Scene, sheets: Sheets) -> Iterator[Number]:
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
