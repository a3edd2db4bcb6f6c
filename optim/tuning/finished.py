"""Fits from which trials begin, kept in a folder beside the study, so that processes that share it make each once.

A fit is in a run file, under a name that says what it was made from, and by which version of this program. Two
processes that make the same fit at the same time get the same one, and the second replaces the first.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from optim.common.versions import PACKAGES, versions
from optim.common.writing import file_name, replacing
from optim.problem.problem import Problem
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
        known = versions()
        made_by = tuple(known.get(name) for name in PACKAGES)
        key = zlib.crc32(repr((upto, session.schedule, checksum(session.problem), made_by)).encode())
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


def checksum(problem: Problem) -> int:
    """A number that differs if observations, body or priors of a problem differ."""
    network, found = problem.pose_prior.network, 0
    models = (problem.body, network, problem.motion_prior, problem.init_state_prior)
    for tensor in _tensors((*models, problem.observations, problem.camera, problem.floor)):
        found = zlib.crc32(tensor.detach().contiguous().numpy().tobytes(), found)
    return found


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.state_dict().values()
    elif isinstance(value, tuple):
        for item in value:
            yield from _tensors(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _tensors(getattr(value, field.name))
