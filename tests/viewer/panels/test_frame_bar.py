"""The frame bar: in and out points, and the strip of motion that the prior does not know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optim.diagnostics.drift import novelty_of
from optim.priors import novelty as definition
from tests.viewer.panels.test_analysis_panels import to_stage_3
from viewer.panels.fit import frame_bar
from viewer.ui.ui_state import UiState


def test_a_range_is_marked_by_buttons_and_keys_and_taken_away(window):
    ui = window.app.ui
    ui.go_to(4, window.view.scene.clip_frames)
    window.click("In")
    ui.go_to(9, window.view.scene.clip_frames)
    window.key("Period")
    assert ui.span == (4, 9)
    window.frames(2)
    assert not ui.broken
    window.click("Out")
    assert ui.span == (4, None)
    ui.go_to(4, window.view.scene.clip_frames)
    window.key("Comma")
    assert ui.span == (None, None)


def test_marks_never_cross():
    ui = UiState(frame=5)
    ui.mark_in()
    ui.frame = 3
    ui.mark_out()
    assert ui.span == (None, 3)
    ui.frame = 8
    ui.mark_in()
    assert ui.span == (8, None)


@pytest.mark.parametrize("loop", [True, False])
def test_only_the_range_is_played(loop):
    ui = UiState(frame=0, playing=True, loop=loop, span=(4, 7))
    seen = []
    for _ in range(12):
        ui.advance(1 / 30, fps=30.0, num_frames=20)
        seen.append(ui.frame)
    assert set(seen) == {4, 5, 6, 7}
    assert ui.playing is loop
    assert loop or seen[-1] == 7


def test_a_range_beyond_a_shorter_clip_is_cut():
    ui = UiState(span=(4, 70))
    assert ui.played(20) == (4, 19)
    assert ui.played(3) == (2, 2)


def test_unknown_motion_is_a_strip_with_its_number(window, monkeypatch):
    monkeypatch.setattr(definition, "LEAN_DEG", (-2.0, -1.0))  # the made-up body stands
    assert frame_bar.novelty(window.view) is None  # before stage 3 nothing is known
    to_stage_3(window)
    view, ui = window.view, window.app.ui
    expected = novelty_of(window.session.fit).frames[0].numpy()
    np.testing.assert_allclose(frame_bar.novelty(view), expected, atol=1e-6)
    new = int(expected.argmax())
    assert expected[new] > 0.1  # the untrained prior knows nothing
    assert f"novelty {expected[new]:.2f}" in frame_bar._tell(view, ui, new)
    known = replace(view, drift=replace(view.drift, novelty=np.zeros_like(view.drift.novelty)))
    assert "novelty" not in frame_bar._tell(known, ui, new)
    window.frames(2)
    assert not ui.broken
