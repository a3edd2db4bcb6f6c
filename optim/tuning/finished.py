"""Fits from which trials begin, kept in a folder beside the study, so that processes that share it make each once.

A fit is in a run file, under a name that says what it was made from, and by which version of this program. Two
processes that make the same fit at the same time get the same one, and the second replaces the first.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from optim.common.versions import PACKAGES, versions
from optim.common.writing import file_name, replacing
from optim.problem.checksum import PRIORS, checksum
from optim.recording.recording import Recording, recorded_session
from optim.recording.runfile import RunFile
from optim.session.session import Session


@dataclass(frozen=True)
class FinishedFit:
    """The place of one fit."""

    folder: Path
    """The folder for fits of a study. It is made if it does not exist."""
    clip: str
    """Name of the clip."""

    def bring(self, session: Session, finish: Callable[[Session], object], *, upto: str) -> None:
        """Bring a new session to where a function finishes it: read that fit, or make it and keep it.

        Args:
            session: A session that keeps its iterations and has done none.
            upto: Name of where it is finished.

        Raises:
            InputError: The file is damaged, or the folder cannot be written to.
        """
        problem = session.problem
        seen = checksum(
            problem.body,
            *(getattr(problem, name) for name in PRIORS),
            problem.observations,
            problem.camera,
            problem.floor,
        )
        known = versions()
        made_by = tuple(known.get(name) for name in PACKAGES)
        key = zlib.crc32(repr((upto, session.schedule, seen, made_by)).encode())
        path = self.folder / f"{file_name(self.clip, otherwise='clip')}-{key:08x}.humorscope"
        if path.exists():
            Recording(RunFile(path, mode="read")).restore(session)
            return
        with replacing(path) as part:
            part.unlink(missing_ok=True)  # left by a process that was killed
            recording = recorded_session(session, path=part)
            try:
                finish(session)
                recording.follow(session)
            finally:
                recording.file.close()
        Recording(RunFile(path, mode="read")).restore(session)
