"""Read people from the JSON of keypoint detectors: COCO, mmpose, AlphaPose and mediapipe. Opens no file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from optim.common.errors import InputError
from optim.keypoints.names import COCO_17, MEDIAPIPE_33, SETS
from optim.loading.files.missing import known_keypoints
from optim.reading.json_file import json_numbers

_FEET_6 = tuple(f"{side}_{part}" for side in ("left", "right") for part in ("big_toe", "small_toe", "heel"))
LARGE_SETS = {133: (*COCO_17, *_FEET_6), 136: SETS[26]}
"""Number of keypoints of sets with face and hands → names of the first ones: COCO-WholeBody and full HALPE."""
MOST_FRAMES = 1_000_000
"""Largest number of a frame that is believed."""
MOST_GAP = 100_000
"""Largest number of a frame that is accepted beyond four times the number of frames."""
Person = np.ndarray  # (K, 3)
Found = tuple[list[np.ndarray], tuple[str, ...] | None]
"""People of each frame (P, K, 3), and the names of the K points, if they are known."""


def read_detections(
    content: Any, path: Path, *, image_size: tuple[int, int] | None, frames: Sequence[int] = ()
) -> Found | None:
    """People of each frame, (P, K, 3) with x, y [px] and confidence, and the names of the K points;
    None for the names if neither the file nor their number gives them.

    Args:
        content: Content of the JSON file.
        image_size: Width and height [px], which mediapipe's shares of the image are multiplied by.
        frames: Numbers of frames that the video may have.

    Returns:
        None if the content is of none of these kinds.

    Raises:
        InputError: It is of one of these kinds, but cannot be used; names what is wrong.
    """
    if isinstance(content, list) and content and all(isinstance(one, dict) and "instances" in one for one in content):
        content = {"instance_info": content}  # mmpose's inferencer writes the list alone
    if isinstance(content, dict) and isinstance(content.get("instance_info"), list):
        return _mmpose(content, path, frames)
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        return _coco_annotations(content, path, frames, image_size)
    if isinstance(content, dict) and content and all(_bodies(one) is not None for one in content.values()):
        rows = {str(name): _bodies(one) or [] for name, one in content.items()}
        return _frames({name: _people(people, path) for name, people in rows.items()}, None, path, frames)
    if (landmarks := _landmarks(content)) is not None:
        return _mediapipe(landmarks, path, image_size)
    return None


def _mmpose(content: Mapping[str, Any], path: Path, times: Sequence[int]) -> Found:
    """Video results of mmpose's demo and inferencer: an entry for each frame, which are counted from 1 or 0."""
    rows: dict[str, list[Person]] = {}
    for index, frame in enumerate(content["instance_info"]):
        people = frame.get("instances") if isinstance(frame, dict) else None
        if not isinstance(people, list):
            raise InputError(f"{path}: instance_info has an entry without instances; save mmpose's predictions again")
        number = frame.get("frame_id", index)
        rows.setdefault(str(number), []).extend(_with_scores(one, path) for one in people)
    meta = content.get("meta_info")
    names = meta.get("keypoint_id2name") if isinstance(meta, dict) else None
    given = tuple(str(names[key]) for key in sorted(names, key=_number)) if isinstance(names, dict) and names else None
    return _frames(rows, given, path, times)


def _with_scores(person: Any, path: Path) -> Person:
    places = json_numbers(person.get("keypoints")) if isinstance(person, dict) else None
    scores = json_numbers(person.get("keypoint_scores")) if isinstance(person, dict) else None
    if places is None or scores is None or places.ndim != 2 or places.shape[1] < 2 or scores.shape != places.shape[:1]:
        raise InputError(f"{path}: an instance without keypoints [K][2] and keypoint_scores [K]; save it again")
    return np.column_stack((places[:, :2], scores))


def _coco_annotations(
    content: Mapping[str, Any], path: Path, times: Sequence[int], image_size: tuple[int, int] | None
) -> Found:
    """COCO's annotations. A visibility of 2 becomes confidence 1, one of 1 (hidden, but marked) becomes 0.5.

    Images of another size than the video's are scaled to it.
    """
    images = {str(one.get("id")): one for one in content.get("images", []) if isinstance(one, dict)}
    rows: dict[str, list[Person]] = {str(one.get("file_name", key)): [] for key, one in images.items()}
    for one in content["annotations"]:
        flat = json_numbers(one.get("keypoints")) if isinstance(one, dict) else None
        if flat is None or flat.size % 3 or not flat.size:
            continue  # an annotation of something else than a person
        points = flat.reshape(-1, 3).copy()
        image = images.get(str(one.get("image_id")), {})
        points = known_keypoints(points) * np.array([*_scale(image, image_size), 0.5])
        rows.setdefault(str(image.get("file_name", one.get("image_id"))), []).append(points)
    if not any(rows.values()):
        raise InputError(f"{path}: COCO annotations without keypoints; give those of persons (person_keypoints_*.json)")
    names = None
    for category in content.get("categories", []):
        if isinstance(category, dict) and isinstance(category.get("keypoints"), list) and category["keypoints"]:
            names = tuple(map(str, category["keypoints"]))
    return _frames(rows, names, path, times)


def _scale(image: Mapping[str, Any], image_size: tuple[int, int] | None) -> tuple[float, float]:
    """Factors from the pixels of an annotated image to those of the video."""
    size = json_numbers([image.get("width"), image.get("height")], shape=(2,))
    if image_size is None or size is None or not (size > 0).all():
        return 1.0, 1.0
    return image_size[0] / size[0], image_size[1] / size[1]


