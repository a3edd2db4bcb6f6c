"""What a source of data declares, and which source a path belongs to. Knows no source: they are found in a folder.

Every ``DataSource`` value of a module in ``optim/loading/sources`` is known to the command line, to the loader and to
the window by itself. The modules are read by the window's process too, so they import torch only inside ``read``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from optim.common.errors import InputError
from optim.reading.files import is_file, is_folder

PLACE = "optim.loading.sources"
"""The package whose modules declare the sources."""
DEMO = "demo"
"""The source of what ``--data`` names."""
MOTION = "AMASS"
"""The source whose reader says what is wrong with a path that no source knows."""
NOT_READ = {
    "iMapper-RGB": "iMapper's scenes are not read; give their video, or --op-keypts, with --data-type RGB",
}
"""Data types of HuMoR that are refused → why, and what to do."""


def _never(path: Path) -> bool:
    return False


def _in_a_world(path: Path | None, observed: str) -> bool:
    return False


@dataclass(frozen=True)
class DataSource:
    """A kind of data: how it is called, recognised and read, and what can be observed of it."""

    name: str
    """Value of ``--data-type`` and of ``Settings.kind``."""
    observed: tuple[str, ...]
    """Values of ``--observations``; the first is the default."""
    read: Callable[[Any], Any]
    """Reads what ``Settings`` name into an ``optim.loading.clip.Clip``. Imports torch late."""
    help: str = ""
    """What it is, for ``--help``. Empty: it is no value of ``--data-type``."""
    recognise: Callable[[Path], bool] = _never
    """Whether the content of an existing file or folder is of this kind. Reads a few bytes or names at most."""
    endings: tuple[str, ...] = ()
    """Endings of its files, in lower case with the dot: they decide where no content does."""
    held: Callable[[Path], tuple[str, ...]] | None = None
    """Which of ``observed`` a path holds. None: all."""
    through_camera: Callable[[Path | None, str], bool] = _in_a_world
    """Whether what is observed of a path is in the frame of a camera rather than of a world with z up."""
    made: tuple[str, ...] = ()
    """Which of ``observed`` are made from a motion, so that noise, hiding and the like can be asked for."""
    options: tuple[str, ...] = ()
    """Settings that are only for sources that name them here: a lens, masks, ..."""
    knows_rate: bool = False
    """Whether its files say their frame rate, so that ``--data-fps`` has no effect."""
    clips: Callable[[Any], list[str]] | None = None
    """Names of the clips in the folder that ``Settings`` name, for ``--clip``. None: a folder is one clip."""
    in_stretches: bool = False
    """Whether a stretch of a clip is fitted, as HuMoR's flags for PROX count them."""

    def default_observed(self, path: Path | None) -> str:
        """What is observed of a path unless the user says otherwise."""
        held = self.observed if self.held is None or path is None else self.held(path)
        return next((name for name in self.observed if name in held), self.observed[0])


@cache
def sources() -> Mapping[str, DataSource]:
    """All sources by name, in the order of their modules' names."""
    found: dict[str, DataSource] = {}
    for module in sorted(pkgutil.iter_modules(importlib.import_module(PLACE).__path__), key=lambda item: item.name):
        declared = vars(importlib.import_module(f"{PLACE}.{module.name}")).values()
        found |= {value.name: value for value in declared if isinstance(value, DataSource)}
    return found


def endings() -> tuple[str, ...]:
    """Endings of all files that some source reads."""
    return tuple(dict.fromkeys(ending for source in sources().values() for ending in source.endings))


def source_of(path: Path) -> DataSource | None:
    """The source of a file or folder: by its content, else by its ending; None where no source knows it."""
    known = sources().values()
    by_content = (source for source in known if (is_file(path) or is_folder(path)) and source.recognise(path))
    by_ending = (source for source in known if path.suffix.lower() in source.endings)
    return next(by_content, None) or next(by_ending, None)


def kind_of(path: Path | None, data_type: str | None) -> str:
    """The name of the source of ``--data-path``: as ``--data-type`` says, or as ``source_of`` finds it.

    Raises:
        InputError: A data type that is not read, or one without a path.
    """
    if data_type in NOT_READ:
        raise InputError(f"--data-type {data_type}: {NOT_READ[data_type]}")
    if path is None:
        if data_type is not None:
            raise InputError(f"--data-type {data_type}: it goes with --data-path")
        return DEMO
    if data_type is not None:
        return data_type
    found = source_of(path)
    return MOTION if found is None else found.name
