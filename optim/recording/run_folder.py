"""Chooses the file of a recording: the one that the user gave, or a new one in the user's data folder."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from optim.common.errors import InputError
from optim.config.settings import Settings
from optim.recording.runfile import SUFFIX, RunFile

KEPT, KEPT_BYTES = 20, 5_000_000_000
"""Largest number and total size [bytes] of the runs in the data folder; beyond them the oldest runs are deleted."""
IN_USE = 3600.0  # [s] A file that was changed within this time may still be in use.
LONGEST = 50  # Characters of a clip's name. A file name has at most 255 bytes, a character up to 4.
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """A run file, which may not exist yet."""

    path: Path
    kept: bool = True
    """Whether the file is kept; otherwise it is deleted, with its folder, at the end of the session."""

    def settle(self) -> Path | None:
        """Clean up at the end of the session; returns the file, or None if it does not exist any more.

        A file without a single iteration is deleted.
        """
        if not self.kept:
            shutil.rmtree(self.path.parent, ignore_errors=True)
            return None
        if not self.path.exists():
            return None
        file = RunFile(self.path, mode="read")
        ((count,),) = file.rows("SELECT count(*) FROM snapshots")
        file.close()
        if count > 1:
            return self.path
        remove_run(self.path)
        return None


def choose_place(settings: Settings) -> Place:
    """The file to record into: ``resume`` or ``record`` of the settings, otherwise a new file in the data folder.

    Old runs in the data folder are deleted (see ``tidy``). With ``no_record``, or if the data folder cannot be written
    to, the file is temporary; in the second case a warning says so.

    Raises:
        InputError: The file of ``record`` exists already, or the folder of the file cannot be written to.
    """
    asked = settings.resume or settings.record
    if asked is not None:
        if settings.resume is None and asked.exists():
            raise InputError(f"{asked}: is there already; give --record another name, or go on with it by --resume")
        if not _writable(asked.parent):
            raise InputError(f"{asked.parent}: cannot be written to; give another place with --record")
        return Place(asked)
    folder, clip = runs_folder(), Path(settings.data_path or settings.data).stem
    kept = not settings.no_record
    if kept and not _writable(folder):
        log.warning("%s cannot be written to: nothing of this run is kept; --record FILE says where to", folder)
        kept = False
    if not kept:
        return Place(new_run(clip, folder=Path(tempfile.mkdtemp(prefix="humorscope-"))), kept=False)
    gone = tidy(folder)
    if gone:
        text = "%s: the oldest %s deleted; the newest %d are kept. --record FILE keeps a run elsewhere"
        log.warning(text, folder, "recording was" if len(gone) == 1 else f"{len(gone)} recordings were", KEPT)
    return Place(new_run(clip, folder=folder))


def runs_folder() -> Path:
    """``runs`` in this user's data folder, on Linux ``$XDG_DATA_HOME/humorscope`` or ``~/.local/share/humorscope``."""
    return user_data_path("humorscope", appauthor=False) / "runs"


def recent_runs() -> list[Path]:
    """The runs in the user's data folder, the newest first."""
    return sorted(runs_folder().glob(f"*{SUFFIX}"), key=_last_written, reverse=True)


def new_run(clip: str, *, folder: Path) -> Path:
    """A file name that does not exist yet, made from the clip and the time."""
    name = re.sub(r"[^\w.-]+", "_", clip)[:LONGEST].strip("._") or "run"
    stem = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (f"{stem}{SUFFIX}" if number == 1 else f"{stem}-{number}{SUFFIX}" for number in range(1, 10_000))
    return next(folder / name for name in names if not (folder / name).exists())


def remove_run(path: Path) -> None:
    """Delete a run and the files that a killed session has left beside it, if they exist."""
    for name in _files_of(path):
        name.unlink(missing_ok=True)


def tidy(folder: Path, *, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> list[Path]:
    """Delete the oldest runs beyond a number or a size, except the newest and those that may still be written to.

    Returns:
        The runs that were deleted.
    """
    found = sorted(folder.glob(f"*{SUFFIX}"), key=_last_written, reverse=True)
    removed, total = [], 0
    for place, path in enumerate(found):
        total += sum(known.st_size for known in _files_of(path).values())
        if place > 0 and (place >= kept or total > kept_bytes) and time.time() - _last_written(path) > IN_USE:
            remove_run(path)
            removed.append(path)
    return removed


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _last_written(path: Path) -> float:
    return max((known.st_mtime for known in _files_of(path).values()), default=0.0)


def _files_of(path: Path) -> dict[Path, os.stat_result]:
    """The run file and SQLite's files beside it, as far as they exist; another session may delete them at any time."""
    found = {}
    for ending in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            found[path.with_name(path.name + ending)] = path.with_name(path.name + ending).stat()
    return found
