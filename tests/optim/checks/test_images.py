"""Keypoints are held against their image and detector, and a camera's matrix against its image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import assets
from optim.checks import images
from optim.checks.check import CheckError
from optim.checks.images import Intrinsics, Keypoints, needed_turn, swapped_frames
from optim.checks.run import run_checks
from optim.common.errors import InputError
from optim.evaluation.images import LEVEL, picture
from optim.keypoints.names import BODY_25, MIRRORED_BODY_25
from optim.loading.clip import trajectory
from optim.loading.files.amass import read_motion
from optim.loading.images.turning import turned_points, with_axes
from optim.loading.models import find_body, load_body
from tests.optim.loading.files.test_keypoints import walker

SIZE = (1280, 720)
UPRIGHT = next(check for check in images.CHECKS if check.name == "upright in the image")


def keypoints(points, size=SIZE):
    return {row.check: row for row in run_checks(Keypoints(points, size), place="k", checks=images.CHECKS)}


def camera(fx, cx, cy, *, fy=None, answered=()):
    matrix = np.array([[fx, 0, cx], [0, fy or fx, cy], [0, 0, 1.0]])
    found = run_checks(Intrinsics(matrix, SIZE), place="k", answered=answered, checks=images.CHECKS)
    return {row.check: row for row in found}


@pytest.fixture
def points() -> np.ndarray:
    """A walker in an image of 1280 × 720 px, with confidences up to 1."""
    found = walker(BODY_25, frames=30).astype(np.float32)
    found[..., 2] = np.clip(found[..., 2], 0, 1)
    return found


def test_nothing_is_said_about_healthy_keypoints(points):
    points[..., :2] += (SIZE[0] / 2, SIZE[1] / 2) - points[..., :2].mean((0, 1))
    assert {row.severity for row in keypoints(points).values()} == {"fine"}


def test_keypoints_of_a_larger_image_stop_the_run(points):
    points[..., :2] = points[..., :2] - points[..., :2].mean((0, 1)) + (2400, 1300)
    with pytest.raises(InputError, match=r"100 % of the keypoints lie outside .* images of another size"):
        keypoints(points)


def test_percent_stop_the_run_and_scores_are_told(points):
    points[..., 2] *= 97
    with pytest.raises(InputError, match="percent; divide them by 100"):
        keypoints(points)
    points[..., 2] *= 3 / 97
    assert keypoints(points)["confidence"].severity == "likely"


def test_swapped_sides_are_found_where_they_are(points):
    pairs = [(BODY_25.index(f"left_{name}"), BODY_25.index(f"right_{name}")) for name in ("shoulder", "hip", "knee")]
    apart = np.linspace(-60, 60, 2)
    for left, right in pairs:
        points[:, right, :2] = (600 + apart[0], 300 + 30 * left)
        points[:, left, :2] = (600 + apart[1], 300 + 30 * left)
    points[:, 1, :2], points[:, 8, :2] = (600, 200), (600, 320)
    assert swapped_frames(points) == []
    for left, right in pairs:
        points[10:14, [left, right]] = points[10:14, [right, left]]
    assert swapped_frames(points) == [10, 14]


@pytest.mark.parametrize(
    ("matrix", "meant"),
    [((500, 320, 180), "640 × 360 px"), ((1000, 360, 640), "turned by 90°")],
)
def test_a_matrix_of_another_image_asks(matrix, meant):
    with pytest.raises(InputError, match=meant):
        camera(*matrix)
    row = camera(*matrix, answered=("intrinsics_size",))["principal point"]
    assert row.severity == "likely" and not row.stops


def test_odd_lenses_and_pixels_are_told():
    assert camera(1000, 640, 360)["focal length"].severity == "fine"
    assert camera(300, 640, 360)["focal length"].severity == "likely"
    with pytest.raises(CheckError, match="millimetres"):
        camera(60, 640, 360)
    assert camera(1000, 640, 360, fy=1100)["focal length"].severity == "note"


def standing():
    """Keypoints (20, 25, 3) of somebody who stands."""
    upright = np.ones((20, 25, 3))
    upright[..., 0] = 300
    upright[:, BODY_25.index("neck"), 1] = 100
    for name, y in {"left_shoulder": 100, "right_shoulder": 100, "left_ankle": 300, "right_ankle": 310}.items():
        upright[:, BODY_25.index(name), 1] = y
    return upright


def test_a_person_who_lies_in_every_image_is_noticed():
    upright = standing()
    assert needed_turn(upright) == 0
    for degrees in (90, 180, 270):
        advised = needed_turn(turned_points(upright, degrees, size=(640, 480)))
        assert (degrees + advised) % 360 == 0
    falling = upright.copy()
    falling[10:] = turned_points(upright[10:], 90, size=(640, 480))
    assert needed_turn(falling) == 0
    assert needed_turn(np.zeros((20, 25, 3))) is None


def test_a_turned_image_asks_and_an_answer_lets_it_pass():
    points = turned_points(standing(), 90, size=(640, 480))
    with pytest.raises(CheckError, match="lies on the same side .* give --rotate 270, or --rotate 0 if"):
        run_checks(Keypoints(points, (480, 640), turned=0), place="x")
    with pytest.raises(CheckError, match="give --rotate 90,"):
        run_checks(Keypoints(points, (480, 640), turned=180), place="x")
    rows = run_checks(Keypoints(points, (480, 640), turned=0), place="x", answered={"rotate"})
    assert [row.severity for row in rows if row.check == "upright in the image"] == ["likely"]
    rows = run_checks(Keypoints(points, (480, 640)), place="x")  # data that does not take the flag
    assert [row.stops for row in rows if row.check == "upright in the image"] == [False]


def test_confidences_on_a_small_scale_are_told(points):
    points[..., 2] *= 0.01
    assert keypoints(points)["confidence"].severity == "likely"


def test_keypoints_of_a_larger_image_are_told_by_those_that_detectors_are_sure_of(points):
    points[..., :2] += (0.75 * SIZE[0], SIZE[1] / 2) - points[..., :2].mean((0, 1))
    points[..., :2] *= 1.5
    with pytest.raises(CheckError, match="--keypoints-size"):
        keypoints(points)
    points[:, 6:, 2] *= 0.1
    points[:24, :, :2] /= 1.5
    found = keypoints(points)["keypoints in the image"]
    assert found.severity == "likely" and "--keypoints-size" in found.advice


@pytest.fixture(scope="module")
def pictured() -> np.ndarray:
    """Keypoints (60, 25, 3) of somebody who walks and turns before a level camera."""
    body = load_body(find_body(assets.BODY_FOLDER))
    motion = trajectory(read_motion(assets.DEMO_FOLDER / "default_walk_turn.npz"), slice(0, 60), body)
    return picture(motion, body, LEVEL, generator=torch.Generator().manual_seed(2)).keypoints[0].numpy()


def test_healthy_pictures_of_a_walk_are_fine(pictured):
    found = keypoints(pictured)
    assert all(found[name].severity == "fine" for name in ("proportions in the image", "sides in the image"))


def test_sides_that_are_exchanged_in_all_frames_are_told(pictured):
    for wrong in (pictured[:, MIRRORED_BODY_25], with_axes(pictured, "x-left", size=SIZE)):
        row = run_checks(Keypoints(wrong, SIZE, turned=0, given=True), place="k")
        told = {one.check: one for one in row}["sides in the image"]
        assert told.severity == "likely" and "--sides swapped" in told.advice and "x-left" in told.advice


@pytest.mark.parametrize(("factors", "word"), [((0.5, 1), "squeezed"), ((1, 0.5), "stretched")])
def test_squeezed_and_stretched_images_are_told(pictured, factors, word):
    row = keypoints(pictured * np.array([*factors, 1], np.float32))["proportions in the image"]
    assert row.severity == "likely" and word in row.meant and "--keypoints-size" in row.advice


def test_one_minus_the_confidence_is_told(pictured):
    rng, points = np.random.default_rng(0), pictured.copy()
    points[..., 2] = rng.uniform(0.3, 0.95, points.shape[:2])
    points[..., :2] += rng.normal(size=points[..., :2].shape) * 20 * (1 - points[..., 2:])
    assert keypoints(points)["direction of confidence"].severity == "fine"
    points[..., 2] = 1 - points[..., 2]
    assert keypoints(points)["direction of confidence"].severity == "likely"


def test_two_values_of_confidence_tell_their_direction_and_not_the_time(pictured):
    """A detector that gives two values only, nearly always the higher one; keypoints jump more towards the end."""
    rng, points = np.random.default_rng(0), pictured.copy()
    noise = rng.normal(size=points[..., :2].shape) * np.linspace(0, 20, len(points))[:, None, None]
    sure = rng.random(points.shape[:2]) < 0.95
    points[..., 2] = np.where(sure, 0.9, 0.5)
    points[..., :2] += noise
    assert keypoints(points)["direction of confidence"].severity == "fine"
    points[..., :2] = pictured[..., :2] + np.where(sure, 3.0, 0.3)[..., None] * noise
    assert keypoints(points)["direction of confidence"].severity == "likely"


def test_equal_values_have_the_average_of_their_ranks():
    assert images._ranks(np.array([0.9, 0.5, 0.9, 0.5, 0.5, 0.1])).tolist() == [5.5, 3, 5.5, 3, 3, 1]


def test_toes_that_are_the_points_of_the_heels_say_nothing_about_the_sides(pictured):
    for side in ("left", "right"):
        pictured = pictured.copy()
        pictured[:, BODY_25.index(f"{side}_big_toe")] = pictured[:, BODY_25.index(f"{side}_heel")]
    assert "sides in the image" not in keypoints(pictured)
    assert images.facing(pictured) == (0.0, 0.0, 0)


def test_axes_that_run_the_other_way_are_named_beside_the_turn(pictured):
    for axes in ("y-up", "exchanged"):
        wrong = with_axes(pictured, axes, size=(720, 720))
        with pytest.raises(CheckError, match=f"--rotate .*--keypoints-axes {axes}"):
            run_checks(Keypoints(wrong, SIZE, turned=0, given=True), place="k", checks=[UPRIGHT])
        np.testing.assert_allclose(with_axes(wrong, axes, size=(720, 720)), pictured, atol=1e-3)
