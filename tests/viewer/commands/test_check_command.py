"""``--check`` prints what was found about the data and says by its status whether a fit would start."""

from __future__ import annotations

import numpy as np

import assets
from run_viewer import main

FILE = assets.DEMO_FOLDER / "default_walk_turn.npz"


def stored(path, **changes):
    with np.load(FILE) as file:
        arrays = {name: file[name] for name in ("trans", "poses", "betas", "mocap_framerate")}
    np.savez(path, **arrays | {name: change(arrays[name]) for name, change in changes.items()})
    return path


def test_a_good_motion(tmp_path, capsys):
    assert main(["--check", "--data-path", str(stored(tmp_path / "a.npz"))]) == 0
    said = capsys.readouterr().out
    assert "unit of length" in said and "WRONG" not in said and "nothing stops a fit" in said


def test_a_motion_that_would_stop(tmp_path, capsys):
    file = stored(tmp_path / "a.npz", trans=lambda trans: trans * 100)
    assert main(["--check", "--data-path", str(file)]) == 1
    assert "WRONG" in (said := capsys.readouterr().out) and "give --unit cm" in said
    assert main(["--check", "--data-path", str(file), "--unit", "cm"]) == 0


def test_a_folder_tells_only_what_is_not_as_assumed(tmp_path, capsys):
    stored(tmp_path / "good_poses.npz")
    stored(tmp_path / "far_poses.npz", trans=lambda trans: trans * 1000)
    (tmp_path / "broken_poses.npz").write_text("nothing")
    assert main(["--check", "--data-path", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "far_poses:" in said.out and "good_poses:" not in said.out and "broken_poses:" in said.out
    assert "3 clips: 2 would not be fitted" in said.out and "not an .npz file" in said.err


def test_a_prior_that_cannot_be_read_would_stop(tmp_path, capsys):
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "V02_05_epoch=13.ckpt").write_bytes(b"")
    assert main(["--check", "--data-path", str(stored(tmp_path / "a.npz")), "--vposer", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "VPoser v2" in said.err and "unit of length" in said.out and "nothing stops a fit" not in said.out
