"""What people open the program for, from beginning to end, with mouse and keyboard in a real window on Xvfb."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from tests.viewer.real_window import PATIENCE, RealWindow
from viewer.ui.focus import FOCUSES

pytestmark = pytest.mark.slow


def closed(window: RealWindow) -> dict:
    """Close the window by its button; the settings that it has saved."""
    window.close_button()
    _, errors = window.process.communicate(timeout=PATIENCE)
    assert (window.process.returncode, errors) == (0, "")
    return json.loads((window.folder / "config" / "humorscope" / "window.json").read_text())


def test_a_clip_that_fails(open_real):
    """Why? names what is wrong; its buttons lead to the frame and to the view that shows it."""
    window = open_real("make_session_with_a_gap")
    window.wait(lambda s: s.get("state") == "paused")
    window.click("Got it")
    for stage in (1, 2):
        window.xdotool("key", "g")
        window.wait(lambda s, stage=stage: s["state"] == "paused" and s["stage"] == stage and s["iterations"] > 0)
    window.xdotool("key", "n")
    own = window.wait(lambda s: s["stage"] == 3 and s["drift"] and s["state"] == "paused")["layers"]
    window.xdotool("key", "d")
    rule, frame = window.wait(lambda s: s["found"])["found"][0]
    assert rule == "coverage" and 4 <= frame <= 10  # in the middle of what was not seen
    window.click(str(frame))
    window.wait(lambda s: s["clip"] == frame)
    window.click("verdict 0/Image")
    seen = window.wait(lambda s: s["focus"] == "image")
    assert seen["layers"] == sorted(FOCUSES["image"].layers) and seen["clip"] == frame
    assert seen["tabs"]["losses"] == "diagnosis"  # it stays in sight
    window.xdotool("key", "F2")
    window.wait(lambda s: s["focus"] == "fit" and s["layers"] == own)
    closed(window)


def test_tuning(open_real):
    """Pause a run, pin it, change a weight, freeze x_0, step, go back, and compare with what was pinned."""
    window = open_real("make_long_session")
    window.wait(lambda s: s.get("state") == "paused")
    window.click("Got it")
    window.xdotool("key", "space")
    window.wait(lambda s: s["state"] == "running" and s["iterations"] > 2)
    window.xdotool("key", "space")
    pinned = window.wait(lambda s: s["state"] == "paused")
    window.click("Compare")
    window.click("Pin this")
    window.wait(lambda s: s["pins"] and s["largest_cm"] == 0.0)
    window.click("joints3d/exact")
    window.select_all()
    window.xdotool("type", "--delay", "60", "25")
    window.xdotool("key", "Return")
    window.wait(lambda s: s["weight"] == 25.0)
    window.click("x_0, the first frame", 0.05)
    edited = window.wait(lambda s: s["held"] == ["x_0"])
    window.click("Iteration")
    tuned = window.wait(lambda s: s["current"] > edited["current"] and s["state"] == "paused")
    assert window.wait(lambda s: s["largest_cm"])["largest_cm"] > 0.01

    while window.state()["shown"] > pinned["current"]:
        before = window.state()["shown"]
        window.xdotool("key", "shift+Left")
        window.wait(lambda s, before=before: s["shown"] < before)
    assert window.state()["shown"] == pinned["current"]
    window.wait(lambda s: s["largest_cm"] == 0.0)  # the pinned one itself
    window.xdotool("key", "r")
    again = window.wait(lambda s: s["current"] == pinned["current"])
    assert (again["held"], again["weight"]) == ([], pinned["weight"])
    window.click("Iteration")
    other = window.wait(lambda s: s["branches"] == 2 and s["state"] == "paused" and s["largest_cm"])
    assert other["largest_cm"] != tuned["largest_cm"]
    closed(window)


def test_a_video_for_a_talk(open_real, tmp_path):
    """Two iterations side by side while the window is resized: the file is whole, and the window is as it was."""
    script = tmp_path / "talk.txt"
    script.write_text('fps 10\npanels off\n0 compare 0 end "start" "end"\n0-2 play\n')
    window = open_real("make_session")
    window.wait(lambda s: s.get("state") == "paused")
    window.click("Got it")
    window.xdotool("key", "g")
    window.wait(lambda s: s["state"] == "paused" and s["iterations"] > 2)
    window.xdotool("key", "2", "End")  # without the skeleton, at the last frame
    window.wait(lambda s: "skeleton" not in s["layers"] and s["clip"] > 0)
    window.click("Film")
    window.click("script")
    window.xdotool("type", "--delay", "30", str(script))
    window.click("Play")
    before = window.wait(lambda s: s["recording"] and s["pictures"] >= 2)
    for size in ((1500, 900), (1000, 700), (1280, 720)):
        window.xdotool("windowsize", window.window(), *size)
        taken = window.state()["pictures"]
        window.wait(lambda s, taken=taken: s["pictures"] > taken + 1 or not s["recording"])
    after = window.wait(lambda s: not s["recording"])
    assert after["pictures"] == 20 and any(note.startswith("Filmed 20 pictures") for note in after["notes"])
    assert "skeleton" not in after["layers"] and after["clip"] == window.state()["last_frame"]
    assert (after["focus"], after["tabs"]["losses"]) == ("fit", "record")
    assert after["shown"] == after["current"] == before["current"]
    window.wait(lambda s: "Film the window" in s["widgets"])  # the panels are back

    (video,) = (window.folder / "videos").glob("*.mp4")
    capture, pictures = cv2.VideoCapture(str(video)), []
    while (read := capture.read())[0]:
        pictures.append(read[1])
    assert [picture.shape for picture in pictures] == [(720, 1280, 3)] * 20
    halves = [np.abs(picture[:, :640].astype(float) - picture[:, 640:]).mean() for picture in pictures]
    assert min(halves) > 1.0  # two motions
    saved = closed(window)
    assert saved["layers"] == {"skeleton": False} and saved["theme"] == "dark"
