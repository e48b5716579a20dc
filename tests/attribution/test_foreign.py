"""Networks that nobody here made: flat gradients, any output, type and input; each works or says a sentence."""

import inspect
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope import family, gradients, outputs
from convscope.attacks import genetic, sphere
from convscope.attribution import faithfulness, grad_cam
from convscope.rng import seeded, torch_rng

ATTRIBUTIONS = [name for name in family.names("attribution") if name != "character_gradient"]
BY_GRADIENT = ["gradient", "input_x_gradient", "smoothgrad", "integrated_gradients", "deconvnet", "guided_backprop"]
QUICK: dict[str, dict[str, Any]] = {"smoothgrad": {"n_samples": 2}, "integrated_gradients": {"n_steps": 2},
                                    "occlusion": {"window": 4, "stride": 4}, "pgd": {"steps": 2}}
Named = namedtuple("Named", "logits aux")


@dataclass
class Record:
    logits: Tensor
    aux: Tensor


class Giving(nn.Module):
    """A small ConvNet that gives `form(scores [B, K], x)`."""

    def __init__(self, form: Callable[[Tensor, Tensor], Any], n_classes: int = 4) -> None:
        super().__init__()
        with seeded(0, "init"):
            self.net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3),
                                     nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, n_classes))
        self.form = form

    def forward(self, x: Tensor) -> Any:
        return self.form(self.net(x), x)


def plain(n_classes: int = 4) -> nn.Module:
    return Giving(lambda score, x: score, n_classes)


def images(n: int = 3) -> Tensor:
    return torch.rand(n, 3, 12, 12, generator=torch_rng(0, "images"))


def every(name: str, model: nn.Module, x: Tensor, target: Any = 0, **settings: Any) -> Tensor:
    function = family.find("attribution" if name in ATTRIBUTIONS else "attacks", name)
    rng = {"rng": torch_rng(0, "r")} if "rng" in inspect.signature(function).parameters else {}
    return function(model, x, target, **rng, **QUICK.get(name, {}), **settings)


# Flat regions: the slope of a root, a norm, a power or an angle at 0

FLAT: dict[str, Callable[[Tensor], Tensor]] = {
    "sqrt": lambda z: z.sqrt().sum((1, 2, 3)), "power": lambda z: (z ** 0.3).sum((1, 2, 3)),
    "norm by hand": lambda z: z.square().sum(dim=(1, 2, 3)).sqrt(), "reciprocal": lambda z: (1 / z).sum((1, 2, 3)),
    "cosine by hand": lambda z: (z.sum((1, 2, 3)) / z.square().sum((1, 2, 3)).sqrt()),
    "log": lambda z: z.log().mean((1, 2, 3))}


@pytest.mark.parametrize("name", [*BY_GRADIENT, "fgsm", "pgd", "ascent"])
@pytest.mark.parametrize("flat", FLAT)
def test_a_gradient_that_is_not_finite_is_refused_by_the_inputs_number(flat: str, name: str) -> None:
    """Input 3 alone is black, where the function is flat; whatever the batch size."""
    x = images(5)
    x[3] = 0
    model = Giving(lambda score, x: score + FLAT[flat](x)[:, None] * torch.tensor([1.0, 2, 3, 4]))
    settings: dict[str, Any] = {} if name == "ascent" else {"batch_size": 2}
    if name == "pgd":
        settings |= {"random_start": False, "eps": 0.0}  # else a step may make others black before
    if name == "smoothgrad":
        settings |= {"noise_level": 0.0}
    if name == "integrated_gradients":
        settings |= {"baseline": torch.where(torch.arange(5).view(5, 1, 1, 1) == 3, 0.0, 0.1).expand_as(x)}
    with pytest.raises(ValueError, match=r"the (gradient|score) of input 3 must be finite, got NaN or infinity"):
        every(name, model, x, **settings)


@pytest.mark.parametrize("name", [*ATTRIBUTIONS, "fgsm", "pgd", "ascent"])
def test_an_overflow_of_half_precision_is_refused(name: str) -> None:
    model = Giving(lambda score, x: score * 1e7).half()
    with pytest.raises(ValueError, match="the score of input 0 must be finite"):
        every(name, model, images().half())


def test_nan_scores_are_no_predictions() -> None:
    model, x = Giving(lambda score, x: score + torch.nan), images()
    calls: list[Callable[[], Any]] = [
        lambda: sphere.labels_changed(model, x, x + 0.1, rng=torch_rng(0, "p"), n=3),
        lambda: genetic.direct(model, [0], shape=(3, 12, 12), rng=torch_rng(0, "e"), population=4, generations=1),
        lambda: faithfulness.deletion(model, x, 0, x.mean(1), steps=2), lambda: every("occlusion", model, x)]
    for call in calls:
        with pytest.raises(ValueError, match="the score of input 0 must be finite"):
            call()


