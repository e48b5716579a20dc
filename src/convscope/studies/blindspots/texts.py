"""Which characters a ConvNet looks at: sheets of a few texts, without and with the signal, from a report's arrays."""

from collections.abc import Mapping

import numpy as np

from convscope.reporting.texts import TextPanel
from convscope.studies.blindspots.labels import rank

COLUMNS = ("without the signal", "with the signal")
PARTS = ("carrier", "encoded")
Sheet = tuple[str, list[list[TextPanel]]]


def text_sheets(arrays: Mapping[str, np.ndarray], *, examples: int | None = None) -> dict[str, Sheet]:
    """Title and rows of panels for every data set and model in `arrays`, by the sheet's name.

    One row per signal, in the paper's order, and text: of each signal the first `examples` texts, or all.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for key in arrays:
        place, _, rest = key.rpartition("characters/")
        if rest.endswith("/label"):
            data, model, signal, _ = rest.split("/")
            found.setdefault((place, data, model), []).append(signal)
    sheets: dict[str, Sheet] = {}
    for (place, data, model), shown in sorted(found.items()):
        others = [other for other in found if other[0] == place]
        name = "_".join(["characters", *([data] if len({o[1] for o in others}) > 1 else []),
                         *([model] if len({o[2] for o in others if o[1] == data}) > 1 else [])])
        rows = []
        for signal in sorted(shown, key=rank):
            base = f"{place}characters/{data}/{model}/{signal}/"
            count = len(arrays[base + "label"])
            rows += [_row(arrays, base, signal, i) for i in range(min(count, examples or count))]
        title = f"Which characters speak for the predicted class? {model} on {data}"
        sheets[place + name.replace(" ", "-")] = (title, rows)
    return sheets


def _row(arrays: Mapping[str, np.ndarray], base: str, signal: str, i: int) -> list[TextPanel]:
    texts = {part: str(arrays[f"{base}{part}_text"][i]) for part in PARTS}
    written = np.flatnonzero([a != b for a, b in zip(*texts.values(), strict=True)]).tolist()
    panels = []
    for part, text in texts.items():
        if part == "encoded" and signal == "clean":
            continue
        pred, prob = arrays[f"{base}{part}_pred"][i], arrays[f"{base}{part}_prob"][i]
        heat = arrays[f"{base}{part}_heat"][i]
        panels.append(TextPanel(
            title=signal, text=text, heat=heat, marked=written if part == "encoded" else [],
            caption=f"label {arrays[base + 'label'][i]}, predicted {pred} with {prob:.0%}; "
                    f"the strongest character moves its score by {np.abs(heat).max():.2g}"))
    return panels
