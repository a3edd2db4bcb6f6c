"""Results on disk in the window: what each moment shows, what is told, and what a click on the timeline does."""

import numpy as np
import pytest

from optim.common.errors import InputError
from tests.optim.results.test_opened import motion, people, write_part
from viewer.protocol import commands as c
from viewer.protocol.view_model import LoadFailed, ViewModel
from viewer.replay.replay import ReplayClient
from viewer.replay.results_source import ResultsSource
from viewer.scene.skinning import Skinner


@pytest.fixture
def parts(tmp_path):
    """Two parts of a video with a seam, as the public code writes them."""
    first = write_part(tmp_path / "clip_0000_16251", start=0)
    write_part(tmp_path / "clip_0001_16252", start=18, shift=0.04)
    (first / "losses.csv").write_text("stage,total,joints3d,joints3d_raw\n1,8,8,8\n2,4,4,4\n3,5,5,5\n")
    return tmp_path


def test_every_moment_shows_its_motion(parts):
    source = ResultsSource(parts)
    assert source.current == 4 and not source.refresh()
    views = [source.view(number) for number in range(5)]
    assert [view.phases[view.status.phase].name for view in views] == [
        "stage 1",
        "stage 2",
        "stage 3, first roll-out",
        "stage 3",
        "stitched",
    ]
    assert all(view.scene is views[0].scene for view in views)
    scene = views[0].scene
    assert (scene.starts, scene.num_frames, scene.clip_frames) == ((0, 18), 20, 38)
    apart = [float((view.motion.joints - views[1].motion.joints)[0, :, 0, 0].mean()) for view in views]
    np.testing.assert_allclose(apart, [0.3, 0.0, 0.05, 0.01, 0.01], atol=1e-5)
    np.testing.assert_allclose(views[0].drift.root_cm, np.full((2, 20), 5.0), atol=1e-3)
    lowest = Skinner(scene.body).vertices(views[1].motion, 0, 5)[:, 2].min()
    assert abs(lowest - (1.15 - 0.9)) < 0.4  # stands on the floor of its own world
    with pytest.raises(InputError, match="no moment 5"):
        source.view(5)


def test_what_was_found_is_told(parts):
    source = ResultsSource(parts)
    told = " ".join(note.text for note in source.notes())
    assert "clip: stage 1 (end of stage 1)" in told and "5.0 cm from stage 2 in the mean" in told
    assert "seam at frame 20: 2 frames shared, 4.00 cm" in told
    assert not source.notes()


def test_a_floor_of_the_camera_becomes_the_ground(tmp_path):
    """Planes of the camera's frame come out level, the estimated one where it lies to the one that was given."""
    folder = write_part(tmp_path / "clip", interval=False)
    own = motion(20, floor_plane=np.array([0.0, -1.0, 0.0, -1.6]))
    np.savez(folder / "stage3_results.npz", **own)
    np.savez(folder / "observations.npz", joints2d=np.ones((20, 25, 3)), floor_plane=np.array([0.0, -1.0, 0.0, -1.5]))
    source = ResultsSource(tmp_path)
    np.testing.assert_allclose(source.view(1).floors, [[0, 0, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(source.view(3).floors, [[0, 0, 1, -0.1]], atol=1e-6)
    assert source.view(0).scene.camera is not None


def test_losses_that_a_run_wrote_down_are_there(tmp_path):
    folder = write_part(tmp_path / "clip", interval=False)
    lines = [
        "iteration,phase,stage,step,total,joints3d,joints3d_raw,motion_prior,motion_prior_raw",
        "0,stage 1,1,0,9,9,9,,",
        "1,stage 1,1,0,8,8,8,,",
        "2,stage 2,2,0,4,4,4,,",
        "3,stage 3 tune,3,0,7,5,5,2,20",
        "4,stage 3 refine,3,1,3,2,2,1,10",
    ]
    (folder / "losses.csv").write_text("\n".join(lines) + "\n")
    source = ResultsSource(tmp_path)
    views = [source.view(number) for number in range(4)]
    assert [view.status.loss for view in views] == [8, 4, 7, 3]
    assert [term.name for term in views[0].scene.terms] == ["joints3d", "motion_prior"]
    np.testing.assert_allclose(views[2].weighted, [5, 2])
    np.testing.assert_allclose(views[2].weights[2], [1.0, 0.1])
    np.testing.assert_allclose(views[0].raw, [8, np.nan])
    assert views[0].history.terms.shape == (4, 2)


def test_the_window_opens_them_and_goes_from_stage_to_stage(open_window, parts):
    window = open_window(make_client=lambda: ReplayClient(lambda: ResultsSource(parts)))
    window.until(lambda: window.app.view is not None)
    assert window.view.shown == 4 and window.app.failed is None
    for moment in (2, 0):
        window.app.client.post(c.Inspect(moment))
        window.until(lambda number=moment: window.view.shown == number)
    window.app.client.post(c.Step())
    window.frames(3)
    assert window.view.shown == 0


def test_the_window_shows_only_what_results_hold(open_window, parts):
    """No optimiser, no weights, nothing to hold: the motions, their loss terms, and what else was stored."""
    window = open_window(make_client=lambda: ReplayClient(lambda: ResultsSource(parts)))
    window.until(lambda: window.app.view is not None)
    window.widgets.clear()
    window.frames(3)
    drawn = {name for name, box in window.widgets.items() if box.frame == window.frame}
    assert not {"Run", "Iteration", "Undo", "Freeze", "Schedule", "Why?", "Search", "Stage 1"} & drawn
    assert not any(name.endswith("/slider") for name in drawn)
    assert {"Compare", "Film", "Messages", "Show"} <= drawn
    assert window.shows("38 frames at 30 Hz") and window.shows("2 sub-sequences")
    assert window.shows("No loss terms were stored for this motion.")
    stage = next(name for name in drawn if name.startswith("stage 2"))
    window.click(stage)
    window.until(lambda: window.view.shown == 1)
    window.frames(2)
    assert window.shows("joints3d")


def test_people_without_losses_are_drawn(open_window, tmp_path):
    np.savez(tmp_path / "people.npz", **people())
    window = open_window(make_client=lambda: ReplayClient(lambda: ResultsSource(tmp_path / "people.npz")))
    window.until(lambda: window.app.view is not None)
    window.frames(3)
    assert window.app.failed is None and window.view.motion.trans.shape[0] == 2


def test_what_cannot_be_opened_is_said(tmp_path):
    client = ReplayClient(lambda: ResultsSource(tmp_path))
    messages = [message for _ in range(3) for message in client.poll()]
    (failed,) = [message for message in messages if isinstance(message, LoadFailed)]
    assert failed.input_error and "no stage1_results.npz" in failed.text
    assert not [message for message in messages if isinstance(message, ViewModel)]