def _bodies(frame: Any) -> list[Any] | None:
    """Flat keypoints of the people in one frame of AlphaPose's other forms. None if it is not one."""
    for group, name in (("bodies", "joints"), ("people", "pose_keypoints_2d")):
        people = frame.get(group) if isinstance(frame, dict) else None
        if isinstance(people, list) and all(isinstance(one, dict) and name in one for one in people):
            return [one[name] for one in people]
    return None


def _people(rows: list[Any], path: Path) -> list[Person]:
    found = [json_numbers(row) for row in rows]
    if any(one is None or one.size % 3 for one in found):
        raise InputError(f"{path}: keypoints that are no list x, y, confidence, …; save them again")
    return [one.reshape(-1, 3) for one in found if one is not None]


def _landmarks(content: Any) -> list[Any] | None:
    """Landmarks of each frame as mediapipe gives them. None if the content is something else."""
    frames = content.get("frames") if isinstance(content, dict) else content
    if not isinstance(frames, list) or not frames:
        return None
    found = []
    for frame in frames:
        if isinstance(frame, dict):
            frame = next((frame[name] for name in ("pose_landmarks", "landmarks", "landmark") if name in frame), None)
        if isinstance(frame, dict):
            frame = frame.get("landmark")
        if isinstance(frame, list) and len(frame) == 1 and isinstance(frame[0], list):
            frame = frame[0]  # one list for each person, which the newer interface has
        found.append(frame if frame else None)
    marks = [mark for frame in found if isinstance(frame, list) for mark in frame]
    like = marks and all(isinstance(mark, dict) and {"x", "y"} <= set(mark) for mark in marks)
    return found if like else None


def _mediapipe(frames: list[Any], path: Path, image_size: tuple[int, int] | None) -> Found:
    if image_size is None:
        raise InputError(f"{path}: mediapipe's landmarks are shares of the image; give the video with --data-path")
    people = []
    for frame in frames:
        rows = [[one.get("x"), one.get("y"), one.get("visibility", 1.0)] for one in frame or []]
        points = json_numbers(rows)
        if frame and (points is None or points.shape != (len(MEDIAPIPE_33), 3)):
            raise InputError(f"{path}: a frame of {len(rows)} landmarks; mediapipe's pose has 33 with x, y, visibility")
        people.append(
            np.zeros((0, 33, 3))
            if not frame or points is None
            else known_keypoints(points[None]) * np.array([*image_size, 1.0])
        )
    return people, MEDIAPIPE_33


def _number(name: Any) -> int:
    numbers = re.findall(r"\d+", str(name))
    return int(numbers[-1][:15]) if numbers else 0


def first_number(numbers: Sequence[int], frames: Sequence[int]) -> int | None:
    """The number that stands for the first frame of the video; None if the numbers cannot be those of its frames.

    Detectors count from 0. A video's pictures are often numbered from 1, and those of a cut-out by the whole video.
    """
    low, high = min(numbers), max(numbers)
    if not frames:
        return low if high - low < MOST_FRAMES else None
    if high < max(frames):
        return 0
    if low >= 1 and high <= max(frames):
        return 1
    return low if high - low < max(frames) else None


def _frames(rows: Mapping[str, list[Person]], names: tuple[str, ...] | None, path: Path, times: Sequence[int]) -> Found:
    """People by frame, from rows whose keys end in the number of the frame, or else in their order."""
    sizes = {len(person) for people in rows.values() for person in people}
    if len(sizes) > 1:
        raise InputError(f"{path}: people of {sorted(sizes)} keypoints; one set is expected")
    size = sizes.pop() if sizes else len(names or COCO_17)
    names = names if names is not None and len(names) == size else LARGE_SETS.get(size)
    if names is None and size not in SETS:
        raise InputError(f"{path}: {size} keypoints without names; sets of {_sizes()} are known")
    stems = {name: Path(name).stem if re.search(r"\.\w+$", name) else name for name in rows}
    numbers = {name: _number(stem) for name, stem in stems.items()}
    apart = len(set(numbers.values())) == len(rows) and all(re.search(r"\d", stem) for stem in stems.values())
    if not apart or max(numbers.values(), default=0) > 4 * len(rows) + MOST_GAP:
        numbers = {name: index for index, name in enumerate(rows)}
    start = first_number(list(numbers.values()), times) if times and numbers else _start(numbers)
    if start is None:  # the numbers are not those of the video's frames
        numbers, start = {name: index for index, name in enumerate(rows)}, 0
    last = max(numbers.values(), default=start - 1) - start
    length = next((count for count in sorted(times) if count > last), last + 1)
    shown = size if names is None else len(names)
    result = [np.zeros((0, shown, 3)) for _ in range(length)]
    for name, people in rows.items():
        if people:
            result[numbers[name] - start] = np.stack(people)[:, :shown]
    return result, names


def _start(numbers: Mapping[str, int]) -> int:
    """The number of the first frame, where the video's length is not known."""
    first = min(numbers.values(), default=0)
    return first if first > 1 and not _dense(numbers) else min(first, 1)


def _dense(numbers: Mapping[str, int]) -> bool:
    """Whether the numbers count frames, with few left out, rather than name images."""
    return max(numbers.values()) + 1 <= 2 * len(numbers)


def _sizes() -> str:
    return ", ".join(map(str, sorted({*SETS, *LARGE_SETS})))
