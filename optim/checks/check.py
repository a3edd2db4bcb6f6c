"""What a check is, what it finds, and what follows from that. Knows no particular check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from optim.common.errors import InputError

Severity = Literal["certain", "likely", "note", "fine"]
SEVERITIES: tuple[Severity, ...] = ("certain", "likely", "note", "fine")
"""The worst first.

``fine``: as assumed. ``note``: worth knowing.
``likely`` and ``certain`` say how sure it is that the data is wrong.
"""


@dataclass(frozen=True)
class Choice:
    """Flags with which the same data can be read otherwise, for the user to choose."""

    label: str
    flags: tuple[str, ...]
    help: str
    """What the data would then be."""


@dataclass(frozen=True)
class Seen:
    """What one check saw in some data."""

    severity: Severity
    seen: str
    """The measured value in words, with its unit."""
    meant: str = ""
    """What the data probably is instead. Empty if everything is fine."""
    advice: str = ""
    """The flag that says so, or what else to do."""
    asks: bool = False
    """Whether a ``likely`` finding stops the run until the flag is given, because the fit would be worthless."""
    choices: tuple[Choice, ...] = ()
    """Other ways to read the data, the most likely one first."""


@dataclass(frozen=True)
class Check:
    """One assumption about data and how it is checked: a row of ``optim.checks.table.CHECKS``."""

    name: str
    """The assumption in a few words: "unit of length"."""
    of: type | tuple[type, ...]
    """The kinds of data it applies to: classes of ``optim.checks.subjects`` or of the module of the check."""
    look: Callable[[Any], Seen | None]
    """Function that looks at such data. None means that the check does not apply to it."""
    threshold: str
    """The limits, with the values of the named constants, for the table in the documentation."""
    answers: tuple[str, ...] = ()
    """Settings by which the user says how it is. If one is given, the check no longer stops the run."""


@dataclass(frozen=True)
class Checked:
    """What a check found in the data of a run: a row for the window, the log, ``--check`` and the report alike."""

    check: str
    severity: Severity
    seen: str
    meant: str = ""
    advice: str = ""
    stops: bool = False
    """Whether the run stops because of it."""
    choices: tuple[Choice, ...] = ()
    """Other ways to read the data, the most likely one first; the window offers them."""

    @property
    def told(self) -> str:
        """The finding as one sentence: what was seen, what is probably meant, what to do."""
        return "; ".join(part for part in (self.seen, self.meant, self.advice) if part)


class CheckError(InputError):
    """Data that a check stopped, with the rows of all checks that were made."""

    def __init__(self, message: str, rows: tuple[Checked, ...]) -> None:
        super().__init__(message)
        self.rows = rows


def fine(seen: str) -> Seen:
    """The data is as assumed."""
    return Seen("fine", seen)


def note(seen: str, meant: str, advice: str = "") -> Seen:
    """The run goes on, and the user is told."""
    return Seen("note", seen, meant, advice)


def likely(seen: str, meant: str, advice: str, *, asks: bool = False) -> Seen:
    """The data is probably wrong. The run goes on with a red note, or stops until a flag is given (``asks``)."""
    return Seen("likely", seen, meant, advice, asks=asks)


def certain(seen: str, meant: str, advice: str) -> Seen:
    """The data is wrong without doubt, and the run stops."""
    return Seen("certain", seen, meant, advice)
