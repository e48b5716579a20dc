"""Hydra's side of every experiment: a command becomes a sweep of checked cells, planned or run, then reported."""

import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import ending
import hydra
import own_modules
import typed
from hydra.errors import HydraException, OverrideParseException
from hydra_plugins import cell_sweeper
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from convscope import planning, provenance, sweep
from convscope.runs import reason

ending.leave_with_the_sweep()  # a job's process imports this before it does anything
CONFIGS = Path(__file__).parents[1] / "configs"
ALWAYS = ["hydra.mode=MULTIRUN", "hydra/sweeper=cells", "hydra/job_logging=none", "hydra/hydra_logging=none",
          "hydra.output_subdir=null", "hydra.sweep.dir=${env.runs}/.sweep", "hydra.sweep.subdir=."]


def launch(preset: str | None) -> None:
    """Runs the sweep that `preset` and the command line describe; exits with 0, or 1 and 2 after one clear sentence.

    Without `preset` the command line has to name one.
    """
    os.environ["CONVSCOPE_COMMAND"] = provenance.command_line()
    ending.listen()
    options, overrides = typed.split(sys.argv[1:])
    sys.argv[1:] = [*options, *(typed.for_hydra(one, overrides) for one in overrides), *ALWAYS]
    own_modules.importable()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach us, and become one sentence below
    debug = "env.debug=true" in sys.argv
    if preset is None and not any(re.match("(--config-name|-cn)(=|$)", a) for a in sys.argv):
        _stop(f"which preset? --config-name <preset>; there are {_presets()}", 2)
    try:
        hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name=preset)(run_cell)()
        if cell_sweeper.swept:
            sys.exit(_finish(overrides))
    except KeyboardInterrupt:
        ending.end_what_was_started()
        cells, (word, code) = cell_sweeper.swept, ending.how()
        done = sum(cell.run.state() == "done" for cell in cells)
        _stop(f"{word}: {done} of {len(cells)} cells are done; the same command goes on from here", code)
    except (HydraException, OmegaConfBaseException, ValueError, OSError) as error:
        if debug:
            traceback.print_exc()
        sentence = _sentence(error)
        _stop(sentence + typed.hint(sentence, overrides), 2)
    except Exception as error:  # not one of ours: it keeps its type, and env.debug=true shows where it comes from
        if debug:
            traceback.print_exc()
        _stop(reason(error) + ("" if isinstance(error, MemoryError) else " (env.debug=true shows where)"), 1)


def run_cell(config: DictConfig) -> None:
    """One Hydra job, in whatever process the launcher gives it."""
    sweep.run_cell(cell_sweeper.plain(config))


def _finish(overrides: Sequence[str]) -> int:
    env = cell_sweeper.swept[0].cfg["env"]
    folder = Path(env["results"]) / typed.report_name(env["preset"], overrides)
    if env["plan"]:
        print(planning.plan(cell_sweeper.swept, CONFIGS.parent / "results" / env["preset"]))
        return 0
    text, code = sweep.report(cell_sweeper.swept, folder)
    print(text)
    return code


def _sentence(error: Exception) -> str:
    """One sentence of an error; Hydra's own, which span lines, are folded and told what there is instead."""
    text = str(error)
    if match := re.search(r"Could not find '([^']+)/([^']+)'\n\nAvailable options in '[^']+':\n(.*)", text, re.S):
        return f"no {match[1]} {match[2]}; there are {', '.join(match[3].split('Config search path')[0].split())}"
    if match := re.search(r"Cannot find primary config '([^']+)'", text):
        return f"no preset {match[1]}; there are {_presets()}"
    if match := re.search(r"Error merging override \+*([\w.]+)=\[", text):
        return (f"{match[1]} is a mapping, and a list was given; where it holds methods, {match[1]}.only=[...] chooses "
                "among them")
    if match := re.search(r"Could not delete from config. '([^']+)' does not exist", text):
        return f"no {match[1]} that could be left out; where it is a method, {match[1]}=false leaves it out"
    if match := re.search(r"Cannot merge DictConfig with ListConfig", text):
        return ("a preset gives a list for what is a mapping in the one that it builds on; methods are chosen by "
                "{only: [...]}: " + " ".join(text.partition(":")[0].split()))
    if match := re.search(r"Could not override '([^']+)'", text):
        return f"no setting {match[1]} in this preset; see all of them with --cfg job"
    if match := re.search(r"Missing mandatory value: .*full_key: (\S+)", text, re.S):
        return f"{match[1]} must be given: {match[1]}=..."
    if isinstance(error, OverrideParseException):
        return _unreadable(str(error.override).lstrip("+"))
    return " ".join(text.split())


def _unreadable(override: str) -> str:
    key, equals, value = override.partition("=")
    quoted = f"""; other characters want quotes within quotes: '{key}="{value}"'""" if key and equals else ""
    return f"cannot read {override}: an override is key=value, and key=a,b for several values{quoted}"


def _presets() -> str:
    folders = filter(None, (CONFIGS, own_modules.config_dir()))
    return ", ".join(sorted({file.stem for folder in folders for file in folder.glob("*.yaml")}))


def _stop(text: str, code: int) -> None:
    sweep.say(f"convscope: {text}")
    sys.exit(code)
