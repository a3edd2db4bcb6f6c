"""The same people in the JSON of several detectors are the same keypoints."""

from __future__ import annotations

import json

import numpy as np
import pytest

from optim.common.errors import InputError
from optim.keypoints.names import COCO_17, HALPE_26, MEDIAPIPE_33, SETS, to_body_25
from optim.loading.files.keypoints import read_keypoints
from tests.optim.keypoints.test_sets import person

FRAMES, SIZE = 6, (640, 480)


def points_of(count):
    """A person who drifts by a pixel a frame, under the names of the usual set of so many points."""
    names = {one: SETS[one] for one in SETS} | {136: (*SETS[26], *["left_wrist"] * 110)}
    still = np.repeat(person(names.get(count, ("left_wrist",) * count), frames=1), FRAMES, axis=0)
    places = (still[..., :2] - [640, 360]) / 2 + [300, 200]
    confidences = np.full((FRAMES, count, 1), 0.5)
    return np.concatenate((places, confidences), axis=2) + np.arange(FRAMES)[:, None, None] * [1.0, 2.0, 0.0]


def mmpose(points, first=1):
    people = [{"keypoints": one[:, :2].tolist(), "keypoint_scores": [0.5] * len(one)} for one in points]
    frames = [{"frame_id": first + t, "instances": [one]} for t, one in enumerate(people)]
    return {"meta_info": {"dataset_name": "coco"}, "instance_info": frames}


def annotations(points):
    marks = points.copy()
    marks[..., 2] = 1
    rows = [{"image_id": 900 + t, "category_id": 1, "keypoints": one.ravel().tolist()} for t, one in enumerate(marks)]
    images = [{"id": 900 + t, "file_name": f"clip_{t:05d}.jpg"} for t in range(len(points))]
    return {"images": images, "annotations": rows, "categories": [{"name": "person", "keypoints": list(COCO_17)}]}


def alphapose(points):
    return [{"image_id": f"{t}.jpg", "category_id": 1, "keypoints": one.ravel().tolist(), "score": 2.9, "idx": [1.0]}
            for t, one in enumerate(points)]  # fmt: skip


def alphapose_cmu(points):
    return {f"{t}.jpg": {"version": 0.1, "bodies": [{"joints": one.ravel().tolist()}]} for t, one in enumerate(points)}


def alphapose_open(points):
    return {f"{t}.jpg": {"version": 0.1, "people": [{"pose_keypoints_2d": one.ravel().tolist()}]}
            for t, one in enumerate(points)}  # fmt: skip


def mediapipe(points):
    return [[{"x": x / SIZE[0], "y": y / SIZE[1], "z": 0.1, "visibility": c} for x, y, c in one] for one in points]


def nested_mediapipe(points):
    return {"frames": [{"pose_landmarks": [one]} for one in mediapipe(points)]}


FORMS = {
    "mmpose": (mmpose, 17), "mmpose 26": (mmpose, 26), "mmpose from 0": (lambda p: mmpose(p, 0), 17),
    "COCO annotations": (annotations, 17), "AlphaPose": (alphapose, 17), "AlphaPose 26": (alphapose, 26),
    "AlphaPose 136": (alphapose, 136), "whole body 133": (alphapose, 133), "AlphaPose cmu": (alphapose_cmu, 17),
    "AlphaPose open": (alphapose_open, 26), "mediapipe": (mediapipe, 33), "mediapipe nested": (nested_mediapipe, 33),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_keypoints(tmp_path, name):
    make, count = FORMS[name]
    points = points_of(count)
    (tmp_path / "k.json").write_text(json.dumps(make(points)))
    found = read_keypoints(tmp_path / "k.json", image_size=SIZE)
    feet = ("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel")
    names = {17: COCO_17, 26: HALPE_26, 33: MEDIAPIPE_33, 133: (*COCO_17, *feet), 136: HALPE_26}[count]
    np.testing.assert_allclose(found, to_body_25(points[:, : len(names)], names), atol=1e-3)


def test_frames_without_anybody_stay_in_their_place(tmp_path):
    content = mmpose(points_of(17))
    content["instance_info"][2]["instances"] = []
    del content["instance_info"][4]
    (tmp_path / "k.json").write_text(json.dumps(content))
    found = read_keypoints(tmp_path / "k.json")
    assert found.any(axis=(1, 2)).tolist() == [True, True, False, True, False, True]


def test_names_of_the_file_come_before_their_number(tmp_path):
    points, names = points_of(17), tuple(reversed(COCO_17))
    content = mmpose(points)
    content["meta_info"]["keypoint_id2name"] = {str(n): name for n, name in enumerate(names)}
    (tmp_path / "k.json").write_text(json.dumps(content))
    np.testing.assert_allclose(read_keypoints(tmp_path / "k.json"), to_body_25(points, names), atol=1e-3)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"instance_info": [{"frame_id": 1}]}, "without instances"),
        ({"instance_info": [{"instances": [{"keypoints": [[1, 2]]}]}]}, "keypoint_scores"),
        ({"images": [], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}, "without keypoints"),
        ([[{"x": 0.1, "y": 0.2}] * 21], "21 landmarks"),
        (mmpose(points_of(19)), "19 keypoints without names"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, content, told):
    (tmp_path / "k.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"k\.json: .*{told}"):
        read_keypoints(tmp_path / "k.json", image_size=SIZE)


def test_mediapipe_needs_the_size_of_the_image(tmp_path):
    (tmp_path / "k.json").write_text(json.dumps(mediapipe(points_of(33))))
    with pytest.raises(InputError, match="shares of the image"):
        read_keypoints(tmp_path / "k.json")
