"""What a parameter may be: a yaml's value, checked against the annotation that the parameter has in its source.

    Count, Fraction, ...              a number in a range; one of your own: Ratio = Annotated[float, "at least 1"]
    Literal["a", "b"], X | None       one of these
    list[Count], list[Literal[...]]   at least one, each named once;  set[X]: also none;  tuple[X, ...]: also twice
    dict[Literal["a", "b"], X]        a mapping with these keys
    Annotated[Bound, "attribution"]   a method of that family with its settings: {name: smoothgrad, n_samples: 9}
    dict[str, Annotated[Bound, ...]]  several by their names: {gradient: null, smoothgrad: {n_samples: 9}}, or by names
                                      that the config gives them: {mine: {name: my_lab.attribution.mine}}; a list of
                                      names is all at their defaults. A preset that builds on another chooses among
                                      its methods by {only: [gradient, mine]}, or leaves one out by {gradient: false}

A name that the module itself assigns to such an annotation stands for it; what is not listed the function checks.
"""

import ast
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

NonNegative = Annotated[float, "at least 0"]
Positive = Annotated[float, "above 0"]
Fraction = Annotated[float, "between 0 and 1"]
Count = Annotated[int, "at least 1"]
Whole = Annotated[int, "at least 0"]

LARGEST = 2**63 - 1  # beyond it, no table or generator holds a whole number
SHOWN = 120  # characters of a wrong value that a message shows

BASES = {"float": "a number", "int": "a whole number", "bool": "true or false", "str": "a text", "list": "a list",
         "tuple": "a list", "dict": "a mapping", "None": "null"}
TYPES: dict[str, tuple[type, ...]] = {
    "float": (int, float), "int": (int,), "bool": (bool,), "str": (str,), "list": (list, tuple),
    "tuple": (list, tuple), "dict": (Mapping,)}  # pyright: ignore[reportAssignmentType]
LIMITS: Mapping[str, Callable[[float, float], bool]] = {
    "at least": lambda v, limit: v >= limit, "above": lambda v, limit: v > limit,
    "at most": lambda v, limit: v <= limit, "below": lambda v, limit: v < limit}


class ConfigError(ValueError):
    """A config that cannot be run; the message is one sentence for the user."""


class _Unfit(Exception):  # noqa: N818  (a finding, which becomes a ConfigError or gives way to an alternative)
    """What was expected, in words; `at` is the place inside the value, `got` what stands there."""

    def __init__(self, expected: str, got: Any, at: str = "") -> None:
        super().__init__(expected)
        self.expected, self.got, self.at = expected, got, at


