"""Files are complete or not there, and names from outside stay in their folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from optim.common.errors import InputError
from optim.common.writing import file_name, replacing, write_text


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as beside:
        beside.write_text("half")
        assert not path.exists() and beside.suffix == path.suffix
        beside.write_text("whole")
    assert path.read_text() == "whole"
    assert os.listdir(path.parent) == ["a.txt"]


def test_what_fails_leaves_the_earlier_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(KeyError), replacing(path) as beside:
        beside.write_text("half")
        raise KeyError
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_told_with_advice(tmp_path):
    path = tmp_path / "a.txt"
    expected = r"a\.txt: cannot be written \(No space left on device\); make room"
    with pytest.raises(InputError, match=expected), replacing(path) as beside:
        os.symlink("/dev/full", beside)
        beside.write_text("x" * 100_000)
    assert os.listdir(tmp_path) == []


def test_a_place_that_is_a_file_is_told(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / "a" / "b.txt", "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("walk_turn", "walk_turn"),
        ("06_01, take 2 (best)", "06_01, take 2 (best)"),
        ("tänzer 舞", "tänzer 舞"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/absolute", "_absolute"),
        ("C:\\x", "C__x"),
        ("..", "clip"),
        ("", "clip"),
        ("a\nb\0c", "a_b_c"),
        (".hidden.", "hidden"),
    ],
)
def test_names_lead_into_no_other_folder(name, expected, tmp_path):
    found = file_name(name, otherwise="clip")
    assert found == expected
    assert (tmp_path / found).resolve().parent == tmp_path.resolve()


def test_long_names_leave_room_for_endings():
    assert len(f"{file_name('舞' * 300, otherwise='clip')}_stage3_results_prior.npz".encode()) < 255
