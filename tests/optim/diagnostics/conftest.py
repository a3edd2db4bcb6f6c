"""Two short fits with small random models, shared by the tests of all diagnostics."""

import pytest

from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes

SHORT = {"num_iters": (1, 1, 3), "lbfgs_max_iter": 3, "tune_frames": 4, "freeze_start": 1, "freeze_end": 2}


def finished(modality: str, kind: str) -> Session:
    session = Session(fakes.problem(modality, batch=2, frames=6), schedule=schedule("humorscope", kind, **SHORT))
    session.run()
    return session


@pytest.fixture(scope="session")
def seen_in_3d() -> Session:
    """Finished; not to be changed."""
    return finished("joints3d", "3d")


@pytest.fixture(scope="session")
def seen_by_camera() -> Session:
    """Finished; not to be changed."""
    return finished("joints2d", "rgb")