def test_a_class_that_cannot_be_is_attacked_around() -> None:
    masked = Giving(lambda score, x: score.masked_fill(torch.tensor([False, False, False, True]), -torch.inf))
    assert (every("fgsm", masked, images()) - images()).abs().amax(dim=(1, 2, 3)).min() > 0.03


# One logit

@pytest.mark.parametrize("name", ["fgsm", "pgd", "ascent"])
def test_one_logit_is_refused_by_attacks_and_read_as_a_sigmoid_where_that_is_said(name: str) -> None:
    x, y = images(), torch.tensor([0, 1, 1])
    for model in (plain(1), Giving(lambda score, x: score[:, 0], 1)):
        with pytest.raises(ValueError, match=r"score=convscope\.outputs\.sigmoid"):
            every(name, model, x, y)
        found = every(name, model, x, y, score=outputs.sigmoid)
        loss = [functional.binary_cross_entropy_with_logits(model(z).reshape(-1), y.float(), reduction="none")
                for z in (x, found)]
        assert (loss[1] > loss[0]).all()


def test_of_one_logit_nothing_is_counted() -> None:
    x = images()
    for call in (lambda: sphere.labels_changed(plain(1), x, x + 0.1, rng=torch_rng(0, "p"), n=3),
                 lambda: genetic.direct(plain(1), [0], shape=(3, 12, 12), rng=torch_rng(0, "e")),
                 lambda: faithfulness.insertion(plain(1), x, 0, x.mean(1), steps=2)):
        with pytest.raises(ValueError, match="scores of at least two classes"):
            call()
    two = outputs.sigmoid(torch.tensor([[-1.0], [2.0]])).softmax(dim=1)
    torch.testing.assert_close(two[:, 1], torch.tensor([-1.0, 2.0]).sigmoid())


# Outputs that are no tensor

FORMS: dict[str, tuple[Callable[[Tensor, Tensor], Any], Any]] = {
    "dict": (lambda score, x: {"aux": x, "logits": score}, "logits"), "tuple": (lambda score, x: (x, score), 1),
    "list": (lambda score, x: [score, x], 0), "record": (Record, "logits"), "named tuple": (Named, "logits"),
    "named tuple by place": (Named, 0), "function": (Record, lambda record: record.logits),
    "map": (lambda score, x: score[:, :, None, None].expand(-1, -1, 2, 2), lambda out: out.mean(dim=(2, 3)))}


@pytest.mark.parametrize("name", [*ATTRIBUTIONS, "fgsm", "pgd", "ascent"])
@pytest.mark.parametrize("form", FORMS)
def test_score_says_where_the_scores_are(form: str, name: str) -> None:
    model, score = Giving(FORMS[form][0]), FORMS[form][1]
    torch.testing.assert_close(every(name, model, images(), 2, score=score), every(name, plain(), images(), 2))
    assert not model._forward_hooks
    with pytest.raises(ValueError, match=r"the model must return scores \[\d+, K\].*score="):
        every(name, model, images(), 2)


@pytest.mark.parametrize(("form", "score", "said"), [
    ("dict", "logit", "the model's output has no 'logit', it is dict with aux float32"),
    ("tuple", 2, "has no 2, it is tuple with 0 float32"), ("record", "scores", "it is Record with logits float32"),
    ("dict", lambda out: out["nothing"], "score must be a function of what the model gives"),
    ("dict", lambda out: out, r"score must give a tensor \[B, K\], got dict"), ("dict", 1.5, "score must be a key"),
    ("dict", "aux", r"must return scores \[3, K\], one for each class, got float32 \[3, 3, 12, 12\]")])
