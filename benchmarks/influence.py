"""Influence of every filter of a 1-D ConvNet: one backward pass for all layers, against a gradient for each filter.

    uv run benchmarks/influence.py [--rounds 5] [--windows 1 64]

The other ways are what the formula says, a sum over positions and a gradient per filter (as in the TSViz paper's own
code, which asks its framework for one filter at a time), and a gradient per layer by Captum. All give the same numbers,
which is checked to 1e-5. The network is TSViz's: 64, 32 and 16 filters on windows of 2 x 50.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from convscope.features import influence
from convscope.models import traffic_cnn

LAYERS = ("conv1", "conv2", "conv3")


def ours(model: nn.Module, x: Tensor) -> list[Tensor]:
    return [found.raw for found in influence.filter_influence(model, x).values()]


def per_filter(model: nn.Module, x: Tensor) -> list[Tensor]:
    """A forward pass for each layer and a backward pass for each of its filters."""
    every = []
    for name in LAYERS:
        kept: list[Tensor] = []
        handle = model.get_submodule(name).register_forward_hook(lambda _, __, output, kept=kept: kept.append(output))
        total = model(x).sum()
        handle.remove()
        every.append(torch.stack([torch.autograd.grad(total, kept[0], retain_graph=True)[0][:, k].abs().sum(dim=1)
                                  for k in range(kept[0].shape[1])], dim=1))
    return every


def captum(model: nn.Module, x: Tensor) -> list[Tensor]:
    from captum.attr import LayerGradientXActivation

    every = []
    for name in LAYERS:
        method = LayerGradientXActivation(model, model.get_submodule(name), multiply_by_inputs=False)
        gradient = method.attribute(x, target=0)
        assert isinstance(gradient, Tensor)
        every.append(gradient.detach().abs().sum(dim=2))
    return every


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--windows", type=int, nargs="+", default=[1, 64, 1024])
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = traffic_cnn.build().eval()
    for n in args.windows:
        x = torch.randn(n, 2, 50)
        ways = {"ours": ours, "per filter": per_filter, "captum": captum}
        found = {name: way(model, x) for name, way in ways.items()}
        for name in ways:
            for a, b in zip(found["ours"], found[name], strict=True):
                torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(args.rounds):
            for name, way in ways.items():
                times[name].append(seconds(lambda way=way, x=x: way(model, x)))
        median = {name: statistics.median(one) for name, one in times.items()}
        print(f"{n:5} windows   " + "   ".join(
            f"{name} {1e3 * value:8.1f} ms ({value / median['ours']:.1f} x)" for name, value in median.items()))
