"""The data tab edits what is observed, as one undoable edit of the fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from optim.checks.check import Checked, Choice
from optim.checks.contradictions import FACTOR, JUMP
from optim.session.edits import DropFrames, Undo
from optim.session.session import Session
from tests.viewer.conftest import fit


def opened(window):
    window.app.ui.tabs["variables"] = "data"
    window.frames(3)
    return window


def test_frames_are_left_out_and_come_back(open_fit):
    window = opened(open_fit(batch=2))
    window.app.ui.sequence, window.app.ui.data_frames = 1, (2, 4)
    window.frames(2)
    window.click("Leave out")
    window.frames(4)
    seen = np.isfinite(window.view.scene.observed.joints3d).all(axis=(2, 3))
    assert seen[0].all() and seen[1].tolist() == [True, True, False, False, False, True, True, True]
    assert window.view.can_undo
    window.app.client.post(Undo())
    window.frames(4)
    assert np.isfinite(window.view.scene.observed.joints3d).all()


def test_keypoints_are_trusted_less(open_fit):
    window = opened(open_fit("joints2d"))
    window.app.ui.data_frames, window.app.ui.trust = (1, 2), 0.25
    before = window.session.problem.observations.joints2d.clone()
    window.frames(2)
    window.click("Trust")
    window.frames(4)
    after = window.session.problem.observations.joints2d
    np.testing.assert_allclose(after[0, 1:3, :, 2], 0.25 * before[0, 1:3, :, 2])
    np.testing.assert_allclose(after[0, 3:], before[0, 3:])


def test_keypoints_that_contradict_others_are_listed_and_can_be_trusted_again(open_window):
    session = fit("joints2d")
    seen = session.problem.observations
    doubts = torch.zeros(seen.joints2d.shape[:3], dtype=torch.int8)
    doubts[:, 2:4, 7] = JUMP
    problem = replace(session.problem, observations=replace(seen, doubts=doubts))
    window = opened(open_window(lambda: Session(problem, schedule=session.schedule)))
    assert window.shows("frames 2 to 3: jumps away from its place and back (left wrist)")
    assert window.shows("1 of 1 doubted")
    before = window.view.scene.observed.joints2d[0, 2, 7, 2]
    window.click("go")
    assert window.app.ui.frame == 2
    window.click("trust again")
    window.frames(4)
    assert not window.session.problem.observations.doubted.any() and window.shows("0 of 1 doubted")
    assert window.view.scene.observed.joints2d[0, 2, 7, 2] == before / FACTOR
    window.click("Doubt all again")
    window.frames(4)
    assert window.session.problem.observations.doubted.sum() == 2


def test_only_keypoints_of_the_chosen_sub_sequence_are_trusted_less(open_fit):
    window = opened(open_fit("joints2d", batch=2))
    window.app.ui.sequence, window.app.ui.data_frames, window.app.ui.trust = 1, (1, 2), 0.25
    before = window.session.problem.observations.joints2d.clone()
    window.frames(2)
    window.click("Trust")
    window.frames(4)
    after = window.session.problem.observations.joints2d
    np.testing.assert_allclose(after[1, 1:3, :, 2], 0.25 * before[1, 1:3, :, 2])
    assert (after[0] == before[0]).all()


def test_the_longest_gap_has_a_button_to_its_first_frame_in_the_clip(open_fit):
    window = opened(open_fit(batch=2, overlap=3)).post(DropFrames(3, 6, sub_sequence=1))
    window.click("longest gap: 3 frames")
    assert window.app.ui.frame == window.view.scene.starts[1] + 3


def test_leaving_out_everything_is_refused_with_a_message(open_fit):
    window = opened(open_fit())
    window.app.ui.data_frames = (0, 7)
    before = len(window.session.history)
    window.frames(2)
    window.click("Leave out")
    window.frames(4)
    assert len(window.session.history) == before
    assert any(note.level == "warning" for note in window.app.ui.notes)


def test_the_frame_that_is_shown(open_fit):
    window = opened(open_fit())
    window.app.ui.frame = 5
    window.frames(2)
    window.click("this one")
    assert window.app.ui.data_frames == (5, 5)


def test_what_the_checks_found_is_shown_with_the_worst_first(open_window):
    rows = (Checked("unit", "fine", "1 m"), Checked("up", "likely", "it lies", "y is up", "give --up=y"))
    session = fit()
    checked = Session(replace(session.problem, checked=rows), schedule=session.schedule)
    window = opened(open_window(lambda: checked))
    assert window.shows("up: it lies; y is up; give --up=y") and window.shows("unit: as assumed")
    assert window.shows("1 of 2 not as assumed")


def offering(open_window):
    offered = {"1,700 px": "1700", "900 px": "900"}
    choices = tuple(Choice(label, ("--focal", focal), "another angle of view") for label, focal in offered.items())
    rows = (Checked("guessed focal length", "note", "673 px are guessed", choices=choices),)
    session = fit("joints2d")
    return opened(open_window(lambda: Session(replace(session.problem, checked=rows), schedule=session.schedule)))


def test_another_way_to_read_the_data_is_chosen_with_a_click_and_confirmed(open_window):
    window = offering(open_window)
    ui = window.app.ui
    ui.opening.can_begin_again, ui.opening.kept = True, "This fit is kept in walk.humorscope."
    window.frames(2)
    window.click("1,700 px")
    window.frames(2)
    assert window.shows("Begin again with --focal 1700?") and window.shows("This fit is kept") and not ui.quit
    window.click("Stay here")
    window.frames(2)
    assert not ui.quit and ui.opening.asked_again is None and not ui.opening.leaves
    window.click("900 px")
    window.frames(2)
    window.click("Begin again")
    assert ui.quit and ui.opening.again == ("--focal", "900")


def test_where_a_fit_cannot_begin_again_the_choices_do_nothing(open_window):
    window = offering(open_window)
    window.click("1,700 px")
    window.frames(2)
    assert not window.app.ui.quit and window.app.ui.opening.asked_again is None
