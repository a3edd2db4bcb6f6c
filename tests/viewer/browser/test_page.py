"""The page in browsers: what is drawn and written comes from the view, edits arrive, all browsers show one state."""

from __future__ import annotations

import io
import tempfile
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from optim.checks.contradictions import JUMP
from optim.recording.runfile import RunFile
from optim.schedule.solvers import SOLVERS, solvers_of
from optim.schedule.stages import schedule
from optim.session.session import Session
from optim.split.batches import Batches, planned
from optim.split.splitting import split_frames
from tests import fakes as small
from tests.viewer import fakes, recorded
from tests.viewer.browser.tab import Tab, wait
from tests.viewer.conftest import fit
from viewer.browser import controls
from viewer.browser.access import access_to
from viewer.browser.controls import REST
from viewer.browser.page import Page
from viewer.browser.sections import weights
from viewer.browser.sections.curves import QUESTIONS
from viewer.browser.sections.observed import GO, TRUST_AGAIN
from viewer.browser.server import Server
from viewer.panels.fit.stages import PRESET, SKIP
from viewer.panels.fit.weights import slider_weight
from viewer.panels.inspect.effects import OVERVIEW, PREDICT
from viewer.panels.inspect.floor import FEET, SET_FLOOR
from viewer.panels.program.data import DOUBT_ALL, LEAVE_OUT, TRUST, TRUST_ALL
from viewer.panels.program.export import EXPORT
from viewer.panels.table import PANELS
from viewer.protocol.commands import Request, Run, RunStage, Step
from viewer.protocol.messages import Message
from viewer.replay.opening import replay_of
from viewer.scene.skinning import Skinner
from viewer.worker.local_client import LocalClient

TERM = "joints3d"


class Browsing:
    """A page, its server, and the tabs that are open."""

    def __init__(self, make_client: Callable[[], object]) -> None:
        self.access = access_to("127.0.0.1", 0, token=False)
        self.server = Server(self.access)
        self.page = Page(make_client, self.server)
        self.tabs: list[Tab] = []

    @property
    def view(self):
        assert self.page.view is not None
        return self.page.view

    @property
    def session(self):
        return self.page.client.worker._session

    def turn(self) -> None:
        self.page.turn()
        for tab in self.tabs:
            tab.receive()
        time.sleep(0.002)

    def until(self, condition: Callable[[], object]) -> None:
        wait(condition, turn=self.turn)

    def turns(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end)

    def open(self) -> Tab:
        tab = Tab(self.access.port)
        self.tabs.append(tab)
        # The page is complete when it says how a variable moves.
        self.until(lambda: any(str(w.get("label")).startswith("betas, body shape (") for w in tab.widgets.values()))
        self.until(lambda: "/body 0" in tab.nodes)
        return tab

    def together(self, *acts: Callable[[], None]) -> None:
        """Have users do several things, each on another widget, in one turn of the page."""
        self.until(lambda: not self.page._inbox._waiting)
        for count, act in enumerate(acts, start=1):
            act()
            wait(lambda count=count: len(self.page._inbox._waiting) == count, turn=partial(time.sleep, 0.002))

    def run(self, command: Request) -> None:
        """Have the fit run to where a command leads."""
        obeyed = self.page.ui.posted + 1
        self.page.post([command])
        self.until(lambda: self.view.obeyed >= obeyed and self.view.status.state != "running")

    def close(self) -> None:
        for tab in self.tabs:
            tab.close()
        self.page.close()
        self.server.stop()
        self.page.client.close()


class OneByOne(LocalClient):
    """A worker that publishes what it has done after each command."""

    def __init__(self, make_session: Callable[[], Session]) -> None:
        super().__init__(make_session)
        self._posted: deque[Request] = deque()

    def post(self, command: Request) -> None:
        self._posted.append(command)

    def poll(self) -> list[Message]:
        if self._posted:
            super().post(self._posted.popleft())
        return super().poll()


def fit_in_batches() -> Session:
    """Five sub-sequences of 8 frames, of which a batch takes two."""
    split = split_frames(28, length=8, overlap=3)
    whole = small.problem("joints2d", frames=split.frames)
    batches = Batches(whole, planned(whole, split, 2))
    phases = schedule("humorscope", "rgb", num_iters=(1, 1, 1), lbfgs_max_iter=2, tune_frames=4)
    return Session(batches.problem(0), schedule=phases, batches=batches)


