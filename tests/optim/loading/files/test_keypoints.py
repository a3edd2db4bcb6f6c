"""Keypoints from files: every known set and layout ends as the same BODY_25; gaps stay gaps, nonsense is named."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from optim.checks.check import CheckError
from optim.common.errors import InputError
from optim.keypoints.names import BODY_25, COCO_17, MEDIAPIPE_33, to_body_25
from optim.loading.files.keypoints import read_checked_keypoints, read_keypoints
from tests.optim.keypoints.test_sets import person, place

FRAMES = 6


def walker(names, *, shift=0.0, frames=FRAMES):
    """Somebody who stands upright and moves evenly; each point has its own place, alike in all sets."""
    points = np.zeros((frames, len(names), 3), np.float32)
    for row, name in enumerate(names):
        x, y = place(name)
        points[:, row] = [300.0 + 2 * x + shift, 250.0 + 2 * y, 0.9]
    points[..., 0] += 2.0 * np.arange(frames)[:, None]
    return points


def write_openpose(folder, *people, start=1, skip=(), broken=()):
    """A JSON a frame; ``people`` are (T, K, 3), all 0 where absent."""
    folder.mkdir(parents=True, exist_ok=True)
    for t in range(len(people[0])):
        if t in skip:
            continue
        rows = [{"pose_keypoints_2d": p[t].ravel().tolist()} for p in people if p[t].any()]
        text = "{" if t in broken else json.dumps({"version": 1.3, "people": rows})
        (folder / f"clip_{t + start:012d}_keypoints.json").write_text(text)
    return folder


def test_openpose_comes_back(tmp_path):
    points = walker(BODY_25)
    np.testing.assert_allclose(read_keypoints(write_openpose(tmp_path / "k", points)), points)


def test_an_empty_frame_is_a_frame_in_which_nobody_is_seen(tmp_path):
    points = walker(BODY_25)
    points[3] = 0.0
    np.testing.assert_allclose(read_keypoints(write_openpose(tmp_path / "k", points)), points)


def test_a_missing_file_is_a_gap_and_is_told(tmp_path, caplog):
    points = walker(BODY_25)
    with caplog.at_level(logging.WARNING):
        found = read_keypoints(write_openpose(tmp_path / "k", points, skip=(2,)))
    assert "no file for frame 3" in caplog.text and len(found) == FRAMES
    assert not found[2].any()
    np.testing.assert_allclose(np.delete(found, 2, axis=0), np.delete(points, 2, axis=0))


def test_a_broken_file_is_a_gap_and_is_named(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        found = read_keypoints(write_openpose(tmp_path / "k", walker(BODY_25), broken=(1, 4)))
    assert "2 files (clip_000000000002_keypoints.json" in caplog.text
    assert [bool(frame.any()) for frame in found] == [True, False, True, True, False, True]


@pytest.mark.parametrize("layout", ["npz", "json", "bare json"])
@pytest.mark.parametrize("names", [BODY_25, COCO_17, MEDIAPIPE_33])
def test_one_file_of_any_set(tmp_path, names, layout):
    points = walker(names)
    if layout == "npz":
        path = tmp_path / "k.npz"
        np.savez(path, keypoints=points)
    else:
        path = tmp_path / "k.json"
        path.write_text(json.dumps(points.tolist() if layout == "bare json" else {"keypoints": points.tolist()}))
    found, wanted = read_keypoints(path), walker(BODY_25)
    for index, name in enumerate(BODY_25):
        source = {"left_big_toe": "left_foot_index", "right_big_toe": "right_foot_index"}.get(name, name)
        if name in names:
            np.testing.assert_allclose(found[:, index], wanted[:, index], err_msg=name)
        elif source in names:
            np.testing.assert_allclose(found[:, index], walker((source,))[:, 0], err_msg=name)


def test_points_in_another_order_are_mapped_by_name(tmp_path):
    order = np.random.default_rng(0).permutation(17)
    np.savez(tmp_path / "k.npz", keypoints=walker(COCO_17)[:, order], names=np.array(COCO_17)[order])
    np.savez(tmp_path / "plain.npz", keypoints=walker(COCO_17))
    np.testing.assert_allclose(read_keypoints(tmp_path / "k.npz"), read_keypoints(tmp_path / "plain.npz"))


def test_middles_are_made_and_what_is_not_there_is_not_seen():
    points = walker(COCO_17)
    points[:, COCO_17.index("left_hip"), 2] = 0.3
    found = to_body_25(points, COCO_17)
    hips = points[:, [COCO_17.index("left_hip"), COCO_17.index("right_hip")]]
    np.testing.assert_allclose(found[:, 8, :2], hips[..., :2].mean(axis=1))
    np.testing.assert_allclose(found[:, 8, 2], 0.3)
    feet = [BODY_25.index(name) for name in BODY_25 if "toe" in name or "heel" in name]
    assert not found[:, feet].any()


def test_coco_results_are_read(tmp_path):
    points = walker(COCO_17)
    rows = [
        {"image_id": t + 10, "category_id": 1, "score": 0.9, "keypoints": points[t].ravel().tolist()}
        for t in range(FRAMES)
        if t != 3
    ]
    (tmp_path / "k.json").write_text(json.dumps(rows))
    found = read_keypoints(tmp_path / "k.json")
    assert len(found) == FRAMES and not found[3].any()
    np.testing.assert_allclose(found[1, 0], points[1, 0])


def test_the_same_person_is_followed_whatever_the_order(tmp_path, caplog):
    left, right = walker(BODY_25), 1.3 * walker(BODY_25, shift=300.0)
    right[..., 2] = 0.9
    folder = tmp_path / "k"
    folder.mkdir()
    for t in range(FRAMES):
        both = [left[t], right[t]][:: 1 if t % 2 else -1]
        rows = [{"pose_keypoints_2d": one.ravel().tolist()} for one in both]
        (folder / f"{t:06d}_keypoints.json").write_text(json.dumps({"people": rows}))
    with caplog.at_level(logging.WARNING):
        np.testing.assert_allclose(read_keypoints(folder), right, rtol=1e-6)  # the largest
    assert "up to 2 people in a frame; the largest is followed (--person N" in caplog.text
    np.testing.assert_allclose(read_keypoints(folder, person=1), left, rtol=1e-6)
    np.testing.assert_allclose(read_keypoints(folder, person=2), right, rtol=1e-6)


def test_everybody_in_a_file_is_returned_once_with_the_followed_person_first(tmp_path):
    left, right = walker(BODY_25), 1.3 * walker(BODY_25, shift=300.0)
    right[..., 2] = 0.9
    found = read_checked_keypoints(write_openpose(tmp_path / "k", left, right))
    assert len(found.everybody) == 2
    np.testing.assert_allclose(found.everybody[0], found.followed)
    np.testing.assert_allclose(found.followed, right, rtol=1e-6)
    np.testing.assert_allclose(found.everybody[1], left, rtol=1e-6)
    alone = read_checked_keypoints(write_openpose(tmp_path / "one", left))
    assert len(alone.everybody) == 1


def test_a_bystander_whom_two_numbers_follow_is_returned_once(tmp_path):
    """One who crosses the picture is the first from the left at the beginning, and the third when another one comes."""
    fitted, crossing, late = 1.5 * walker(BODY_25, frames=30), walker(BODY_25, frames=30), walker(BODY_25, frames=30)
    fitted[..., 2] = 0.9
    crossing[..., 0] += np.linspace(-100.0, 500.0, 30)[:, None]
    late[..., 0] -= 250.0
    late[:-1] = 0.0
    folder = write_openpose(tmp_path / "k", fitted, crossing, late)
    first, third = (read_keypoints(folder, person=number) for number in (1, 3))
    np.testing.assert_array_equal(first, third)
    found = read_checked_keypoints(folder).everybody
    assert len(found) == 2
    np.testing.assert_allclose(found[0], fitted, rtol=1e-6)
    np.testing.assert_allclose(found[1], crossing, rtol=1e-6)


def test_nobody_else_takes_the_place_of_who_has_left(tmp_path):
    left, right = walker(BODY_25), walker(BODY_25, shift=900.0)
    left[3:] = 0.0
    found = read_keypoints(write_openpose(tmp_path / "k", left, right), person=1)
    assert found[:3].any() and not found[3:].any()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda d: d, "no \\*_keypoints.json in it"),
        (lambda d: d / "nothing", "no such file or folder"),
        (lambda d: write_openpose(d / "k", np.zeros((4, 25, 3))), "nobody is seen in any of 4 frames"),
        (lambda d: write_openpose(d / "k", walker(BODY_25), broken=range(FRAMES)), "not OpenPose's JSON"),
        (lambda d: write_openpose(d / "k", np.full((3, 19, 3), 90.0)), r"people of \[19\] keypoints"),
        (lambda d: saved(d, keypoints=np.ones((5, 3))), r"shape \(5, 3\)"),
        (lambda d: saved(d, keypoints=np.ones((5, 19, 3))), "19 keypoints and no names"),
        (lambda d: saved(d, keypoints=np.ones((5, 19, 3)), names=np.array(["nose"])), "19 keypoints and 1 names"),
        (
            lambda d: saved(d, keypoints=np.ones((5, 2, 3)), names=np.array(["tail", "wing"])),
            r"no left_shoulder, .* among its keypoints \(tail, wing are not known\)",
        ),
        (lambda d: saved(d, points=np.ones((5, 25, 3))), "no array keypoints"),
        (lambda d: saved(d, keypoints=np.array([{}, {}])), "pickled Python objects"),
        (lambda d: written(d, "{"), "not JSON"),
        (lambda d: written(d, '{"keypoints": [[1], [2, 3]]}'), "not an array"),
        (lambda d: written(d, '[{"a": 1}]'), "something else than COCO results"),
    ],
)
def test_what_is_no_keypoints_is_refused(tmp_path, make, words):
    with pytest.raises(InputError, match=words):
        read_keypoints(make(tmp_path))


def test_a_person_who_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no frame shows 2 people, at most 1"):
        read_keypoints(write_openpose(tmp_path / "k", walker(BODY_25)), person=2)


def saved(folder, **arrays):
    np.savez(folder / "k.npz", **arrays)
    return folder / "k.npz"


def written(folder, text):
    (folder / "k.json").write_text(text)
    return folder / "k.json"


@pytest.mark.parametrize(
    "spelling",
    [
        lambda name: name.upper(),
        lambda name: name.title(),
        lambda name: name.replace("_", "-"),
        lambda name: name.replace("_", " ").title(),
        lambda name: name.replace("_", ""),
        lambda name: "".join(w.capitalize() if k else w for k, w in enumerate(name.split("_"))),
        lambda name: "_".join(reversed(name.replace("left", "l").replace("right", "r").split("_"))),
    ],
)
def test_names_are_known_in_any_spelling(tmp_path, spelling):
    points = np.repeat(np.random.default_rng(0).uniform(50, 500, (1, 17, 3)), 3, axis=0)
    path = tmp_path / "k.npz"
    np.savez(path, keypoints=points, names=np.array(COCO_17))
    expected = read_keypoints(path)
    np.savez(path, keypoints=points, names=np.array([spelling(name) for name in COCO_17]))
    np.testing.assert_array_equal(read_keypoints(path), expected)
    assert (expected[..., 2] > 0).all(axis=0).sum() == 19


def test_names_that_are_not_known_are_told(tmp_path, caplog):
    points, names = np.full((3, 18, 3), 90.0), np.array([*COCO_17, "tail"])
    np.savez(tmp_path / "k.npz", keypoints=points, names=names)
    with caplog.at_level(logging.WARNING):
        read_keypoints(tmp_path / "k.npz")
    assert "keypoint tail not known and left out" in caplog.text


def test_shares_of_the_image_are_no_pixels(tmp_path):
    shares = np.random.default_rng(0).uniform(0, 1, (3, 17, 3))
    np.savez(tmp_path / "k.npz", keypoints=shares)
    with pytest.raises(InputError, match="shares of the image.*multiply x by the width"):
        read_keypoints(tmp_path / "k.npz")


@pytest.mark.parametrize(
    ("numbers", "first"),
    [(range(5, 20), 5), (range(6, 21), 5), (range(1000, 1015), 0), (range(0, 15), 0)],
)
def test_numbers_in_the_names_are_those_of_frames(tmp_path, numbers, first):
    """Of a video of 20 frames: counted from 0, from 1, by a longer video, or from the first frame on."""
    points = person(BODY_25, frames=15)
    for number, frame in zip(numbers, points, strict=True):
        (tmp_path / f"clip_{number:012d}_keypoints.json").write_text(
            json.dumps({"people": [{"pose_keypoints_2d": frame.ravel().tolist()}]})
        )
    found = read_keypoints(tmp_path, frames=(20, 20))
    assert not found[:first].any()
    np.testing.assert_allclose(found[first : first + 15], points, atol=1e-3)


def test_long_gaps_are_gaps(tmp_path):
    points = person(BODY_25, frames=4)
    for number, frame in zip((0, 1, 98, 99), points, strict=True):
        (tmp_path / f"{number}_keypoints.json").write_text(
            json.dumps({"people": [{"pose_keypoints_2d": frame.ravel().tolist()}]})
        )
    found = read_keypoints(tmp_path, frames=(100,))
    assert len(found) == 100 and not found[2:98].any() and found[98:].any()


@pytest.mark.parametrize("missing", [(np.nan, np.nan, np.nan), (-1, -1, -1), (-1, -1, 0.5), (0, 0, 0.9), (0, 0, 0)])
def test_what_was_not_seen_is_not_seen_however_it_is_written(tmp_path, missing):
    points = walker(BODY_25, frames=5)
    expected = points.copy()
    points[2, 4], expected[2, 4] = missing, 0
    np.savez(tmp_path / "k.npz", keypoints=points, names=np.array(BODY_25))
    np.testing.assert_allclose(read_keypoints(tmp_path / "k.npz"), expected, atol=1e-3)


def test_the_size_of_their_images_scales_keypoints(tmp_path):
    points = walker(COCO_17)
    shares = points / [1280, 720, 1]
    path = saved(tmp_path, keypoints=shares)
    with pytest.raises(InputError, match="--keypoints-size 1 1"):
        read_keypoints(path, image_size=(1280, 720))
    scaled = read_keypoints(path, image_size=(1280, 720), made_for=(1, 1))
    np.testing.assert_allclose(scaled, read_keypoints(saved(tmp_path, keypoints=points)), rtol=1e-5)


def test_the_set_can_be_said(tmp_path):
    path = saved(tmp_path, keypoints=np.random.default_rng(0).uniform(50, 500, (6, 17, 3)))
    with pytest.raises(CheckError, match="--keypoints-set"):
        read_keypoints(path)
    assert read_keypoints(path, set_name="Human3.6M-17").any()
    with pytest.raises(InputError, match="BODY_25 has 25"):
        read_keypoints(path, set_name="BODY_25")
