"""Adversarial images: the lecture's gradient ascent, the sphere around what it changed, and the success of attacks."""

from collections.abc import Iterator
from typing import Literal

import torch

from convscope.attacks import ascent, fgsm, pgd, sphere
from convscope.family import Count, NonNegative
from convscope.looks.images.scene import Number, Scene, Sheets
from convscope.rng import torch_rng

VERSION = 1
EPS: dict[Literal["linf", "l2"], tuple[float, ...]] = {"linf": (2 / 255, 4 / 255, 8 / 255), "l2": (0.25, 0.5, 1.0)}


def look(scene: Scene, sheets: Sheets, *, lr: NonNegative = 0.1, steps: Count = 15, on_sphere: Count = 1000,
         attacked: Count = 200) -> Iterator[Number]:
    """Each shown image's class by iteration, how far it moves, the share of `on_sphere` points that are another class.

    And the success of FGSM and PGD on those of `attacked` test images that the network gets right.
    """
    last = scene.x
    for k, last in enumerate(ascent.iterations(scene.model, scene.x, scene.pred, lr=lr, steps=steps, std=scene.std)):
        prob = scene.logits(last).softmax(dim=1)
        for i, best in enumerate(prob.argmax(dim=1).tolist()):
            yield "prob", float(prob[i, best]), "fraction", 1, {
                "image": i, "iteration": k, "class": scene.model.class_names[best]}
    sheets |= {"adversarial/x_adv": last.numpy(),
               "adversarial/names": scene.named(scene.logits(last).argmax(dim=1))}
    changed = sphere.labels_changed(scene.model, scene.x, last, rng=torch_rng(scene.seed, "sphere"), n=on_sphere)
    for i, share in enumerate(changed.tolist()):
        yield "changed_on_sphere", share, "fraction", on_sphere, {"image": i}
        yield "distance", float((last[i] - scene.x[i]).norm()), "pixels", 1, {"image": i}
    yield from _attacks(scene, attacked)


def _attacks(scene: Scene, attacked: int) -> Iterator[Number]:
    x, y = scene.drawn("test", attacked)
    pred = scene.logits(x).argmax(dim=1)
    kept = pred == torch.from_numpy(y) if scene.model.n_classes == scene.dataset.n_classes else pred == pred
    x, pred = x[kept], pred[kept]
    if not len(x):  # it is right nowhere
        return
    for norm, sizes in EPS.items():
        for eps in sizes:
            found = {"pgd": pgd.attack(scene.model, x, pred, rng=torch_rng(scene.seed, "pgd"), eps=eps, norm=norm)}
            if norm == "linf":
                found["fgsm"] = fgsm.attack(scene.model, x, pred, eps=eps)
            for name, x_adv in found.items():
                flipped = scene.logits(x_adv).argmax(dim=1) != pred
                yield "success", float(flipped.double().mean()), "fraction", len(x), {
                    "attack": name, "norm": norm, "eps": eps}
