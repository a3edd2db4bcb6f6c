"""Another run is read by a process of its own: it shows what the run shows, and ends with its window."""

import time

import numpy as np
import pytest

from optim.config.settings import parse
from tests.optim.results.test_opened import write_part
from viewer.commands.sessions import other_run
from viewer.protocol.commands import Inspect, Quit
from viewer.protocol.view_model import About, LoadFailed, Scene, ViewModel
from viewer.replay.opening import replay_of


@pytest.fixture
def opened():
    clients = []

    def opened(path):
        clients.append(other_run(parse([]), str(path)))
        return clients[-1]

    yield opened
    for client in clients:
        client.close()
        assert not client.process.is_alive()


def until(client, kind, seconds=60.0):
    """All messages up to the first of a kind."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        found += client.poll()
        if any(isinstance(message, kind) for message in found):
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {kind.__name__} after {seconds} s, but {found}")


def test_a_results_folder_is_served_moment_by_moment(opened, tmp_path):
    folder = write_part(tmp_path / "clip", interval=False)
    client, here = opened(folder), replay_of(folder)
    first = until(client, ViewModel)
    assert [type(message) for message in first if isinstance(message, About | Scene)] == [About, Scene]
    client.post(Inspect(0))
    view = next(message for message in until(client, ViewModel) if isinstance(message, ViewModel))
    here.poll()
    here.post(Inspect(0))
    expected = [m for _ in range(3) for m in here.poll() if isinstance(m, ViewModel) and m.shown == 0][0]
    np.testing.assert_array_equal(view.motion.joints, expected.motion.joints)
    client.post(Quit())
    client.process.join(20)
    assert client.process.exitcode == 0


def test_a_folder_without_results_says_so(opened, tmp_path):
    (failed,) = (m for m in until(opened(tmp_path), LoadFailed) if isinstance(m, LoadFailed))
    assert failed.input_error and "no stage1_results.npz" in failed.text
