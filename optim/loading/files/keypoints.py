"""Read the user's own keypoints: OpenPose's folder of JSON files, or one file of a known keypoint set."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optim.checks.check import Checked
from optim.checks.run import run_checks
from optim.common.errors import InputError
from optim.keypoints.names import COCO_17, KNOWN_SIZES, NAMED_SETS, SETS, TORSO, standard_name, to_body_25
from optim.keypoints.people import follow
from optim.keypoints.sets import find_set
from optim.loading.files.detections import LARGE_SETS, MOST_FRAMES, first_number, read_detections
from optim.loading.files.missing import known_keypoints
from optim.reading.arrays import read_arrays
from optim.reading.files import is_file, is_folder
from optim.reading.json_file import json_numbers, read_json

EXPECTED = (
    "OpenPose's folder of *_keypoints.json, or a .json (COCO, mmpose, AlphaPose, mediapipe) or .npz of BODY_25,"
    " COCO-17, HALPE-26 or mediapipe-33 keypoints"
)
_NUMBER = re.compile(r"(\d+)(?=\D*$)")
NORMALISED = 1.5
"""Coordinates of a whole clip that are no larger than this are shares of the image: no person is that small [px]."""
MOST_PEOPLE = 8
"""Largest number of people, counted from the left, whose keypoints are returned."""
log = logging.getLogger(__name__)
People = list[np.ndarray]
"""For each frame (P, K, 3): x, y [px] and confidence of all persons in it."""


@dataclass
class _Reading:
    """What is known while a file is read, and what the checks of its keypoint set found."""

    path: Path
    image_size: tuple[int, int] | None
    frames: Sequence[int]
    set_name: str | None
    in_pixels: bool
    rows: tuple[Checked, ...] = ()


@dataclass(frozen=True)
class ReadKeypoints:
    """BODY_25 keypoints as a file gives them: x, y [px] and confidence, which is 0 where not seen."""

    followed: np.ndarray  # (T, 25, 3) of the person who is fitted
    everybody: tuple[np.ndarray, ...]
    """(T, 25, 3) of the same person, then of others; who is who may change where people cross each other."""
    checked: tuple[Checked, ...]
    """What the checks of the keypoint set found."""


def read_keypoints(path: Path, **how: Any) -> np.ndarray:
    """The keypoints of ``read_checked_keypoints`` alone, which has the same arguments."""
    return read_checked_keypoints(path, **how).followed


def read_checked_keypoints(
    path: Path,
    *,
    person: int | None = None,
    image_size: tuple[int, int] | None = None,
    frames: Sequence[int] = (),
    set_name: str | None = None,
    made_for: tuple[int, int] | None = None,
) -> ReadKeypoints:
    """Read the BODY_25 keypoints of one person, and those of everybody else in the file.

    If a frame shows several persons, the one nearest to the last position is taken.

    Args:
        person: Number of the person from the left, counted from 1, in the first frame that shows as many persons. None
            takes the largest person in the first frame that shows anybody.
        image_size: Width and height [px] of the image, which mediapipe's own files need.
        frames: Numbers of frames that the video may have. Numbers in file names are those of its frames.
        set_name: Name in ``NAMED_SETS`` of the set of points without names. None tells it by their places.
        made_for: Width and height [px] of the images that the keypoints are of, if it is another than ``image_size``.

    Raises:
        InputError: The path holds no keypoints of a known set, or nobody is seen in them.
    """
    reading = _Reading(path, image_size, frames, set_name, made_for is None)
    if is_folder(path):
        people, names = _openpose_folder(reading)
    elif path.suffix == ".npz":
        people, names = _npz(reading)
    elif path.suffix == ".json" and is_file(path):
        people, names = _json(reading)
    else:
        what = "no such file or folder" if not (is_file(path) or is_folder(path)) else "no keypoints"
        raise InputError(f"{path}: {what}; {EXPECTED} is expected")
    _require_known(names, path)
    people = [frame[(frame[..., 2] > 0).any(axis=1)] for frame in people]
    found, counts = follow(people, person=person)
    if not found.any():
        most = int(counts.max(initial=0))
        if person is not None and most:
            raise InputError(f"{path}: no frame shows {person} people, at most {most}; lower --person")
        raise InputError(f"{path}: nobody is seen in any of {len(people)} frames; there is nothing to fit")
    if (counts > 1).any():
        who = "the largest" if person is None else f"number {person} from the left"
        log.warning(
            "%s: up to %d people in a frame; %s is followed (--person N takes another)", path, counts.max(), who
        )
    if made_for is None:
        require_pixels(found, name="keypoints", path=path)
    everybody = [found]
    for number in range(1, min(int(counts.max()), MOST_PEOPLE) + 1):
        other, _ = follow(people, person=number)
        if not any(_same(other, one) for one in everybody):
            everybody.append(other)
    if made_for is not None and image_size is not None:
        for points in everybody:
            points[..., :2] *= np.array(image_size) / np.array(made_for)
    return ReadKeypoints(to_body_25(found, names), tuple(to_body_25(one, names) for one in everybody), reading.rows)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two tracks (T, K, 3) are the same person in most of the frames in which the first one is seen."""
    seen = (one[..., 2] > 0).any(1)
    return bool((one == other).all((1, 2))[seen].mean() > 0.5) if seen.any() else True


