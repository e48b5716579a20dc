"""The authors' forecaster with weights that someone else trained in Keras."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope import npz
from convscope.data.series import Series
from convscope.family import ConfigError
from convscope.training.forecast import ForecastRecipe
from convscope.training.pretrained import digest


@dataclass(frozen=True)
class Given(ForecastRecipe):
    """A forecast whose network is read from `weights`, a file of `np.savez(file, *model.get_weights())`."""

    weights: str = ""

    @property
    def title(self) -> str:
        return super().title.replace(" | seed ", " | given weights | seed ")

    def identity(self, series: Series) -> dict[str, Any]:
        """That of the forecast, with the weights' digest for how it is trained."""
        told = super().identity(series)
        return {**{key: value for key, value in told.items() if key != "fit"}, "seed": self.seed,
                "weights": digest(self._file())}

    def network(self, series: Series) -> Any:
        """The network in eval mode; raises ValueError for another file."""
        from convscope.models.traffic_cnn import from_keras

        try:
            saved = npz.read(self._file())
            listed = [saved[f"arr_{k}"] for k in range(len(saved))]
        except (ValueError, KeyError) as error:
            raise ValueError(f"weights: {self.weights} is not what np.savez(file, *model.get_weights()) writes "
                             f"({error if isinstance(error, ValueError) else f'it has no {error}'})") from None
        return from_keras(listed).eval()

    def _file(self) -> Path:
        file = Path(self.weights).expanduser()
        if not file.is_file():
            raise ConfigError("weights: expected an npz file of Keras's model.get_weights(), found none at "
                              f"{self.weights}")
        return file
