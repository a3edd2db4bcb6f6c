"""Run files in the window: a recording is scrubbed with the mouse, a dead optimiser goes on where it was."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from tests.viewer import recorded
from viewer.protocol import commands as c
from viewer.replay.replay import ReplayClient
from viewer.replay.run_source import RunSource


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.humorscope"


@pytest.fixture
def replayed(path, open_window):
    """A window on the recording of a fit up to the middle of stage 3."""
    session = recorded.make_session()
    client = recorded.client(path)()
    for command in (c.RunStage(), c.RunStage(), c.StepOuter()):
        client.post(command)
        client.poll()
        while client.worker.running:
            client.poll()
    client.close()
    assert client.worker is not None
    session = client.worker._session
    source = partial(RunSource, path)
    return open_window(make_client=partial(ReplayClient, source, advice=f"run_viewer.py --resume {path}")), session


def test_a_recording_is_scrubbed(replayed):
    window, session = replayed
    window.until(lambda: window.app.view is not None)
    last = session.current.id
    assert (window.view.shown, window.view.current) == (last, last)
    window.drag("iteration bar", 0.9, 0.05)
    assert window.view.shown < last and window.view.current == last
    early = window.view.motion.joints
    np.testing.assert_allclose(early, session.fit.trajectory(session.history[window.view.shown]).joints, atol=2e-4)
    window.click("iteration bar", 0.99)
    assert not np.array_equal(window.view.motion.joints, early)
    assert not window.app.ui.broken


def test_a_recording_does_not_run_on_and_says_what_would(replayed, path):
    window, session = replayed
    window.until(lambda: window.app.view is not None)
    before = path.read_bytes()
    window.click("Iteration")
    window.frames(3)
    assert window.view.current == session.current.id
    notes = [note for note in window.app.ui.notes if note.text == "This is a recording."]
    assert notes and notes[0].advice == f"run_viewer.py --resume {path}"
    assert path.read_bytes() == before


def test_a_dead_optimiser_goes_on_where_it_was(path, open_window):
    window = open_window(make_client=recorded.client(path))
    assert any(note.text == f"The session is recorded in {path}" for note in window.app.ui.notes)
    for _ in range(3):
        window.click("Iteration")
        window.settle()
    reached = window.view
    window.app.client.worker.quitting = True
    window.frames(3)
    assert window.shows("A new one goes on from its last iteration.")
    window.click("Restart")
    window.frames(3)
    assert window.view.status.total_iterations == reached.status.total_iterations == 3
    np.testing.assert_array_equal(window.view.history.total, reached.history.total)
    np.testing.assert_array_equal(window.view.motion.joints, reached.motion.joints)
    window.click("Iteration")
    window.settle()
    assert window.view.status.total_iterations == 4


def test_closing_the_window_in_mid_run_loses_nothing(path, open_window):
    window = open_window(make_client=recorded.client(path))
    window.key("Space")
    window.until(lambda: window.view.current > 5)
    session = window.session
    window.app.client.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    source = RunSource(path)
    source.refresh()
    assert source.current == session.current.id
