"""``run_viewer.py --bundle``: write a recorded run as one file that depends on nothing else."""

from __future__ import annotations

import logging
from pathlib import Path

from viewer.replay.bundle import bundle

log = logging.getLogger(__name__)


def write_bundle(run: Path, target: Path) -> int:
    """Write the bundle and say what is in it; returns the exit status.

    Raises:
        InputError: There is no such run, or the file cannot be written.
    """
    found = bundle(run, target)
    if found.missing is not None:
        log.warning("%s cannot be read any more: the bundle is without the pictures of the video", found.missing)
    if found.body is not None:
        log.warning("it holds the template of %s: share it as that body's licence allows", found.body)
    pictures = f", {found.pictures} pictures of the video" if found.pictures else ""
    print(f"bundle: {found.path} ({found.path.stat().st_size / 1e6:.1f} MB{pictures})")
    return 0
