"""Where recorded runs lie when nobody says where: the user's data folder, of which only so many are kept."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

SUFFIX = ".humorscope"
KEPT, KEPT_BYTES = 20, 5_000_000_000
"""Older runs in the data folder are deleted when there are more, or when all take more."""
IN_USE = 3600.0  # seconds: what was written to since then may still be written to


def runs_folder() -> Path:
    """``$XDG_DATA_HOME/humorscope/runs``, by default under ``~/.local/share``."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "humorscope" / "runs"


def new_run(clip: str, *, folder: Path) -> Path:
    """A file name that is not taken, from a clip and the time."""
    stem = re.sub(r"[^\w.-]+", "_", clip).strip("._") or "run"
    path = folder / f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}{SUFFIX}"
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"{path.stem.partition('~')[0]}~{number}{SUFFIX}")
    return path


def writable(folder: Path) -> bool:
    """Whether files can be made in it; makes it first."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def remove_run(path: Path) -> None:
    """Delete a run and what a killed session has left beside it."""
    for name in _files_of(path):
        name.unlink(missing_ok=True)


def tidy(folder: Path, *, kept: int = KEPT, kept_bytes: int = KEPT_BYTES, in_use: Sequence[Path] = ()) -> list[Path]:
    """Delete the oldest runs beyond a number or a size, except those that may still be written to; the deleted ones."""
    found = sorted(folder.glob(f"*{SUFFIX}"), key=_last_written, reverse=True)
    removed, total = [], 0
    for place, path in enumerate(found):
        total += sum(name.stat().st_size for name in _files_of(path))
        resting = time.time() - _last_written(path) > IN_USE and path not in in_use
        if resting and (place >= kept or total > kept_bytes):
            remove_run(path)
            removed.append(path)
    return removed


def _last_written(path: Path) -> float:
    return max(name.stat().st_mtime for name in _files_of(path))


def _files_of(path: Path) -> list[Path]:
    names = [path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal"))]
    return [name for name in names if name.exists()]