@pytest.fixture
def browsing() -> Iterator[Callable[..., Browsing]]:
    """Opens pages, on a made-up walk if nothing else is said."""
    opened = []

    def make(make_client: Callable[[], object] | None = None) -> Browsing:
        opened.append(Browsing(make_client or partial(LocalClient, fakes.make_session)))
        return opened[-1]

    yield make
    for one in opened:
        one.close()
        assert not one.page._broken, one.page.ui.notes


def test_the_body_that_is_drawn_is_that_of_the_view(browsing):
    here = browsing()
    tab = here.open()
    for frame in (0, 7):
        tab.change("frame", frame)
        vertices = Skinner(here.view.scene.body).vertices(here.view.motion, 0, frame)
        here.until(lambda vertices=vertices: np.allclose(tab.nodes["/body 0"]["vertices"], vertices, atol=1e-5))
    assert here.page.ui.frame == 7
    tab.change("Body", False)
    here.until(lambda: not tab.nodes["/body 0"]["visible"])


def test_without_a_browser_nothing_is_drawn(browsing):
    here = browsing()
    here.until(lambda: here.page.view is not None)
    here.page.post([Step()])
    here.turns(0.3)
    assert here.view.status.total_iterations == 1 and not here.page.scene.layers[0].canvas._handles
    here.open()
    assert here.page.scene.layers[0].canvas._handles


def test_an_edited_weight_arrives_once_and_the_page_shows_it(browsing, monkeypatch):
    here = browsing()
    tab, default = here.open(), float(here.view.weights[0, 0])
    monkeypatch.setattr(weights, "REST", np.inf)
    for position in (0.2, 0.5, 1.0):  # a drag: only where it ends counts
        tab.change(TERM, position)
        dragged = pytest.approx(slider_weight(position, default))
        here.until(lambda dragged=dragged: [draft.value for draft in here.page.ui.drafts.values()] == [dragged])
    monkeypatch.setattr(weights, "REST", REST)
    here.until(lambda: len(here.view.history.events))
    here.turns(2 * REST)
    assert len(here.view.history.events) == 1
    assert here.view.weights[0, 0] == pytest.approx(slider_weight(1.0, default))
    assert tab.widget(TERM)["value"] == pytest.approx(1.0) and not here.page.ui.drafts
    tab.change("edits", "Undo")
    here.until(lambda: here.view.weights[0, 0] == pytest.approx(default))
    here.until(lambda: tab.widget(TERM)["value"] == 0.0)
    tab.change("edits", "Redo")
    here.until(lambda: here.view.weights[0, 0] == pytest.approx(slider_weight(1.0, default)))


def test_two_browsers_show_one_state_and_the_last_edit_wins(browsing):
    here = browsing()
    first, second = here.open(), here.open()
    first.change("frame", 5)
    here.until(lambda: second.widget("frame")["value"] == 5)
    first.change(TERM, 1.0)
    here.turns(REST / 3)
    second.change(TERM, -1.0)
    default = float(here.view.scene.default_weights[0, 0])
    asked = pytest.approx(slider_weight(-1.0, default))
    here.until(lambda: here.view.weights[0, 0] == asked and not here.page.ui.drafts)
    here.until(lambda: all(tab.widget(TERM)["value"] == pytest.approx(-1.0) for tab in (first, second)))
    here.turns(0.2)
    for tab in (first, second):
        tab.updates.clear()
    events = len(here.view.history.events)
    here.turns(4 * REST)
    assert first.updates == second.updates == [] and len(here.view.history.events) == events


def test_a_closed_tab_loses_nothing(browsing, tmp_path):
    path = tmp_path / "walk.humorscope"
    here = browsing(recorded.client(path))
    tab = here.open()
    tab.change("go on by", "Stage")
    here.until(lambda: here.view.status.state == "running" or here.view.status.total_iterations > 2)
    tab.close()
    here.tabs.clear()
    here.until(lambda: here.view.status.state == "paused")
    assert here.view.history.number(here.view.current) > 4
    again = here.open()
    here.until(lambda: again.widget("iteration")["value"] == here.view.history.number(here.view.current))
    with closing(RunFile(path, mode="read")) as file:
        ((kept,),) = file.rows("SELECT count(*) FROM snapshots")
    assert kept == len(here.view.history.ids)


