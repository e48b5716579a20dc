"""What was typed, as Hydra takes it: a path as it is, whatever its characters, and no option's value as an override."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.override_parser.types import Quote, QuotedString

from convscope.data.roots import search_roots

VALUED = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--package", "-p")
FOLDERS = ("env.runs", "env.results", "env.cache_root", "env.data_root")  # never swept, and there need be none yet
PATHS = ("data.path", "weights")
# A method's parameter may be set whether or not its yaml lists it: family.bind checks it with the better message.
METHOD = r"^(?!(?:hydra|env|logger)\.)(\w+\.)"
SWEPT = ("model", "signal", "seed", "env.", "env=", "logger", "hydra")  # overrides that keep a report in its folder
PLAIN = r"[\w./:%@?|-]+"  # values that Hydra reads without quotes, if they are ASCII
LONGEST = 48  # characters of a report folder's name


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """(options, overrides) of a command line, an option with its value: argparse takes no override between two."""
    options, overrides, rest = [], [], iter(arguments)
    for one in rest:
        if one in VALUED:
            value = next(rest, None)
            one = one if value is None else f"{one}={value}"
        option, equals, value = one.partition("=")
        if option in VALUED[:4]:
            options.append(option + equals + os.path.expanduser(value))  # noqa: PTH111 (a Path loses what it is not)
        elif one.startswith("~") or ("=" in one and not one.startswith("-")):
            overrides.append(one)
        else:
            options.append(one)
    return options, overrides


def for_hydra(override: str, others: Sequence[str]) -> str:
    """An override with its paths quoted, and its parameters of methods set whether or not a yaml lists them."""
    if left_out := re.fullmatch(r"~(methods\.[\w.]+)", override):  # Hydra takes none away whose settings are null
        return f"++{left_out[1]}=false"
    sign, key, value = re.fullmatch(r"([+~]*)([^=]*)=?(.*)", override, re.S).groups()  # pyright: ignore[reportOptionalMemberAccess]
    if key in FOLDERS and value not in ("", "null") and not _quoted(value):
        override = f"{sign}{key}={_quote(os.path.expanduser(_no_user(value)))}"  # noqa: PTH111
    elif key in PATHS or _odd_path(value):
        override = f"{sign}{key}={','.join(_paths(value, _roots(others)))}"
    return re.sub(METHOD, r"++\1", override)


def hint(message: str, overrides: Sequence[str]) -> str:
    """What to add to an error about a path: how one with a comma is written, or that it is a folder."""
    for one in overrides:
        key, _, value = one.lstrip("+").partition("=")
        parts = list(_pieces(value, _roots(overrides)))
        if key not in PATHS or not re.search(r"not found|found none|no file", message):
            continue
        if len(parts) > 1 and any(part in message for part in parts):
            return f"""; a comma separates two values: one path that holds it is written '{key}="{value}"'"""
        if value in message and Path(os.path.expanduser(value)).is_dir():  # noqa: PTH111
            return f'; "{value}" is a folder: does {key} want a file in it?'
    return ""


def report_name(preset: str, overrides: Sequence[str]) -> str:
    """The preset's name, and what the command line changed in it beyond choosing cells; short, and a file's name.

    A changed setting is told by the last part of its key. Where that does not tell all, a digest follows.
    """
    plain = [one.lstrip("+") for one in overrides]
    changed = sorted(one for one in plain if not one.lstrip("~").startswith(SWEPT)
                     or re.match(r"~*(model|signal)\.", one))
    whole = ",".join([preset, *changed])
    told = ",".join([preset, *(re.sub(r"^(?:[^=]*[.@/])?([^=]*=)", r"\1", one) for one in changed)])
    name = re.sub(r"[^\w.,=-]+", "-", told)
    shorter = name[:LONGEST - 7].rpartition(",")[0] if len(name) > LONGEST - 7 else name
    if name == whole and len(name) <= LONGEST and not any("," in one for one in changed):
        return name
    if "," not in shorter:
        shorter = name[:LONGEST - 7].rstrip(",-=")
    return f"{shorter},{hashlib.sha256(whole.encode()).hexdigest()[:6]}"


def _paths(value: str, roots: Sequence[Path]) -> Iterator[str]:
    """The values of a path's key, quoted; what Hydra knows (null, a choice, quotes) as it is."""
    there = _there(value, roots)
    if not there and (value in ("", "null", "???") or _quoted(value) or re.fullmatch(
            r"(choice|sort|shuffle)\(.*\)", value)):
        yield value
        return
    for piece in _pieces(value, roots):
        yield piece if _quoted(piece) and not _there(piece, roots) else _quote(piece, as_is=_there(piece, roots))


def _pieces(value: str, roots: Sequence[Path]) -> Iterator[str]:
    """The paths that commas separate; of pieces that together name what is there, the longest one path."""
    parts = value.split(",")
    while parts:
        n = next((n for n in range(len(parts), 1, -1) if _there(",".join(parts[:n]), roots)), 1)
        piece = ",".join(parts[:n])
        yield piece if _there(piece, roots) else piece.strip()
        parts = parts[n:]


def _odd_path(value: str) -> bool:
    """Whether a value of any key names a file or folder that Hydra would not read without quotes."""
    if not value or re.fullmatch(PLAIN, value, re.ASCII) or _quoted(value):
        return False
    return bool({"/", "."} & set(value)) and _there(value, [])


def _there(path: str, roots: Sequence[Path]) -> bool:
    try:
        home = os.path.expanduser(path)  # noqa: PTH111 (that of a Path raises where there is no such user)
        return bool(path) and any(Path(one).exists() for one in (path, home, *(root / path for root in roots)))
    except (OSError, ValueError):  # too long for a name, a null byte
        return False


def _no_user(path: str) -> str:
    """A path that begins with ~ and means no home folder, so that nobody takes it for one."""
    if path.startswith("~") and (Path(path).exists() or os.path.expanduser(path) == path):  # noqa: PTH111
        return str(Path.cwd() / path)
    return path


def _roots(overrides: Sequence[str]) -> list[Path]:
    return search_roots(next((one.partition("=")[2] for one in overrides if one.startswith("env.data_root=")), None))


def _quoted(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] and value[0] in "'\""


def _quote(value: str, *, as_is: bool = False) -> str:
    """In Hydra's quotes; `as_is` a ${ is no interpolation."""
    value = _no_user(value)
    if as_is:
        value = re.sub(r"(\\*)\$\{", lambda match: 2 * match[1] + r"\${", value)
    return QuotedString(value, Quote.double).with_quotes()
