"""Cells of a study, run in a store that the tests of one file share."""

from collections.abc import Callable
from typing import Any

import pytest

from convscope import sweep
from convscope.runs import Run


@pytest.fixture(scope="module")
def cell(request, compose, tmp_path_factory) -> Callable[..., tuple[Run, dict[str, Any]]]:
    """The done run of a cell and its config: of the test file's PRESET, with the overrides that it always has GIVEN."""
    shared, given = tmp_path_factory.mktemp("store"), getattr(request.module, "GIVEN", ())

    def made(*overrides: str, preset: str = request.module.PRESET) -> tuple[Run, dict[str, Any]]:
        cfg = compose(*given, *overrides, preset=preset, runs=shared)
        sweep.run_cell(cfg)
        run = sweep.check(cfg).run
        assert run.state() == "done", run.failure()
        return run, cfg

    return made
