"""Theme and size of the window: switched live, kept for the next one."""

from __future__ import annotations

import numpy as np
import polyscope as ps
import polyscope.imgui as psim
import pytest

from viewer.ui import theme
from viewer.ui.layout import fitting_scale
from viewer.ui.preferences import Preferences, apply_preferences, from_ui, load_preferences, save_preferences
from viewer.ui.ui_state import UiState
from viewer.window import backends


@pytest.fixture
def settings(window):
    window.app.ui.tabs["messages"] = "settings"
    window.frames(3)
    yield window
    window.app.ui.theme, window.app.ui.scale = "dark", None
    window.frames(2)


def test_light_and_dark_again(settings):
    dark = theme.TEXT, theme.PANEL, dict(theme.LAYER_COLORS)
    settings.click("light")
    settings.frames(2)
    assert sum(theme.PANEL) > 2.5 > 1.0 > sum(theme.TEXT)
    assert sum(theme.LAYER_COLORS["skeleton"]) < 1.0
    assert tuple(psim.GetStyle().Colors[int(psim.ImGuiCol_Text)])[:3] == pytest.approx(theme.TEXT)
    assert not settings.app.ui.broken
    settings.click("dark")
    settings.frames(2)
    assert dark == (theme.TEXT, theme.PANEL, theme.LAYER_COLORS)


def test_size_grows_texts_and_widgets(settings):
    before = settings.box("Iteration")
    ps.set_window_size(1920, 1080)
    settings.app.ui.scale = 1.5
    settings.frames(4)
    after = settings.box("Iteration")
    assert ps.get_ui_scale() == pytest.approx(1.5)
    assert after.y1 - after.y0 > 1.3 * (before.y1 - before.y0)
    settings.app.ui.scale = None
    ps.set_window_size(1280, 720)
    settings.frames(4)
    again = settings.box("Iteration")
    assert again.y1 - again.y0 == pytest.approx(before.y1 - before.y0, abs=1.0)


def test_sizes_return_however_often_the_scale_changes(settings):
    """ImGui would not draw the panels of a small window smaller than its smallest window, which is scaled, too."""

    def sizes():
        style = psim.GetStyle()
        return style.WindowMinSize, style.IndentSpacing, style.SeparatorTextPadding, style.FramePadding

    before = sizes()
    ps.set_window_size(1920, 1080)
    for _ in range(3):
        settings.app.ui.scale = 1.5
        settings.frames(4)
        assert sizes() == tuple(
            pytest.approx(np.trunc(1.5 * np.array(size)).tolist()) if isinstance(size, tuple) else int(1.5 * size)
            for size in before
        )
        settings.app.ui.scale = None
        settings.frames(4)
        assert sizes() == before
    ps.set_window_size(1280, 720)
    settings.frames(4)


def test_in_a_small_window_texts_are_as_large_as_the_panels_leave_room_for():
    assert fitting_scale(2.0, 2560, 1440) == fitting_scale(2.0, 3840, 2160) == 2.0
    assert fitting_scale(2.0, 1920, 1080) == 1.5
    assert fitting_scale(2.0, 1280, 720) == fitting_scale(2.0, 800, 500) == 1.0
    assert fitting_scale(0.75, 800, 500) == 0.75


def test_the_window_says_that_texts_are_smaller_than_they_should_be(window):
    ui = window.app.ui
    ui.scale = 1.5
    ps.set_window_size(1920, 1080)
    window.frames(3)
    assert not ui.notes
    for size in ((1600, 900), (1440, 810), (1600, 900)):
        ps.set_window_size(*size)
        window.frames(3)
    (note,) = ui.notes
    assert "Texts are 1.2 times as large as usual, not 1.5 times" in note.text and "1920 × 1080" in note.advice
    ui.scale = None
    ps.set_window_size(1280, 720)
    window.frames(3)


def test_a_window_is_as_large_as_its_texts_and_no_larger_than_the_screen():
    fresh, kept = Preferences(), Preferences(size=(2600, 1500))
    assert fresh.window_size() == (1280, 720)
    assert fresh.window_size(scale=2.0) == (2560, 1440)
    assert fresh.window_size(scale=2.0, screen=(1920, 1080)) == (1920, 1080)
    assert kept.window_size() == (2600, 1500)
    assert kept.window_size(screen=(1366, 768)) == (1366, 768)
    assert Preferences(size=(10, 10)).window_size(screen=(1366, 768)) == (640, 400)


def test_kept_for_the_next_window(tmp_path):
    ui = UiState(theme="light", scale=1.25)
    ui.filming.folder = "/videos"
    save_preferences(tmp_path / "window.json", from_ui(ui, size=(1600, 900)))
    saved, fresh = load_preferences(tmp_path / "window.json"), UiState()
    apply_preferences(saved, fresh)
    assert (fresh.theme, fresh.scale, fresh.filming.folder, saved.window_size()) == (
        "light",
        1.25,
        "/videos",
        (1600, 900),
    )


@pytest.mark.parametrize("bad", [{"theme": "pink"}, {"scale": "big"}, {"scale": 90.0}, {"size": [1, "a"]}])
def test_nonsense_in_the_file_is_the_default(bad):
    saved, ui = Preferences(**bad), UiState()
    apply_preferences(saved, ui)
    assert (ui.theme, ui.scale, saved.window_size()) == ("dark", None, (1280, 720))


@pytest.mark.parametrize(
    ("variables", "resources", "scale"),
    [
        ({"GDK_SCALE": "2"}, "", 2.0),
        ({"QT_SCALE_FACTOR": "1.5"}, "Xft.dpi: 96", 1.5),
        ({}, "Xcursor.size: 24\nXft.dpi:\t144", 1.5),
        ({}, "Xft.dpi: many", 1.0),
        ({"GDK_SCALE": "x"}, "", 1.0),
    ],
)
def test_the_desktop_is_asked_for_its_size(monkeypatch, variables, resources, scale):
    for name in ("GDK_SCALE", "QT_SCALE_FACTOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(backends, "_x_resources", lambda: resources)
    assert backends.desktop_scale() == scale
