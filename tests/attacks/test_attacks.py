"""Every attack: the contract, budgets and bounds, identities, and the lecture's own loop."""

import copy
import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope import family
from convscope.attacks import ascent, fgsm, genetic, pgd, sphere
from convscope.rng import seeded, torch_rng

ATTACKS = family.names("attacks")
SETTINGS: dict[str, dict[str, Any]] = {"ascent": {"lr": 5.0, "steps": 3, "bounds": (0.0, 1.0)}, "fgsm": {},
                                       "pgd": {"steps": 3}}
Y = torch.tensor([0, 3, 1])


class Normalised(nn.Module):
    """Normalises inside, as every model of ours: the first convolution sees (x - mean) / std."""

    def __init__(self, mean: list[float], std: list[float], inner: nn.Module) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner((x - self.get_buffer("mean")) / self.get_buffer("std"))


def network() -> nn.Module:
    """A small network whose training and evaluation differ."""
    with seeded(0, "init"):
        inner = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(),
                              nn.Linear(8 * 6 * 7, 4))
    return Normalised([0.5, 0.4, 0.3], [0.2, 0.3, 0.4], inner).eval()


def linear(n_classes: int = 4, scale: float = 1.0) -> tuple[nn.Module, nn.Linear]:
    """A linear softmax model, and its layer."""
    with seeded(1, "init"):
        layer = nn.Linear(3 * 8 * 9, n_classes)
    with torch.no_grad():
        layer.weight.mul_(scale)
    return nn.Sequential(nn.Flatten(), layer), layer


