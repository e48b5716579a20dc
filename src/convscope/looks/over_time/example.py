"""One input through the network: activations, importance, clusters, saliency, and what the output came from."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from convscope import gradients
from convscope.features import clusters, highlight, influence
from convscope.looks.over_time.scene import Number, Scene, Sheets, activations, layer_name

VERSION = 1
SHOWN = {nn.Conv1d: "convolution", nn.Conv2d: "convolution", nn.MaxPool1d: "max-pooling",
         nn.MaxPool2d: "max-pooling", nn.Linear: "dense"}  # layers that an overview shows


def look(scene: Scene, sheets: Sheets) -> Iterator[Number]:
    """One input through the network: activations, importance, clusters, saliency, and what the output came from."""
    if scene.asked.example >= len(scene.x):
        raise ValueError(f"example must be one of the {len(scene.x)} test inputs, 0..{len(scene.x) - 1}, got "
                         f"{scene.asked.example}")
    x = scene.x[scene.asked.example:scene.asked.example + 1]
    with torch.no_grad():
        output = scene.model(x)[0].numpy()
    sheets |= {"x": x[0].numpy(), "y": scene.y[scene.asked.example].numpy()[None], "output": output,
               "class_names": np.array(scene.names, dtype=str)}
    found = influence.filter_influence(scene.model, x)
    after = activations(scene.model, x)
    sheets["layers"] = np.array([layer_name(name) for name in found])
    sheets["percentile"] = np.array(scene.asked.percentile)
    sheets |= _overview(scene.model, x, {name: int(layer.raw[0].argmax()) for name, layer in found.items()})
    for name, layer in found.items():
        grouped = clusters.cluster(after[name][0], rng=scene.rng("example", name), method=scene.asked.clusters)
        kept, key = influence.by_percentile(layer.raw, scene.asked.percentile)[0], layer_name(name)
        sheets |= {f"activation/{key}": after[name][0], f"importance/{key}": layer.scaled[0].numpy(),
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
        seen = influence.input_saliency(scene.model, x, layer=name, filter=k)[0]
        sheets[f"saliency/{layer_name(name)}"] = seen.numpy()
    explained = 0 if not scene.names else int(output.argmax())
    try:
        maps = highlight.highlight(scene.model, x, filter=explained, threshold=0.1)
    except ValueError:  # a network that is no chain: everything else can be looked at
        return
    for name in ("input", *found):
        sheets[f"highlight/{layer_name(name)}"] = maps[name].numpy()


def _overview(model: nn.Module, x: Tensor, top: Mapping[str, int]) -> Sheets:
    """What each layer gives for one input, of filters the most important one: `overview` names them, in order."""
    names, found, filter = [], {}, 0
    outputs: list[tuple[str, nn.Module, Tensor]] = []
    with gradients.borrowed(model) as network, torch.no_grad():
        handles = [module.register_forward_hook(
            lambda module, _, output, name=name: outputs.append((name, module, output.clone())))
            for name, module in network.named_modules() if type(module) in SHOWN]
        try:
            gradients.logits(network, x)
        finally:
            for handle in handles:
                handle.remove()
    for k, (name, module, output) in enumerate(outputs):
        filter = top.get(name, filter)
        trace = output[0] if output.ndim == 2 else output[0, filter].flatten()
        names.append(f"{layer_name(name)}\n{SHOWN[type(module)]}\n{' x '.join(map(str, [output.shape[1], len(trace)]))}"
                     if output.ndim > 2 else f"{layer_name(name)}\n{SHOWN[type(module)]}, {len(trace)}")
        found[f"overview/{k}"] = (trace.relu() if name in top else trace).numpy()
    return {"overview": np.array(names, dtype=str), **found}
