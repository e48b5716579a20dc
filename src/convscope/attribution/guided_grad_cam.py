"""Guided Grad-CAM: guided backpropagation where Grad-CAM is (Selvaraju 2017, section 3.2)."""

from torch import Tensor, nn

from convscope import gradients
from convscope.attribution import grad_cam, guided_backprop
from convscope.family import Count
from convscope.gradients import Target
from convscope.outputs import Score

VERSION = 1
KINDS = ("image",)


def attribute(model: nn.Module, x: Tensor, target: Target, *, layer: str | None = None,
              batch_size: Count = 32, score: Score | None = None) -> Tensor:
    """Like x [B, C, H, W]: the product of `guided_backprop` and the positive `grad_cam` of `layer`. Raises as both."""
    cam_B1HW = grad_cam.attribute(model, x, target, layer=layer, batch_size=batch_size, score=score)
    return gradients.finite(cam_B1HW * guided_backprop.attribute(model, x, target, batch_size=batch_size, score=score),
                            "result")
