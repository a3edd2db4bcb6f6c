"""A window on Polyscope's mock backend, driven in process; one per run, since it cannot change backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polyscope as ps
import pytest

from optim.schedule.stages import schedule
from optim.session.session import Session
from optim.split.splitting import sub_problem
from tests import fakes as small
from tests.viewer import fakes
from tests.viewer.uidriver import UiDriver
from viewer.protocol.commands import Command
from viewer.ui.ui_state import UiState
from viewer.window.app import App
from viewer.window.client import Client
from viewer.window.window import start_polyscope
from viewer.worker.local_client import LocalClient


def fit(*modalities: str, batch: int = 1, frames: int = 8, overlap: int = 0) -> Session:
    """A real session with a small body and random priors, a few milliseconds an iteration; ``tests.fakes.problem``.

    With an overlap the sub-sequences are parts of one clip that share so many frames; otherwise they are unrelated.
    """
    kind = "rgb" if "joints2d" in modalities else "3d"
    phases = schedule("humorscope", kind, num_iters=(1, 2, 5), lbfgs_max_iter=3, tune_frames=4)
    if not overlap:
        return Session(small.problem(*modalities, batch=batch, frames=frames), schedule=phases)
    starts = [index * (frames - overlap) for index in range(batch)]
    whole = small.problem(*modalities, frames=starts[-1] + frames)
    return Session(sub_problem(whole, [(start, start + frames) for start in starts]), schedule=phases)


class Window(UiDriver):
    """A driver with the app that it drives."""

    app: App

    @property
    def view(self):
        assert self.app.view is not None
        return self.app.view

    @property
    def session(self) -> Session:
        """The session behind the window."""
        return self.app.client.worker._session

    def post(self, *commands: Command) -> Window:
        """Have commands obeyed, each to its end, and draw only then."""
        for command in commands:
            self.app.client.post(command)
            self.app.receive()
            while self.view.status.state == "running":
                self.app.receive()
        self.frames(2)
        return self

    def settle(self) -> None:
        """Draw until the optimiser pauses."""
        self.until(lambda: self.view.status.state != "running")
        self.frames(2)


@pytest.fixture(scope="session")
def _driver() -> Iterator[Window]:
    driver = Window()
    driver.install()
    start_polyscope("openGL_mock")
    yield driver
    driver.uninstall()
    ps.shutdown()


@pytest.fixture
def open_window(_driver: Window) -> Iterator[Callable[..., Window]]:
    """Opens the window on a session; with the same driver, so one per test."""

    def opened(
        make_session: Callable[[], object] = fakes.make_session,
        ui: UiState | None = None,
        *,
        make_client: Callable[[], Client] | None = None,
    ) -> Window:
        _driver.widgets.clear()
        _driver.windows.clear()
        _driver.texts.clear()
        _driver.app = App(make_client or (lambda: LocalClient(make_session)), ui)
        ps.set_user_callback(_driver.app.frame)
        _driver.move(600, 300)
        _driver.frames(3)
        return _driver

    yield opened
    ps.clear_user_callback()
    ps.remove_all_structures()
    _driver.frames(1)


@pytest.fixture
def open_fit(open_window: Callable[..., Window]) -> Callable[..., Window]:
    """Opens the window on the real session of a small problem; modalities and further words as for ``fit``."""
    return lambda *modalities, **options: open_window(lambda: fit(*modalities, **options))


@pytest.fixture
def window(open_window: Callable[..., Window]) -> Window:
    """The window on the real session of a made-up walk."""
    return open_window()
