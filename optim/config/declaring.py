"""How an option is declared: once, as a field of a dataclass. Parser, help, defaults and checks follow from it.

Type and default are those of the field; what else there is to say is in its ``Option``. Knows no option.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from optim.common.errors import InputError


@dataclass(frozen=True)
class Check:
    """What a value must be like."""

    holds: Callable[[Any], bool]
    told: str
    """What the user is told otherwise, after flag and value: unit and range."""


def positive(unit: str = "") -> Check:
    """A finite number above 0."""
    return Check(lambda value: math.isfinite(value) and value > 0, f"{unit}more than 0")


def not_negative(unit: str = "") -> Check:
    """A finite number of 0 or more."""
    return Check(lambda value: math.isfinite(value) and value >= 0, f"{unit}0 or more")


@dataclass(frozen=True)
class Option:
    """What the command line knows of a field besides its name, type and default."""

    help: str | Callable[[], str]
    """Without the default, which is added; a function where it takes time to find out."""
    group: str = ""
    """Heading in ``--help``."""
    flag: str = ""
    """Its spelling. Empty: as the field, ``num_iters`` → ``--num-iters``."""
    aliases: tuple[str, ...] = ()
    """Other spellings that are understood."""
    metavar: str | tuple[str, ...] | None = None
    choices: Callable[[], Sequence[str]] | None = None
    otherwise: str = ""
    """What holds where it is not given, if the default of the field does not show it."""
    check: Check | None = None
    of_one_run: bool = False
    """A resumed run does not inherit it."""
    of_motion: bool = False
    """It says how a motion is observed, and has no meaning for observations that were stored."""
    argument: Mapping[str, Any] = field(default_factory=dict)
    """Words for ``add_argument`` in place of those that follow from the type."""


def option(default: Any, help: str | Callable[[], str], **more: Any) -> Any:
    """A field of a dataclass that is an option; ``more`` are fields of ``Option``."""
    return field(default=default, metadata={"option": Option(help, **more)})


def options_of(declared: type) -> dict[str, Option]:
    """The options among the fields of a dataclass, by name, each with its flag."""
    found = {item.name: item.metadata["option"] for item in fields(declared) if "option" in item.metadata}
    return {name: replace(one, flag=one.flag or f"--{name.replace('_', '-')}") for name, one in found.items()}


def add_options(groups: Mapping[str, argparse._ArgumentGroup], declared: type) -> None:
    """Add an argument for every option of a dataclass to the group of its heading."""
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
    """Check the options of a dataclass one by one.

    Raises:
        InputError: A value that is not allowed; names its flag.
    """
    for name, one in options_of(type(values)).items():
        value = getattr(values, name)
        if one.check is not None and value is not None and not one.check.holds(value):
            raise InputError(f"{one.flag} {value}: {one.check.told}")


def _of_type(hint: Any, default: Any) -> dict[str, Any]:
    """Words for ``add_argument`` that follow from the type of a field, None left aside."""
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] if NoneType in get_args(hint) else [hint]
    kind = kinds[0]
    if kind is bool:
        return {"action": "store_false" if default else "store_true"}
    if get_origin(kind) is Literal:
        return {"choices": get_args(kind)}
    if get_origin(kind) is tuple:
        element, *rest = get_args(kind)
        return {"type": element, "nargs": "+" if rest == [...] else 1 + len(rest)}
    return {"type": kind}


def _shown(item: Field[Any]) -> str:
    """A default as it is written in the help; empty where there is nothing to show."""
    value = item.default
    if value is MISSING or value is None or isinstance(value, (bool, tuple, Path)):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
