"""Intrinsics from files and guessed, PlaneRCNN's floor, occluder masks; what is wrong with them is named."""

from __future__ import annotations

import json
import logging

import cv2
import numpy as np
import pytest
import torch

from optim.checks.check import CheckError
from optim.common.errors import InputError
from optim.loading.images.camera import guessed_camera, read_camera
from optim.loading.images.masks import hide, mask_files
from optim.loading.images.planes import read_floor

K = [[1000.0, 0, 640], [0, 1010.0, 360], [0, 0, 1]]


def written(tmp_path, content):
    path = tmp_path / "k.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("content", [K, {"camera_matrix": K}, {"camera_mtx": K, "k": [0] * 5}, {"K": K}])
def test_a_matrix_is_read(tmp_path, content):
    camera = read_camera(written(tmp_path, content), image_size=(1280, 720)).camera
    np.testing.assert_allclose(camera.focal, [[1000, 1010]])
    np.testing.assert_allclose(camera.centre, [[640, 360]])
    assert camera.image_size == (1280, 720)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([[1, 2], [3, 4]], r"shape \(2, 2\); a 3 × 3 matrix"),
        ({"focal": 1000}, "3 × 3 matrix"),
        ([[1, 0, 0], [0, 1]], "3 × 3 matrix"),
        ("hello", "not JSON"),
        ([[-1000, 0, 640], [0, 1000, 360], [0, 0, 1]], "positive"),
        ([[1000, 0, 960], [0, 1000, 900], [0, 0, 1]], "another image"),
    ],
)
def test_wrong_intrinsics_are_refused(tmp_path, content, words):
    with pytest.raises(InputError, match=words):
        read_camera(written(tmp_path, content), image_size=(1280, 720))


def test_the_guess_is_humors_for_its_size_and_the_same_view_for_others(caplog):
    with caplog.at_level(logging.WARNING):
        camera = guessed_camera((1280, 720)).camera
    assert camera.focal[0].tolist() == pytest.approx([1060.5, 1060.5]) and camera.centre[0].tolist() == [640, 360]
    assert "--rgb-intrinsics" in caplog.text
    large, portrait = (guessed_camera(size).camera for size in ((3840, 2160), (720, 1280)))
    assert float(large.focal[0, 0]) == pytest.approx(3 * 1060.5)
    assert portrait.focal[0].tolist() == camera.focal[0].tolist() and portrait.centre[0].tolist() == [360, 640]


def planes(folder, *, parameters, masks):
    np.save(folder / "0_plane_parameters_0.npy", np.array(parameters, float))
    np.save(folder / "0_plane_masks_0.npy", np.array(masks))
    return folder


def test_the_floor_is_the_level_plane_at_the_bottom_of_the_image(tmp_path):
    masks = np.zeros((3, 40, 30), int)
    masks[0, :, :10], masks[1, 20:, 10:], masks[2, :5] = 1, 1, 1
    # PlaneRCNN: x right, y forward, z up; a wall, the floor 1.4 m below the camera, the ceiling
    floor = planes(tmp_path, parameters=[[0, 3, 0], [0.1, 0, -1.4], [0, 0, 1.2]], masks=masks)
    found = read_floor(floor)
    assert np.linalg.norm(found[:3]) == pytest.approx(1) and found[1] < -0.95
    np.testing.assert_allclose(found[:3] * found[3], [0.1, 1.4, 0.0], atol=1e-6)  # its point nearest to the camera


@pytest.mark.parametrize(
    ("parameters", "masks", "words"),
    [
        ([[0, 3, 0]], np.ones((1, 40, 30)), "none of its 1 planes is a floor"),
        ([[0, 0, -1]], np.zeros((1, 40, 30)), "none of its 1 planes is a floor"),
        ([[0, 0, -1]], np.ones((2, 40, 30)), r"masks of shape \(2, 40, 30\)"),
    ],
)
def test_planes_without_a_floor_are_refused(tmp_path, parameters, masks, words):
    with pytest.raises(InputError, match=words):
        read_floor(planes(tmp_path, parameters=parameters, masks=masks))


