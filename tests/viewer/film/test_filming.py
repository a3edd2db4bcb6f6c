"""Recordings, really drawn: scripts give the same pictures every time, the window records what it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import polyscope as ps
import pytest

from viewer.film import filming
from viewer.film.filming import Filming, Side, beside
from viewer.film.script import parse_script
from viewer.film.studio import new_file
from viewer.film.video import VideoError
from viewer.panels.table import SLOTS
from viewer.protocol.commands import Inspect, Step
from viewer.ui.preferences import from_ui
from viewer.window.backends import offscreen_problem

ROOT = Path(__file__).parents[3]
PLAY = """
import sys
from pathlib import Path
from tests.viewer.conftest import fit
from viewer.worker.local_client import LocalClient
from viewer.commands.headless import record_script
from viewer.film.script import parse_script
script = parse_script(Path(sys.argv[1]).read_text())
made = []
def make():
    made.append(fit(frames=8))
    return made[-1]
result = record_script(lambda: LocalClient(make), Path(sys.argv[2]), script, pictures=True)
now = made[0].current
print(result.frames, result.codec, now.stage, now.total_iterations, now.weights["joints3d"], sorted(now.held))
"""
STORY = """
size 640 360
fps 10
0 run stage
0 run stage
0 run iteration
0 look home
0-0.5 step 4
0.5-1 weight joints3d 1 5
1 freeze x_0
1-1.5 step 3
1.5-2.5 orbit 180
1.5-2.5 play
2.5 compare 0 end
2.5-3 frame 0 end
"""
WINDOW = """
import sys
from pathlib import Path
import polyscope as ps
from tests.viewer import fakes
from viewer.window.app import App
from viewer.window.window import start_polyscope
from viewer.worker.local_client import LocalClient
start_polyscope("openGL3_egl", size=(1280, 720))
app = App(lambda: LocalClient(fakes.make_session))
ps.set_user_callback(app.frame)
for _ in range(4):
    app.tick()
app.ui.filming.folder, app.ui.filming.pictures, app.ui.filming.request = sys.argv[1], True, "start"
app.ui.playing, app.ui.frame = True, 0
for _ in range(8):
    app.tick()
