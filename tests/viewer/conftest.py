"""A window on Polyscope's mock backend, driven in process; one per run, since it cannot change backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polyscope as ps
import pytest

from tests.viewer import fakes
from tests.viewer.uidriver import UiDriver
from viewer.app import App, start_polyscope
from viewer.client import LocalClient
from viewer.ui_state import UiState


class Window(UiDriver):
    """A driver with the app that it drives."""

    app: App

    @property
    def view(self):
        assert self.app.view is not None
        return self.app.view

    @property
    def session(self) -> fakes.FakeSession:
        """The session behind the window."""
        return self.app.client.worker._session

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

    def opened(make_session: Callable[[], object] = fakes.make_session, ui: UiState | None = None) -> Window:
        _driver.widgets.clear()
        _driver.windows.clear()
        _driver.texts.clear()
        _driver.app = App(lambda resume: LocalClient(make_session, resume=resume), ui)
        ps.set_user_callback(_driver.app.frame)
        _driver.move(600, 300)
        _driver.frames(3)
        return _driver

    yield opened
    ps.clear_user_callback()
    ps.remove_all_structures()
    _driver.frames(1)


@pytest.fixture
def window(open_window: Callable[..., Window]) -> Window:
    """The window on a quick fake session."""
    return open_window()
