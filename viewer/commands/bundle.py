"""Implements ``run_viewer.py --bundle``: writes a recorded run as one file that needs no other file."""

from __future__ import annotations

import logging
from pathlib import Path

from viewer.replay.bundle import bundle

log = logging.getLogger(__name__)


def write_bundle(run: Path, target: Path) -> int:
    """Write the bundle and print what it contains; returns the exit status.

    Raises:
        InputError: The run does not exist, or the file cannot be written.
    """
    found = bundle(run, target)
    if found.missing is not None:
        log.warning("%s cannot be read any more: the bundle is without the pictures of the video", found.missing)
    if found.body is not None:
        log.warning("it holds the template of %s: share it as that body's licence allows", found.body)
    pictures = f", {found.pictures} pictures of the video" if found.pictures else ""
    print(f"bundle: {found.path} ({found.path.stat().st_size / 1e6:.1f} MB{pictures})")
    return 0
