"""The video in the window: the right picture in the right place, in any order, within its memory."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.videos import grey_frames, shade, write_video
from tests.viewer import fakes
from viewer.layers.camera import image_points
from viewer.layers.footage import FilmLayer, distance, image_corners
from viewer.protocol.view_model import Camera, Footage
from viewer.scene import footage as module
from viewer.scene.footage import Film, FilmError
from viewer.ui.ui_state import UiState
from viewer.worker.build_view import ViewBuilder

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """60 frames, each of its own grey, under a name with spaces and other letters."""
    folder = tmp_path_factory.mktemp("films") / "Größe und так"
    folder.mkdir()
    return write_video(folder / "ein film.mp4", grey_frames(60), fps=30)


def test_any_frame_in_any_order(video):
    film = Film(Footage(path=str(video), frames=tuple(range(60))))
    for frame in (0, 1, 2, 59, 30, 31, 5, 58):
        number, image = film.wait_for(frame)
        assert number == frame
        assert shade(image) == pytest.approx(frame, abs=0.6)


def test_frames_are_those_of_the_clip_not_of_the_file(video):
    film = Film(Footage(path=str(video), frames=tuple(range(10, 60, 2))))
    number, image = film.wait_for(7)
    assert number == 24 and shade(image) == pytest.approx(24, abs=0.6)
    assert film.wait_for(999)[0] == 58


def test_looking_never_waits(video):
    film = Film(Footage(path=str(video), frames=tuple(range(60))))
    first = film.look(40)
    assert first is None or first[0] == 40
    film.wait_for(40)
    later = film.look(3)  # not there yet: the last one stays on the screen
    assert later is not None and later[0] in (3, 40)


def test_memory_is_bounded(video, monkeypatch):
    monkeypatch.setattr(module, "MEMORY", 1)
    film = Film(Footage(path=str(video), frames=tuple(range(60))))
    for frame in range(60):
        film.wait_for(frame)
    assert len(film._kept) <= 2 * module._AHEAD + 1


def test_large_pictures_are_made_smaller(tmp_path):
    path = write_video(tmp_path / "large.mp4", grey_frames(3, size=(3840, 2160)), fps=30)
    _, image = Film(Footage(path=str(path), frames=(0, 1, 2))).wait_for(1)
    assert image.shape == (540, 960, 3)


@pytest.mark.parametrize("content", [None, b"no video at all"])
def test_a_video_that_is_gone_or_broken_is_named(tmp_path, content):
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    film = Film(Footage(path=str(path), frames=(0, 1)))
    with pytest.raises(FilmError, match=r"clip\.mp4"):
        film.wait_for(0)


def test_an_error_of_the_reading_thread_is_told(video, monkeypatch):
    monkeypatch.setattr(module, "shrunk_jpeg", lambda image: 1 / 0)
    film = Film(Footage(path=str(video), frames=(0, 1)))
    with pytest.raises(FilmError, match="ein film.mp4: the video cannot be read .ZeroDivisionError"):
        film.wait_for(0)


def test_switched_on_again_the_layer_tries_anew(tmp_path, video):
    session = fakes.PacedSession(fakes.make_problem(camera=True))
    shown = ViewBuilder(session).view(session.current, None)
    path = tmp_path / "clip.mp4"
    shown = replace(shown, scene=replace(shown.scene, footage=Footage(path=str(path), frames=tuple(range(9)))))
    layer, ui = FilmLayer(), UiState(exact=True)
    with pytest.raises(FilmError, match="not there any more"):
        layer.key(shown, ui)
    path.write_bytes(video.read_bytes())
    assert layer.key(shown, ui)[0] == 0
    reading = layer._film._thread
    layer.close()
    assert not reading.is_alive()


def test_the_picture_hangs_where_the_camera_sees_the_image():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    matrix = np.array([[500.0, 0, 300.0], [0, 480.0, 260.0], [0, 0, 1]])
    camera = Camera(matrix=matrix, size=(640, 480), R_display_camera=turn, t_display_camera=np.array([1.0, 2.0, 3.0]))
    corners = image_corners(camera, 4.0)
    assert image_points(camera, corners) == pytest.approx(np.array([(0, 480), (640, 480), (640, 0), (0, 0)]))
    assert (corners - camera.t_display_camera) @ turn[:, 2] == pytest.approx(4.0)


def test_the_picture_hangs_behind_every_body():
    session = fakes.PacedSession(fakes.make_problem(camera=True))
    builder = ViewBuilder(session)
    view = builder.view(session.current, None)
    camera = builder.scene.camera
    depth = (view.motion.joints - camera.t_display_camera) @ camera.R_display_camera[:, 2]
    assert distance(camera, view) > depth.max()


def test_a_program_that_ends_while_it_reads_ends_well(tmp_path):
    """A thread that is ended inside OpenCV would abort the process."""
    path = write_video(tmp_path / "large.mp4", grey_frames(40, size=(1920, 1080)), fps=30)
    program = f"""if True:
        from viewer.scene.footage import Film
        from viewer.protocol.view_model import Footage
        Film(Footage(path={str(path)!r}, frames=tuple(range(40)))).wait_for(0)
    """
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
