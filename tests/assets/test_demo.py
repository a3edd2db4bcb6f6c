"""The demo clips as shipped: complete, plausible, and exactly as noisy as they say."""

import os
from pathlib import Path

import numpy as np
import pytest

import assets
from assets.build import __main__ as build
from assets.build.demo import build as demo
from assets.build.demo import observe as demo_observe
from optim.loading.models import load_body

MOCAP = Path(os.environ.get("MOCAP_DIR", assets.ASSETS_FOLDER.parent / "../shared/mocap"))
NAMES = [clip.name for clip in demo.CLIPS]
SHAPES = {
    "trans": (3,), "poses": (156,), "joints3d": (22, 3), "joints3d_partial": (22, 3), "joints2d": (25, 3)
}  # fmt: skip
FIXED = {
    "betas": (16,),
    "camera_matrix": (3, 3),
    "image_size": (2,),
    "floor_plane": (4,),
    "floor_plane_true": (4,),
}
FIXED |= {"R_camera_world": (3, 3), "t_camera_world": (3,), "mocap_framerate": (), "gender": ()}


@pytest.fixture(scope="module")
def body():
    return load_body(assets.BODY_FILE)


@pytest.fixture(scope="module", params=NAMES)
def clip(request):
    with np.load(assets.DEMO_FOLDER / f"{request.param}.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def points(clip, body):
    return demo.observed_points(clip["trans"], clip["poses"], body)


def test_arrays_have_the_stated_shapes(clip):
    frames = len(clip["trans"])
    assert 60 <= frames <= 120
    assert {name: clip[name].shape for name in SHAPES} == {name: (frames, *s) for name, s in SHAPES.items()}
    assert {name: clip[name].shape for name in FIXED} == FIXED
    assert set(clip) == {*SHAPES, *FIXED}
    assert float(clip["mocap_framerate"]) == 30.0
    assert str(clip["gender"]) == "neutral"


def test_ground_truth_is_finite_and_hands_are_at_rest(clip):
    assert all(np.isfinite(clip[name]).all() for name in ("trans", "poses", "betas", "joints3d", "joints2d"))
    assert not clip["poses"][:, 66:].any()


def test_joint_noise_is_four_centimetres(clip, points):
    error = clip["joints3d"] - points[0]
    assert error.std() == pytest.approx(0.04, rel=0.05)
    assert abs(error.mean()) < 0.002


def test_hidden_joints_are_exactly_those_below_the_wall(clip, points):
    hidden = points[0][..., 2] < 0.9
    partial = clip["joints3d_partial"]
    assert np.isposinf(partial[hidden]).all()
    np.testing.assert_array_equal(partial[~hidden], clip["joints3d"][~hidden])
    assert hidden[:, [7, 8, 10, 11]].mean() > 0.9  # the feet, but for a handstand


def test_keypoints_are_the_projected_truth_within_noise(clip, points):
    camera = demo_observe.Camera(clip["R_camera_world"], clip["t_camera_world"])
    seen = clip["joints2d"][..., 2] > 0
    error = (clip["joints2d"][..., :2] - camera.project(points[1]))[seen]
    assert error.std() == pytest.approx(demo_observe.PIXEL_NOISE, rel=0.1)
    assert abs(error).max() < 6 * demo_observe.PIXEL_NOISE
    assert 0.02 < 1 - seen.mean() < 0.12
    assert not clip["joints2d"][~seen].any()
    assert clip["joints2d"][seen, 2].mean() == pytest.approx(0.8, abs=0.02)


def test_person_stays_in_the_image_and_before_the_camera(clip, points):
    camera = demo_observe.Camera(clip["R_camera_world"], clip["t_camera_world"])
    pixels = camera.project(points[1])
    assert (pixels > 0).all() and (pixels < clip["image_size"]).all()
    assert (points[1] @ camera.R.T + camera.t)[..., 2].min() > 1.0


def test_camera_is_a_rotation_and_sees_the_floor_where_it_is(clip):
    R, t, floor = clip["R_camera_world"], clip["t_camera_world"], clip["floor_plane_true"]
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(R) == pytest.approx(1.0, abs=1e-6)
    on_floor = np.array([[0.0, 0.0, 0.0], [1.0, -2.0, 0.0], [-3.0, 1.0, 0.0]]) @ R.T + t
    np.testing.assert_allclose(on_floor @ floor[:3], floor[3], atol=1e-5)
    assert floor[1] < -0.9 and floor[3] < -1.0  # up is −y, and the camera is above the floor


def test_observed_floor_is_near_the_true_one_but_not_it(clip):
    seen, true = clip["floor_plane"], clip["floor_plane_true"]
    assert np.linalg.norm(seen[:3]) == pytest.approx(1.0, abs=1e-6)
    assert 0.1 < np.rad2deg(np.arccos(seen[:3] @ true[:3])) < 4.0
    assert 0.0 < abs(seen[3] - true[3]) < 0.06


def test_motion_is_plausible(clip, body):
    quality = demo.quality(clip, body)
    assert quality.sole_lowest_cm > -2.0
    assert abs(quality.sole_median_cm) < 1.0
    assert quality.body_lowest_cm > -3.5
    assert quality.turn_rate_max < 15.0
    assert quality.slide_median_mm < 10.0
    assert quality.heading_change_deg > 45.0


def test_default_clip_walks_on_its_feet(body):
    with np.load(assets.DEMO_FOLDER / f"{NAMES[0]}.npz") as arrays:
        quality = demo.quality(dict(arrays), body)
    assert quality.touching > 0.95
    assert quality.slide_median_mm < 2.5
    assert quality.path_m > 1.5


def test_files_are_the_recorded_ones():
    recorded = assets.recorded_hashes()
    files = sorted(assets.DEMO_FOLDER.glob("*.npz"))
    assert [path.stem for path in files] == sorted(NAMES)
    assert all(recorded[f"demo/{path.name}"] == assets.sha256(path) for path in files)


def test_getup_agrees_with_another_retargeting_of_the_same_motion(body):
    file = MOCAP / "DeepMimic/dm/getup_faceup_poses.npz"
    if not file.exists():
        pytest.skip(f"no {file}: set MOCAP_DIR to compare with another retargeting")
    with np.load(file) as theirs, np.load(assets.DEMO_FOLDER / "getup.npz") as ours:
        pair = [demo.observed_points(each["trans"], each["poses"], body)[0] for each in (theirs, ours)]
    assert mean_distance(*pair) < 0.025


def test_unreadable_source_is_one_line_and_status_2(tmp_path, capsys):
    assert build.main(["demo", "--source", str(tmp_path / "absent.whl"), "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "absent.whl" in error and error.count("\n") == 1


def mean_distance(a, b):
    """Mean joint distance [m] after the best turn about the vertical and shift."""
    a, b = (points - points.mean((0, 1)) for points in (a, b))
    cross = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    turn = np.arctan2(cross.sum(), (a[..., :2] * b[..., :2]).sum())
    cos, sin = np.cos(turn), np.sin(turn)
    turned = a @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return np.linalg.norm(turned - b, axis=-1).mean()


@pytest.mark.slow
def test_rebuilding_gives_the_same_clips(tmp_path):
    source = os.environ.get("DEMO_SOURCE")
    if not source:
        pytest.skip("set DEMO_SOURCE to a wheel of pybullet to rebuild the demo from it")
    demo.build(tmp_path, source=Path(source))
    for name in NAMES:
        with np.load(tmp_path / f"{name}.npz") as new, np.load(assets.DEMO_FOLDER / f"{name}.npz") as old:
            assert new.files == old.files
            assert all(np.allclose(new[key], old[key], atol=1e-4) for key in old.files if key != "gender")
