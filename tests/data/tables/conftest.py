"""A table is written as text and loaded as a user would."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convscope.data.dataset import Dataset
from convscope.family import bind


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Dataset]:
    """load(text or bytes, **settings); or load({"train": ..., "test": ...}, **settings) of a folder."""
    def written(content: str | bytes | dict[str, str], name: str = "mine.csv", **settings: Any) -> Dataset:
        place = tmp_path / name
        if isinstance(content, dict):
            place = tmp_path / "mine"
            place.mkdir(exist_ok=True)
            for split, text in content.items():
                (place / f"{split}.csv").write_text(text, encoding="utf-8")
        else:
            place.write_bytes(content if isinstance(content, bytes) else content.encode())
        return bind("data", {"name": "table", "path": str(place), **settings}).call(
            roots=[tmp_path], cache=tmp_path / "cache", download=False)

    return written
