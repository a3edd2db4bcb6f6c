"""A small real session that is recorded: made, recorded and run in this process or another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from optim.recording.recording import Recording, recorded_session
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes
from viewer.worker.local_client import LocalClient

PHASES = schedule("humorscope", "3d", num_iters=(2, 2, 5), lbfgs_max_iter=4, tune_frames=4)


def make_session() -> Session:
    """One sub-sequence of 8 frames with 3D joints; done in well under a second."""
    return Session(fakes.problem(frames=8), schedule=PHASES)


def record(path: Path, session: Session) -> Recording:
    """See ``viewer.protocol.messages.Record``."""
    return recorded_session(session, path=path)


def client(path: Path) -> Callable[[], LocalClient]:
    """Starts a worker in this process whose session is recorded in a file."""
    return partial(LocalClient, make_session, record=partial(record, path))
