"""The panels that explain a fit, on a real session: they show what the optimiser's diagnostics say, and lead there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polyscope as ps
import pytest

from optim.diagnostics.agreement import overlap_disagreement
from optim.diagnostics.causes.table import causes
from optim.diagnostics.drift import drift
from optim.diagnostics.ground import ground
from optim.diagnostics.quantities import PAIR, QUANTITIES
from tests.viewer.conftest import Window
from viewer.panels.inspect.floor import summary
from viewer.panels.inspect.overlaps import shape_and_floor
from viewer.protocol.commands import Run, RunStage, SetBreakpoints, Step
from viewer.protocol.planes import plane_of
from viewer.ui.plots import Curve, limits
from viewer.worker.breakpoints import DEFAULT_BREAKPOINTS


def to_stage_3(window: Window) -> None:
    for command in (RunStage(), RunStage(), Step()):
        window.app.client.post(command)
        window.frames(2)
        window.settle()


def show(window: Window, panel: str, *, slot: str = "losses") -> None:
    window.app.ui.tabs[slot] = panel
    window.frames(6)
    assert not window.app.ui.broken


def test_drift_curves_are_the_diagnostics(open_fit):
    window = open_fit(batch=2)
    show(window, "drift")
    assert "drift" not in window.view.analyses  # stage 3 has not begun
    to_stage_3(window)
    show(window, "drift")
    found, expected = window.view.analyses["drift"].value, drift(window.session.fit)
    np.testing.assert_array_equal(found.total["root_cm"], expected.root_cm.total)
    np.testing.assert_array_equal(found.encoding["heading_deg"], expected.heading_deg.encoding)
    window.click("joints")
    assert window.app.ui.drift_quantity == "joints_cm"


def test_a_click_into_a_plot_goes_to_the_frame(open_fit):
    window = open_fit()
    to_stage_3(window)
    show(window, "drift")
    slot = window.windows["losses"]
    window.move(slot.x0 + 0.6 * (slot.x1 - slot.x0), slot.y0 + 0.8 * (slot.y1 - slot.y0))
    window.press()
    window.release()
    assert 2 <= window.app.ui.frame <= 6


def test_an_answer_is_asked_for_once_per_iteration_and_never_while_running(open_fit):
    window = open_fit()
    show(window, "floor")
    first = window.view.analyses["ground"]
    window.frames(5)
    assert window.view.analyses["ground"] is first
    np.testing.assert_array_equal(first.value.skate_mm, ground(window.session.fit).skate_mm)
    window.app.client.post(Step())
    window.settle()
    window.frames(5)
    assert window.view.analyses["ground"].snapshot == window.view.current != first.snapshot


def test_overlaps_are_listed_with_their_seams(open_fit):
    window = open_fit("joints2d", batch=2, overlap=3)
    to_stage_3(window)
    show(window, "overlaps")
    (expected,) = overlap_disagreement(window.session.fit)
    (found,) = window.view.analyses["overlaps"].value.pairs
    np.testing.assert_allclose(found.position_cm, expected.position_cm)
    assert len(window.view.analyses["overlaps"].value.seams) == 1
    window.click("1–2")
    assert window.app.ui.frame == int(found.frames[found.position_cm.argmax()])


def test_the_curves_of_a_pair_lead_to_their_worst_frames(open_fit):
    window = open_fit("joints2d", batch=3, overlap=3)
    to_stage_3(window)
    window.app.ui.wide = True
    show(window, "overlaps")
    expected = overlap_disagreement(window.session.fit)
    pairs = window.view.analyses["overlaps"].value.pairs
    assert [pair.before for pair in pairs] == [0, 1]
    window.click("2–3")
    ui, pair = window.app.ui, pairs[1]
    assert ui.pair == 1 and ui.frame == int(pair.frames[pair.position_cm.argmax()])
    assert set(pair.curves) == set(PAIR)
    for name in PAIR:
        np.testing.assert_array_equal(pair.curves[name], expected[1].curves[name])
        title = next(w for w in window.widgets if w.startswith(QUANTITIES[name].label))
        ui.frame = 0
        window.frames(2)
        title = next(w for w in window.widgets if w.startswith(QUANTITIES[name].label) and is_drawn(window, w))
        window.scroll_to(title, "losses")
        window.click(title, 0.1)
        assert ui.frame == int(pair.frames[np.abs(pair.curves[name]).argmax()]), name
    window.frames(2)
    box = window.box(f"plot {PAIR[0]}")
    window.move(box.x0 + 0.02 * (box.x1 - box.x0), (box.y0 + box.y1) / 2)
    window.press()
    window.release()
    assert ui.frame == int(pair.frames[0])


def is_drawn(window: Window, name: str) -> bool:
    return window.widgets[name].frame >= window.frame


def test_shape_and_floor_of_every_sub_sequence_are_listed(open_fit):
    window = open_fit("joints2d", batch=3, overlap=3)
    to_stage_3(window)
    window.app.ui.wide = True
    show(window, "overlaps")
    pairs = window.view.analyses["overlaps"].value.pairs
    frames, betas, floor = shape_and_floor(window.view, 1)
    assert (frames, betas) == ("5–12", QUANTITIES["pair_betas"].text(pairs[0].betas))
    assert floor.startswith(QUANTITIES["floor_angle_deg"].text(pairs[0].floor_angle_deg))
    assert shape_and_floor(window.view, 0)[1:] == ("0.00", "0.0 °, 0.0 cm")
    assert window.shows(floor)


def test_the_floor_of_a_sub_sequence_is_positive_above_that_of_the_first(open_fit):
    window = open_fit("joints2d", batch=2, overlap=3)
    low, high = np.array([0.0, 0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0, 0.07])
    raised = replace(window.view, floors=np.stack((low, high)))
    assert shape_and_floor(raised, 1)[2] == "0.0 °, 7.0 cm"


def test_raw_sub_sequences_and_the_stitched_motion_take_turns(open_fit):
    window = open_fit("joints2d", batch=2, overlap=3)
    to_stage_3(window)
    show(window, "overlaps")
    window.app.ui.frame = window.view.scene.overlaps[0][0]
    window.frames(2)
    overlaps = next(layer for layer in window.app.scene_view.layers if layer.name == "overlaps")
    texts = [label.text for label in overlaps.labels(window.view, window.app.ui)]
    assert texts[0].startswith("1–2: ") and texts[1:] == ["sub-sequence 1", "sub-sequence 2"]
    shown = {name for name in ("0", "1", "stitched") if ps.has_surface_mesh(f"body {name}")}
    assert shown == {"0", "1"}
    window.click("stitched", 0.1)
    window.frames(6)
    enabled = [ps.get_surface_mesh(f"body {name}").is_enabled() for name in ("0", "1", "stitched")]
    assert enabled == [False, False, True] and list(overlaps.labels(window.view, window.app.ui)) == []
    found = window.view.analyses["stitched"].value
    assert found.motion.joints.shape[:2] == (1, window.view.scene.clip_frames)
    np.testing.assert_allclose(found.motion.joints[0], found.blend, atol=0.03)  # with one shape
    window.click("stitched", 0.1)
    window.frames(3)
    assert [ps.get_surface_mesh(f"body {name}").is_enabled() for name in ("0", "1", "stitched")] == [True, True, False]


def test_diagnosis_names_causes_then_frame_term_and_variable_and_leads_there(open_fit):
    window = open_fit()
    to_stage_3(window)
    show(window, "diagnosis")
    window.click("Diagnose")
    window.frames(4)
    found = window.view.analyses["diagnosis"]
    assert found.error == "" and found.snapshot == window.view.shown
    said = [(v.level, v.text, v.rule, v.evidence, v.advice) for v in found.value.verdicts]
    assert said == [(c.level, c.text, c.rule, c.evidence, c.advice) for c in causes(window.session.fit)]
    worst = next(v for v in found.value.places if "largest loss" in v.text)
    shares = np.nan_to_num(window.app.client.worker._builder.members.per_frame(window.session.current))[:, 0]
    assert worst.frame == int(shares.sum(0).argmax())
    term = window.view.scene.terms[int(shares[:, worst.frame].argmax())]
    assert term.name.replace("_", " ") in worst.text
    assert any(name in worst.text for name in window.session.current.variables)
    assert window.shows(worst.text) and window.shows(said[0][1])
    index = next(i for i, v in enumerate(found.value.verdicts) if v.frame is not None and v.level != "good")
    window.app.ui.frame = 1 if found.value.verdicts[index].frame != 1 else 2
    window.frames(2)
    name = next(w for w in window.widgets if w == str(found.value.verdicts[index].frame))
    window.click(name)
    assert window.app.ui.frame == found.value.verdicts[index].frame


def test_a_question_that_fails_is_a_message_and_no_more(open_fit, monkeypatch):
    from viewer.worker import analyses

    def fail(builder, snapshot):
        raise ValueError("cannot tell")

    monkeypatch.setitem(analyses.ANALYSES, "ground", fail)
    window = open_fit()
    show(window, "floor")
    assert window.shows("cannot tell")
    window.app.client.post(Step())
    window.settle()
    assert window.view.status.total_iterations == 1


def test_a_new_floor_is_an_edit_of_the_fit(open_fit):
    window = open_fit("joints2d")
    show(window, "floor")
    before = window.view.floors[0]
    window.app.ui.floor_draft = (3.0, -2.0, 10.0)
    window.click("Set floor")
    window.frames(4)
    wanted = np.array(plane_of(3.0, -2.0, 10.0))
    np.testing.assert_allclose(window.view.floors[0], wanted, atol=1e-5)
    away = np.degrees(np.arccos(wanted[2]))  # the first floor is z = 0
    said = summary(window.view.analyses["ground"].value, 0)
    assert f"moved to {away:.2f}° and +10.0 cm from z = 0 · the estimate has not left it yet" in said
    assert "floor tilt" not in said and window.shows(said)
    assert not np.allclose(before, wanted, atol=1e-3)
    assert window.view.can_undo


def test_a_floor_under_the_feet_can_be_chosen(open_fit):
    window = open_fit("joints2d")
    show(window, "floor")
    before = summary(window.view.analyses["ground"].value, 0)
    assert before.startswith("floor tilt 0.0 °")
    window.click("From feet")
    window.frames(4)
    guesses = window.view.analyses["floor_guesses"].value
    assert {guess.confidence for guess in guesses} <= {"good", "fair", "poor"}
    window.click(f"{guesses[-1].name}: {guesses[-1].confidence}")
    window.frames(4)
    np.testing.assert_allclose(window.view.floors[0], guesses[-1].plane, atol=1e-4)
    assert window.view.can_undo
    away = np.degrees(np.arccos(guesses[-1].plane[2]))
    said = summary(window.view.analyses["ground"].value, 0)
    assert f"observed floor moved to {away:.2f}°" in said and "floor tilt" not in said
    window.key("Z", ctrl=True)
    window.frames(4)
    assert summary(window.view.analyses["ground"].value, 0) == before


def test_the_floor_entry_is_off_without_a_camera(open_fit):
    window = open_fit()
    show(window, "floor")
    before = len(window.session.history)
    window.click("Set floor")
    assert len(window.session.history) == before


def test_profile_adds_up_and_can_be_cleared(open_fit):
    window = open_fit()
    to_stage_3(window)
    show(window, "profile")
    times = {phase.name: phase for phase in window.view.times}
    assert {"stage 1", "stage 2"} <= set(times)
    assert times["stage 2"].evaluations > 0 and sum(times["stage 2"].seconds.values()) > 0
    assert window.shows(f"stage 2: {sum(times['stage 2'].seconds.values()):.1f} s")
    window.click("Clear")
    window.frames(3)
    assert window.view.times == ()


@pytest.mark.parametrize("name", ["phase begins", "loss up"])
def test_breakpoints_pause_a_run_and_lead_back(open_fit, name):
    window = open_fit()
    breakpoints = tuple(replace(t, on=t.name == name, bound=t.bound and 1e-6) for t in DEFAULT_BREAKPOINTS)
    window.app.client.post(SetBreakpoints(breakpoints))
    show(window, "breakpoints", slot="variables")
    window.app.client.post(Run())
    window.frames(3)
    window.settle()
    caught = window.view.caught
    assert caught is not None and window.view.current == caught.snapshot
    assert window.view.status.state == "paused"
    window.frames(3)
    window.click("Back to the last good one")
    window.frames(3)
    assert window.view.current == caught.last_good


def test_a_breakpoint_is_switched_by_its_box(open_fit):
    window = open_fit()
    show(window, "breakpoints", slot="variables")
    window.click("breakpoint 1/line search failed")
    window.frames(2)
    assert {t.name for t in window.view.breakpoints if t.on} == {"not finite", "line search failed"}


def test_limits_hold_all_values_and_zero():
    low, high = limits([Curve("a", 0, np.array([np.nan, -1.0, 3.0]), (1, 1, 1))])
    assert low < -1.0 and high > 3.0
    assert limits([]) == pytest.approx((0.0, 0.0), abs=1e-6)