def images(n: int = 3, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(n, 3, 8, 9, generator=torch_rng(0, "images"))


def attack(name: str, model: nn.Module, x: Tensor, y: Any = Y, **settings: Any) -> Tensor:
    function = family.find("attacks", name)
    if "rng" in inspect.signature(function).parameters:
        settings = {"rng": torch_rng(0, "start"), **settings}
    return function(model, x, y, **{**SETTINGS[name], **settings})


# All that the package does with a model, with the same draws each time.
EVERY: dict[str, Callable[[nn.Module, Tensor], Any]] = {
    **{name: lambda model, x, name=name: attack(name, model, x) for name in ATTACKS},
    "pgd l2": lambda model, x: attack("pgd", model, x, norm="l2", eps=0.5),
    "sphere": lambda model, x: sphere.labels_changed(model, x, x + 0.1, rng=torch_rng(0, "points"), n=20),
    "direct": lambda model, x: genetic.direct(model, [2, 0], shape=(3, 8, 9), rng=torch_rng(0, "evolution"),
                                              population=4, generations=3)[0],
    "map elites": lambda model, x: genetic.map_elites(model, n_classes=4, shape=(3, 8, 9), iterations=3, batch_size=4,
                                                      rng=torch_rng(0, "evolution"))[0],
}


def gradient_by_hand(x: Tensor, y: Tensor, layer: nn.Linear) -> Tensor:
    """Of the cross-entropy of a linear softmax model: W^T (p - onehot)."""
    prob = layer(x.flatten(1)).softmax(dim=1)
    return ((prob - functional.one_hot(y, layer.out_features)) @ layer.weight).view_as(x).detach()


def test_these_are_the_attacks() -> None:
    assert set(ATTACKS) == {"ascent", "fgsm", "pgd"} == set(SETTINGS)


# The contract

@pytest.mark.parametrize("name", EVERY)
def test_contract(name: str) -> None:
    model, x = network(), images()
    kept = x.clone()
    found = EVERY[name](model, x)
    assert found.dtype == x.dtype and found.isfinite().all() and not found.requires_grad and torch.equal(x, kept)
    assert found.min() >= 0 and found.max() <= 1 and torch.equal(found, EVERY[name](model, x))
    if name in SETTINGS:
        assert found.shape == x.shape and (found - x).abs().amax(dim=(1, 2, 3)).min() > 1e-3
    with torch.inference_mode():
        assert torch.equal(EVERY[name](model, x * 1), found)
    with torch.no_grad():
        assert torch.equal(EVERY[name](torch.compile(model), x), found)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("name", EVERY)
def test_the_model_is_as_it_was(name: str, fails: bool) -> None:
    model = network().train()
    model.get_submodule("inner.1").eval()
    model.get_parameter("inner.5.bias").requires_grad_(False)
    model.get_parameter("inner.0.weight").grad = torch.ones(8, 3, 3, 3)
    if fails:
        model.register_forward_hook(lambda *_: (_ for _ in ()).throw(KeyError("in the middle")))

    def state() -> list[Any]:
        hooks = [sum(map(len, (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks, m._backward_pre_hooks)))
                 for m in model.modules()]
        return [hooks, [m.training for m in model.modules()], [(p.requires_grad, p.grad) for p in model.parameters()]]

    before, weights = state(), copy.deepcopy(model.state_dict())
    if fails:
        with pytest.raises(KeyError):
            EVERY[name](model, images())
    else:
        EVERY[name](model, images())
    assert state() == before and all(torch.equal(v, weights[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize(("name", "settings"), [("ascent", {}), ("fgsm", {}), ("pgd", {"random_start": False}),
                                                ("pgd", {"random_start": False, "norm": "l2"})])
def test_inputs_do_not_mix(name: str, settings: dict[str, Any]) -> None:
    """Without random starts, whose draws run on from input to input."""
    model, x = network(), images()
    alone = torch.cat([attack(name, model, x[i:i + 1], Y[i:i + 1], **settings) for i in range(3)])
    torch.testing.assert_close(alone, attack(name, model, x, **settings), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "settings"), [("fgsm", {}), ("pgd", {}), ("pgd", {"norm": "l2"})])
def test_the_batch_size_bounds_the_model_and_changes_nothing(name: str, settings: dict[str, Any]) -> None:
    model, x, sizes = network(), images(), []
    whole = attack(name, model, x, **settings)
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    torch.testing.assert_close(attack(name, model, x, batch_size=2, **settings), whole, rtol=0, atol=1e-5)
    assert max(sizes) == 2


@pytest.mark.parametrize("eps", [0.0, 0.01, 0.3, 2.0])
@pytest.mark.parametrize(("name", "settings"), [("fgsm", {}), ("pgd", {}), ("pgd", {"norm": "l2"}),
                                                ("pgd", {"step_size": 5.0}), ("pgd", {"norm": "l2", "step_size": 5.0})])
def test_within_eps_and_bounds(name: str, settings: dict[str, Any], eps: float) -> None:
    x = images(16)
    found = attack(name, network(), x, torch.arange(16) % 4, eps=eps, **settings)
    order = 2 if settings.get("norm") == "l2" else math.inf
    length = (found - x).flatten(1).norm(p=order, dim=1)
    assert length.max() <= eps + 1e-6 and found.min() >= 0 and found.max() <= 1
    assert eps > 0.01 or length.min() > 0.9 * eps - 1e-6  # the budget is used where the bounds are far


@pytest.mark.parametrize("name", ATTACKS)
def test_the_loss_grows(name: str) -> None:
    model, x = network(), images(16)
    y = model(x).argmax(dim=1)
    before, after = (functional.cross_entropy(model(z), y, reduction="none")
                     for z in (x, attack(name, model, x, y, **({"lr": 0.5} if name == "ascent" else {}))))
    assert (after > before).all()


# The methods' own formulas

def test_ascent_starts_at_x_and_takes_the_steps_one_by_one() -> None:
    model, x = network(), images()
    steps = list(ascent.iterations(model, x, Y, lr=2.0, steps=4, std=[0.2, 0.3, 0.4]))
    assert len(steps) == 5 and torch.equal(steps[0], x) and not torch.equal(steps[3], steps[4])
    assert torch.equal(ascent.attack(model, x, Y, lr=2.0, steps=4, std=[0.2, 0.3, 0.4]), steps[4])


def test_the_model_is_free_between_the_steps_of_ascent() -> None:
    model = network().train()
    steps = ascent.iterations(model, images(), Y)
    for _ in range(3):
        next(steps)
        assert model.training and all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("std", [1.0, 0.25, [0.2, 0.3, 0.4]])
def test_the_first_step_of_ascent_by_hand(std: Any) -> None:
    (model, layer), x = linear(), images()
    rate = 0.7 * (torch.tensor(std) ** 2).view(-1, 1, 1)
    found = ascent.attack(model, x, Y, lr=0.7, steps=1, std=std)
    torch.testing.assert_close(found, x + rate * gradient_by_hand(x, Y, layer), rtol=0, atol=1e-6)


def test_ascent_is_the_lectures_loop_in_normalised_space() -> None:
    """Its text, one image at a time: SGD with lr 0.1 on the negative cross-entropy of the predicted class, 15 steps."""
    model, x = network(), images()
    mean, std = (model.get_buffer(name) for name in ("mean", "std"))
    inner, expected = model.get_submodule("inner"), []
    y = model(x).argmax(dim=1)
    for image, label in zip(x, y, strict=True):
        z = ((image[None] - mean) / std).clone().requires_grad_()
        optimizer = torch.optim.SGD([z], lr=1e-1)
        for _ in range(15):
            loss = -nn.CrossEntropyLoss()(inner(z), label[None])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        expected.append(z.detach())
    found = ascent.attack(model, x, y, std=std.flatten().tolist())
    torch.testing.assert_close((found - mean) / std, torch.cat(expected), rtol=0, atol=1e-5)
    assert (found - x).abs().max() > 0.01


def test_ascent_clips_only_where_it_is_asked_to() -> None:
    model, x = network(), images()
    free = ascent.attack(model, x, Y, lr=50.0, steps=1)
    assert free.min() < 0 and free.max() > 1
    assert torch.equal(ascent.attack(model, x, Y, lr=50.0, steps=1, bounds=(0.0, 1.0)), free.clamp(0, 1))


def test_fgsm_of_a_linear_softmax_is_eps_times_the_known_sign() -> None:
    (model, layer), x = linear(), images(low=0.2, high=0.8)
    sign = gradient_by_hand(x, Y, layer).sign()
    assert sign.abs().min() == 1
    assert torch.equal(fgsm.attack(model, x, Y, eps=0.1), x + 0.1 * sign)
    assert torch.equal(fgsm.attack(model, x, Y, eps=0.5), (x + 0.5 * sign).clamp(0, 1))
    assert torch.equal(fgsm.attack(model, x, Y, eps=0.5, bounds=(0.1, 0.9)), (x + 0.5 * sign).clamp(0.1, 0.9))


def test_the_default_budget_is_eight_grey_levels() -> None:
    for name in ("fgsm", "pgd"):
        assert family.describe("attacks", name).defaults["eps"] == 8 / 255


def test_one_large_step_of_pgd_is_fgsm() -> None:
    model, x = network(), images()
    found = attack("pgd", model, x, eps=0.07, steps=1, step_size=0.07, random_start=False)
    torch.testing.assert_close(found, fgsm.attack(model, x, Y, eps=0.07), rtol=0, atol=1e-7)


def test_pgd_takes_steps_of_its_size_by_default_two_and_a_half_eps_by_their_number() -> None:
    of = {"eps": 0.1, "steps": 3, "norm": "l2", "random_start": False}
    assert torch.equal(*(attack("pgd", network(), images(), step_size=size, **of) for size in (None, 2.5 * 0.1 / 3)))
    model, x = linear(2)[0], torch.full((1, 3, 8, 9), 0.5)
    for norm, order in (("linf", math.inf), ("l2", 2)):
        found = attack("pgd", model, x, 0, eps=0.1, norm=norm, steps=5, random_start=False)
        assert float((found - x).flatten().norm(p=order)) == pytest.approx(0.1, rel=1e-5)
        found = attack("pgd", model, x, 0, eps=0.1, norm=norm, steps=5, random_start=False, step_size=0.01)
        assert float((found - x).flatten().norm(p=order)) == pytest.approx(0.05, rel=1e-5)


@pytest.mark.parametrize(("random_start", "steps", "atol"), [(False, 10, 1e-6), (True, 200, 1e-4)])
def test_pgd_reaches_the_worst_case_of_a_linear_binary_model(random_start: bool, steps: int, atol: float) -> None:
    """The margin falls fastest along w_other - w_y, so x + eps times its direction is the worst point of the ball."""
    (model, layer), x, y = linear(2), images(low=0.4, high=0.6), torch.tensor([0, 1, 0])
    away = (layer.weight[1 - y] - layer.weight[y]).detach()
    settings = {"steps": steps, "random_start": random_start, "step_size": None if steps == 10 else 0.05}
    found = attack("pgd", model, x, y, eps=0.3, norm="l2", **settings)
    expected = x + 0.3 * (away / away.norm(dim=1, keepdim=True)).view_as(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)
    found = attack("pgd", model, x, y, eps=0.3, norm="linf", **settings)
    torch.testing.assert_close(found, x + 0.3 * away.sign().view_as(x), rtol=0, atol=1e-6)


def test_l2_steps_have_their_length_where_gradients_are_tiny() -> None:
    """Squared, these gradients are 0 in single precision: a step by gradient / norm would have any length."""
    x = torch.full((1, 3, 8, 9), 0.5)
    settings = {"eps": 0.1, "steps": 2, "step_size": 0.03, "random_start": False}
    found = attack("pgd", linear(2, 1e-30)[0], x, 0, norm="l2", **settings)
    assert float((found - x).norm()) == pytest.approx(0.06, rel=1e-5)
    assert torch.equal(attack("pgd", linear(2, 0.0)[0], x, 0, norm="l2", random_start=False), x)


def test_random_starts_are_uniform_in_the_ball() -> None:
    x = torch.zeros(4000, 1, 1, 3)
    cube = pgd._in_ball(x, 0.5, "linf", torch_rng(0, "start"))
    assert cube.abs().max() <= 0.5 and float(cube.abs().mean()) == pytest.approx(0.25, rel=0.02)
    ball = pgd._in_ball(x, 0.5, "l2", torch_rng(0, "start")).flatten(1)
    length = ball.norm(dim=1)
    assert length.max() <= 0.5 + 1e-6 and ball.mean(dim=0).abs().max() < 0.02
    assert float((length < 0.25).float().mean()) == pytest.approx(1 / 8, abs=0.02)  # an eighth of the volume


def test_the_start_of_pgd_depends_on_its_generator_only() -> None:
    model, x = network(), images()
    torch.manual_seed(1)
    first = attack("pgd", model, x, steps=1)
    torch.manual_seed(2)
    assert torch.equal(first, attack("pgd", model, x, steps=1))
    assert not torch.equal(first, attack("pgd", model, x, steps=1, rng=torch_rng(1, "start")))


# The sphere

def test_points_have_exactly_the_radius_and_every_direction() -> None:
    centre, radius = images(1).expand(3000, -1, -1, -1), torch.linspace(0.1, 3, 3000)
    points = sphere._on_sphere(centre, radius, torch_rng(0, "points"))
    torch.testing.assert_close((points - centre).flatten(1).norm(dim=1), radius, rtol=1e-5, atol=0)
    direction = ((points - centre) / radius.view(-1, 1, 1, 1)).flatten(1)
    covariance = direction.T @ direction / 3000 * direction.shape[1]
    assert direction.mean(dim=0).abs().max() < 0.006 and (covariance - torch.eye(216)).abs().max() < 0.15


def half_plane(threshold: float) -> nn.Module:
    """Label 1 where the first value is above the threshold."""
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 0, 0], [1, 0, 0]]))
        layer.bias.copy_(torch.tensor([0.0, -threshold]))
    return nn.Sequential(nn.Flatten(), layer)


