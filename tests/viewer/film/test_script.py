"""Scripts of recordings: what is understood, what is refused and how that is told."""

from __future__ import annotations

import pytest

from viewer.film.player import Player
from viewer.film.script import DIRECTIVES, READY_MADE, ScriptError, parse_script, read_script


def test_settings_times_and_arguments():
    script = parse_script("""
        size 640 360   # pixels
        fps 24
        panels on
        1.5-4 weight joints3d 1 5
        0 caption "Stage 3, and a half"
        """)
    assert (script.size, script.fps, script.panels) == ((640, 360), 24.0, True)
    first, second = script.directives
    assert (first.name, first.arguments, first.start) == ("caption", ("Stage 3, and a half",), 0.0)
    assert (second.start, second.end, second.arguments) == (1.5, 4.0, ("joints3d", "1", "5"))
    assert script.seconds == 4.0 and script.frames == 96


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0 dance", "nothing is called 'dance'"),
        ("0-2 run stage", "one moment"),
        ("1 orbit 90", "a stretch of time"),
        ("2-1 play", "no time"),
        ("soon look home", "no time"),
        ("0 look 1 2 3", "from where, at what"),
        ("0 look away", "one of home, camera"),
        ("0 weight joints3d", "weight TERM VALUE"),
        ("0-2 weight joints3d 3", "moves the slider"),
        ("0 run fast", "one of iteration, step, phase, stage, end"),
        ("0 layer body maybe", "one of on, off"),
        ("0 frame last", "a number or 'end'"),
        ("0-1 frame 3", "frame N M"),
        ("size 10 10", "between 160"),
        ("fps fast", "fast"),
        ('0 caption "open', "closing quotation"),
        ("play", "TIME NAME ARGUMENTS"),
    ],
)
def test_a_bad_line_is_named(line, told):
    with pytest.raises(ScriptError, match="line 2") as error:
        parse_script(f"0 look home\n{line}\n")
    assert told.lower() in str(error.value).lower()


def test_a_missing_file_names_the_ready_made_ones(tmp_path):
    with pytest.raises(ScriptError, match="turntable"):
        read_script(str(tmp_path / "none.txt"))
    path = tmp_path / "mein Skript ü.txt"
    path.write_text("0-1 play\n", encoding="utf-8")
    assert read_script(str(path)).frames == 30


@pytest.mark.parametrize("name", READY_MADE)
def test_ready_made_scripts_can_be_read(name):
    assert read_script(name).frames > 30


def test_every_directive_can_be_played():
    for name in DIRECTIVES:
        assert callable(getattr(Player, f"_{name}"))