def test_a_folder_without_planes_is_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_floor(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_floor(tmp_path / "nothing")


def test_masks_hide_what_lies_behind_them(tmp_path):
    mask = np.zeros((36, 64), np.uint8)
    mask[:, 32:] = 255  # the right half of the image, at a twentieth of its size
    cv2.imwrite(str(tmp_path / "0001.png"), mask)
    (tmp_path / "0002.png").write_bytes(b"no picture")
    points = np.array([[[300.0, 100, 0.9], [900, 100, 0.8], [1279.9, 719.9, 0.7], [-5, 3, 0.6]]] * 2)
    found = hide(points, mask_files(tmp_path, frames=2), image_size=(1280, 720))
    np.testing.assert_array_equal(found[0, :, 2], [0.9, 0, 0, 0.6])
    np.testing.assert_array_equal(found[1], points[1])
    assert points[0, 1, 2] == 0.8


def test_masks_of_another_clip_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no folder of \*\.png masks"):
        mask_files(tmp_path, frames=3)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match="1 masks for 3 frames"):
        mask_files(tmp_path, frames=3)


def test_a_lens_is_taken_out_of_keypoints(tmp_path, caplog):
    """OpenCV's own model distorts, and what is read takes it back."""
    matrix, lens = np.array(K, np.float64), np.array([-0.25, 0.06, 0.001, -0.002, 0.01])
    rays = np.random.default_rng(0).uniform(-0.5, 0.5, (40, 3)) * (1.0, 0.5, 0) + (0, 0, 1)
    plain = rays @ matrix.T
    bent = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), matrix, lens)[0][:, 0]
    seen = np.concatenate((bent, np.ones((40, 1))), axis=1)
    for name in ("k", "dist_coeffs"):
        file = read_camera(written(tmp_path, {"K": K, name: lens.tolist()}), image_size=(1280, 720))
        found = file.undistorted(seen, place="k")
        np.testing.assert_allclose(found[:, :2], plain[:, :2], atol=0.05)
    assert "freed from the lens's distortion" in caplog.text
    none = read_camera(written(tmp_path, {"K": K, "k": [0, 0, 0, 0, 0]}), image_size=(1280, 720))
    assert none.undistorted(seen, place="k") is seen


def test_a_matrix_of_another_size_is_scaled_where_the_size_is_known(tmp_path):
    half = (np.diag([0.5, 0.5, 1.0]) @ np.array(K)).tolist()
    whole = read_camera(written(tmp_path, K), image_size=(1280, 720)).camera
    for content, made_for in (({"K": half, "width": 640, "height": 360}, None), (half, (640, 360))):
        camera = read_camera(written(tmp_path, content), image_size=(1280, 720), made_for=made_for).camera
        torch.testing.assert_close(camera.focal, whole.focal)
        torch.testing.assert_close(camera.centre, whole.centre)
    with pytest.raises(InputError, match="cropped or turned"):
        read_camera(written(tmp_path, {"K": half, "image_size": [360, 640]}), image_size=(1280, 720))


@pytest.mark.parametrize(
    ("matrix", "told"),
    [
        (np.array([[1000, 0, 0], [0, 1000, 0], [640, 360, 1.0]]), "transposed"),
        (np.array([[0.78, 0, 0.5], [0, 1.39, 0.5], [0, 0, 1.0]]), "shares of the image"),
    ],
)
def test_other_layouts_of_a_matrix_are_named(tmp_path, matrix, told):
    with pytest.raises(InputError, match=told):
        read_camera(written(tmp_path, matrix.tolist()), image_size=(1280, 720))


def test_a_focal_length_or_an_angle_of_view_takes_the_place_of_the_guess(caplog):
    given, angle = (guessed_camera((1280, 720), **how).camera for how in ({"focal": 900.0}, {"fov": 90.0}))
    assert given.focal.tolist() == [[900.0, 900.0]]
    assert angle.focal[0, 0] == pytest.approx(640.0)
    assert "guessed" not in caplog.text


FLAT = [1000.0, 0, 640, 0, 1010.0, 360, 0, 0, 1]


