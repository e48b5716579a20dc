"""Hidden units as lines: a network of two inputs and two outputs, drawn over the plane that it divides."""

from collections.abc import Iterator

import numpy as np
import torch

from convscope.family import Count
from convscope.features import lines
from convscope.looks.images.scene import Number, Scene, Sheets
from convscope.metrics.accuracy import accuracy
from convscope.training import shared
from convscope.training.predict import logits
from convscope.training.recipe import read_recipe

VERSION = 1


def look(scene: Scene, sheets: Sheets, *,
         steps: list[Count] = (5, 20, 100, 1000),  # pyright: ignore[reportArgumentType]  (a default cannot change)
         units: Count = 20) -> Iterator[Number]:
    """Its accuracy on two moons after so many steps of one training, each time with its lines and its decisions."""
    for count in steps:
        recipe = read_recipe({
            "data": {"name": "moon", "noise": 0.15}, "model": {"name": "mlp", "hidden": [units]}, "normalise": False,
            "fit": {"name": "fit", "iterations": count, "batch_size": 100, "optimizer": "adam", "lr": 0.02,
                    "schedule": "constant"}, "seed": scene.seed})
        moon = recipe.load(scene.env)
        model = shared.get_or_train(recipe.task(moon), scene.store, env=scene.env)
        x, test = moon.splits["train"].stored, moon.splits["test"]
        low, high = x.min(axis=0) - 0.5, x.max(axis=0) + 0.5
        sheets |= {"lines/x": x, "lines/y": moon.splits["train"].y, "lines/limits": np.stack([low, high]),
                   f"lines/{count}/lines": lines.hidden_lines(model).numpy(),
                   f"lines/{count}/map": lines.decision_map(model, low, high)}
        pred = logits(model, torch.from_numpy(test.x()), env=scene.env).argmax(axis=1)
        yield "accuracy", accuracy(pred, test.y), "fraction", len(test), {"steps": count}
