"""Which clips a folder holds, and which of them is meant. Lists names; opens no file and needs no torch."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from optim.common.errors import InputError
from optim.config.settings import Settings
from optim.config.sources import sources
from optim.reading.files import is_folder

SHOWN = 12
log = logging.getLogger(__name__)


def motion_files(folder: Path, *, datasets: Sequence[str] = ()) -> list[Path]:
    """The motions below a folder, in sorted order: ``*_poses.npz`` where there are any, else every ``.npz``.

    Args:
        datasets: Only what lies in these of its folders.

    Raises:
        InputError: None there.
    """
    roots = [folder / name for name in datasets] or [folder]
    if missing := [root.name for root in roots if not is_folder(root)]:
        there = sorted(path.name for path in folder.iterdir() if is_folder(path))
        raise InputError(f"{folder}: no folder {', '.join(missing)} in it; there are {shortened(there)}")
    files = sorted(path for root in roots for path in root.rglob("*.npz"))
    named = [path for path in files if path.stem.endswith("_poses")]
    if not files:
        raise InputError(f"{folder}: no .npz file below it; give a motion in AMASS format, or a folder of such")
    return named or [path for path in files if path.stem != "shape"]


def clip_names(settings: Settings) -> list[str]:
    """What ``--clip`` can name; empty where the data is one clip."""
    path = settings.data_path
    clips = sources()[settings.kind].clips
    return [] if path is None or not is_folder(path) or clips is None else clips(settings)


def motion_names(settings: Settings) -> list[str]:
    """Names of the motions below the folder that the settings name."""
    path = settings.data_path
    assert path is not None
    files = motion_files(path, datasets=settings.amass_custom_split)
    return [file.relative_to(path).with_suffix("").as_posix() for file in files]


def each_clip(settings: Settings) -> list[Settings]:
    """One run for every clip that is asked for: the one that ``--clip`` names, else all of the folder.

    Raises:
        InputError: ``--clip`` names none or several, or there is nothing to choose from.
    """
    names = clip_names(settings)
    if not names:
        if settings.clip is not None:
            raise InputError(f"--clip {settings.clip}: {settings.data_path or settings.data} is one clip")
        return [settings]
    chosen = [named(settings.clip, names, Path(settings.data_path or ""))] if settings.clip is not None else names
    return [replace(settings, clip=name) for name in chosen]


def one_clip(settings: Settings) -> Settings:
    """The same for a single fit: the first clip where none is named, with a note about the others."""
    runs = each_clip(settings)
    if len(runs) > 1:
        log.warning(
            "%s: the first of %d clips is opened; --clip NAME or --clip N takes another: %s",
            settings.data_path,
            len(runs),
            shortened([f"{number} {run.clip}" for number, run in enumerate(runs)]),
        )
    return runs[0]


def clip_of_folder(settings: Settings) -> str | None:
    """The name of the clip; None where the data is one clip."""
    return one_clip(settings).clip if clip_names(settings) else None


def clip_file(settings: Settings) -> Path:
    """The file of the clip; ``--data-path`` itself where that is no folder of motions."""
    assert settings.data_path is not None
    name = clip_of_folder(settings)
    return settings.data_path if name is None else settings.data_path / f"{name}.npz"


def clip_name(file: Path, settings: Settings) -> str:
    """What the results of a clip are called: ``CMU/05/05_01_poses.npz`` of a folder is ``CMU_05_05_01``."""
    stem = file if file == settings.data_path else file.relative_to(settings.data_path or "")
    name = stem.stem if file == settings.data_path else stem.with_suffix("").as_posix().replace("/", "_")
    return name.removesuffix("_poses")


def shortened(names: Sequence[str]) -> str:
    """The first of many names."""
    left = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f", … ({left} more)" if left > 0 else "")


def named(asked: str, names: Sequence[str], folder: Path) -> str:
    """The one of several that ``--clip`` means: a number, a name, the last part of one, or a piece of one alone.

    Raises:
        InputError: None or several are called so.
    """
    if asked.isdecimal() and int(asked) < len(names):
        return names[int(asked)]
    tails = [name for name in names if asked in (name, name.rsplit("/", 1)[-1], name.removesuffix("_poses"))]
    found = tails or [name for name in names if asked in name]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"--clip {asked}: {len(found)} clips are called so: {shortened(found)}")
    near = difflib.get_close_matches(asked, names, n=3, cutoff=0.0)
    raise InputError(
        f"--clip {asked}: no such clip in {folder}, which holds {len(names)} (0 to {len(names) - 1});"
        f" nearest: {', '.join(near)}"
    )
