"""Makes and records the session that settings describe, and the clients on it that every front end has.

A worker's process starts here, so everything is imported late.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from optim.common.logs import start_logging

if TYPE_CHECKING:
    from optim.config.settings import Settings
    from optim.recording.recording import Recording
    from optim.recording.run_folder import Place
    from optim.session.session import Session
    from viewer.protocol.view_model import About
    from viewer.window.client import PipedClient, ProcessClient

log = logging.getLogger(__name__)


def make_session(settings: Settings, *, spare: int = 0) -> Session:
    """Load what the settings name.

    Args:
        spare: Number of processors that are left to others.

    Raises:
        InputError: A file, a value or a combination that cannot be used.
    """
    start_logging()
    from optim.loading.problem import load_session
    from optim.recording.resuming import load_recorded

    choose_threads(spare=spare)
    return load_session(settings) if settings.resume is None else load_recorded(settings)


def choose_threads(*, spare: int = 0) -> None:
    """Use as many threads as there are processors, less ``spare``; OMP_NUM_THREADS says otherwise."""
    from optim.common import threads

    threads.use(threads.asked_for() or max(1, threads.processors() - spare))


def record(settings: Settings, path: Path, session: Session) -> Recording:
    """Start recording a session in a file; if the file holds a recording, the session continues from its end."""
    from optim.recording.recording import recorded_session

    return recorded_session(session, path=path, settings=settings)


def fit_client(settings: Settings, place: Place) -> Callable[[], ProcessClient]:
    """Starts the optimiser on a fit that is recorded, with one processor left to the front end."""
    from viewer.window.client import ProcessClient

    make = partial(make_session, settings, spare=1)
    return partial(ProcessClient, make, record=partial(record, settings, place.path))


def about_fit(settings: Settings) -> About:
    """How a fit is set up."""
    from optim.config.options import of_the_fit
    from optim.diagnostics.comparison import settings_texts
    from viewer.protocol.view_model import About

    return About(settings=settings_texts(of_the_fit(settings)))


def other_run(settings: Settings, path: str) -> PipedClient:
    """A client on another run or on results, in a process of its own."""
    from viewer.replay.serving import serve_replay
    from viewer.window.client import PipedClient

    return PipedClient(partial(serve_replay, Path(path), settings.own_body, settings.clip))


def stop_on_signals() -> None:
    """Ctrl-C, SIGTERM and a closed terminal (SIGHUP) end a fit with its results.

    SIGINT is named as background jobs inherit it ignored. ``nohup`` ignores SIGHUP, and that stays.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        stop = getattr(signal, name, None)  # Windows has no SIGHUP.
        if stop is None or (name == "SIGHUP" and signal.getsignal(stop) is signal.SIG_IGN):
            continue
        signal.signal(stop, signal.default_int_handler)
