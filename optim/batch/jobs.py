"""The clips of a folder as jobs: each with its name, its own folder of results, and the settings of its fit.

Opens no file but to recognise it. The order of the jobs depends on names only, so that every machine finds the same.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from optim.common.errors import InputError
from optim.config.flags import read_flags
from optim.config.options import Settings, flag_of
from optim.config.settings import parse
from optim.config.sources import MOTION, source_of
from optim.loading.clips import folder_names, may_be_motion, shortened
from optim.loading.kinds import expected
from optim.reading.files import is_folder

OF_ONE_FIT = ("open", "resume", "record", "bundle", "check", "list_clips", "compare")
"""Options of a single run, which a batch cannot take."""


@dataclass(frozen=True)
class Job:
    """One clip to fit."""

    name: str
    """Name of the clip: its path below the folder, without its ending."""
    folder: Path
    """Folder for everything that its fit writes."""
    settings: Settings | None
    """What to fit and how, without a window. None if the flags do not suit this clip."""
    problem: str = ""
    """Why there are no settings."""


def jobs_of(folder: Path, out: Path, flags: Sequence[str]) -> list[Job]:
    """One job for each clip in a folder and the folders in it, sorted by path.

    Args:
        folder: Folder of files or folders that ``--data-path`` takes; or one of recordings, as of PROX.
        out: Folder in which each job gets one of its own.
        flags: Flags of a fit, the same for all clips.

    Raises:
        InputError: There is no such folder, there are no clips in it, or a flag is wrong.
    """
    if not is_folder(folder):
        raise InputError(f"{folder}: no such folder; give a folder of clips, or one file to `humorscope fit`")
    read_flags(flags)
    found = list(_clips(folder.absolute(), flags))
    names = [_name_of(path, clip, folder.absolute()) for path, clip in found]
    jobs = [
        _job(name, out.absolute() / place, path, clip, flags)
        for (path, clip), name, place in zip(found, names, folder_names(names), strict=True)
    ]
    if not jobs:
        raise InputError(f"{folder}: no clip in it or in its folders; {expected()}")
    if all(job.settings is None for job in jobs):
        raise InputError(jobs[0].problem)
    return jobs


def chosen(jobs: Sequence[Job], patterns: Sequence[str]) -> list[Job]:
    """The jobs whose names match one of the patterns; all of them if there are no patterns.

    Args:
        patterns: Names, ends of names after a slash, or patterns with ``*`` and ``?``.

    Raises:
        InputError: A pattern matches no clip.
    """
    for pattern in patterns:
        if not any(_matches(job.name, pattern) for job in jobs):
            raise InputError(f"--clips {pattern}: matches no clip; there are {shortened([job.name for job in jobs])}")
    return [job for job in jobs if not patterns or any(_matches(job.name, pattern) for pattern in patterns)]


def shard_of(jobs: Sequence[Job], shard: str | None) -> list[Job]:
    """The share of one machine: every N-th job, beginning with the I-th, for ``shard`` I/N with I from 1.

    Raises:
        InputError: ``shard`` has another form.
    """
    if shard is None:
        return list(jobs)
    first, slash, count = shard.partition("/")
    if not (slash and first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise InputError(f"--shard {shard}: give I/N with I from 1 to N, for example 3/8")
    return list(jobs[int(first) - 1 :: int(count)])


def _clips(folder: Path, flags: Sequence[str]) -> Iterator[tuple[Path, str | None]]:
    """Paths of clips, and for recordings in one folder their names."""
    source = source_of(folder)
    if source is not None:
        named = None if source.clips is None else source.clips(parse([*flags, "--data-path", str(folder)]))
        yield from ((folder, name) for name in named) if named else [(folder, None)]
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if is_folder(path):
            yield from _clips(path, flags)
        elif (source := source_of(path)) is not None and (source.name != MOTION or may_be_motion(path)):
            yield path, None


def _name_of(path: Path, clip: str | None, folder: Path) -> str:
    """Name of a clip: its own among recordings, otherwise its path below the folder, without its ending."""
    if clip is not None:
        return clip
    below = path.relative_to(folder) if path != folder else Path(path.name)
    return (below.with_suffix("") if path.is_file() else below).as_posix()


def _job(name: str, place: Path, path: Path, clip: str | None, flags: Sequence[str]) -> Job:
    words = [*flags, "--data-path", str(path), *(() if clip is None else ("--clip", clip))]
    try:
        settings = parse(words)
    except InputError as error:
        return Job(name, place, None, str(error))
    usual = Settings()
    if unsuitable := [field for field in OF_ONE_FIT if getattr(settings, field) != getattr(usual, field)]:
        raise InputError(f"{flag_of(unsuitable[0])}: it is for a single fit, not for a batch")
    # Another process may have another current folder.
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    absolute: dict[str, Any] = {name: path.absolute() for name, path in values.items() if isinstance(path, Path)}
    return Job(name, place, replace(settings, **absolute, headless=True, no_video=True, out=place))


def _matches(name: str, pattern: str) -> bool:
    names = (name, name.rsplit("/", 1)[-1], name.removesuffix("_poses"))
    return any(fnmatch.fnmatchcase(one, pattern) for one in names)
