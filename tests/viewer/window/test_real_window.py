"""A real window on a real X server (Xvfb), driven by xdotool: what a user's first minute looks like, and its end."""

from __future__ import annotations

import cv2
import pytest

from tests.viewer.real_window import PATIENCE


@pytest.mark.slow
def test_a_first_minute(open_real):
    window = open_real("make_slow_session")
    window.wait(lambda s: s["frames"] >= 1)
    window.wait(lambda s: s.get("state") == "paused")
    window.click("Got it")
    window.click("Iteration")
    window.wait(lambda s: s["iterations"] == 1)
    window.click("joints3d/exact")
    window.select_all()
    window.xdotool("type", "--delay", "60", "2.5")
    window.xdotool("key", "Return")
    window.wait(lambda s: s["weight"] == 2.5)
    window.click("x_0, the first frame", 0.05)
    window.wait(lambda s: s["held"] == ["x_0"])
    window.point("frame bar", 0.1)
    window.press()
    window.point("frame bar", 0.5)
    window.let_go()
    window.wait(lambda s: 4 <= s["clip"] <= 8)
    window.xdotool("key", "space")
    window.wait(lambda s: s["state"] == "running" and s["iterations"] > 3)
    window.xdotool("key", "space")
    window.wait(lambda s: s["state"] == "paused")
    window.close_button()
    out, errors = window.process.communicate(timeout=PATIENCE)
    assert (window.process.returncode, out.strip(), errors) == (0, "None", "")
    assert sorted(path.name for path in window.folder.iterdir()) == ["config", "state.json"]


@pytest.mark.slow
def test_the_main_story(open_real):
    """Open, step, see the drift, raise a weight, freeze x_0, rewind, branch, record: on a real fit of a small body."""
    window = open_real("a real session")
    window.wait(lambda s: s.get("state") == "paused")
    window.click("Got it")
    for stage in (1, 2):
        window.click("Stage")
        window.wait(lambda s, stage=stage: s["state"] == "paused" and s["stage"] == stage and s["iterations"] > 0)
    window.click("Iteration")
    window.wait(lambda s: s["stage"] == 3 and s["drift"])
    window.click("Drift")
    window.wait(lambda s: "joints" in s["widgets"])  # the quantities of the drift panel
    before = window.state()["weight"]
    window.point("joints3d/slider", 0.5)
    window.press()
    window.point("joints3d/slider", 0.8)
    window.let_go()
    window.wait(lambda s: s["weight"] > before)
    window.click("x_0, the first frame", 0.05)
    window.wait(lambda s: s["held"] == ["x_0"])
    window.click("Iteration")
    edited = window.wait(lambda s: s["state"] == "paused" and s["branches"] == 1)
    window.point("iteration bar", 0.02)
    window.press()
    window.point("iteration bar", 0.2)
    window.let_go()
    window.wait(lambda s: s["shown"] != s["current"])
    window.click("Rewind here")
    window.wait(lambda s: s["current"] == s["shown"] < edited["current"])
    window.click("Iteration")
    window.wait(lambda s: s["branches"] == 2 and s["held"] == [])
    window.xdotool("key", "F9")
    window.wait(lambda s: s["recording"] and s["pictures"] >= 5)
    window.xdotool("key", "F9")
    window.wait(lambda s: not s["recording"])
    window.close_button()
    _, errors = window.process.communicate(timeout=PATIENCE)
    assert (window.process.returncode, errors) == (0, "")
    (video,) = (window.folder / "videos").glob("*.mp4")
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) >= 5
    assert capture.read()[1].shape == (720, 1280, 3)


@pytest.mark.slow
def test_a_video_goes_on_while_the_window_is_resized(open_real):
    window = open_real("make_session")
    window.wait(lambda s: s.get("state") == "paused")
    window.xdotool("mousemove", "--window", window.window(), 640, 300)
    window.xdotool("key", "F9")
    window.wait(lambda s: s["recording"] and s["pictures"] >= 2)
    for number in range(24):  # faster than frames are drawn, so that some are read in the middle of it
        size = (1180, 680) if number % 2 else (1700, 1000)
        window.xdotool("windowsize", window.window(), *size)
        taken = window.state()["pictures"]
        if number % 6 == 5:
            window.wait(lambda s, taken=taken: s["pictures"] > taken + 1)
    window.xdotool("key", "F9")
    state = window.wait(lambda s: not s["recording"])
    assert any("The window was resized" in text for text in state["notes"])
    window.close_button()
    _, errors = window.process.communicate(timeout=PATIENCE)
    assert (window.process.returncode, errors) == (0, "")
    (video,) = (window.folder / "videos").glob("*.mp4")
    capture, pictures = cv2.VideoCapture(str(video)), []
    while (read := capture.read())[0]:
        pictures.append(read[1])
    assert len(pictures) == state["pictures"] >= 10
    assert {picture.shape for picture in pictures} == {(720, 1280, 3)}
    assert min(picture.std() for picture in pictures) > 10  # panels and the scene are in each of them


def test_bad_input_closes_the_window_with_its_reason(open_real):
    window = open_real("refuse")
    out, errors = window.process.communicate(timeout=PATIENCE)
    assert window.process.returncode == 2
    assert out.strip() == "clip.npz: no array 'trans'; an AMASS file is expected"
    assert "Traceback" not in errors
