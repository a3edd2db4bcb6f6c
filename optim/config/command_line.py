"""Split the command line and its ``@file.cfg`` into words, each with the place where it was written. Knows no flag."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optim.common.errors import InputError
from optim.reading.files import read_text

MOST_CONFIGURATION = 1024**2
"""Largest size of a configuration file [bytes]."""


@dataclass(frozen=True)
class Word:
    """One word, and the file and line where it was written. The place is None for the command line itself."""

    text: str
    place: str | None = None

    def told(self, message: str) -> str:
        """A message about this word, with the file and line in front if there is one."""
        return f"{self.place}: {message}" if self.place else message


def words_of(arguments: Sequence[str]) -> list[Word]:
    """Words of the arguments. ``@file`` is replaced by the words in that file.

    A line of a file may hold several words. Quotes and # comments work as in a shell.

    Raises:
        InputError: A file cannot be read, or a quote is not closed; names the file and the line.
    """
    words: list[Word] = []
    for argument in arguments:
        if argument.startswith("@"):
            words += _of_file(Path(argument[1:]))
        else:
            words.append(Word(argument))
    return words


def _of_file(path: Path) -> list[Word]:
    try:
        lines = read_text(path, what="a configuration (.cfg)", most=MOST_CONFIGURATION).splitlines()
    except InputError as error:
        raise InputError(f"@{error}") from None
    words = []
    for number, line in enumerate(lines, start=1):
        place = f"{path}, line {number}"
        try:
            words += [Word(text, place) for text in shlex.split(re.sub(r"(^|\s)#.*", "", line))]
        except ValueError as error:
            raise InputError(f"{place}: {line.strip()!r}: {error}") from None
    return words