def test_a_score_that_is_not_there(form: str, score: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        every("gradient", Giving(FORMS[form][0]), images(), score=score)


# Types, wrappers, inputs

@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", [*ATTRIBUTIONS, "fgsm", "pgd", "ascent"])
def test_other_types(name: str, dtype: torch.dtype) -> None:
    found = every(name, plain().to(dtype), images().to(dtype), 2)
    assert found.dtype == dtype and found.isfinite().all()
    if dtype == torch.float64 and name not in ("smoothgrad", "pgd"):  # whose draws are others
        torch.testing.assert_close(found.float(), every(name, plain(), images(), 2), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", [*ATTRIBUTIONS, "fgsm", "pgd", "ascent"])
def test_data_parallel_runs_on_one_device_and_is_given_back(name: str) -> None:
    model = nn.DataParallel(plain())
    model.device_ids, seen = [], []
    model.module.register_forward_hook(lambda *_: seen.append(model.device_ids))
    assert torch.equal(every(name, model, images(), 2), every(name, plain(), images(), 2))
    model.device_ids = [0, 1]
    with gradients.borrowed(model):
        assert model.device_ids == [0]
    assert model.device_ids == [0, 1] and seen


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = plain()

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return self.net(image * mask)


class Own(nn.Module):
    def __init__(self, run: Callable[[nn.Module, Tensor], Any]) -> None:
        super().__init__()
        self.net, self.run = plain(), run

    def forward(self, x: Tensor) -> Any:
        return self.run(self.net, x)


def _asserting(_: nn.Module, x: Tensor) -> Tensor:
    torch._assert(x.shape[2] == 224, "Wrong image height!")
    return x


@pytest.mark.parametrize(("model", "said"), [
    (Two(), r"Two must take one input x, its forward is \(image.*, mask.*\); put it in a module"),
    (Own(_asserting), r"Own does not take inputs \[\d, 3, 12, 12\]: Wrong image height!"),
    (Own(lambda net, x: net(x[0, 0, 0, 0, 0])), "Own does not take inputs"),
    (Own(lambda net, x: net(x[:, :, :, :, None])), "Own does not take inputs"),
    (Own(lambda net, x: nn.BatchNorm1d(3).eval()(x)), "Own does not take inputs .*: expected 2D or 3D input"),
    (Own(lambda net, x: net(x).argmax(dim=1)), "the model must return scores .* got int64"),
    (Own(lambda net, x: None), "the model must return scores .* got NoneType"),
    (nn.Sequential(nn.LazyConv2d(3, 3), nn.Flatten(), nn.LazyLinear(3)), r"\(a lazy layer\): run it once"),
])
@pytest.mark.parametrize("name", ["gradient", "occlusion", "grad_cam", "fgsm", "pgd"])
def test_torchs_own_words_are_part_of_a_sentence(name: str, model: nn.Module, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        every(name, model, images())


@pytest.mark.parametrize(("run", "said"), [
    (lambda net, x: net(x.detach()), "do not depend on its input in torch's graph"),
    (lambda net, x: torch.zeros(len(x), 4), "do not depend on its input in torch's graph"),
    (lambda net, x: (z := net(x).exp()) + z.mul_(2), "has no gradient .*modified by an inplace operation"),
])
@pytest.mark.parametrize("name", ["gradient", "integrated_gradients", "fgsm", "pgd", "ascent"])
def test_without_a_gradient(name: str, run: Callable[[nn.Module, Tensor], Tensor], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        every(name, Own(run), images())


# Grad-CAM's last map

class Last(nn.Module):
    """A patch embedding, then layers on channels that are last."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mlp, self.norm = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8), nn.LayerNorm(8)
        self.out, self.head = nn.Identity(), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).permute(0, 2, 3, 1)
        return self.head(self.out(x + self.mlp(self.norm(x))).mean(dim=(1, 2)))


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, 4)
        self.blocks = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.embed(x).flatten(2).transpose(1, 2)).mean(dim=1))


class Back(Tokens):
    """Tokens that become a map again, on which a convolution works."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        z_BNF = self.blocks(self.embed(x).flatten(2).transpose(1, 2))
        return self.head(self.last(z_BNF.transpose(1, 2).reshape(len(x), 8, 3, 3)).mean(dim=(2, 3)))


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.drop, self.head = nn.Conv2d(3, 8, 3), nn.Dropout2d(), nn.Linear(8 * 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(functional.adaptive_avg_pool2d(self.conv(x).relu(), 4)).flatten(1))


def chain(*between: nn.Module) -> nn.Module:
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), *between, *head)


@pytest.mark.parametrize(("model", "taken"), [
    (chain(), "1"), (chain(nn.AvgPool2d(2), nn.Dropout()), "1"), (chain(nn.Upsample(scale_factor=2)), "1"),
    (chain(nn.AdaptiveAvgPool2d(4), nn.Identity()), "1"), (chain(nn.AdaptiveMaxPool2d(4)), "1"),
    (chain(nn.AvgPool2d(2), nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)), "4"), (chain(nn.MaxPool2d(2)), "2"),
    (Functional(), "conv"), (Back(), "last")])
def test_the_last_map_is_no_copy(model: nn.Module, taken: str) -> None:
    """A max-pooling at the end of the convolutions is a step of theirs, as in VGG and AlexNet."""
    assert grad_cam.last_map(model.eval(), images()) == taken
    assert torch.equal(every("grad_cam", model, images()), every("grad_cam", model, images(), layer=taken))


@pytest.mark.parametrize(("model", "layer"), [(Tokens(), "embed"), (Last(), "stem")])
def test_a_patch_embedding_is_taken_only_by_name(model: nn.Module, layer: str) -> None:
    for name in ("grad_cam", "guided_grad_cam"):
        with pytest.raises(ValueError, match=f"so it may be a patch embedding; give layer='{layer}'"):
            every(name, model, images())
    assert every("grad_cam", model, images(), layer=layer).shape == (3, 1, 12, 12)


def test_channels_last_are_no_map() -> None:
    with pytest.raises(ValueError, match=r"out must be a map .*, got \[1, 3, 3, 8\] with its channels last"):
        every("grad_cam", Last(), images(), layer="out")


def test_a_layer_that_the_scores_do_not_see() -> None:
    model = Giving(lambda score, x: score.detach() + x.mean((1, 2, 3))[:, None])
    with pytest.raises(ValueError, match=r"do not depend on net\.0 in torch's graph"):
        every("grad_cam", model, images(), layer="net.0")