def test_the_share_is_the_area_of_the_cap() -> None:
    """Archimedes: a cap of height h of a sphere of radius r in 3-D has the share h / (2 r) of its area."""
    x = torch.full((2, 1, 1, 3), 0.5)
    x_adv = x + torch.tensor([[0.0, 0, 0.1], [0, 0.4, 0]]).view(2, 1, 1, 3)
    found = sphere.labels_changed(half_plane(0.6), x, x_adv, rng=torch_rng(0, "p"), n=4000)
    torch.testing.assert_close(found, torch.tensor([0.1 / 0.4, 0.7 / 1.6]), rtol=0, atol=0.025)
    found = sphere.labels_changed(half_plane(0.6), x, x_adv, rng=torch_rng(0, "p"), n=4000, factor=1.0)
    torch.testing.assert_close(found, torch.tensor([0.0, 0.3 / 0.8]), rtol=0, atol=0.025)


def test_the_share_does_not_depend_on_the_batch_size_which_bounds_the_model() -> None:
    model, x, sizes = network(), images(), []
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    found = [sphere.labels_changed(model, x, x + 0.2, rng=torch_rng(0, "p"), n=50, batch_size=size)
             for size in (7, 150)]
    assert torch.equal(*found) and 0 < found[0].max() < 1
    torch.testing.assert_close(50 * found[0], (50 * found[0]).round())  # a number of points of the 50
    sizes.clear()
    sphere.labels_changed(model, x, x + 0.2, rng=torch_rng(0, "p"), n=50, batch_size=2)
    assert max(sizes) == 2
    assert sphere.labels_changed(model, x, x, rng=torch_rng(0, "p"), n=50).max() == 0


