"""The panel Film: what is clicked there is what the next film is like."""

from __future__ import annotations

import pytest

from tests.viewer.panels.test_analysis_panels import show
from viewer.film.script import FAST_FPS
from viewer.ui.preferences import apply_preferences, from_ui
from viewer.ui.ui_state import UiState


@pytest.mark.parametrize("fast", [False, True])
def test_fewer_pictures_a_second_are_a_click_and_are_remembered(window, tmp_path, fast):
    show(window, "record")
    window.app.ui.filming.folder = str(tmp_path)
    if fast:
        window.click("15 a second")
    window.click("Film the window")
    studio = window.app.studio
    studio.obey()
    assert studio.filming.fps == (FAST_FPS if fast else 30.0)
    studio.prepare()
    assert studio.picture_seconds == pytest.approx(1 / studio.filming.fps)  # the clip keeps its own speed
    studio.stop()
    again = UiState()
    apply_preferences(from_ui(window.app.ui), again)
    assert again.filming.fast is fast
