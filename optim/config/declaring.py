"""Declare an option once, as a field of a dataclass. Parser, help, defaults and checks are made from it.

Type and default are those of the field. Everything else stands in its ``Option``. Knows no particular option.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from optim.common.errors import InputError


@dataclass(frozen=True)
class Check:
    """Condition that the value of an option must satisfy."""

    holds: Callable[[Any], bool]
    told: str
    """Unit and range for the message. It follows the flag and the value."""


def positive(unit: str = "") -> Check:
    """Check for a finite number above 0. ``unit`` is put in front of the range in the message."""
    return Check(lambda value: math.isfinite(value) and value > 0, f"{unit}more than 0")


def up_to(most: float) -> Check:
    """Check for a number from 1 to ``most``."""
    return Check(lambda value: 1 <= value <= most, f"from 1 to {most:,}")


def not_negative(unit: str = "") -> Check:
    """Check for a finite number of 0 or more. ``unit`` is put in front of the range in the message."""
    return Check(lambda value: math.isfinite(value) and value >= 0, f"{unit}0 or more")


@dataclass(frozen=True)
class Option:
    """Properties of an option besides the name, type and default of its field."""

    help: str | Callable[[], str]
    """Help text without the default, which is added to it. A function if the text takes time to compute."""
    group: str = ""
    """Heading in ``--help``."""
    flag: str = ""
    """Spelling of the flag. If it is empty, it is made from the name of the field: ``num_iters`` → ``--num-iters``."""
    aliases: tuple[str, ...] = ()
    """Other accepted spellings of the flag."""
    metavar: str | tuple[str, ...] | None = None
    """Placeholder for the value in ``--help``."""
    choices: Callable[[], Sequence[str]] | None = None
    """Function that gives the accepted values. None accepts any value of the type."""
    otherwise: str = ""
    """Text for the default in ``--help``, if the default of the field does not show it."""
    check: Check | None = None
    """Condition that the value must satisfy, unless it is None."""
    of_one_run: bool = False
    """Whether a resumed run does not inherit the option."""
    of_motion: bool = False
    """Whether the option says how a motion is observed, so that it has no meaning for stored observations."""
    argument: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments for ``add_argument`` that replace those made from the type."""


def option(default: Any, help: str | Callable[[], str], **more: Any) -> Any:
    """Declare a dataclass field as an option. ``more`` are further fields of ``Option``."""
    return field(default=default, metadata={"option": Option(help, **more)})


def options_of(declared: type) -> dict[str, Option]:
    """The options among the fields of a dataclass, by field name. Each has its flag filled in."""
    found = {item.name: item.metadata["option"] for item in fields(declared) if "option" in item.metadata}
    return {name: replace(one, flag=one.flag or f"--{name.replace('_', '-')}") for name, one in found.items()}


def add_options(groups: Mapping[str, argparse._ArgumentGroup], declared: type) -> None:
    """Add an argument for every option of a dataclass to the argument group of its heading."""
    hints, defaults = get_type_hints(declared), {item.name: item for item in fields(declared)}
    for name, one in options_of(declared).items():
        words = _of_type(hints[name], defaults[name].default) | dict(one.argument)
        if one.choices is not None:
            words["choices"] = tuple(one.choices())
        if one.metavar is not None:
            words["metavar"] = one.metavar
        text = one.help if isinstance(one.help, str) else one.help()
        usual = one.otherwise or _shown(defaults[name])
        text = f"{text} (default: {usual})" if usual else text
        groups[one.group].add_argument(one.flag, *one.aliases, dest=name, help=text, **words)


def check_values(values: Any) -> None:
    """Check each option of a dataclass on its own.

    Raises:
        InputError: A value is not allowed; names its flag.
    """
    for name, one in options_of(type(values)).items():
        value = getattr(values, name)
        if one.check is not None and value is not None and not one.check.holds(value):
            raise InputError(f"{one.flag} {value}: {one.check.told}")


def has_type(value: Any, hint: Any) -> bool:
    """Whether a value has the type that the field of an option declares; whole numbers count as floats too."""
    kind = get_origin(hint)
    if kind is Literal:
        return value in get_args(hint)
    if kind in (Union, UnionType):
        return any(has_type(value, part) for part in get_args(hint))
    if kind is tuple:
        parts = get_args(hint)
        if not isinstance(value, tuple):
            return False
        kinds = [parts[0]] * len(value) if parts[-1] is ... else list(parts)
        return len(kinds) == len(value) and all(map(has_type, value, kinds))
    if kind is not None and issubclass(kind, Mapping):
        key, item = get_args(hint)
        return isinstance(value, Mapping) and all(has_type(k, key) and has_type(v, item) for k, v in value.items())
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint or (hint is Path and isinstance(value, Path))


def path_of(word: str) -> Path:
    """The path that a word of the command line names.

    Raises:
        argparse.ArgumentTypeError: The word is empty, as from a variable of the shell that is not set, or no path.
    """
    if not word.strip():
        raise argparse.ArgumentTypeError("an empty path; is a variable not set?")
    if "\0" in word:
        raise argparse.ArgumentTypeError("a path cannot contain the character 0")
    return Path(word)


def _of_type(hint: Any, default: Any) -> dict[str, Any]:
    """Keyword arguments for ``add_argument`` that follow from the type of a field. None in a union is ignored."""
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] if NoneType in get_args(hint) else [hint]
    kind = kinds[0]
    if kind is bool:
        return {"action": "store_false" if default else "store_true"}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind), "type": type(get_args(kind)[0])}
    if get_origin(kind) is tuple:
        element, *rest = get_args(kind)
        return {"type": _reader(element), "nargs": "+" if rest == [...] else 1 + len(rest)}
    return {"type": _reader(kind)}


def _reader(kind: Any) -> Any:
    return path_of if kind is Path else kind


def _shown(item: Field[Any]) -> str:
    """Text for a default in the help. It is empty for defaults that would not help the user."""
    value = item.default
    if value is MISSING or value is None or isinstance(value, (bool, tuple, Path)):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