app.ui.filming.request, app.ui.playing = "stop", False
app.tick()
assert not app.ui.filming.active
print(app.ui.frame, app.ui.filming.frames, app.ui.filming.last.name[:9])
"""


@pytest.fixture(autouse=True)
def _needs_drawing():
    problem = offscreen_problem()
    if problem is not None:
        pytest.skip(problem)


def run(program: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_a_script_steers_the_fit_and_gives_the_same_pictures_again(tmp_path):
    script = tmp_path / "story.txt"
    script.write_text(STORY)
    told = [run(PLAY, script, tmp_path / f"{name}.mp4") for name in "ab"]
    assert told[0] == told[1]
    frames, codec, stage, iterations, weight, frozen = told[0].split(maxsplit=5)
    assert (frames, codec, stage, weight, frozen) == ("30", "h264", "3", "5.0", "['x_0']")
    pictures = [sorted((tmp_path / name).glob("*.png")) for name in "ab"]
    assert [len(found) for found in pictures] == [30, 30]
    for one, other in zip(*pictures, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
    images = [cv2.imread(str(path)) for path in pictures[0]]
    assert images[0].shape == (360, 640, 3)
    turning = [np.abs(a.astype(int) - b).mean() for a, b in zip(images[16:23], images[17:24], strict=True)]
    assert min(turning) > 0.05
    left, right = images[-2][60:300, :320].astype(int), images[-2][60:300, 320:].astype(int)
    assert np.abs(left - right).mean() > 0.1  # two iterations, side by side
    assert int(iterations) > 8


def test_the_window_records_itself_at_the_rate_of_the_video(tmp_path):
    assert run(WINDOW, tmp_path) == "8 8 made-up w"  # one frame of the clip a picture, however long it took
    (video,) = tmp_path.glob("*.mp4")
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FPS) == 30
    pictures = sorted(tmp_path.glob("*/*.png"))
    image = cv2.imread(str(pictures[-1]))
    assert len(pictures) == 8 and image.shape == (720, 1280, 3)
    assert image[20:600, 20:260].std() > 5  # panels are in the picture


def test_whatever_a_script_runs_into_the_window_stays(window, tmp_path):
    studio = window.app.studio
    studio.start(tmp_path / "clip.mp4", script=parse_script("0-1 play"))
    studio.filming.next_order = lambda *arguments: 1 / 0
    window.app.tick()
    assert studio.filming is None and not window.app.ui.filming.active
    assert any("ZeroDivisionError" in note.text for note in window.app.ui.notes)
    window.frames(2)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_a_script_leaves_layers_and_settings_as_they_were(window, tmp_path, monkeypatch, own, whole):
    """Also where the user had chosen the layer, and where filming is stopped in the middle."""
    width, height = ps.get_buffer_size()
    drawn = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    monkeypatch.setattr(filming, "grab", lambda: drawn)  # nothing is drawn here
    ui, studio = window.app.ui, window.app.studio
    if own:
        ui.switch("rollout")
    before, shown = from_ui(ui), dict(ui.layers)
    lines = "0 layer rollout off\n0 layer axes on\n0 look 3 3 2 0 0 1\n0 plots large\n0 tab drift\n0-0.2 play"
    studio.start(tmp_path / "clip.mp4", script=parse_script(lines))
    for _ in range(3):
        window.app.tick()
    assert studio.error is None
    assert ui.layers["axes"] and not ui.layers["rollout"] and not ui.follow and ui.wide
    if not whole:
        studio.stop()
    for _ in range(20):
        window.app.tick()
    assert studio.filming is None and studio.error is None
    assert from_ui(ui) == before and ui.layers == shown and not ui.wide
    ui.follow_stage(3)
    assert ui.layers["rollout"] and ui.layers["contacts"]


def test_another_tab_shows_that_the_window_is_filmed(window):
    assert window.app.ui.tabs.get("losses") != "record"
    for active, name in ((False, "Film"), (True, "Filming"), (False, "Film")):
        window.app.ui.filming.active = active
        window.frames(2)
        titles = [title for title in ("Film", "Filming") if title in window.widgets]
        drawn = {title for title in titles if window.widgets[title].frame >= window.frame}
        assert drawn == {name}


def test_a_picture_that_cannot_be_written_is_said(tmp_path):
    film = Filming(tmp_path / "clip.mp4", size=(64, 48), pictures=True)
    (tmp_path / "clip").rmdir()
    with pytest.raises(VideoError, match=r"clip/00001\.png"):
        film._write(np.zeros((48, 64, 3), np.uint8))
    film.finish()


def test_pictures_side_by_side_keep_their_middles():
    a, b = (np.tile(np.arange(8, dtype=np.uint8)[None, :, None], (2, 1, 3)) + 10 * i for i in (0, 1))
    assert beside([a, b])[0, :, 0].tolist() == [2, 3, 4, 5, 12, 13, 14, 15]
    assert beside([a]) is a


def test_two_iterations_side_by_side_are_clean_and_the_window_is_restored(window, tmp_path, monkeypatch):
    """No panel stands in either half, and both have their titles; afterwards all is as it was."""
    window.post(Step(), Step())
    window.post(Inspect(1))
    width, height = ps.get_buffer_size()
    drawn: list[set[str]] = []

    def grab():
        drawn.append({name for name, box in window.windows.items() if box.frame >= window.frame})
        return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)

    monkeypatch.setattr(filming, "grab", grab)
    ui, studio = window.app.ui, window.app.studio
    ui.frame = 5
    window.frames(2)
    before, camera = from_ui(ui), np.array(ps.get_camera_view_matrix())
    studio.start(tmp_path / "clip.mp4", script=parse_script('0 compare 0 end "first" "last"\n0 look home\n0-0.2 play'))
    titles = []
    for _ in range(60):
        if studio.side is not None:
            titles.append(studio.side.title)
        window.frame += 1
        window.app.tick()
    assert studio.filming is None and studio.error is None
    assert len(drawn) == 12 and not any(set(SLOTS) & names for names in drawn)
    assert titles.count("first") >= 6 <= titles.count("last")
    window.frames(3)
    assert set(SLOTS) <= {name for name, box in window.windows.items() if box.frame >= window.frame}
    assert (from_ui(ui), ui.frame, window.view.shown) == (before, 5, 1)
    np.testing.assert_allclose(ps.get_camera_view_matrix(), camera, atol=1e-6)


def test_a_caption_drawn_in_every_part_is_whole_in_the_picture():
    size = (1280, 720)
    for index in range(2):
        side = Side(index, 2, "")
        cut = side.strip(size).x  # what ``beside`` begins with
        for place in (0.0, 1280.0):
            in_window = side.whole(size).x + place
            assert in_window - cut + index * 640 == place


def test_two_films_begun_in_one_second_have_names_of_their_own(tmp_path):
    paths = [new_file(tmp_path / "films", "walk-20260101-120000") for _ in range(3)]
    assert [path.stem[20:] for path in paths] == ["", "-2", "-3"]
    assert all(path.is_file() for path in paths)


REPEATED = """
import sys
from pathlib import Path
import cv2, numpy as np
from tests.viewer.conftest import fit
from viewer.commands.headless import record_script
from viewer.film import filming
from viewer.film.script import parse_script
from viewer.worker.local_client import LocalClient
drawn = []
grab = filming.grab
filming.grab = lambda: drawn.append(1) or grab()
script = parse_script("size 320 200\\n0 look home\\n0-0.8 play\\n0.8 layer floor off\\n0.8-1.2 play")
record_script(lambda: LocalClient(lambda: fit(frames=8)), Path(sys.argv[1]), script, pictures=True)
print(len(drawn))
"""


def test_a_picture_that_comes_again_is_written_but_not_drawn_again(tmp_path):
    """Three loops of 8 frames, then with another floor one and a half; each frame is drawn once with each floor."""
    assert run(REPEATED, tmp_path / "loops.mp4") == str(8 + 8)
    pictures = [cv2.imread(str(path)) for path in sorted((tmp_path / "loops").glob("*.png"))]
    assert len(pictures) == 36
    for index in range(8):
        np.testing.assert_array_equal(pictures[index], pictures[8 + index])
        np.testing.assert_array_equal(pictures[index], pictures[16 + index])
        assert np.abs(pictures[index].astype(int) - pictures[24 + index]).mean() > 0.5
    for one, other in zip(pictures[:7], pictures[1:8], strict=True):
        assert (one != other).any()  # each frame of the clip has its own picture


def test_what_the_user_may_have_changed_is_drawn_again(window, tmp_path):
    """In a window somebody may turn the scene while a script plays."""
    studio = window.app.studio
    studio.start(tmp_path / "clip.mp4", script=parse_script("0-2 play"))
    assert not studio.filming._untouched
    studio.stop()
