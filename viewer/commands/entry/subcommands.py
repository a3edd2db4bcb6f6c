"""The table of sub-commands of ``humorscope``, as data. A new one is one row.

Modules are named as text and imported when they are used: most of them need torch, which the window must not load.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

FIT = "optim.config.flags"
"""The module of the sub-commands that are shorter ways to say flags of ``run_viewer.py``."""


@dataclass(frozen=True)
class Subcommand:
    """A sub-command, and what it starts."""

    name: str
    operand: str
    """What stands after the name, for the help."""
    help: str
    module: str = FIT
    """Module with ``build_parser()``. Unless it is ``FIT``, also with ``main(arguments) -> exit status``."""
    flags: tuple[str, ...] = ()
    """Of ``FIT``: flags of ``run_viewer.py`` that the name stands for."""
    first: str = ""
    """Of ``FIT``: flag of ``run_viewer.py`` that takes the first word, if that word is no flag itself."""

    with_fit_flags: bool = False
    """Of another module: whether it takes the flags of a fit as well as its own."""

    def loaded(self) -> ModuleType:
        """The module."""
        return importlib.import_module(self.module)

    def parser(self) -> argparse.ArgumentParser:
        """The parser of its flags."""
        parser: argparse.ArgumentParser = self.loaded().build_parser()
        return parser

    def words(self, arguments: Sequence[str]) -> list[str]:
        """Of ``FIT``: the words in the form that ``run_viewer.py`` takes."""
        given = list(arguments)
        has_operand = bool(given) and not given[0].startswith(("-", "@"))
        return [*self.flags, *((self.first, *given) if has_operand else given)]


SUBCOMMANDS = (
    Subcommand("fit", "DATA", "fit without a window; write results and a video", FIT, ("--headless",), "--data-path"),
    Subcommand("open", "RUN", "show a recorded run or results in the window", FIT, (), "--open"),
    Subcommand("film", "RUN", "write a video of a recorded run or of results", FIT, ("--headless",), "--open"),
    Subcommand("check", "DATA", "say what is assumed about data, without a fit", FIT, ("--check",), "--data-path"),
    Subcommand(
        "serve",
        "RUN",
        "show a run in a browser, or with --fit steer a fit there",
        "viewer.commands.serve",
        with_fit_flags=True,
    ),
    Subcommand(
        "batch",
        "DIR --out OUT",
        "fit every clip of a folder, and sum it up",
        "viewer.commands.batch",
        with_fit_flags=True,
    ),
    Subcommand("export", "RUN", "write motions as gltf, bvh, amass, obj, csv or json", "optim.commands.export"),
    Subcommand("report", "RUN", "write one page about a fit, or about what differs in two", "optim.commands.report"),
    Subcommand("evaluate", "DIR", "print the metrics of many fits", "optim.commands.evaluate"),
    Subcommand("tune", "RUN", "search for better weights, over runs or many clips", "optim.commands.tune"),
    Subcommand("train", "WHAT", "train the priors on your own motions, or evaluate them", "optim.train.__main__"),
    Subcommand("completion", "SHELL", "print the completion for bash or zsh", "viewer.commands.entry.completion"),
)


def subcommand(name: str) -> Subcommand | None:
    """The sub-command of this name. None if there is none."""
    return next((row for row in SUBCOMMANDS if row.name == name), None)