def _require_known(names: Sequence[str], path: Path) -> None:
    """Refuse a set without shoulders and hips, and tell which names of a set are not known."""
    given = {standard_name(name): name for name in names}
    known = {name for group in NAMED_SETS.values() for name in group}
    others = [given[name] for name in given if name not in known]
    if not set(TORSO) <= set(given):
        missing = ", ".join(name for name in TORSO if name not in given)
        listed = f"{', '.join(others[:4])}{', …' if len(others) > 4 else ''}"
        told = f" ({listed} {'is' if len(others) == 1 else 'are'} not known)" if others else ""
        raise InputError(f"{path}: no {missing} among its keypoints{told}; {EXPECTED} is expected")
    if others:
        log.warning("%s: %s not known and left out", path, _listed("keypoint", others))


def require_pixels(points: np.ndarray, *, name: str, path: Path) -> None:
    """Refuse keypoints (..., 3) whose coordinates are shares of the image instead of pixels.

    Raises:
        InputError: All that are seen lie between 0 and 1.
    """
    seen = points[points[..., 2] > 0][..., :2]
    if seen.size and np.abs(seen).max() <= NORMALISED:
        flag = "--keypoints-size 1 1 says so; otherwise " if seen.min() >= 0 else ""
        raise InputError(
            f"{path}: the {name} lie between {seen.min():.3g} and {seen.max():.3g}, so they are shares of the image and"
            f" not pixels: {flag}multiply x by the width and y by the height of the image"
        )


# OpenPose's folder


def _openpose_folder(reading: _Reading) -> tuple[People, tuple[str, ...]]:
    folder, frames = reading.path, reading.frames
    files = sorted(folder.glob("*_keypoints.json")) or sorted(folder.glob("*.json"))
    if not files:
        raise InputError(f"{folder}: no *_keypoints.json in it; {EXPECTED} is expected")
    numbered = _by_number(files, folder, frames)
    people: People = []
    missing, broken = [], []
    for number, file in numbered:
        frame = None if file is None else people_of_openpose(file)
        if file is None:
            missing.append(number)
        elif frame is None:
            broken.append(file.name)
        people.append(np.zeros((0, 25, 3), np.float32) if frame is None else frame)
    if len(broken) == len(files):
        raise InputError(
            f"{files[0]}: not OpenPose's JSON, nor is any other file of the folder; {EXPECTED} is expected"
        )
    if missing:
        log.warning("%s: no file for %s; taken as frames in which nobody is seen", folder, _listed("frame", missing))
    if broken:
        log.warning("%s: %s cannot be read; taken as frames in which nobody is seen", folder, _listed("file", broken))
    return _alike(people, reading)


