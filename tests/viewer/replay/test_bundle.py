"""Bundles: one file with everything in it, pictures of the video too, and no path of the machine it comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import run_viewer
from optim.common.errors import InputError
from optim.config.settings import parse
from optim.problem.footage import Footage
from optim.recording.recording import Recording, recorded_session
from optim.recording.runfile import RunFile
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes
from tests.videos import grey_frames, shade, write_video
from viewer.replay.bundle import bundle
from viewer.replay.run_source import RunSource
from viewer.scene.footage import Film
from viewer.worker.build_view import ViewBuilder
from viewer.worker.run_recorder import Recorder

FRAMES = (3, 5, 7, 9, 11, 13)


@pytest.fixture
def home(tmp_path) -> Path:
    """A folder that must not be named in a bundle."""
    folder = tmp_path / 'hömé of "me"'
    folder.mkdir()
    return folder


@pytest.fixture
def run(home) -> Path:
    """A run with a video and a body of the user's own, not closed by its writer."""
    video = write_video(home / "film.mp4", grey_frames(30), fps=30)
    problem = replace(
        fakes.problem("joints2d", frames=6),
        footage=Footage(video, (64, 48), FRAMES),
        body_file=home / "male" / "model.npz",
    )
    phases = schedule("humorscope", "rgb", num_iters=(1, 1, 1), lbfgs_max_iter=3)
    session = Session(problem, schedule=phases)
    settings = parse(["--smpl", str(home / "smplh"), "--seed", "4", "--vposer", str(home / "vposer")])
    recording = recorded_session(session, path=home / "run.humorscope", settings=settings)
    recorder = Recorder(recording, ViewBuilder(session), lambda message: None)
    while not session.done:
        session.step_iteration()
        recorder.follow()
    recorder.flush()
    return home / "run.humorscope"


def test_a_bundle_is_all_there_is(run, home, tmp_path):
    before = RunSource(run)
    before.refresh()
    expected = before.view(before.current)
    found = bundle(run, tmp_path / "bundle.humorscope")
    assert found.pictures == len(FRAMES) and found.missing is None
    assert found.body == str(home / "male" / "model.npz")
    home.rename(tmp_path / "gone")
    after = RunSource(found.path)
    after.refresh()
    view = after.view(after.current)
    np.testing.assert_array_equal(view.motion.joints, expected.motion.joints)
    np.testing.assert_array_equal(view.history.total, expected.history.total)
    film = Film(view.scene.footage)
    for frame, number in enumerate(FRAMES):
        place, image = film.wait_for(frame)
        assert place == number and shade(image) == pytest.approx(number, abs=0.6)
    film.close()
    recording = Recording(RunFile(found.path, mode="read"))
    assert recording.settings.seed == 4 and recording.data["body_file"] == Path("male/model.npz")
    assert len(recording) == len(view.history.ids)


def test_no_folder_of_this_machine_is_named(run, home, tmp_path):
    content = bundle(run, tmp_path / "bundle.humorscope").path.read_bytes()
    for name in (str(tmp_path), "hömé", "h\\u00f6m\\u00e9"):
        assert name.encode() not in content


def test_a_video_that_is_gone_is_told(run, home, tmp_path, capsys, caplog):
    (home / "film.mp4").unlink()
    assert run_viewer.main(["--bundle", str(run), str(tmp_path / "bundle.humorscope")]) == 0
    assert "film.mp4 cannot be read any more" in caplog.text
    assert "licence" in caplog.text
    assert capsys.readouterr().out.startswith(f"bundle: {tmp_path / 'bundle.humorscope'} (")


def test_a_bundle_replaces_nothing(run, tmp_path):
    with pytest.raises(InputError, match="the file is there already"):
        bundle(run, run)
    with pytest.raises(InputError, match="cannot be written"):
        bundle(run, tmp_path / "no" / "bundle.humorscope")
    with pytest.raises(InputError, match="no such file"):
        bundle(tmp_path / "nothing", tmp_path / "bundle.humorscope")