def test_iterations_are_looked_at_and_rewound(browsing):
    here = browsing()
    tab = here.open()
    here.run(RunStage())
    here.until(lambda: tab.widget("iteration")["max"] == here.view.history.number(here.view.current))
    assert not tab.widget("this iteration")["visible"]
    tab.change("iteration", 3)
    here.until(lambda: here.view.history.number(here.view.shown) == 3 and tab.widget("this iteration")["visible"])
    assert here.view.current != here.view.shown
    tab.change("this iteration", "Rewind here")
    here.until(lambda: here.view.current == here.view.shown and here.view.history.number(here.view.current) == 3)
    tab.change("go on by", "Iteration")
    here.until(lambda: here.view.history.number(here.view.current) == 4)


def test_a_variable_is_held_and_released(browsing):
    here = browsing()
    tab = here.open()
    tab.change("trans (", True)
    here.until(lambda: "trans" in here.view.held)
    here.turns(0.1)
    assert tab.widget("trans (")["value"] is True and "held" in tab.widget("trans (")["label"]
    tab.change("trans (", False)
    here.until(lambda: not here.view.held)


def test_findings_lead_to_their_frames(browsing):
    here = browsing(partial(LocalClient, fakes.make_session_with_a_gap))
    tab = here.open()
    tab.press("Diagnose")
    here.until(lambda: here.page.sections["diagnosis"].jumps)
    verdict = next(v for v, _ in here.page.sections["diagnosis"].jumps if v.frame not in (None, here.page.ui.frame))
    here.until(lambda: any(f"frame {verdict.frame}" in (w.get("options") or ()) for w in tab.widgets.values()))
    uuid = next(u for u, w in tab.widgets.items() if f"frame {verdict.frame}" in (w.get("options") or ()))
    tab.widgets = {uuid: tab.widgets[uuid]}
    tab.change("go to", f"frame {verdict.frame}")
    here.until(lambda: here.page.ui.frame == verdict.frame)


def test_curves_of_drift_floor_and_overlaps(browsing):
    here = browsing(partial(LocalClient, partial(fit, batch=2, overlap=3)))
    tab = here.open()
    for command in (RunStage(), RunStage(), Step()):
        here.run(command)
    plot = here.page.sections["drift"].plot.handle
    for name, kind in QUESTIONS.items():
        tab.change("of", PANELS[name].title)
        here.until(lambda kind=kind: kind in here.view.analyses and plot.visible)
        here.until(lambda: tab.widgets[plot._impl.uuid]["visible"])
        assert here.view.analyses[kind].value is not None
        if name == "floor":
            tab.change("sub-sequence", "2")
            here.until(lambda: here.page.ui.sequence == 1)
        tab.change("of", "nothing")
        here.until(lambda: not plot.visible)


def test_a_recorded_run_is_shown_compared_and_not_changed(browsing, tmp_path):
    path = tmp_path / "walk.humorscope"
    client = recorded.client(path)()
    client.post(RunStage())
    while client.worker.turn():
        pass
    client.close()
    size = Path(path).stat().st_size
    here = browsing(lambda: replay_of(path))
    here.page.other_run.open = lambda other: replay_of(Path(other))
    here.page.ui.pins.run_to_open = str(path)
    tab = here.open()
    here.until(lambda: tab.nodes.get("/compared 0", {}).get("visible"))
    tab.change("iteration", 2)
    here.until(lambda: here.view.history.number(here.view.shown) == 2)
    tab.press("Run")
    here.until(lambda: any("recording" in note.text for note in here.page.ui.notes))
    assert Path(path).stat().st_size == size


def test_a_worker_that_is_lost_can_be_started_again(browsing):
    here = browsing()
    tab = here.open()
    here.page.client.worker.quitting = True
    here.until(lambda: here.page.lost and tab.widget("Restart")["visible"])
    tab.press("Restart")
    here.until(lambda: here.page.view is not None and not tab.widget("Restart")["visible"])


