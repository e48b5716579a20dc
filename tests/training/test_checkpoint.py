import json

import pytest
import safetensors.torch
import torch
from torch import nn

from convscope.models.classifier import Classifier
from convscope.training import checkpoint

ARCHITECTURE = {"name": "my_lab.tiny", "arguments": {"width": 4}}


def build(*, n_classes, input_shape, width):
    return nn.Sequential(nn.Conv2d(input_shape[0], width, 3), nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(width, n_classes))


def classifier(normalised=True):
    return Classifier(build(n_classes=3, input_shape=(2, 6, 6), width=4), input_shape=(2, 6, 6),
                      class_names=("ant", "bee", "cat"), mean=torch.tensor([0.1, 0.7]) if normalised else None,
                      std=torch.tensor([0.3, 0.2]) if normalised else None)


@pytest.mark.parametrize("normalised", [True, False])
def test_a_checkpoint_brings_back_both_weights(tmp_path, normalised):
    model = classifier(normalised)
    model.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    best = {k: v.clone() + (1 if v.is_floating_point() and k.startswith("network") else 0)
            for k, v in model.state_dict().items()}
    checkpoint.save(tmp_path / "run", model, architecture=ARCHITECTURE, best_state=best)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "best.safetensors", "network.json", "weights.safetensors"]
    torch.manual_seed(0)
    state = torch.get_rng_state()
    last = checkpoint.load(tmp_path / "run", build=build)
    assert torch.equal(state, torch.get_rng_state())
    assert not last.training
    assert last.input_shape == (2, 6, 6)
    assert last.class_names == ("ant", "bee", "cat")
    assert all(torch.equal(v, last.state_dict()[k]) for k, v in model.state_dict().items())
    found = checkpoint.load(tmp_path / "run", build=build, best=True).state_dict()
    assert all(torch.equal(v, found[k]) for k, v in best.items())
    checkpoint.save(tmp_path / "run", model, architecture=ARCHITECTURE)
    with pytest.raises(ValueError, match=r"has no best\.safetensors"):
        checkpoint.load(tmp_path / "run", build=build, best=True)


def test_a_model_of_the_suite_is_found_by_its_name(tmp_path):
    from convscope.models import linear_softmax

    model = Classifier(linear_softmax.build(n_classes=2, input_shape=(1, 4, 4)), input_shape=(1, 4, 4),
                       class_names=("a", "b"))
    checkpoint.save(tmp_path, model, architecture={"name": "linear_softmax", "arguments": {}})
    x = torch.rand(3, 1, 4, 4)
    assert torch.equal(checkpoint.load(tmp_path)(x), model(x))


def test_a_network_for_texts_comes_back_with_its_alphabet(tmp_path):
    from convscope.models import linear_softmax

    model = Classifier(linear_softmax.build(n_classes=2, input_shape=(4,), alphabet=" ab"), input_shape=(4,),
                       class_names=("a", "b"), alphabet=" ab")
    checkpoint.save(tmp_path, model, architecture={"name": "linear_softmax", "arguments": {}})
    x = torch.tensor([[0, 1, 2, 3], [1, 1, 0, 0]], dtype=torch.uint8)
    for build in (None, linear_softmax.build):
        found = checkpoint.load(tmp_path, build=build)
        assert found.alphabet == " ab" and torch.equal(found(x), model(x))
    told = json.loads((tmp_path / "network.json").read_text())
    (tmp_path / "network.json").write_text(json.dumps({**told, "alphabet": 3}))
    with pytest.raises(ValueError, match="alphabet cannot be 3"):
        checkpoint.load(tmp_path)


def test_tied_weights_can_be_saved(tmp_path):
    def tied(*, n_classes, input_shape):
        layer = nn.Linear(4, 4)
        return nn.Sequential(nn.Flatten(), layer, layer)

    model = Classifier(tied(n_classes=4, input_shape=(1, 2, 2)), input_shape=(1, 2, 2), class_names=tuple("abcd"))
    checkpoint.save(tmp_path, model, architecture={"name": "my.tied", "arguments": {}})
    x = torch.rand(3, 1, 2, 2)
    assert torch.equal(checkpoint.load(tmp_path, build=tied)(x), model(x))


def test_a_dotted_name_is_never_imported(tmp_path):
    checkpoint.save(tmp_path, classifier(), architecture=ARCHITECTURE)
    with pytest.raises(ValueError, match="never imported from a file"):
        checkpoint.load(tmp_path)


def edit(**change):
    def apply(folder):
        path = folder / "network.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    return apply


def rewrite(change):
    def apply(folder):
        path = folder / "weights.safetensors"
        state = safetensors.torch.load_file(path)
        change(state)
        safetensors.torch.save_file(state, path)
    return apply


@pytest.mark.parametrize(("damage", "message"), [
    (lambda f: (f / "network.json").unlink(), "has no network.json"),
    (lambda f: (f / "weights.safetensors").unlink(), "has no weights.safetensors"),
    (lambda f: (f / "network.json").write_text("{"), "cannot be read"),
    (lambda f: (f / "network.json").write_text("[1]"), "does not describe a checkpoint"),
    (lambda f: (f / "weights.safetensors").write_bytes(b"PK\x03\x04" * 9), "cannot be read as safetensors"),
    (lambda f: (f / "weights.safetensors").write_bytes((f / "weights.safetensors").read_bytes()[:-9]),
     "cannot be read as safetensors"),
    (edit(format="other"), "does not describe a checkpoint"), (edit(version=2), "has version 2"),
    (edit(n_classes=4), "n_classes cannot be 4"), (edit(class_names=["a", 1, "b"]), "class_names cannot be"),
    (edit(input_shape=[2, "6", 6]), "input_shape cannot be"), (edit(mean=["0.1", "0.7"]), "mean cannot be"),
    (edit(architecture="resnet"), "architecture cannot be"),
    (edit(architecture={"name": "my_lab.tiny", "arguments": {"depth": 4}}), "cannot be built from network.json"),
    (edit(architecture={"name": "my_lab.tiny", "arguments": {"width": 5}}), "do not fit the network"),
    (edit(mean=[0.1, 0.6]), "mean is"), (edit(mean=None), "mean and std come together"),
    (edit(mean=None, std=None), "do not fit the network: by network.json mean is nothing"),
    (edit(input_shape=[3, 6, 6]), "one per channel"), (edit(std=[0.3, -1]), "std must be above 0"),
    (rewrite(lambda s: s.pop("network.4.bias")), "in the file nothing"),
    (rewrite(lambda s: s.update(extra=torch.zeros(1))), "extra is nothing"),
    (rewrite(lambda s: s.update({"network.4.bias": s["network.4.bias"].half()})), r"in the file float16 \[3\]"),
])
def test_what_is_not_a_checkpoint_is_refused_in_one_sentence(tmp_path, damage, message):
    checkpoint.save(tmp_path, classifier(), architecture=ARCHITECTURE)
    damage(tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        checkpoint.load(tmp_path, build=build)
    assert "\n" not in str(error.value)


def test_a_cut_off_save_is_not_taken_for_whole(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, classifier(), architecture=ARCHITECTURE)
    monkeypatch.setattr(checkpoint, "write_json", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        checkpoint.save(tmp_path, classifier(), architecture=ARCHITECTURE)
    with pytest.raises(ValueError, match=r"has no network\.json"):
        checkpoint.load(tmp_path, build=build)