@dataclass(frozen=True)
class Checker:
    """Checks values by annotations; `aliases` are names that stand for others, `bind(family, given)` binds a part."""

    aliases: Mapping[str, ast.expr]
    bind: Callable[[str, Mapping[str, Any]], Any]

    def value(self, name: str, annotation: str, value: Any) -> Any:
        """The value in its declared type, lists as tuples; raises ConfigError where it does not fit."""
        if not annotation:
            return value
        try:
            return self._fit(ast.parse(annotation, mode="eval").body, value)
        except _Unfit as wrong:
            raise ConfigError(f"{name}{wrong.at} must be {wrong.expected}, got {shown(wrong.got)}") from None

    def _fit(self, node: ast.expr, value: Any) -> Any:
        options = _options(node)
        unfit: list[_Unfit] = []
        for option in options:
            try:
                return self._one(option, value)
            except _Unfit as wrong:
                unfit.append(wrong)
        inner = next((wrong for wrong in unfit if wrong.at), None)
        raise inner or _Unfit(" or ".join(dict.fromkeys(wrong.expected for wrong in unfit)), value)

    def _one(self, node: ast.expr, value: Any) -> Any:
        if isinstance(node, ast.Constant) and node.value is None:
            return _base("None", value)
        if isinstance(node, ast.Name):
            return self._fit(self.aliases[node.id], value) if node.id in self.aliases else _base(node.id, value)
        if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
            return value
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        rules = {"Literal": self._literal, "Annotated": self._annotated, "list": self._list, "set": self._set,
                 "tuple": self._tuple, "dict": self._dict}
        return rules[node.value.id](parts, value) if node.value.id in rules else value

    def _literal(self, parts: list[ast.expr], value: Any) -> Any:
        choices = [ast.literal_eval(part) for part in parts]
        if value not in choices or isinstance(value, bool) != any(value is choice for choice in (True, False)):
            raise _Unfit(f"one of {', '.join(map(str, choices))}", value)
        return value

    def _annotated(self, parts: list[ast.expr], value: Any) -> Any:
        base, said = ast.unparse(parts[0]), str(ast.literal_eval(parts[1]))
        if base == "Bound":
            if not isinstance(value, Mapping):
                raise _Unfit(f"a mapping with the name of a method of {said}", value)
            return self.bind(said, value)
        try:
            found = _base(base, value)
        except _Unfit as wrong:
            raise _Unfit(_ranged(wrong.expected, said), value) from None
        if not _within(found, said):
            raise _Unfit(_ranged(BASES[base], said), value)
        return found

    def _list(self, parts: list[ast.expr], value: Any) -> Any:
        if not (found := self._set(parts, value)):
            raise _Unfit(self._each(parts[0]), value)
        return found

    def _set(self, parts: list[ast.expr], value: Any) -> Any:
        found = self._tuple(parts, value)
        twice = [one for k, one in enumerate(found) if one in found[:k]]
        if twice:
            raise _Unfit(f"a list that names each thing once ({twice[0]} stands there twice)", value)
        return found

    def _tuple(self, parts: list[ast.expr], value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise _Unfit(self._each(parts[0]), value)
        try:
            return tuple(self._fit(parts[0], one) for one in value)
        except _Unfit:
            raise _Unfit(self._each(parts[0]), value) from None

    def _dict(self, parts: list[ast.expr], value: Any) -> Any:
        family = self._family(parts[1])
        wanted = f"a mapping of names of {family} to their settings" if family else "a mapping"
        if family is not None:
            value = self._chosen(value)
        if not isinstance(value, Mapping):
            raise _Unfit(wanted, value)
        if family is not None:
            if not value or not all(given is None or isinstance(given, Mapping) for given in value.values()):
                raise _Unfit(wanted, value)
            return {name: self.bind(family, {"name": name, **(given or {})}) for name, given in value.items()}
        found = {}
        for key, given in value.items():
            try:
                fitting = self._fit(parts[0], key)
                found[fitting] = self._fit(parts[1], given)
            except _Unfit as wrong:
                raise _Unfit(wrong.expected, wrong.got, f".{key}{wrong.at}") from None
        return found

    def _chosen(self, value: Any) -> Any:
        """A mapping of methods without `only` and without those that it or `false` leaves out; a list is a mapping."""
        if isinstance(value, (list, tuple)):
            return dict.fromkeys(self._names(value))
        if not isinstance(value, Mapping):
            return value
        kept = {name: given for name, given in value.items() if name != "only" and given is not False}
        if "only" not in value:
            return kept
        try:
            wanted = self._names(value["only"])
        except _Unfit as wrong:
            raise _Unfit(wrong.expected, wrong.got, ".only") from None
        return {name: given for name, given in kept.items() if name in wanted} | {
            name: None for name in wanted if name not in kept}

    def _names(self, value: Any) -> list[str]:
        return self._fit(ast.parse("list[str]", mode="eval").body, value)

    def _family(self, node: ast.expr) -> str | None:
        """The family whose methods a mapping's values are."""
        node = self.aliases.get(node.id, node) if isinstance(node, ast.Name) else node
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple):
            base, said = node.slice.elts[:2]
            return ast.literal_eval(said) if ast.unparse(base) == "Bound" else None
        return None

    def _each(self, node: ast.expr) -> str:
        """In words, what each entry of a list must be."""
        try:
            self._fit(node, _Unfit)  # no value fits: what it says is what it wants
        except _Unfit as wrong:
            words = re.sub(r"\b(number|text|mapping)\b", r"\1s", wrong.expected.removeprefix("a "), count=1)
            return f"a list of {words.replace('one of', 'some of')}"
        return "a list"


def shown(value: Any) -> str:
    """A wrong value as a message shows it: as Python writes it, cut off where it is long."""
    try:
        text = repr(value)
    except ValueError:  # of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def aliases(tree: ast.Module) -> dict[str, ast.expr]:
    """The module's own names for annotations: `Ratio = Annotated[float, "at least 1"]`, `Way = Literal["a", "b"]`."""
    return {node.targets[0].id: node.value for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Subscript) and isinstance(node.value.value, ast.Name)
            and node.value.value.id in ("Annotated", "Literal", "list", "set", "tuple", "dict")}


def _options(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_options(node.left), *_options(node.right)]
    return [node]


def _base(name: str, value: Any) -> Any:
    """The value of a plain type; one that is not known here is the function's own to check."""
    if name not in BASES:
        return value
    if name == "None":
        if value is not None:
            raise _Unfit(BASES[name], value)
        return None
    fits = isinstance(value, TYPES[name]) and isinstance(value, bool) == (name == "bool")
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        raise _Unfit(BASES[name], value)
    if isinstance(value, int) and abs(value) > (sys.float_info.max if name == "float" else LARGEST):
        raise _Unfit(f"{BASES[name]} of at most 18 digits", value)
    return float(value) if name == "float" else tuple(value) if isinstance(value, list) else value


def _within(value: float, said: str) -> bool:
    """Whether a number is in a range that is said in words."""
    if both := re.fullmatch(r"between (\S+) and (\S+)", said):
        return float(both[1]) <= value <= float(both[2])
    found = re.findall(r"(at least|above|at most|below) ([-+.\de]+)", said)
    if not found:
        raise ValueError(f"a range is such as 'at least 0' or 'above 0 and at most 1', got {said!r}")
    return all(LIMITS[word](value, float(limit)) for word, limit in found)


def _ranged(base: str, said: str) -> str:
    return f"{base}, {said}" if said.startswith("at least") else f"{base} {said}"
