"""Hydra's sweeper for cells: a plugin, which Hydra wants in a folder of this name."""

import os
import re
from pathlib import Path
from typing import Any

import ending
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig, OmegaConf

from convscope import heartbeat, naming, rehearsal, sweep
from convscope.family import whole
from convscope.runs import reason

swept: list[sweep.Cell] = []


class CellSweeper(BasicSweeper):
    """Checks every cell of the sweep before the first one runs, then launches those that are not done."""

    def sweep(self, arguments: list[str]) -> None:
        assert self.hydra_context and self.launcher and self.config
        loader = self.hydra_context.config_loader
        overrides = OverridesParser.create(config_loader=loader).parse_overrides([*self._parse_config(), *arguments])
        for one in overrides:
            if one.is_sweep_override() and not any(True for _ in one.sweep_string_iterator()):
                raise ValueError(f"{str(one.input_line).lstrip('+')} names nothing to sweep over")
        jobs = [job for batch in self.split_arguments(overrides, None) for job in batch]
        if not jobs:
            raise ValueError("no cell is named: a list or a range of the command or the preset is empty")
        if self.max_batch_size is not None:
            whole("hydra.sweeper.max_batch_size", self.max_batch_size, least=1)
        # Hydra takes .1 s to compose a job: those with a choice that no earlier one has go first, so that a wrong
        # choice is refused at once, however large the sweep.
        seen: set[str] = set()
        new = []
        for job in jobs:
            new.append(not seen.issuperset(job))
            seen.update(job)
        silent = any(re.fullmatch(r"\+*env\.progress=false", one, re.I) for one in jobs[0])
        with heartbeat.beating(f"checking {len(jobs)} cells and their data", shown=not silent):
            checked = {i: sweep.check(plain(loader.load_sweep_config(self.config, jobs[i])))
                       for i in sorted(range(len(jobs)), key=lambda i: not new[i])}
        cells: dict[str, tuple[list[str], sweep.Cell]] = {}  # two jobs that come down to one run are one cell
        for i, job in enumerate(jobs):
            cells.setdefault(checked[i].run.id, (job, checked[i]))
        swept.extend(naming.told_apart([cell for _, cell in cells.values()]))
        missing = [[*job, *_called(cell)] for (job, _), cell in zip(cells.values(), swept, strict=True)
                   if cell.run.state() != "done" or not cell.mirrored]
        if swept[0].cfg["env"]["plan"] or not missing:
            return
        if "Slurm" not in str(self.config.hydra.launcher.get("_target_")):  # its nodes may have what this one lacks
            sweep.check_device(swept)
        for told in rehearsal.rehearse(cell for cell in swept if cell.run.state() != "done"):
            sweep.say(told)
        sweep.say(f"{len(cells)} cells, {len(cells) - len(missing)} done, {len(missing)} to run")
        Path(self.config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        # Progress bars of several processes on one terminal would overwrite each other.
        alone = self.config.hydra.runtime.choices["hydra/launcher"] == "basic"
        quiet = [] if alone or swept[0].cfg["env"]["progress"] != "auto" else ["env.progress=false"]
        numbered = [[*job, f"env.cell='[{i}/{len(missing)}]'", *quiet]
                    for i, job in enumerate(missing, 1)]
        if hasattr(self.launcher, "joblib"):  # its workers ask for the sweep from their start on
            self.launcher.joblib["initializer"] = ending.leave_with_the_sweep  # pyright: ignore[reportAttributeAccessIssue]
        for first, batch in enumerate(self.split_overrides_to_chunks(numbered, self.max_batch_size)):
            try:
                with heartbeat.beating(lambda: f"{_ended(swept)} of {len(swept)} cells have ended", shown=bool(quiet),
                                       elsewhere=lambda: _ended(swept)):
                    self.launcher.launch(batch, initial_job_idx=first * (self.max_batch_size or 0))
            except Exception as error:  # a worker was killed, say: what is done is reported, the rest is named
                sweep.say(f"the launcher stopped: {reason(error)[:200]}")


ConfigStore.instance().store(group="hydra/sweeper", name="cells", provider="convscope", node={
    "_target_": "hydra_plugins.cell_sweeper.CellSweeper", "max_batch_size": None, "params": None})


def _ended(cells: list[sweep.Cell]) -> int:
    return sum(any((cell.run.folder / name).is_file() for name in ("DONE", "FAILED")) for cell in cells)


def _called(cell: sweep.Cell) -> list[str]:
    """The override by which a job knows the data's label of this sweep."""
    label = cell.env.get("called")
    return [f"env.called={QuotedString(label, Quote.double).with_quotes()}"] if label else []


def plain(config: DictConfig) -> dict[str, Any]:
    """A composed config without Hydra in it, with the preset's name under env."""
    name = config.hydra.job.config_name if "hydra" in config else HydraConfig.get().job.config_name
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    found: Any = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    found["env"]["preset"] = name
    for key in ("runs", "results"):
        if isinstance(found["env"].get(key), str):
            found["env"][key] = os.path.expanduser(found["env"][key])  # noqa: PTH111 (a Path would change its text)
    return found


