"""Inputs that were reported to end in a traceback, a hang or in silence: each is refused in one message, and soon."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import assets
from optim.common.errors import InputError
from optim.config.settings import parse
from optim.loading.files.amass import read_motion
from optim.loading.files.keypoints import read_keypoints
from optim.loading.files.parameters import read_content
from optim.loading.images.camera import read_camera
from optim.loading.models import load_body
from optim.loading.problem import load_source
from tests.motions import walk_arrays

HUGE = 3_800_000_000


def bomb(path: Path, *, announced: int = HUGE) -> Path:
    """An .npz of a few bytes whose array says that it has ``announced`` bytes, in its header and in the archive."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (announced // 24, 3)}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("trans", "poses"):
            archive.writestr(f"{name}.npy", header.getvalue() + bytes(10_000))
    content, true = path.read_bytes(), struct.pack("<I", len(header.getvalue()) + 10_000)
    path.write_bytes(content.replace(true, struct.pack("<I", announced)))
    return path


@pytest.mark.parametrize("read", [read_motion, read_content, load_body])
def test_a_zip_bomb_is_not_unpacked(tmp_path, read):
    path = bomb(tmp_path / "bomb.npz")
    assert path.stat().st_size < 20_000
    with pytest.raises(InputError, match=r"3,[78]\d\d MB|7,[56]\d\d MB|no array"):
        read(path)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--num-points", "1e8"], "--num-points"),
        (["--num-points", "100000000"], "--num-points"),
        (["--data-fps", "1e-9"], "--data-fps"),
        (["--joint3d-weight", "1e38", "1", "1"], "weight joints3d"),
        (["--joint3d-weight", "nan", "1", "1"], "weight joints3d"),
        (["--data-path", ""], "--data-path"),
        (["--amass-noise-std", "inf"], "--amass-noise-std"),
    ],
)
def test_numbers_and_paths_that_ask_for_the_impossible(words, told, capsys):
    with pytest.raises((InputError, SystemExit)) as caught:
        parse(words)
    assert told in str(caught.value) + capsys.readouterr().err


@pytest.mark.parametrize("rate", [1e-9, 0.0, -30.0, 1e9, np.nan, np.inf])
def test_frame_rates_of_files(tmp_path, rate):
    np.savez(tmp_path / "a_poses.npz", **walk_arrays() | {"mocap_framerate": np.array(rate)})
    with pytest.raises(InputError, match="frames per second"):
        read_motion(tmp_path / "a_poses.npz")


@pytest.mark.parametrize("kind", ["complex128", "object", "timedelta64[s]", "datetime64[s]", "U8", "void"])
def test_arrays_of_other_types(tmp_path, kind):
    poses = walk_arrays()["poses"]
    odd = np.zeros(len(poses), [("a", "f8")]) if kind == "void" else poses.astype(kind)
    np.savez(tmp_path / "a_poses.npz", **walk_arrays() | {"poses": odd})
    with pytest.raises(InputError, match=r"array poses (is of type|holds pickled)"):
        read_motion(tmp_path / "a_poses.npz")
    np.savez(tmp_path / "k.npz", keypoints=np.ones((4, 17, 3)).astype(kind) if kind != "void" else odd)
    with pytest.raises(InputError, match="array keypoints (is of type|holds pickled)"):
        read_keypoints(tmp_path / "k.npz")


@pytest.mark.parametrize("read", [lambda path: read_camera(path, image_size=(640, 480)), read_keypoints, read_content])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_json(tmp_path, read: Callable, opening):
    path = tmp_path / "deep.json"
    path.write_text(opening * 200_000)
    with pytest.raises(InputError, match="nested"):
        read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("ending", [".npz", ".mp4", ".json", ".pkl", ".bvh", ".npy", ".c3d"])
def test_pipes_are_not_opened(tmp_path, ending):
    os.mkfifo(tmp_path / f"pipe{ending}")
    with pytest.raises(InputError, match="a pipe|kind that is not read|no such file"):
        load_source(parse(["--data-path", str(tmp_path / f"pipe{ending}")]))


@pytest.fixture(scope="module")
def body() -> dict[str, np.ndarray]:
    with np.load(assets.BODY_FILE) as arrays:
        return {name: arrays[name] for name in arrays}


@pytest.mark.parametrize(
    "fault", ["cyclic kintree", "parent of itself", "NaN posedirs", "no weights", "negative faces"]
)
def test_broken_bodies(tmp_path, body, fault):
    arrays = {name: value.copy() for name, value in body.items()}
    if fault == "cyclic kintree":
        arrays["kintree_table"][0, 4], arrays["kintree_table"][0, 7] = 7, 4
    elif fault == "parent of itself":
        arrays["kintree_table"][0, 5] = 5
    elif fault == "NaN posedirs":
        arrays["posedirs"] = np.full((*arrays["v_template"].shape, 459), np.nan, np.float32)
    elif fault == "no weights":
        arrays["weights"] = arrays["weights"] * 0
    else:
        arrays["f"] = arrays["f"].astype(np.int64) - 10
    np.savez(tmp_path / "model.npz", **arrays)
    with pytest.raises(InputError, match=str(tmp_path)):
        load_body(tmp_path / "model.npz")
