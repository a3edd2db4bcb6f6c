"""Sources of data declare themselves: recognised by content before ending, and one file is enough to add one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from optim.config.settings import parse
from optim.config.sources import endings, source_of, sources
from tests.motions import write_walk
from tests.videos import grey_frames, write_video

ROOT = Path(__file__).resolve().parents[3]
NEW_SOURCE = '''
"""Joints as text: a line a frame, the coordinates of 22 joints [m]."""

from pathlib import Path

import numpy as np

from optim.config.sources import DataSource

HEAD = b"# joints of a person"


def read(settings):
    """The file that ``--data-path`` names."""
    import torch

    from optim.loading.clip import Clip
    from optim.loading.models import find_body, load_body
    from optim.problem.observations import Observations

    joints = np.loadtxt(settings.data_path, dtype=np.float32).reshape(1, -1, 22, 3)
    body = find_body(settings.smpl)
    return Clip(settings.data_path.stem, Observations(joints3d=torch.from_numpy(joints)), load_body(body), body)


def recognise(path: Path) -> bool:
    """A file with our first line."""
    return path.is_file() and path.read_bytes()[: len(HEAD)] == HEAD


TEXT = DataSource("text", ("joints3d",), read, help="joints as text", recognise=recognise, endings=(".joints",))
'''
LOAD = """
import sys
from optim.config.settings import parse
from optim.loading.problem import load_problem

settings = parse(sys.argv[1:])
problem = load_problem(settings)
print(settings.kind, problem.name, tuple(problem.observations.joints3d.shape))
"""
DROP = """
import sys
from functools import partial
from optim.config.settings import parse
from viewer.commands import window as commands
from viewer.window import window

class Silent:
    alive, recorded, obituary = True, False, ""
    def post(self, command): pass
    def poll(self): return []
    def close(self): pass

class Dropping(window.App):
    def tick(self):
        super().tick()
        self.drop(sys.argv[1:])
        opening = self.ui.opening
        assert opening.chosen is None  # a fit is in progress, so there is a question first
        opening.chosen, opening.asked = opening.asked, None  # what the button "Open it" does
        self.ui.quit = True

window.App, window.require = Dropping, lambda backend: None
window.run_window = partial(window.run_window, backend="openGL_mock")
commands.ProcessClient = lambda *words, **named: Silent()
commands.os.execv = lambda program, words: print("next:", *words[3:5])
status = commands.show_fit(parse(["--no-record"]))
sys.exit(status or "torch" in sys.modules)
"""


def test_all_kinds_of_data_are_found_in_the_folder():
    assert list(sources()) == [
        "demo",
        "AMASS",
        "observations",
        "SMPL",
        "RGB",
        "RGBD",
        "PROX-RGB",
        "PROX-RGBD",
        "skeleton",
    ]
    assert {".npz", ".mp4", ".mov"} < set(endings())
    for source in sources().values():
        assert source.observed and set(source.made) <= set(source.observed)
        assert all(ending == ending.lower() and ending.startswith(".") for ending in source.endings)


@pytest.mark.parametrize("ending", [".mp4", ".avi", ".gif", ".npz", ""])
def test_content_comes_before_the_ending(tmp_path, ending):
    """A motion that is called a video is a motion, and a video that is called a motion is a video."""
    motion = write_walk(tmp_path / "walk.npz").rename(tmp_path / f"motion{ending}")
    assert source_of(motion).name == parse(["--data-path", str(motion)]).kind == "AMASS"
    video = write_video(tmp_path / "clip.mp4", grey_frames(3, size=(64, 48)), fps=30).rename(
        tmp_path / f"video{ending}"
    )
    assert source_of(video).name == parse(["--data-path", str(video)]).kind == "RGB"
    seen = tmp_path / f"seen{ending}"
    with seen.open("wb") as file:
        np.savez(file, joints3d=np.zeros((20, 22, 3)))
    assert source_of(seen).name == parse(["--data-path", str(seen)]).kind == "observations"


@pytest.mark.parametrize(
    "begins", [b"RIFF\x10\0\0\0AVI LIST", b"\x1aE\xdf\xa3\x01\0", b"GIF89a", b"\0\0\x01\xba!", b"0&\xb2u\x8ef\xcf\x11"]
)
def test_videos_are_known_by_how_they_begin(tmp_path, begins):
    path = tmp_path / "without ending"
    path.write_bytes(begins)
    assert source_of(path).name == "RGB"


def test_the_ending_decides_where_the_content_says_nothing(tmp_path):
    (tmp_path / "empty.MKV").touch()
    assert source_of(tmp_path / "empty.MKV").name == "RGB"
    assert source_of(tmp_path / "none.mov").name == "RGB" and source_of(tmp_path / "none.npz").name == "AMASS"
    (tmp_path / "notes.txt").write_text("RIFF is a word")
    assert source_of(tmp_path / "notes.txt") is None and source_of(tmp_path) is None


def test_folders_of_depth_and_of_prox_are_told_apart(tmp_path):
    for name in ("own/Depth", "clouds/points", "prox/recordings/N3", "prox/Depth"):
        (tmp_path / name).mkdir(parents=True)
    write_walk(tmp_path / "own/results.npz")  # beside what was measured, as a fit leaves it
    known = {name: source_of(tmp_path / name).name for name in ("own", "clouds", "prox")}
    assert known == {"own": "RGBD", "clouds": "RGBD", "prox": "PROX-RGBD"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The program with one file more, a source of a new kind."""
    copied = tmp_path_factory.mktemp("tree")
    for name in ("optim", "viewer"):
        shutil.copytree(ROOT / name, copied / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copied / "assets").symlink_to(ROOT / "assets")
    shutil.copy(ROOT / "run_viewer.py", copied)
    (copied / "optim/loading/sources/text.py").write_text(NEW_SOURCE, encoding="utf-8")
    return copied


def started(tree, code, *words):
    """What a program of the copied tree writes."""
    homes = {name: str(tree / "home") for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "HOME")}
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, cwd=tree, env=os.environ | homes, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def joints(tmp_path):
    path = tmp_path / "my walk.joints"
    np.savetxt(path, np.random.default_rng(0).normal(size=(20, 66)), header="joints of a person")
    return path


@pytest.mark.slow
def test_a_source_in_one_new_file_is_loaded(tree, joints, model_files):
    assert started(tree, LOAD, "--data-path", joints, *model_files.flags()) == "text my walk (1, 20, 22, 3)\n"
    called_otherwise = joints.rename(joints.with_suffix(".npz"))
    words = ("--data-path", called_otherwise, "--data-type", "text", *model_files.flags())
    assert started(tree, LOAD, *words[:2], *words[4:]) == started(tree, LOAD, *words) == "text my walk (1, 20, 22, 3)\n"
    assert "text: joints as text" in started(tree, "from run_viewer import main; main(['--help'])")


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_file_of_a_source_in_one_new_file_can_be_dropped_on_the_window(tree, joints):
    """Its ending or its content is enough; other files are refused as before."""
    assert started(tree, DROP, joints) == f"next: --data-path {joints}\n"
    called_otherwise = joints.rename(joints.with_suffix(".txt"))
    assert started(tree, DROP, called_otherwise) == f"next: --data-path {called_otherwise}\n"
    (joints.parent / "notes.txt").write_text("nothing to fit")
    assert started(tree, DROP, joints.parent / "notes.txt") == ""