def _by_number(files: Sequence[Path], place: Path, frames: Sequence[int]) -> list[tuple[int, Path | None]]:
    """Files by the last number in their names, which is that of a frame, with None for frames without a file.

    Files that are not numbered, and files with numbers that cannot be frames of the video, are counted in their order;
    a warning says so.

    Args:
        frames: Numbers of frames that the video may have. If there are none, the first frame is that of the first file.
    """
    stems = [file.stem.removesuffix("_keypoints") for file in files]
    found = [_NUMBER.search(stem) for stem in stems]
    numbers = [int(match.group(1)) for match in found if match]
    if len(numbers) < len(files) or len(set(numbers)) < len(files):
        log.warning("%s: the files carry no frame numbers; they are taken in their order, one for each frame", place)
        return list(enumerate(files))
    first = first_number(numbers, frames)
    if first is None:
        log.warning(
            "%s: the numbers %d to %d are not those of %s frames; the files are taken in their order",
            place,
            min(numbers),
            max(numbers),
            " or ".join(map(str, dict.fromkeys(frames))) or f"{MOST_FRAMES:,}",
        )
        return list(enumerate(files))
    table = {number - first: file for number, file in zip(numbers, files, strict=True)}
    length = next((n for n in sorted(frames) if n > max(table)), max(table) + 1)
    return [(frame + first, table.get(frame)) for frame in range(length)]


def people_of_openpose(file: Path) -> np.ndarray | None:
    """Keypoints (P, K, 3) of all persons in one of OpenPose's files. None if the file cannot be read as one."""
    try:
        content = read_json(file, what=EXPECTED)
    except InputError:
        return None
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        return None
    rows = [_triples(one.get("pose_keypoints_2d")) if isinstance(one, dict) else None for one in people]
    known = [row for row in rows if row is not None]
    if len(known) < len(rows):
        return None
    known = [row for row in known if len(row)]
    if len({len(row) for row in known}) > 1:
        return None
    return known_keypoints(np.stack(known)) if known else np.zeros((0, 25, 3), np.float32)


def _triples(values: object) -> np.ndarray | None:
    """Keypoints (K, 3) of a flat list x, y, confidence, x, … None if it is not such a list."""
    flat = json_numbers(values)
    return None if flat is None or flat.size % 3 else flat.reshape(-1, 3)


def _alike(people: People, reading: _Reading) -> tuple[People, tuple[str, ...]]:
    """Frames of one keypoint set, and the names of its points, which follow from their number.

    Raises:
        InputError: The frames differ in the number of keypoints, or the number is not that of a known set.
    """
    path = reading.path
    sizes = sorted({frame.shape[1] for frame in people if len(frame)})
    if len(sizes) > 1 or (sizes and sizes[0] not in SETS):
        raise InputError(f"{path}: people of {sizes} keypoints; known are {KNOWN_SIZES}")
    size = sizes[0] if sizes else 25
    names = _names_of(np.concatenate([frame for frame in people if len(frame)]), reading) if sizes else SETS[size]
    return [frame if len(frame) else np.zeros((0, size, 3), np.float32) for frame in people], names


def _names_of(points: np.ndarray, reading: _Reading) -> tuple[str, ...]:
    """Names of keypoints (..., K, 3) that come without names: those of the set that the user names, or by geometry.

    Raises:
        CheckError: They are hardly a body under the names of any set.
        InputError: No set has so many points, the user's set has another number, or they are not in pixels.
    """
    path, count = reading.path, points.shape[-2]
    if reading.set_name is not None:
        names = NAMED_SETS[reading.set_name]
        if len(names) != count:
            raise InputError(f"{path}: {count} keypoints; --keypoints-set {reading.set_name} has {len(names)}")
        return names
    found = find_set(points)
    if found is None:
        raise InputError(f"{path}: {count} keypoints and no names; known are {KNOWN_SIZES}")
    if reading.in_pixels:
        require_pixels(points, name="keypoints", path=path)
    if points[..., 2].any():
        reading.rows += run_checks(found, place=path)
    return found.names


