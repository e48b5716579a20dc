"""torchvision's networks with their weights for ImageNet, read from the user's disk; nothing is downloaded."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convscope.models.classifier import Classifier

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of torchvision's own transforms
AUTO = "auto"


def find(arch: str, weights: str) -> Path:
    """The file of a network's weights: `weights` itself, or by "auto" torchvision's default one in its own cache.

    Raises FileNotFoundError, one sentence, where there is none.
    """
    if weights != AUTO:
        file = Path(weights).expanduser()
        if not file.is_file():
            raise FileNotFoundError(f"weights: expected a file of torch.save'd weights, found none at {weights}; give "
                                    "its path, or auto for torchvision's cache")
        return file
    import torch
    from torchvision import models

    url = models.get_model_weights(arch).DEFAULT.url  # pyright: ignore[reportAttributeAccessIssue]
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    if not file.is_file():
        raise FileNotFoundError(f"weights=auto: torchvision's cache {file.parent} lacks {file.name}; fetch {url} into "
                                "it, or set weights to a file of your own")
    return file


@lru_cache(maxsize=4)
def digest(file: Path) -> str:
    """sha256 of the file: what names the weights in a run's identity."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def classifier(arch: str, file: Path, *, input_shape: Sequence[int]) -> "Classifier":
    """torchvision's network in eval mode with these weights, for pixels in [0, 1]; class names are ImageNet's.

    The file is read as tensors alone, without unpickling objects. Raises ValueError where it does not fit the network.
    """
    import torch
    from torchvision import models

    from convscope.models import imagenet
    from convscope.models.classifier import Classifier

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception:  # a damaged file fails in as many ways as it can be damaged
        raise ValueError(f"weights: {file.name} is no file of tensors as torch.save(model.state_dict(), ...) writes "
                         "it; give another") from None
    names = models.get_model_weights(arch).DEFAULT.meta["categories"]  # pyright: ignore[reportAttributeAccessIssue]
    network = imagenet.build(n_classes=len(names), input_shape=tuple(input_shape), arch=arch)  # pyright: ignore[reportArgumentType]
    # torchvision's file of GoogLeNet has the auxiliary classifiers, which are not used for a prediction.
    state = {key: value for key, value in state.items() if not key.startswith("aux")}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        said = str(error).splitlines()[1].strip() if len(str(error).splitlines()) > 1 else str(error)
        raise ValueError(f"weights: {file.name} does not fit {arch}: {said}") from None
    return Classifier(network, input_shape=input_shape, class_names=names, mean=MEAN, std=STD).eval()
