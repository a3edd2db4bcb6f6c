"""Writes a recorded run as one file to pass on: with the pictures of its video, and without names of folders.

The bundle opens and resumes like any run. Of the models it holds only the body's template and skinning, for drawing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optim.common.errors import InputError
from optim.recording.recording import Recording
from optim.recording.runfile import RunFile
from viewer.scene.footage import shrunk_jpeg

GENDERS = ("female", "male", "neutral")
"""Names of folders that distinguish bodies and are therefore kept in paths."""


@dataclass(frozen=True)
class Bundled:
    """What was written."""

    path: Path
    pictures: int
    body: str | None
    """The body's file if it is not the free body that is shipped; its licence says who may have the bundle."""
    missing: Path | None = None
    """The video if it can no longer be read; the bundle then has no pictures."""


def bundle(run: Path, target: Path) -> Bundled:
    """Write a copy of a run that depends on nothing beside it.

    Raises:
        InputError: No recorded run, or a target that is there already or cannot be written.
    """
    import assets

    if target.exists():
        raise InputError(f"{target}: the file is there already; give the bundle another name")
    source = RunFile(run, mode="read")
    data = Recording(source).data
    source.copy_to(target)
    source.close()
    copy = RunFile(target, mode="append")
    footage, body = data.get("footage"), data.get("body_file")
    count, missing = 0, None
    if footage is not None and not copy.rows("SELECT 1 FROM pictures LIMIT 1"):
        count = _add_pictures(copy, footage)
        missing = footage.path if count == 0 else None
    for path in _paths_in(copy):
        copy.rename(str(path), "/".join(path.parts[-2 if path.parent.name in GENDERS else -1 :]))
    copy.close()
    shipped = body is None or assets.BODY_FOLDER in (body.parent, *body.parents)
    return Bundled(target, count, None if shipped else str(body), missing)


def _add_pictures(copy: RunFile, footage: Any) -> int:
    pictures = list(_pictures(footage.path, set(footage.frames)))
    with copy.transaction():
        copy.insert("pictures", *pictures)
    return len(pictures)


def _pictures(path: Path, wanted: set[int]) -> Iterator[tuple[int, bytes]]:
    """Number in the video and JPEG of each of these frames; frames that cannot be read are left out."""
    if not path.is_file():
        return
    import cv2  # needs libGL

    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    for number in range(max(wanted) + 1):
        if not capture.grab():
            return
        if number in wanted:
            fine, image = capture.retrieve()
            if fine:
                yield number, shrunk_jpeg(np.asarray(image))


def _paths_in(copy: RunFile) -> list[Path]:
    """Absolute paths in what a run says of its data and settings, the longest first."""
    found: set[Path] = set()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                if name == "path" and isinstance(item, str) and Path(item).is_absolute():
                    found.add(Path(item))
                look(item)
        elif isinstance(value, list):
            for item in value:
                look(item)

    for kind in ("settings", "problem"):
        for _, text in copy.logged(kind):
            look(json.loads(text))
    for (text,) in copy.rows("SELECT value FROM objects WHERE value LIKE '%\"path\":%'"):
        look(json.loads(text))
    return sorted(found, key=lambda path: -len(str(path)))