def test_the_schedule_is_edited(browsing, monkeypatch):
    """One edit of each kind, and typing counts as one."""
    here = browsing()
    tab = here.open()
    last = here.view.phases[-1].name
    tab.change("phase", last)
    entered, key = here.page.sections["stages"]._entered, ("steps", len(here.view.phases) - 1)
    monkeypatch.setattr(controls, "REST", np.inf)
    for steps in (1, 12):  # as they are typed
        tab.change("steps", steps)
        here.until(lambda steps=steps: key in entered._moved and entered._moved[key][0] == steps)
    monkeypatch.setattr(controls, "REST", REST)
    here.until(lambda: here.view.phases[-1].steps == 12)
    assert len(here.view.history.events) == 1
    other = next(name for name in solvers_of(3) if name != here.view.phases[-1].solver)
    tab.change("solver", SOLVERS[other].label)
    here.until(lambda: here.view.phases[-1].solver == other)
    tab.change("frames", 5)
    tab.change("flat %", 2.5)
    here.until(lambda: here.view.phases[-1].frames == 5 and here.view.phases[-1].flat_gain == pytest.approx(0.025))
    here.until(lambda: tab.widget("steps")["value"] == 12 and tab.widget("frames")["value"] == 5)
    tab.change("preset", "reference")
    here.until(lambda: here.view.phases[-1].steps != 12)
    here.until(lambda: tab.widget("preset")["value"] == PRESET)
    tab.press(SKIP)
    here.until(lambda: here.view.status.phase == 1)


def test_a_breakpoint_pauses_the_run(browsing):
    here = browsing()
    tab = here.open()
    tab.change("phase begins", True)
    index = next(i for i, setting in enumerate(here.view.breakpoints) if setting.name == "loss up")
    tab.widgets = {here.page.sections["breakpoints"].bounds[index]._impl.uuid: {"label": "bound"}}
    tab.change("bound", 3.5)
    here.until(lambda: here.view.breakpoints[index].bound == 3.5)
    assert next(setting for setting in here.view.breakpoints if setting.name == "phase begins").on
    here.page.post([Run()])
    here.until(lambda: here.view.caught is not None and here.view.status.state != "running")
    assert here.view.status.phase == 1 and here.page.sections["breakpoints"].caught.content


def test_breakpoints_that_are_edited_in_one_turn_are_all_changed(browsing):
    here = browsing(partial(OneByOne, fakes.make_session))
    tab, edited = here.open(), ("phase begins", "not finite", "loss up")
    before = {setting.name: setting.on for setting in here.view.breakpoints}
    here.together(*(partial(tab.change, name, not before[name]) for name in edited))
    obeyed = here.page.ui.posted + len(edited)
    here.until(lambda: here.view.obeyed >= obeyed)
    assert {s.name: s.on for s in here.view.breakpoints} == before | {name: not before[name] for name in edited}
    here.until(lambda: all(tab.widget(name)["value"] is not before[name] for name in edited))


def test_data_of_a_later_batch_is_left_out(browsing):
    here = browsing(partial(LocalClient, fit_in_batches))
    tab = here.open()
    assert list(tab.widget("data of")["options"]) == ["1", "2"]
    for command in (RunStage(), RunStage(), RunStage(), Step()):
        here.run(command)
    assert here.view.scene.batch == 1 and len(here.view.scene.starts) == 2
    here.until(lambda: list(tab.widget("data of")["options"]) == ["3", "4"])
    here.page.ui.data_frames, here.page.ui.sequence = (1, 3), 7  # of a batch that was larger
    here.until(lambda: tab.widget("data of")["value"] == "4")
    seen = here.view.scene.observed.joints2d[..., 2].copy()
    for b in (1, 0):
        if b == 0:
            tab.change("data of", "3")
            here.until(lambda: here.page.ui.sequence == 0)
        tab.press(LEAVE_OUT)
        here.until(lambda b=b: not (here.view.scene.observed.joints2d[b, 1:4, :, 2] > 0).any())
        seen[b, 1:4] = here.view.scene.observed.joints2d[b, 1:4, :, 2]
        np.testing.assert_array_equal(here.view.scene.observed.joints2d[..., 2], seen)


def test_frames_are_left_out_and_trusted_less(browsing):
    here = browsing(partial(LocalClient, fakes.make_session_with_a_gap))
    tab = here.open()
    uuid = here.page.sections["data"].frames._impl.uuid
    seen = here.view.scene.observed.joints2d[0, :, :, 2].copy()
    every, tab.widgets = tab.widgets, {uuid: {"label": "frames"}}
    tab.change("frames", (1, 3))
    tab.widgets = every
    here.until(lambda: here.page.ui.data_frames == (1, 3))
    tab.change("confidence ×", 0.5)
    tab.press(TRUST)
    here.until(lambda: np.allclose(here.view.scene.observed.joints2d[0, 1:4, :, 2], 0.5 * seen[1:4]))
    tab.press(LEAVE_OUT)
    here.until(lambda: not (here.view.scene.observed.joints2d[0, 1:4, :, 2] > 0).any())
    assert np.array_equal(here.view.scene.observed.joints2d[0, 4:, :, 2], seen[4:], equal_nan=True)


