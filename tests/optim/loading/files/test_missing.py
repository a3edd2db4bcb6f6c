"""What is missing is missing in every reader, however the file writes it: 0, -1, NaN or a large number."""

from __future__ import annotations

import json

import numpy as np
import pytest

from optim.checks.check import CheckError
from optim.common.errors import InputError
from optim.keypoints.names import COCO_17, MEDIAPIPE_33
from optim.loading.files import missing
from optim.loading.files.amass import read_motion
from optim.loading.files.keypoints import read_keypoints
from optim.loading.files.skeletons import body_joints, read_recording
from tests.motions import walk_arrays
from tests.optim.checks.test_world import source, stored, walked
from tests.optim.loading.c3d_files import write_c3d
from tests.optim.loading.files import test_detections as detectors
from tests.optim.loading.files.test_keypoints import write_openpose
from tests.optim.loading.files.test_skeletons import trc

FRAMES, POINT = (2, 3), 1
LEFT_SHOULDER = 5
IN_SPACE = [0.0, -1.0, np.nan, -9999.0]
IN_IMAGES = [0.0, -1.0, -9999.0]


def marked(points: np.ndarray, mark: float) -> np.ndarray:
    points = points.copy()
    points[FRAMES, POINT, :3] = mark
    return points


def hidden(points: np.ndarray) -> np.ndarray:
    """Which points (T, K) are missing."""
    expected = np.zeros(points.shape[:2], bool)
    expected[FRAMES, POINT] = True
    return expected


@pytest.mark.parametrize("mark", IN_SPACE)
@pytest.mark.parametrize("kind", ["joints .npz", "joints .npy", "TRC", "C3D"])
def test_points_in_space(tmp_path, kind, mark):
    points = walked()[:20].astype(float)
    if kind == "joints .npz":
        seen = source(stored(tmp_path, marked(points, mark))).observations.joints3d[0].numpy()
    elif kind == "joints .npy":
        np.save(tmp_path / "a.npy", marked(points, mark))
        seen = read_recording(tmp_path / "a.npy").points
    else:
        names = [f"M{number}" for number in range(22)]
        rows = marked(1000 * points, mark)
        if kind == "TRC":
            path = trc(tmp_path / "a.trc", rows, names)
        else:
            rows = np.where(np.isnan(rows), 0.0, rows)  # C3D has no NaN
            path = write_c3d(tmp_path / "a.c3d", {name: rows[:, row] for row, name in enumerate(names)})
        seen = read_recording(path).points
    np.testing.assert_array_equal(~np.isfinite(seen[..., 0]), hidden(seen))


def test_a_pelvis_at_the_origin_is_not_missing():
    relative = walked()[:20] - walked()[:20, :1]
    assert np.isfinite(missing.known_points(relative, origin=0)).all()
    assert not np.isfinite(missing.known_points(relative)[:, 0]).any()


WRITERS = {
    "COCO results": detectors.alphapose,
    "COCO annotations": detectors.annotations,
    "mmpose": detectors.mmpose,
    "mmpose, the list alone": lambda points: detectors.mmpose(points)["instance_info"],
    "AlphaPose": detectors.alphapose_cmu,
    "array": lambda points: {"keypoints": points.tolist(), "names": list(COCO_17)},
}


@pytest.mark.parametrize("mark", IN_IMAGES)
@pytest.mark.parametrize("kind", [*WRITERS, "mediapipe", "OpenPose", ".npz"])
def test_points_in_images(tmp_path, kind, mark):
    """One point in two frames, and all points of the first frame."""
    points = detectors.points_of(33 if kind == "mediapipe" else 25 if kind == "OpenPose" else 17)
    shoulder = {"mediapipe": MEDIAPIPE_33.index("left_shoulder"), "OpenPose": 5}.get(kind, LEFT_SHOULDER)
    points[2:4, shoulder, :2] = mark
    points[0, :, :2] = mark
    if kind == "OpenPose":
        path = tmp_path / "op"
        write_openpose(path, points, start=0)
    elif kind == ".npz":
        path = tmp_path / "a.npz"
        np.savez(path, keypoints=points, names=np.array(COCO_17))
    else:
        path = tmp_path / "a.json"
        shares = points / [*detectors.SIZE, 1] if kind == "mediapipe" else points
        shares = np.where(points == mark, mark, shares)
        rows = WRITERS[kind](points) if kind != "mediapipe" else detectors.mediapipe(shares * [*detectors.SIZE, 1])
        path.write_text(json.dumps(rows))
    seen = read_keypoints(path, image_size=detectors.SIZE)[:, LEFT_SHOULDER, 2] > 0
    assert seen.tolist() == [False, True, False, False, True, True]


def test_marks_in_a_motion_are_refused(tmp_path):
    arrays = walk_arrays()
    for name in ("trans", "poses"):
        arrays[name][5:9] = 0
    np.savez(tmp_path / "a_poses.npz", **arrays)
    with pytest.raises(InputError, match="4 frames hold nothing but 0, the first in row 5"):
        read_motion(tmp_path / "a_poses.npz")


def test_a_rest_pose_at_the_origin_may_come_first(tmp_path):
    arrays = walk_arrays()
    for name in ("trans", "poses"):
        arrays[name][:4] = 0
    np.savez(tmp_path / "a_poses.npz", **arrays)
    assert len(read_motion(tmp_path / "a_poses.npz").trans) > 4


@pytest.mark.parametrize("layout", ["flat", "batch", "frames last", "SMPL-X"])
def test_body_joints_are_found_in_other_layouts(layout):
    joints = walked()[:20].astype(float)
    array = {
        "flat": joints.reshape(20, 66),
        "batch": joints[None],
        "frames last": joints.transpose(1, 2, 0)[None],
        "SMPL-X": np.concatenate((joints, np.ones((20, 33, 3))), axis=1),
    }[layout]
    np.testing.assert_array_equal(body_joints(array), joints)


def test_joints_of_another_skeleton_in_a_known_number_are_refused(tmp_path):
    other = np.random.default_rng(0).normal(size=(22, 3)) + np.zeros((20, 1, 1))
    with pytest.raises(CheckError):
        source(stored(tmp_path, other))
