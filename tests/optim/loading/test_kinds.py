"""A file that --data-path cannot use is named for what it is, with the flag that takes it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import assets
from optim.common.errors import InputError
from optim.config.settings import parse
from optim.loading.clips import each_clip
from optim.loading.kinds import as_markdown, expected, kinds, require_data
from optim.loading.problem import load_source
from tests.motions import write_walk

ROOT = Path(__file__).resolve().parents[3]


def openpose(path):
    path.mkdir()
    (path / "a_0001_keypoints.json").write_text(json.dumps({"people": []}))


def vposer(path):
    (path / "snapshots").mkdir(parents=True)


def images(path):
    path.mkdir()
    (path / "notes.txt").write_text("x")


CASES = {
    "keypoints": (openpose, "--op-keypts and the video with --data-path"),
    "vposer": (vposer, "--vposer"),
    "K.json": (lambda p: p.write_text(json.dumps([[500, 0, 320], [0, 500, 240], [0, 0, 1]])), "--rgb-intrinsics"),
    "mmpose.json": (lambda p: p.write_text(json.dumps({"instance_info": []})), "--op-keypts"),
    "run.humorscope": (lambda p: p.write_bytes(b"SQLite format 3"), "--open"),
    "a.cfg": (lambda p: p.write_text("--data getup"), "@FILE"),
    "prior.npz": (lambda p: np.savez(p, weights=[1.0], means=[1.0], covariances=[1.0]), "--init-motion-prior"),
    "seen.npz": (lambda p: np.savez(p, keypoints=np.zeros((3, 17, 3))), "--op-keypts"),
    "walk.fbx": (lambda p: p.write_bytes(b"Kaydara FBX Binary  \0"), "begins with .*convert it to BVH in Blender"),
    "walk.c3d": (lambda p: p.write_bytes(b"\x02\x50" + bytes(30)), "not C3D, or damaged"),
    "notes.txt": (lambda p: p.write_text("hello"), "begins with 'hello'.*--data-path takes .*.bvh"),
    "texts": (images, "only 1 .txt; --data-path takes"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_data_is_told_with_its_flag(tmp_path, name):
    make, told = CASES[name]
    make(tmp_path / name)
    settings = parse(["--data-path", str(tmp_path / name)])
    with pytest.raises(InputError, match=rf"{name}: .*{told}"):
        for one in each_clip(settings):
            load_source(one)


def test_the_body_is_no_motion():
    with pytest.raises(InputError, match="--smpl"):
        require_data(assets.BODY_FILE)


def test_data_passes(tmp_path):
    require_data(write_walk(tmp_path / "a_poses.npz"))
    require_data(tmp_path)
    require_data(tmp_path / "not there")


def test_every_kind_has_a_flag_and_endings_in_lower_case():
    assert {".npz", ".mp4", ".bvh", ".pkl"} <= {end for kind in kinds() for end in kind.endings}
    for kind in kinds():
        assert kind.what and kind.flag and all(end == end.lower() and end[0] == "." for end in kind.endings)
    assert ".mts" in expected() and ".trc" in expected()


def test_help_and_documentation_say_the_same(capsys):
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    shown = page.split("<!-- kinds -->\n")[1].split("\n<!-- end of kinds -->")[0]
    assert shown == as_markdown(), "put the text of optim.loading.kinds.as_markdown() between the two marks"
    with pytest.raises(SystemExit):
        parse(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    for kind in kinds():
        flag = kind.flag.split(",")[0].split()[0]
        assert flag in told or flag in ("@FILE", "--open"), flag
        if flag in ("--data-path", "--op-keypts", "--rgb-intrinsics"):
            assert all(ending in told for ending in kind.endings), kind


def test_data_beside_the_motions_of_a_folder_is_named(tmp_path, caplog):
    write_walk(tmp_path / "walk_poses.npz")
    np.savez(tmp_path / "shape.npz", betas=np.zeros(16))
    (tmp_path / "notes.txt").write_text("hello")
    settings = parse(["--data-path", str(tmp_path)])
    each_clip(settings)
    assert not caplog.messages
    np.savez(tmp_path / "seen.npz", joints3d=np.zeros((3, 22, 3)))
    (tmp_path / "walk.mp4").write_bytes(b"")
    each_clip(settings)
    (told,) = caplog.messages
    assert told.endswith(
        "only its motions are taken; give another of its files alone with --data-path: seen.npz, walk.mp4"
    )
