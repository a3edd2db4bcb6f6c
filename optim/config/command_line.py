"""The words of a command line with those of its ``@file.cfg``, each knowing where it stood. Knows no flag."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optim.common.errors import InputError
from optim.reading.files import read_text

MOST_CONFIGURATION = 1024**2
"""Bytes of a configuration file."""


@dataclass(frozen=True)
class Word:
    """One word and the file and line it stood in; None: the command line itself."""

    text: str
    place: str | None = None

    def told(self, message: str) -> str:
        """A message about this word, with its place."""
        return f"{self.place}: {message}" if self.place else message


def words_of(arguments: Sequence[str]) -> list[Word]:
    """The arguments, ``@file`` replaced by the words in that file: several a line, quotes and # comments as in a shell.

    Raises:
        InputError: A file that cannot be read, or a quote that is not closed; names file and line.
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
