"""Attributions per second: ours, Captum's and pytorch-grad-cam's, on the same model and device, in turns.

    uv run --group bench benchmarks/attribution.py [--rounds 5] [--batches 1 32 256] [--device cuda] [--threads 2]
        [--models VGG-16] [--methods gradient occlusion]

Captum is given our batch size where it has an argument for one (it perturbs one by one otherwise); pytorch-grad-cam,
which is for Grad-CAM and guided backpropagation, works as its README shows. Integrated gradients take 8 steps,
SmoothGrad 8 samples, occlusion windows of 16 x 16 by 8: nine for an image. Medians; the ratio is theirs over ours.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import captum.attr as captum
import torch
from pytorch_grad_cam import GradCAM, GuidedBackpropReLUModel  # pyright: ignore[reportMissingImports]
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn

from convscope import family
from convscope.models import resnet, vgg
from convscope.rng import torch_rng

AT_ONCE = 256
MODELS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "VGG-16": (vgg, {"depth": 16}, "43"), "ResNet-56": (resnet, {"depth": 56}, "stages")}


def ours(model: nn.Module, layer: str, x: Tensor, y: Tensor) -> Mapping[str, Callable[[], Any]]:
    def way(name: str, **settings: Any) -> Callable[[], Any]:
        return lambda: family.find("attribution", name)(model, x, y, batch_size=AT_ONCE, **settings)

    return {"gradient": way("gradient"), "input_x_gradient": way("input_x_gradient"), "deconvnet": way("deconvnet"),
            "guided_backprop": way("guided_backprop"), "grad_cam": way("grad_cam", layer=layer),
            "guided_grad_cam": way("guided_grad_cam", layer=layer),
            "integrated_gradients": way("integrated_gradients", n_steps=8),
            "smoothgrad": way("smoothgrad", n_samples=8, rng=torch_rng(0, "noise")),
            "occlusion": way("occlusion", window=16, stride=8)}


def captums(model: nn.Module, layer: str, x: Tensor, y: Tensor) -> Mapping[str, Callable[[], Any]]:
    tapped = model.get_submodule(layer)
    size = (x.shape[2], x.shape[3])
    deviation = 0.25 * float(x.max() - x.min())
    return {
        "gradient": lambda: captum.Saliency(model).attribute(x, y, abs=False),
        "input_x_gradient": lambda: captum.InputXGradient(model).attribute(x, y),
        "deconvnet": lambda: captum.Deconvolution(model).attribute(x, y),
        "guided_backprop": lambda: captum.GuidedBackprop(model).attribute(x, y),
        "grad_cam": lambda: captum.LayerAttribution.interpolate(captum.LayerGradCam(model, tapped).attribute(
            x, y, relu_attributions=True), size, "bilinear"),  # pyright: ignore[reportArgumentType]
        "guided_grad_cam": lambda: captum.GuidedGradCam(model, tapped).attribute(x, y, interpolate_mode="bilinear"),
        "integrated_gradients": lambda: captum.IntegratedGradients(model).attribute(
            x, target=y, n_steps=8, internal_batch_size=max(AT_ONCE, len(x))),
        "smoothgrad": lambda: captum.NoiseTunnel(captum.Saliency(model)).attribute(
            x, nt_type="smoothgrad", nt_samples=8, nt_samples_batch_size=max(1, AT_ONCE // len(x)), stdevs=deviation,
            target=y, abs=False),
        "occlusion": lambda: captum.Occlusion(model).attribute(
            x, (3, 16, 16), (3, 8, 8), target=y, perturbations_per_eval=max(1, AT_ONCE // len(x)))}


def grad_cams(model: nn.Module, layer: str, x: Tensor, y: Tensor) -> Mapping[str, Callable[[], Any]]:
    targets = [ClassifierOutputTarget(int(label)) for label in y]

    def cam() -> Any:
        with GradCAM(model=model, target_layers=[model.get_submodule(layer)]) as method:
            return method(input_tensor=x, targets=targets)  # pyright: ignore[reportArgumentType]

    def guided() -> Any:
        method = GuidedBackpropReLUModel(model=model, device=x.device)
        return [method(x[i:i + 1], target_category=int(y[i])) for i in range(len(x))]

    return {"grad_cam": cam, "guided_backprop": guided}


def seconds(action: Callable[[], Any], device: str) -> float:
    start = time.perf_counter()
    action()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32, 256])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--methods", nargs="+", help="all by default")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    warnings.simplefilter("ignore")
    print("| model | batch | method | ours (images/s) | Captum | x | pytorch-grad-cam | x |\n|" + " --- |" * 8)
    for name in given.models:
        module, settings, layer = MODELS[name]
        torch.manual_seed(0)
        model = module.build(n_classes=10, input_shape=(3, 32, 32), **settings).eval().to(given.device)
        for batch in given.batches:
            x = torch.rand(batch, 3, 32, 32, generator=torch_rng(0, "images")).to(given.device)
            y = (torch.arange(batch) % 10).to(given.device)
            ways = [ours(model, layer, x, y), captums(model, layer, x, y), grad_cams(model, layer, x, y)]
            for method in given.methods or ways[0]:
                actions = [way[method] for way in ways if method in way]
                times: list[list[float]] = [[] for _ in actions]
                for action in actions:
                    action()  # once to warm up
                for _ in range(given.rounds):
                    for taken, action in zip(times, actions, strict=True):
                        taken.append(seconds(action, given.device))
                middle = [statistics.median(taken) for taken in times]
                cells = [f"{batch / middle[0]:,.1f}"]
                for one in middle[1:]:
                    cells += [f"{batch / one:,.1f}", f"{one / middle[0]:.2f}"]
                cells += ["", ""] * (3 - len(middle))
                print(f"| {name} | {batch} | {method} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
