"""What a data source declares, and which source a path belongs to. Knows no particular source.

Sources are found in the folder ``optim/loading/sources``. The command line, the loader and the window know every
``DataSource`` value in a module there. The window's process imports these modules too, so they import torch only inside
``read``.
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
"""Name of the source that reads ``--data``."""
MOTION = "AMASS"
"""Name of the source whose reader reports what is wrong with a path that no source recognises."""
NOT_READ = {
    "iMapper-RGB": "iMapper's scenes are not read; give their video, or --op-keypts, with --data-type RGB",
}
"""Data types of HuMoR that are refused → message with the reason and what to do."""


def _never(path: Path) -> bool:
    return False


def _in_a_world(path: Path | None, observed: str) -> bool:
    return False


@dataclass(frozen=True)
class DataSource:
    """A kind of data: its name, how it is recognised and read, and which observations it offers."""

    name: str
    """Value of ``--data-type`` and of ``Settings.kind``."""
    observed: tuple[str, ...]
    """Accepted values of ``--observations``. The first is the default."""
    read: Callable[[Any], Any]
    """Function that reads the data named by ``Settings`` into an ``optim.loading.clip.Clip``. It imports torch late."""
    help: str = ""
    """Description for ``--help``. If it is empty, the name is not a value of ``--data-type``."""
    recognise: Callable[[Path], bool] = _never
    """Whether the content of an existing file or folder is of this kind. It reads at most a few bytes or names."""
    endings: tuple[str, ...] = ()
    """Endings of its files, in lower case with the dot. They decide if no source recognises the content."""
    held: Callable[[Path], tuple[str, ...]] | None = None
    """Function that says which of ``observed`` a path holds. None means all of them."""
    through_camera: Callable[[Path | None, str], bool] = _in_a_world
    """Whether the observations of a path are in the frame of a camera rather than of a world with z up."""
    made: tuple[str, ...] = ()
    """Those of ``observed`` that are made from a motion, so that noise and hiding can be chosen."""
    options: tuple[str, ...] = ()
    """Settings that apply only to sources that name them here, such as a lens or masks."""
    of_keypoints: tuple[str, ...] = ()
    """Those of ``options`` that describe the keypoints of ``--op-keypts`` and need it."""
    knows_rate: bool = False
    """Whether its files give their frame rate, so that ``--data-fps`` has no effect."""
    clips: Callable[[Any], list[str]] | None = None
    """Function that lists the clips in the folder of ``Settings``, for ``--clip``. None: a folder is one clip."""
    in_stretches: bool = False
    """Whether sub-sequences of a clip are chosen with HuMoR's flags for PROX."""

    def default_observed(self, path: Path | None) -> str:
        """Observations of a path that are fitted unless the user chooses others."""
        held = self.observed if self.held is None or path is None else self.held(path)
        return next((name for name in self.observed if name in held), self.observed[0])


@cache
def sources() -> Mapping[str, DataSource]:
    """All sources by name, in the order of the names of their modules."""
    found: dict[str, DataSource] = {}
    for module in sorted(pkgutil.iter_modules(importlib.import_module(PLACE).__path__), key=lambda item: item.name):
        declared = vars(importlib.import_module(f"{PLACE}.{module.name}")).values()
        found |= {value.name: value for value in declared if isinstance(value, DataSource)}
    return found


def endings() -> tuple[str, ...]:
    """File endings of all sources."""
    return tuple(dict.fromkeys(ending for source in sources().values() for ending in source.endings))


def source_of(path: Path) -> DataSource | None:
    """Source of a file or folder, by its content or else by its ending. None if no source recognises it."""
    known = sources().values()
    by_content = (source for source in known if (is_file(path) or is_folder(path)) and source.recognise(path))
    by_ending = (source for source in known if path.suffix.lower() in source.endings)
    return next(by_content, None) or next(by_ending, None)


def kind_of(path: Path | None, data_type: str | None) -> str:
    """Name of the source that reads ``--data-path``: the given ``--data-type``, or what ``source_of`` finds.

    Raises:
        InputError: The data type is not read here, or it is given without a path.
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
