"""Comparing in the window: what is pinned, what is drawn, and that every place shows the same numbers."""

from dataclasses import replace

import numpy as np
import polyscope as ps
import pytest

from optim.diagnostics.comparison import BETWEEN, Track, compare
from optim.diagnostics.quantities import QUANTITIES
from optim.reporting.comparing import differences
from optim.results.read_results import read_result
from tests.optim.results.test_opened import write_part
from tests.viewer.panels.test_analysis_panels import show
from viewer.layers.compared import ComparedLayer
from viewer.panels.fit.frame_bar import HEIGHT, _tell, difference
from viewer.protocol.commands import Inspect, RunStage, Step
from viewer.protocol.view_model import About
from viewer.replay.opening import replay_of
from viewer.ui import theme
from viewer.ui.focus import legend
from viewer.ui.pins import Pins, Place, moments, pin_of
from viewer.ui.preferences import Preferences, from_ui, load_preferences, pins_of, save_preferences, with_pins
from viewer.ui.widgets import Strip


@pytest.fixture
def window(open_fit):
    window = open_fit("joints3d")
    window.post(Step())
    show(window, "compare")
    return window


def measured(window, pinned):
    shown = window.view.motion
    tracks = (Track(motion.joints[0], motion.rotations[0, :, 0]) for motion in (shown, pinned))
    return compare(*tracks)


def test_the_iteration_that_is_shown_is_kept_while_the_fit_goes_on(window):
    pinned = window.view.motion
    window.click("Pin this")
    assert window.view.compared is not None
    for values in window.view.compared.values.values():
        np.testing.assert_allclose(values, 0.0, atol=1e-6)
    window.post(RunStage())
    found, name = measured(window, pinned), "between_joints_cm"
    assert found.values[name].max() > 0.1
    for quantity in BETWEEN:
        np.testing.assert_array_equal(window.view.compared.values[quantity], found.values[quantity])
    frame, value = found.largest(name)
    window.frames(2)
    window.click(f"Largest: {QUANTITIES[name].text(value)} in frame {frame}")
    assert window.app.ui.frame == frame
    assert window.shows(f"here {QUANTITIES[name].text(value)}") and window.shows("frames 0 to 7, which both have")
    (label,) = ComparedLayer().labels(window.view, window.app.ui)
    assert label.text == f"B: iteration 1, {QUANTITIES[name].label} {QUANTITIES[name].text(value)}"


def test_the_legend_names_both_bodies_while_they_are_compared(window):
    assert {entry.text for entry in legend(window.view, ["body", "compared"])} == {"fitted body"}
    window.click("Pin this")
    entries = legend(window.view, ["body", "compared"])
    assert [entry.text for entry in entries] == ["A: fitted body", "B: iteration 1"]
    assert entries[1].color == theme.LAYER_COLORS["compared"]
    window.click("pin 0/Unpin")
    assert {entry.text for entry in legend(window.view, ["body", "compared"])} == {"fitted body"}


def test_pins_come_back_in_the_next_window_on_the_same_run(window, tmp_path):
    window.click("Pin this")
    window.post(RunStage())
    window.frames(2)
    window.click("Pin this")
    window.click("pin 0/iteration 1")
    ui, before = window.app.ui, list(window.app.ui.pins.kept)
    other = Preferences(pins={"other": [{"label": "x", "snapshot": 0, "run": "", "drawn": True}]})
    save_preferences(tmp_path / "window.json", with_pins(from_ui(ui), other, "run", ui.pins))
    saved = load_preferences(tmp_path / "window.json")
    assert [place.label for place in pins_of(saved, "other")] == ["x"] and pins_of(saved, "third") == []
    ui.pins = Pins(again=[*pins_of(saved, "run"), Place("gone", 10**6, "", False)])
    window.until(lambda: not ui.pins.again and ui.pins.wanted is None)
    window.frames(3)
    assert [pin.label for pin in ui.pins.kept] == [pin.label for pin in before]
    for pin, old in zip(ui.pins.kept, before, strict=True):
        np.testing.assert_array_equal(pin.motion.joints, old.motion.joints)
    assert ui.pins.pin.label == "iteration 1" and window.view.compared.label == "iteration 1"
    assert window.view.shown == window.view.current
    assert with_pins(from_ui(ui), saved, "run", Pins()).pins == other.pins  # nothing is pinned any more