# One file


def _npz(reading: _Reading) -> tuple[People, tuple[str, ...]]:
    """Read ``keypoints`` (T, K, 3) or (T, P, K, 3), and ``names`` (K,) unless they are in the order of a known set."""
    path = reading.path
    arrays = read_arrays(path, ("keypoints",), optional=("names",), text=("names",), what="keypoints (T, K, 3)")
    names = tuple(map(str, arrays["names"].ravel().tolist())) if "names" in arrays else None
    return _from_array(arrays["keypoints"], names, reading)


def _json(reading: _Reading) -> tuple[People, tuple[str, ...]]:
    """Read keypoints from an object with ``keypoints`` and possibly ``names``, an array, or COCO's list of results."""
    path = reading.path
    content = read_json(path, what=EXPECTED)
    if (found := read_detections(content, path, image_size=reading.image_size, frames=reading.frames)) is not None:
        people, set_names = found
        people = [known_keypoints(frame) for frame in people]
        return (people, set_names) if set_names is not None else _alike(people, reading)
    if isinstance(content, list) and content and isinstance(content[0], dict):
        return _coco_results(content, reading)
    names = content.get("names") if isinstance(content, dict) else None
    points = content.get("keypoints") if isinstance(content, dict) else content
    array = json_numbers(points)
    if array is None or not (names is None or isinstance(names, list)):
        raise InputError(f"{path}: its keypoints are not an array (T, K, 3) of numbers; {EXPECTED} is expected")
    return _from_array(array, None if names is None else tuple(map(str, names)), reading)


def _from_array(points: np.ndarray, names: tuple[str, ...] | None, reading: _Reading) -> tuple[People, tuple[str, ...]]:
    path = reading.path
    frames = points[:, None] if points.ndim == 3 else points
    if frames.ndim != 4 or frames.shape[-1] != 3:
        raise InputError(f"{path}: keypoints have shape {points.shape}; (T, K, 3) or (T, P, K, 3) is expected")
    frames = known_keypoints(np.asarray(frames, np.float32))
    if names is None:
        names = _names_of(frames, reading)
    if len(names) != frames.shape[2]:
        raise InputError(f"{path}: {frames.shape[2]} keypoints and {len(names)} names; one name each is expected")
    return [frame[(frame[..., 2] > 0).any(axis=1)] for frame in frames], names


def _coco_results(rows: list, reading: _Reading) -> tuple[People, tuple[str, ...]]:
    """Keypoints from COCO's result list: a row for each person, with ``image_id`` and ``keypoints`` (51 numbers)."""
    path, frames = reading.path, reading.frames
    by_image: dict[str, list[np.ndarray]] = {}
    size = 17
    for row in rows:
        points = _triples(row.get("keypoints")) if isinstance(row, dict) else None
        size = size if by_image or points is None else len(points)
        known = {**SETS, **LARGE_SETS}.get(size)
        if points is None or len(points) != size or known is None or not isinstance(row.get("image_id"), (str, int)):
            raise InputError(f"{path}: a list of something else than COCO results; {EXPECTED} is expected")
        by_image.setdefault(str(row["image_id"]), []).append(known_keypoints(points[: len(known)]))
    numbered = _by_number([Path(name) for name in sorted(by_image)], path, frames)
    shown = min(size, len({**SETS, **LARGE_SETS}.get(size, COCO_17)))
    people = [np.zeros((0, shown, 3), np.float32) if f is None else np.stack(by_image[str(f)]) for _, f in numbered]
    missing = [number for number, file in numbered if file is None]
    if missing:
        log.warning("%s: nothing of %s; taken as frames in which nobody is seen", path, _listed("frame", missing))
    return (people, LARGE_SETS[size]) if size in LARGE_SETS else _alike(people, reading)


def _listed(what: str, items: Sequence[object]) -> str:
    shown = ", ".join(map(str, items[:5])) + (", …" if len(items) > 5 else "")
    return f"{what} {shown}" if len(items) == 1 else f"{len(items)} {what}s ({shown})"
