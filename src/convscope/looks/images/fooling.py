"""Fooling images: evolved from noise until the network is sure of a class (Nguyen, Yosinski, Clune 2015)."""

from collections.abc import Iterator

from convscope.attacks import genetic
from convscope.family import Count
from convscope.looks.images.scene import Number, Scene, Sheets
from convscope.rng import torch_rng

VERSION = 1


def look(scene: Scene, sheets: Sheets, *, classes: Count = 8, generations: Count = 150, iterations: Count = 400
         ) -> Iterator[Number]:
    """How sure it is of them: one class at a time for `generations`, and all by `iterations` of MAP-Elites."""
    shape, wanted = tuple(scene.x.shape[1:]), list(range(min(classes, scene.model.n_classes)))
    direct = genetic.direct(scene.model, wanted, shape=shape, rng=torch_rng(scene.seed, "direct"),
                            generations=generations)
    elites = genetic.map_elites(scene.model, n_classes=scene.model.n_classes, shape=shape, iterations=iterations,
                                rng=torch_rng(scene.seed, "elites"))
    for name, (images, prob) in {"direct": direct, "MAP-Elites": elites}.items():
        sheets[f"fooling/{name}"] = images[:len(wanted)].numpy()
        for k in wanted:
            yield "prob", float(prob[k]), "fraction", 1, {"encoding": name, "class": scene.model.class_names[k]}
