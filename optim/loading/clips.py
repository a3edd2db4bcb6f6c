"""List the clips in a folder and find the one that ``--clip`` names. Opens no file and needs no torch."""

from __future__ import annotations

import difflib
import itertools
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from optim.common.errors import InputError
from optim.common.writing import file_name
from optim.config.settings import Settings
from optim.config.sources import MOTION, sources
from optim.reading.arrays import array_names
from optim.reading.files import is_file, is_folder

SHOWN = 12
"""Largest number of names that a message lists."""
log = logging.getLogger(__name__)


def motion_files(folder: Path, *, datasets: Sequence[str] = ()) -> list[Path]:
    """Motion files below a folder, sorted.

    Args:
        datasets: Names of the folders in it to search. Empty means all of them.

    Raises:
        InputError: One of these folders is missing, or there is no motion file.
    """
    roots = [folder / name for name in datasets] or [folder]
    if missing := [root.name for root in roots if not is_folder(root)]:
        there = sorted(path.name for path in folder.iterdir() if is_folder(path))
        raise InputError(f"{folder}: no folder {', '.join(missing)} in it; there are {shortened(there)}")
    files = sorted(path for root in roots for path in root.rglob("*.npz"))
    if not files:
        raise InputError(f"{folder}: no .npz file below it; give a motion in AMASS format, or a folder of such")
    motions = [path for path in files if may_be_motion(path)]
    if not motions:
        raise InputError(f"{folder}: none of its {len(files)} .npz files is a motion; give a motion in AMASS format")
    return motions


def may_be_motion(path: Path) -> bool:
    """Whether a file is a motion by its name or content; one that cannot be read may be, and its reader says why not.

    AMASS keeps shapes of subjects (``shape.npz``, ``*_stagei.npz``) beside the motions.
    """
    if path.stem.endswith(("_poses", "_stageii")):
        return True
    names = set(array_names(path))
    return not names or ("trans" in names and bool(names & {"poses", "root_orient"}))


def clip_names(settings: Settings) -> list[str]:
    """Names that ``--clip`` accepts. The list is empty if the data is one clip."""
    path = settings.data_path
    clips = sources()[settings.kind].clips
    return [] if path is None or not is_folder(path) or clips is None else clips(settings)


def motion_names(settings: Settings) -> list[str]:
    """Names of the motions below the folder of ``--data-path``."""
    path = settings.data_path
    assert path is not None
    files = motion_files(path, datasets=settings.amass_custom_split)
    return [file.relative_to(path).with_suffix("").as_posix() for file in files]


def each_clip(settings: Settings) -> list[Settings]:
    """Settings of one run for every clip to fit: the clip that ``--clip`` names, or else all clips of the folder.

    Raises:
        InputError: ``--clip`` matches no clip or several, or the data is one clip.
    """
    names = clip_names(settings)
    if not names:
        if settings.clip is not None:
            raise InputError(f"--clip {settings.clip}: {settings.data_path or settings.data} is one clip")
        return [settings]
    if settings.kind == MOTION and settings.data_path is not None:
        _tell_left_out(settings.data_path, names)
    chosen = [named(settings.clip, names, Path(settings.data_path or ""))] if settings.clip is not None else names
    return [replace(settings, clip=name) for name in chosen]


def _tell_left_out(folder: Path, motions: Sequence[str]) -> None:
    """Name the data of other kinds that lies beside the motions of a folder."""
    endings = {ending for source in sources().values() for ending in source.endings}
    others = [
        path.name
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in endings and is_file(path) and path.stem not in motions and not _of_subject(path)
    ]
    if others:
        text = "%s: only its motions are taken; give another of its files alone with --data-path: %s"
        log.warning(text, folder, shortened(others))


def _of_subject(path: Path) -> bool:
    """Whether it is a shape that AMASS keeps beside the motions of a subject."""
    return path.stem == "shape" or path.stem.endswith("_stagei")


def one_clip(settings: Settings) -> Settings:
    """Settings of a single fit. If no clip is named, it is the first one, and a warning lists the others.

    Raises:
        InputError: As for ``each_clip``.
    """
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
    """Name of the clip to fit. None if the data is one clip."""
    return one_clip(settings).clip if clip_names(settings) else None


def clip_file(settings: Settings) -> Path:
    """File of the clip to fit. It is ``--data-path`` itself unless that is a folder of motions."""
    assert settings.data_path is not None
    name = clip_of_folder(settings)
    return settings.data_path if name is None else settings.data_path / f"{name}.npz"


def clip_name(file: Path, settings: Settings) -> str:
    """Name of a clip in results: ``CMU/05/05_01_poses.npz`` in the folder of ``--data-path`` gives ``CMU_05_05_01``."""
    if file == settings.data_path:
        return flat_name(file.stem)
    return flat_name(file.relative_to(settings.data_path or "").with_suffix("").as_posix())


def flat_name(clip: str) -> str:
    """Name of a clip without the slashes of its folders, and without the ending of AMASS."""
    return clip.replace("/", "_").removesuffix("_poses")


def folder_names(clips: Sequence[str]) -> list[str]:
    """A name of a folder for each clip, no two the same, not even where case does not count.

    Clips of one flat name, as ``a/b`` and ``a_b``, get a number from the second one on.
    """
    names: list[str] = []
    taken: set[str] = set()
    for clip in clips:
        stem = file_name(flat_name(clip), otherwise="clip")
        numbered = (f"{stem}-{number}" for number in itertools.count(2))
        name = next(text for text in itertools.chain((stem,), numbered) if text.casefold() not in taken)
        taken.add(name.casefold())
        names.append(name)
    return names


def shortened(names: Sequence[str]) -> str:
    """The first names of a list, and the number of those left out, as text for a message."""
    left = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f", … ({left} more)" if left > 0 else "")


def named(asked: str, names: Sequence[str], folder: Path) -> str:
    """Name of the clip that ``--clip`` means.

    Args:
        asked: Number of the clip from 0, its name, the end of its name after the last slash, or a piece of its name.

    Raises:
        InputError: It matches no name or several.
    """
    if asked.isdecimal() and int(asked) < len(names):
        return names[int(asked)]
    tails = [name for name in names if asked in (name, name.rsplit("/", 1)[-1], name.removesuffix("_poses"))]
    found = tails or [name for name in names if asked in name]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"--clip {asked}: {len(found)} clips match: {shortened(found)}; give a longer name")
    near = difflib.get_close_matches(asked, names, n=3, cutoff=0.0)
    raise InputError(
        f"--clip {asked}: no such clip in {folder}, which holds {len(names)} (0 to {len(names) - 1});"
        f" nearest: {', '.join(near)}"
    )