def test_the_timeline_has_the_curve_of_the_differences_and_tells_the_value(window):
    place = Strip(100.0, 50.0, 700.0, HEIGHT, None, False, 0.0, 0.0)
    ui = window.app.ui
    assert difference(window.view, ui, place) == []
    window.click("Pin this")
    window.post(RunStage())
    window.frames(2)
    for name in BETWEEN:
        ui.pins.quantity, signed = name, window.view.compared.values[name]
        values = np.abs(signed)
        points = np.array(difference(window.view, ui, place))
        np.testing.assert_allclose(points[:, 0], np.linspace(100.0, 800.0, 8))
        highest = points[:, 1].min()
        assert points[:, 1].argmin() == values.argmax() and highest >= place.y
        assert points[:, 1].max() <= place.y + HEIGHT
        heights = (points[:, 1].max() - points[:, 1]) / np.ptp(points[:, 1])
        np.testing.assert_allclose(heights, (values - values.min()) / np.ptp(values), atol=1e-4)
        assert f"{QUANTITIES[name].label} {QUANTITIES[name].text(signed[3])}" in _tell(window.view, ui, 3)
    short = np.array(difference(window.view, ui, place._replace(width=3.0)))
    assert len(short) == 3 and short[:, 1].min() == pytest.approx(points[:, 1].min())  # no largest value is lost


def test_both_bodies_are_drawn_and_stand_apart_as_far_as_is_chosen(window):
    window.click("Pin this")
    assert ps.get_surface_mesh("compared 0").is_enabled()
    window.click("side by side")
    window.frames(2)
    assert window.view.compared.beside == pytest.approx(1.2)
    window.click("distance", fx=0.99)
    assert window.app.ui.pins.distance > 3.5
    texts = [label.text for label in ComparedLayer().labels(window.view, window.app.ui)]
    assert texts[1] == "A" and texts[0].endswith("0.0 cm")
    window.click("pin 0/iteration 1")  # hidden by a second click
    assert window.view.compared is None and not ps.get_surface_mesh("compared 0").is_enabled()
    window.click("pin 0/iteration 1")
    assert window.view.compared is not None
    window.click("pin 0/Unpin")
    assert window.view.compared is None and not window.app.ui.pins.kept


def test_ends_of_stages_and_the_ground_truth_can_be_pinned(window):
    window.post(RunStage(), Step())
    ends = moments(window.view)
    window.click("pin")
    window.click("end of stage 1")
    window.until(lambda: window.app.ui.pins.kept)
    window.frames(4)
    window.app.receive()
    assert window.view.shown == window.view.current
    kept = window.app.ui.pins.kept[0]
    stage1 = next(snapshot for snapshot, label in ends if label == "end of stage 1")
    window.post(Inspect(stage1))
    np.testing.assert_array_equal(window.view.motion.joints, kept.motion.joints)
    truth = pin_of(window.view, "ground truth", motion=replace(kept.motion, joints=kept.motion.joints + 0.01))
    window.app.ui.pins.add(truth)
    window.frames(2)
    window.click("terms")
    window.frames(2)
    assert window.shows("B has no loss terms of its own.")


def test_terms_and_settings_that_differ_are_listed(window):
    window.app.about = About(settings={"seed": "0"})
    window.post(Step())
    window.click("Pin this")
    kept = window.app.ui.pins.kept[0]
    other = replace(kept, label="B", about=About(settings={"seed": "7"}), terms={"total": kept.terms["total"] + 2.0})
    window.app.ui.pins.add(other)
    window.frames(2)
    window.click("settings")
    window.frames(2)
    assert all(window.shows(text) for text in ("seed", "7", "0"))
    window.click("terms")
    window.frames(2)
    assert window.shows("total") and window.shows("2")


def test_another_run_is_compared_over_the_frames_that_both_have(open_window, tmp_path):
    """Window and report show the same numbers of two results folders."""
    first = write_part(tmp_path / "a" / "clip", interval=False)
    second = write_part(tmp_path / "b" / "clip", interval=False, shift=0.04)
    window = open_window(make_client=lambda: replay_of(first))
    window.until(lambda: window.app.view is not None)
    window.app.other_run.open = lambda path: replay_of(second)
    show(window, "compare")
    window.app.ui.pins.run_to_open = str(second)
    window.until(lambda: window.app.ui.pins.kept)
    window.frames(2)
    assert window.view.compared.label == "clip, its end"
    found = differences(read_result(first), read_result(second))
    for name in BETWEEN:
        np.testing.assert_allclose(window.view.compared.values[name], found.values[name], atol=1e-3)
    np.testing.assert_allclose(found.values["between_root_cm"], 4.0, atol=1e-3)
    window.click("of run")
    window.click("end of stage 1")
    window.until(lambda: len(window.app.ui.pins.kept) == 2)
    window.frames(2)
    assert window.view.compared.label == "clip, end of stage 1"


def test_a_run_that_cannot_be_read_is_a_message(window, tmp_path):
    window.app.other_run.open = lambda path: replay_of(tmp_path)
    window.app.ui.pins.run_to_open = str(tmp_path)
    window.until(lambda: any("nothing is compared" in note.text for note in window.app.ui.notes))
    assert window.app.ui.pins.run is None and window.app.failed is None