@pytest.mark.parametrize(
    "content",
    [
        {"fx": 1000, "fy": 1010, "cx": 640, "cy": 360},
        {"width": 1280, "height": 720, "ppx": 640, "ppy": 360, "fx": 1000, "fy": 1010, "model": "x", "coeffs": [0] * 5},
        {"intrinsics": {"fx": 1000, "fy": 1010, "cx": 640, "cy": 360}},
        {"camera_matrix": {"rows": 3, "cols": 3, "data": FLAT}, "image_width": 1280, "image_height": 720},
        {"intrinsic_matrix": np.reshape(FLAT, (3, 3)).T.ravel().tolist()},
        FLAT,
        np.column_stack((np.reshape(FLAT, (3, 3)), np.zeros(3))).tolist(),
        (2 * np.reshape(FLAT, (3, 3))).tolist(),
    ],
    ids=["one by one", "RealSense", "nested", "ROS", "Open3D, by columns", "by rows", "3 x 4", "twice"],
)
def test_other_layouts_of_a_matrix_are_read(tmp_path, content):
    camera = read_camera(written(tmp_path, content), image_size=(1280, 720)).camera
    np.testing.assert_allclose(camera.focal, [[1000, 1010]])
    np.testing.assert_allclose(camera.centre, [[640, 360]])


@pytest.mark.parametrize(
    "fields",
    [
        {"D": [-0.2, 0.05, 0, 0, 0]},
        {"coeffs": [-0.2, 0.05, 0, 0, 0], "model": "Brown Conrady"},
        {"distortion_coefficients": {"rows": 1, "cols": 5, "data": [-0.2, 0.05, 0, 0, 0]}},
        {"k1": -0.2, "k2": 0.05},
    ],
)
def test_the_coefficients_of_a_lens_are_found_under_their_usual_names(tmp_path, fields):
    found = read_camera(written(tmp_path, {"K": K, **fields}), image_size=(1280, 720)).distortion
    np.testing.assert_allclose(found[:5], [-0.2, 0.05, 0, 0, 0])


def test_a_fisheye_and_slanted_axes_are_refused_and_unused_fields_named(tmp_path, caplog):
    fisheye = {"K": K, "D": [0.1, 0, 0, 0], "distortion_model": "fisheye"}
    with pytest.raises(InputError, match="model fisheye"):
        read_camera(written(tmp_path, fisheye), image_size=(1280, 720))
    with pytest.raises(InputError, match="skew of 150"):
        read_camera(written(tmp_path, [[1000, 150, 640], [0, 1000, 360], [0, 0, 1]]), image_size=(1280, 720))
    read_camera(written(tmp_path, {"K": K, "rolling_shutter": 0.01}), image_size=(1280, 720))
    assert "rolling_shutter in it is not used" in caplog.text


def test_millimetres_and_radians_are_no_focal_length_and_no_angle():
    for wrong in ({"focal": 26.0}, {"fov": 1.1}):
        with pytest.raises(CheckError, match="millimetres"):
            guessed_camera((1280, 720), **wrong)
    assert guessed_camera((1280, 720), focal=1000.0).checked


def test_pixels_that_are_not_square_divide_the_focal_length(tmp_path):
    size, aspect = (720, 576), 64 / 45  # PAL, widescreen
    camera = guessed_camera(size, fov=60.0, pixel_aspect=aspect).camera
    fx, fy = camera.focal[0].tolist()
    assert fx == pytest.approx(360 / np.tan(np.radians(30)), rel=1e-5) and fy == pytest.approx(fx * aspect, rel=1e-5)
    square = written(tmp_path, [[800, 0, 360], [0, 800, 288], [0, 0, 1]])
    (row,) = (r for r in read_camera(square, image_size=size, pixel_aspect=aspect).checked if r.check == "focal length")
    assert row.severity == "likely" and "square pixels" in row.meant
    stored = written(tmp_path, [[800 / aspect, 0, 360], [0, 800, 288], [0, 0, 1]])
    assert {r.severity for r in read_camera(stored, image_size=size, pixel_aspect=aspect).checked} == {"fine"}