# Refusals

@pytest.mark.parametrize(("name", "settings", "said"), [
    ("fgsm", {"eps": -0.1}, "eps must be a number, at least 0, got -0.1"),
    ("pgd", {"eps": math.nan}, "eps must be a number, at least 0, got nan"),
    ("pgd", {"norm": "l1"}, "norm must be one of linf, l2, got 'l1'"),
    ("pgd", {"steps": 0}, "steps must be at least 1, got 0"),
    ("pgd", {"step_size": 0.0}, r"step_size must be a number above 0, got 0\.0"),
    ("fgsm", {"bounds": (1.0, 0.0)}, r"bounds must be \(lowest, highest\)"),
    ("pgd", {"bounds": (0.0, 0.5)}, r"x must be within the bounds \[0, 0\.5\], got"),
    ("ascent", {"bounds": (0.0, 0.5)}, r"x must be within the bounds \[0, 0\.5\], got"),
    ("fgsm", {"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ("ascent", {"lr": -1.0}, "lr must be a number above 0"),
    ("ascent", {"steps": 0}, "steps must be at least 1, got 0"),
    ("ascent", {"std": [0.1, 0.2]}, "std must be a number above 0, or 3 of them"),
    ("ascent", {"std": 0.0}, "std must be a number above 0"),
    *((name, {"y": torch.tensor([0, 4, 1])}, r"labels must be in 0\.\.3, one of the model's classes, got 4")
      for name in ATTACKS),
    *((name, {"y": torch.tensor([0, 1])}, "target must be a class or int64") for name in ATTACKS),
])
def test_bad_settings_are_refused(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        attack(name, network(), images(), **settings)


@pytest.mark.parametrize(("change", "settings", "said"), [
    (lambda x: x[:2], {}, r"x_adv must be like x, .*\[3, 3, 8, 9\] on cpu, got .*\[2, 3, 8, 9\]"),
    (lambda x: x.double(), {}, "x_adv must be like x"),
    (lambda x: x * math.inf, {}, "x_adv must be finite"),
    (lambda x: x, {"n": 0}, "n must be at least 1"),
    (lambda x: x, {"factor": 0}, "factor must be a number above 0"),
    (lambda x: x, {"batch_size": 0}, "batch_size must be at least 1"),
])
def test_the_sphere_refuses(change: Callable[[Tensor], Tensor], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sphere.labels_changed(network(), images(), change(images()), rng=torch_rng(0, "p"), **settings)


def test_ascent_refuses_before_its_first_step() -> None:
    with pytest.raises(ValueError, match="steps must be at least 1"):
        ascent.iterations(network(), images(), Y, steps=0)