def test_doubted_keypoints_are_told_and_trusted_again(browsing):
    here = browsing(partial(LocalClient, fakes.make_session_with_doubts))
    tab = here.open()
    here.until(lambda: any("jumps away from its place and back (left wrist)" in text for text in texts(tab)))
    here.until(lambda: any("2 of 2 doubted" in text for text in texts(tab)) and len(groups(tab)) == 2)
    tab.change("keypoints", GO)
    here.until(lambda: here.page.ui.frame == 2)
    tab.change("keypoints", TRUST_AGAIN)
    here.until(lambda: (here.view.scene.observed.doubts == -JUMP).sum() == 2)
    here.until(lambda: any("1 of 2 doubted" in text for text in texts(tab)))
    tab.press(TRUST_ALL)
    here.until(lambda: any(widget.get("label") == DOUBT_ALL for widget in tab.widgets.values()))
    assert not (here.view.scene.observed.doubts > 0).any()
    tab.press(DOUBT_ALL)
    here.until(lambda: (here.view.scene.observed.doubts > 0).sum() == 3)


def groups(tab: Tab) -> list[dict[str, object]]:
    """The buttons of the doubts that are there now."""
    return [widget for widget in tab.widgets.values() if widget.get("label") == "keypoints"]


def texts(tab: Tab) -> list[str]:
    """What is written on the page."""
    return [str(widget.get("content") or "") for widget in tab.widgets.values()]


def test_a_floor_is_set_and_guessed(browsing):
    here = browsing(partial(LocalClient, fakes.make_session_with_a_gap))
    tab = here.open()
    tab.change("lift", 10.0)
    here.until(lambda: here.page.ui.floor_draft[2] == 10.0)
    tab.press(SET_FLOOR)
    here.until(lambda: "floor" in here.view.history.events[-1].text if here.view.history.events else False)
    tab.press(FEET)
    options = here.page.sections["floor"].guesses
    here.until(lambda: len(options.options) > 1 and options.visible)
    events, tab.widgets = len(here.view.history.events), {options._impl.uuid: {"label": FEET}}
    tab.change(FEET, options.options[1])
    here.until(lambda: len(here.view.history.events) > events)
    here.run(Step())
    here.turn()
    assert not options.visible and here.page.ui.asked["floor_guesses"][0] != here.view.shown


def test_an_export_is_downloaded_and_leaves_nothing_behind(browsing, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    here = browsing(partial(OneByOne, fakes.make_session))
    tab = here.open()
    for name in ("gltf", "bvh"):
        tab.change(name, name == "bvh")
    here.until(lambda: here.page.ui.export_formats == {"bvh"})
    here.together(partial(tab.change, "phase begins", True), partial(tab.press, EXPORT))
    here.until(lambda: tab.downloads)
    (name, content), *more = tab.downloads.items()
    assert name.endswith(".bvh") and content.startswith(b"HIERARCHY") and not more
    tab.change("json", True)
    tab.press(EXPORT)
    here.until(lambda: len(tab.downloads) == 2)
    (archive,) = (content for name, content in tab.downloads.items() if name.endswith(".zip"))
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        assert {Path(name).suffix for name in files.namelist()} == {".bvh", ".json"}
    assert not list(tmp_path.glob("humorscope-*"))


def test_effects_of_weights_are_predicted(browsing):
    here = browsing(partial(LocalClient, fit))
    tab = here.open()
    here.run(Run())
    tab.press(OVERVIEW)
    here.until(lambda: "weight_effects" in here.view.analyses)
    found = here.view.analyses["weight_effects"].value
    assert found is not None
    weight = next(iter(found.changes))
    here.until(lambda: weight in here.page.sections["effects"].weight.options)
    tab.change("weight", weight)
    here.until(lambda: here.page.ui.effect_weight == weight)
    tab.press(PREDICT)
    here.until(lambda: "weight_probe" in here.view.analyses)
