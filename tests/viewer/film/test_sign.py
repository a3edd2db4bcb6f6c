"""Without X11 the window's title is the sign that it is filmed, and where that cannot be set a sentence says so."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from viewer.film import badge, sign, studio
from viewer.film.sign import NO_SIGN, TITLE, Sign, Title
from viewer.ui.drawing import ps
from viewer.ui.ui_state import UiState


@pytest.fixture
def without_x11(monkeypatch):
    """A system without libX11, though DISPLAY may be set, as under XWayland without its library."""
    monkeypatch.setenv("DISPLAY", ":99")

    def missing():
        raise OSError("libX11.so.6: cannot open shared object file")

    monkeypatch.setattr(badge, "_xlib", missing)


class Glfw:
    """GLFW's two functions, and the titles that were set."""

    def __init__(self, window: int | None) -> None:
        self.titles: list[str] = []

        def current():
            return window

        self.glfwGetCurrentContext = current
        self.glfwSetWindowTitle = lambda handle, title: self.titles.append(f"{handle.value}: {title.decode()}")


@pytest.mark.parametrize("display", ["", ":99"])
def test_the_title_is_the_sign_without_x11(without_x11, monkeypatch, display):
    monkeypatch.setenv("DISPLAY", display)
    glfw, shown = Glfw(window=5), Sign()
    monkeypatch.setattr(sign.ctypes, "CDLL", lambda path: glfw)
    assert shown.show("0:00") and shown.show("0:00") and shown.show("0:01")
    shown.hide()
    assert glfw.titles == [f"5: ● 0:00 – {TITLE}", f"5: ● 0:01 – {TITLE}", f"5: {TITLE}"]
    shown.hide()
    assert len(glfw.titles) == 3, "nothing is shown that could be taken away"


def no_library(path):
    raise OSError("no such library")


@pytest.mark.parametrize(
    "library",
    [no_library, lambda path: Glfw(window=None), lambda path: SimpleNamespace()],
    ids=["none", "other", "old"],
)
def test_where_no_title_can_be_set_it_says_so(without_x11, monkeypatch, library):
    monkeypatch.setattr(sign.ctypes, "CDLL", library)
    assert not Title().show("0:00") and not Sign().show("0:00")


@pytest.mark.parametrize("shown", [True, False])
def test_the_user_is_told_once_that_there_is_no_sign(monkeypatch, shown):
    monkeypatch.setattr(ps, "is_headless", lambda: False)
    monkeypatch.setattr(ps, "get_ui_scale", lambda: 1.0)
    monkeypatch.setattr(studio.Sign, "show", lambda self, text, *, scale=1.0: shown)
    ui = UiState()
    films = studio.Studio(SimpleNamespace(ui=ui))
    for pictures in range(3):
        films._tell_progress(SimpleNamespace(frames=pictures, fps=30.0, player=None, over=False))
    assert [note.text for note in ui.notes] == ([] if shown else [NO_SIGN])
    assert all("F9" in note.advice for note in ui.notes)
