"""The one checkpoint contract, which a user's own network can meet: a folder with weights and a description.

`weights.safetensors` holds the last weights, `best.safetensors` (optional) those best by holdout, under the keys of
`Classifier.state_dict()`: network.*, and mean and std where the model normalises. `network.json` describes them:

    {"format": "convscope-checkpoint", "version": 1, "architecture": {"name": "resnet", "arguments": {"depth": 20}},
     "input_shape": [3, 32, 32], "n_classes": 2, "class_names": ["cat", "dog"], "mean": [0.5, ...], "std": [0.2, ...]}

A network for texts has `"alphabet": " abc..."` besides, an input_shape of one number, and null for mean and std.
"""

import json
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from convscope import family
from convscope.models.classifier import Classifier
from convscope.rng import seeded
from convscope.runs import write_bytes, write_json

FORMAT = "convscope-checkpoint"
VERSION = 1
_KEYS = {"format", "version", "architecture", "input_shape", "n_classes", "class_names", "mean", "std"}


def save(folder: Path, classifier: Classifier, *, architecture: Mapping[str, Any],
         best_state: Mapping[str, Tensor] | None = None) -> None:
    """Writes the checkpoint into `folder`; network.json comes last, so that a cut-off one is not taken for whole.

    `architecture` is {"name": ..., "arguments": {...}}: a model of the suite, or a dotted name of your own.
    """
    (folder / "network.json").unlink(missing_ok=True)
    write_bytes(folder / "weights.safetensors", _packed(classifier.state_dict()))
    if best_state is None:
        (folder / "best.safetensors").unlink(missing_ok=True)
    else:
        write_bytes(folder / "best.safetensors", _packed(best_state))
    write_json(folder / "network.json", {
        "format": FORMAT, "version": VERSION, "architecture": dict(architecture),
        "input_shape": list(classifier.input_shape), "n_classes": len(classifier.class_names),
        "class_names": list(classifier.class_names),
        "mean": None if classifier.mean is None else classifier.mean.tolist(),
        "std": None if classifier.std is None else classifier.std.tolist(),
        **({"alphabet": classifier.alphabet} if classifier.alphabet else {}),
    })


def load(folder: Path, *, build: Callable[..., nn.Module] | None = None, best: bool = False) -> Classifier:
    """The classifier of a checkpoint, on the CPU and in eval mode, with the last weights or the best by holdout.

    A model of the suite is built by its name. A name with a dot is never imported from the file: pass its `build`.
    Raises ValueError, one sentence, for a folder that is not such a checkpoint, or whose parts do not fit together.
    """
    told = _description(folder / "network.json")
    state = _unpacked(folder / ("best.safetensors" if best else "weights.safetensors"))
    classifier = Classifier(
        _network(folder, told, build), input_shape=told["input_shape"], class_names=told["class_names"],
        mean=told["mean"], std=told["std"], alphabet=told.get("alphabet", ""))
    expected = classifier.state_dict()
    for name in sorted({*expected, *state}):
        found, wanted = (f"{v.dtype} {list(v.shape)}".removeprefix("torch.") if (v := tensors.get(name)) is not None
                         else "nothing" for tensors in (state, expected))
        if found != wanted:
            raise ValueError(f"{folder}: the weights do not fit the network: by network.json {name} is {wanted}, "
                             f"in the file {found}")
    for name in {"mean", "std"} & set(expected):
        if not expected[name].equal(state[name]):
            raise ValueError(f"{folder}: {name} is {told[name]} in network.json, but "
                             f"{state[name].tolist()} in the weights")
    classifier.load_state_dict(state)
    return classifier.eval()


def _network(folder: Path, told: Mapping[str, Any], build: Callable[..., nn.Module] | None) -> nn.Module:
    name, arguments = told["architecture"]["name"], told["architecture"]["arguments"]
    if build is None and "." in name:
        raise ValueError(f"{folder} holds {name}, which is not a model of the suite and is never imported from a file: "
                         "pass its function as build=")
    runtime = {"n_classes": told["n_classes"], "input_shape": tuple(told["input_shape"]),
               "alphabet": told.get("alphabet", "")}
    if build is None:
        build, arguments = family.bind("models", {**arguments, "name": name}).call, {}
    elif "alphabet" not in signature(build).parameters:
        del runtime["alphabet"]
    with seeded(0, "checkpoint"):  # the initial weights are overwritten: only the global generator must not move
        try:
            return build(**runtime, **arguments)
        except TypeError as error:
            raise ValueError(f"{folder}: {name} cannot be built from network.json: {error}") from None


def _description(path: Path) -> dict[str, Any]:
    """network.json with its fields checked."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path.parent} is not a checkpoint: it has no network.json") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise ValueError(f'{path} does not describe a checkpoint: expected "format": "{FORMAT}"')
    if told.get("version") != VERSION:
        raise ValueError(f"{path} has version {told.get('version')} of {FORMAT}; this convscope reads {VERSION}")
    if missing := sorted(_KEYS - set(told)):
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    architecture, names, shape = told["architecture"], told["class_names"], told["input_shape"]
    checks = {
        "architecture": isinstance(architecture, dict) and isinstance(architecture.get("name"), str)
        and isinstance(architecture.get("arguments"), dict),
        "input_shape": isinstance(shape, list) and shape and all(type(size) is int and size > 0 for size in shape),
        "class_names": isinstance(names, list) and names and all(isinstance(name, str) for name in names),
        "n_classes": isinstance(names, list) and told["n_classes"] == len(names),
        "alphabet": isinstance(told.get("alphabet", ""), str),
        **{k: told[k] is None or (isinstance(told[k], list) and all(type(v) in (int, float) for v in told[k]))
           for k in ("mean", "std")},
    }
    for key, right in checks.items():
        if not right:
            raise ValueError(f"{path}: {key} cannot be {told.get(key)!r}")
    return told


def _packed(state: Mapping[str, Tensor]) -> bytes:
    # clone: safetensors refuses tensors that share memory (tied weights)
    return safetensors.torch.save({k: v.detach().cpu().contiguous().clone() for k, v in state.items()})


def _unpacked(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(path.read_bytes())
    except FileNotFoundError:
        raise ValueError(f"{path.parent} has no {path.name}") from None
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} cannot be read as safetensors: {error}") from None
