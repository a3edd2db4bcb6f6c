"""Read joints or markers in space from BVH, TRC, C3D and .npy files. Units and axes stay those of the file.

Joints are known by the names that Mixamo, CMU, Unreal, OpenSim's tools and SMPL give them. Spine joints of other
skeletons lie elsewhere than SMPL's and are left out.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optim.body.joints import JOINT_NAMES, NUM_JOINTS
from optim.common.errors import InputError
from optim.loading.files.c3d_file import read_c3d
from optim.loading.files.missing import known_points
from optim.reading.arrays import frame_rate, read_array
from optim.reading.files import guarded, read_text

LEAST_JOINTS = 8
"""Smallest number of known joints for which a file is taken as a skeleton."""
HUMANML_FPS = 20.0
"""Frame rate of HumanML3D [Hz], whose joint files do not give one."""
MOST_BONES = 1000
MORE_JOINTS = (24, 45, 52, 55, 73, 127, 144)
"""Numbers of joints of SMPL, SMPL+H and SMPL-X, with and without hands, face and further points."""
log = logging.getLogger(__name__)
UNIT_NAMES = {
    "mm": "mm", "millimeters": "mm", "millimetres": "mm", "cm": "cm", "centimeters": "cm", "centimetres": "cm",
    "m": "m", "meters": "m", "metres": "m", "meter": "m", "in": "in", "inches": "in", "ft": "ft", "feet": "ft",
}  # fmt: skip
"""Unit as TRC and C3D files write it, in lower case → value of ``--unit``."""
_PARTS = {
    "hip": ("hip", "upleg", "thigh", "upperleg"),
    "knee": ("knee", "leg", "shin", "calf", "lowleg", "lowerleg"),
    "ankle": ("ankle",),
    "foot": ("foot",),
    "toe": ("toebase", "toe", "toes", "ball", "bigtoe"),
    "arm": ("arm", "upperarm", "uparm"),
    "shoulder": ("shoulder",),
    "collar": ("collar", "clavicle", "collarbone"),
    "elbow": ("elbow", "forearm", "lowerarm", "lowarm"),
    "wrist": ("wrist",),
    "hand": ("hand",),
}
_WORDS = {word: part for part, words in _PARTS.items() for word in words}
_MIDDLE = {"pelvis": ("pelvis", "hips", "hip"), "neck": ("neck",), "head": ("head",)}
_CHOICES = {
    "hip": ("hip",), "knee": ("knee",), "ankle": ("ankle", "foot"), "foot": ("toe",), "collar": ("collar",),
    "shoulder": ("arm", "shoulder"), "elbow": ("elbow",), "wrist": ("wrist", "hand"),
}  # fmt: skip
"""Joint of SMPL → words for it, the best first."""


@dataclass(frozen=True)
class Recording:
    """T frames of joints or of markers, in the unit and with the axes of the file; inf where nothing is known."""

    points: np.ndarray  # (T, 22, 3) joints of SMPL, or (T, N, 3) markers
    joints: bool
    fps: float | None
    unit: str | None = None
    """Unit that the file states, as in ``--unit``."""
    up: str | None = None
    """Axis that is up by definition of the format, as in ``--up``."""
    more: int = 0
    """Number of joints of the file, if there are more than SMPL's 22 and the first of them were taken."""


def read_recording(path: Path) -> Recording:
    """Read a .bvh, .trc, .c3d or .npy file.

    Raises:
        InputError: There is no such file, it is damaged, or its joints are not known.
    """
    readers = {".bvh": _bvh, ".trc": _trc, ".c3d": _c3d, ".npy": _npy}
    return readers[path.suffix.lower()](path)


def rows_of_joints(names: Sequence[str]) -> dict[int, int]:
    """Joint of SMPL → row of the joint among the names of a file. Before a colon stands the name of a subject."""
    names = [name.rpartition(":")[2] for name in names]
    if {"left_collar", "left_ankle"} <= set(names):
        return {JOINT_NAMES.index(name): row for row, name in enumerate(names) if name in JOINT_NAMES}
    sided: dict[tuple[str, str], int] = {}
    middle: dict[str, int] = {}
    for row, name in enumerate(names):
        side, word = _side_and_word(name)
        if side and word in _WORDS:
            sided.setdefault((side, _WORDS[word]), row)
        elif not side:
            middle.setdefault(word, row)
    found = {
        JOINT_NAMES.index(joint): next(middle[word] for word in words if word in middle)
        for joint, words in _MIDDLE.items()
        if any(word in middle for word in words)
    }
    for side in ("left", "right"):
        for joint, words in _CHOICES.items():
            if joint == "collar" and (side, "arm") in sided:
                words = (*words, "shoulder")  # Mixamo's shoulder is the collar bone, and its arm begins at the shoulder
            known = [sided[side, word] for word in words if (side, word) in sided]
            if known:
                found[JOINT_NAMES.index(f"{side}_{joint}")] = known[0]
    return found


def _side_and_word(name: str) -> tuple[str, str]:
    """Side and the rest of a joint's name: mixamorig:LeftUpLeg, LHip, thigh_l and left_hip have the side left."""
    plain = re.sub(r"^mixamorig\d*", "", name)
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=\b[LR])(?=[A-Z][a-z])", "_", plain).lower()
    parts = [part for part in re.split(r"[^a-z]+", words) if part]
    sides = {"l": "left", "left": "left", "r": "right", "right": "right"}
    side = next((sides[part] for part in parts if part in sides), "")
    return side, "".join(part for part in parts if part not in sides)


def _joints(points: np.ndarray, names: Sequence[str]) -> np.ndarray | None:
    """Joints (T, 22, 3) among the points (T, N, 3) of a file. None if too few are known."""
    rows = rows_of_joints(names)
    if len(rows) < LEAST_JOINTS:
        return None
    result = np.full((len(points), NUM_JOINTS, 3), np.inf)
    for joint, row in rows.items():
        result[:, joint] = points[:, row]
    return result


# BVH


def _bvh(path: Path) -> Recording:
    text = read_text(path, what="a motion in BVH")
    with guarded(path, problem="not BVH, or cut off", advice="export it again", also=(Exception,)):
        head, found, body = text.partition("MOTION")
        if not head.lstrip().startswith("HIERARCHY") or not found:
            raise ValueError("no HIERARCHY and MOTION in it")
        names, parents, offsets, channels = _hierarchy(head)
        match = re.match(r"\s*Frames:\s*(\d+)\s*Frame\s+Time:\s*(\S+)", body)
        if match is None:
            raise ValueError("no Frames and Frame Time in it")
        numbers = np.array(body[match.end() :].split(), np.float64)
        width = sum(map(len, channels))
        frames = min(int(match.group(1)), len(numbers) // max(width, 1))
        if not width or frames < 2:
            raise ValueError(f"{frames} frames")
        if frames < int(match.group(1)):
            raise ValueError(f"only {frames} of {match.group(1)} frames are there")
        points = _positions(parents, offsets, channels, numbers[: frames * width].reshape(frames, width))
        seconds = float(match.group(2))
        rate = 1 / seconds if seconds > 0 else math.nan
    joints = _joints(points, names)
    if joints is None:
        raise InputError(
            f"{path}: joints {', '.join(names[:6])}, … are not known; names as those of Mixamo (LeftUpLeg, LeftLeg, …),"
            " Unreal (thigh_l, …) or SMPL (left_hip, …) are expected"
        )
    return Recording(joints, True, frame_rate(rate, name="1 / Frame Time", place=path), up="y")


def _hierarchy(text: str) -> tuple[list[str], list[int], list[np.ndarray], list[list[str]]]:
    """Names, parents, offsets and channels of the joints, in the order of the file."""
    words = iter(text.split()[1:])
    names: list[str] = []
    parents: list[int] = []
    offsets: list[np.ndarray] = []
    channels: list[list[str]] = []
    stack: list[int] = []
    ends = 0  # depth inside an end site, which has an offset only
    for word in words:
        if word in ("ROOT", "JOINT"):
            label = []
            for part in words:
                if part == "{":
                    break
                label.append(part)
            parents.append(stack[-1] if stack else -1)
            stack.append(len(names))
            names.append(" ".join(label))
            offsets.append(np.zeros(3))
            channels.append([])
            if len(names) > MOST_BONES:
                raise ValueError(f"more than {MOST_BONES} joints")
        elif word == "End":
            next(words)
        elif word == "{":
            ends += 1
        elif word == "}":
            if ends:
                ends -= 1
            else:
                stack.pop()
        elif word == "OFFSET":
            offset = np.array([float(next(words)) for _ in range(3)])
            if not ends:
                offsets[stack[-1]] = offset
        elif word == "CHANNELS":
            channels[stack[-1]] = [next(words).lower() for _ in range(int(next(words)))]
        else:
            raise ValueError(f"the word {word[:30]!r}")
    return names, parents, offsets, channels


def _positions(
    parents: Sequence[int], offsets: Sequence[np.ndarray], channels: Sequence[Sequence[str]], rows: np.ndarray
) -> np.ndarray:
    """Positions (T, N, 3) of the joints by forward kinematics."""
    from scipy.spatial.transform import Rotation  # takes 0.3 s to load, and few files need it

    places = np.zeros((len(rows), len(parents), 3))
    turns: list[Rotation] = []
    column = 0
    for joint, (parent, offset, names) in enumerate(zip(parents, offsets, channels, strict=True)):
        values = dict(zip(names, rows[:, column : column + len(names)].T, strict=True))
        column += len(names)
        moved = np.tile(offset, (len(rows), 1))
        for number, name in enumerate(("xposition", "yposition", "zposition")):
            if name in values:
                moved[:, number] = values[name]
        axes = [name[0].upper() for name in names if name.endswith("rotation")]
        turn = Rotation.identity(len(rows))
        for axis in axes:
            turn = turn * Rotation.from_euler(axis, values[f"{axis.lower()}rotation"][:, None], degrees=True)
        if parent < 0:
            places[:, joint] = moved
            turns.append(turn)
        else:
            places[:, joint] = places[:, parent] + turns[parent].apply(moved)
            turns.append(turns[parent] * turn)
    return places


# TRC


def _trc(path: Path) -> Recording:
    lines = read_text(path, what="markers in TRC").splitlines()
    with guarded(path, problem="not TRC, or cut off", advice="export it again", also=(Exception,)):
        if len(lines) < 7 or not lines[0].startswith("PathFileType"):
            raise ValueError("no PathFileType in its first line")
        stated = dict(zip(lines[1].split(), lines[2].split(), strict=False))
        names = [name for name in lines[3].rstrip().split("\t")[2:] if name.strip()]
        rows = [line.split("\t") for line in lines[5:] if line.strip()]
        width = 3 * len(names)
        table = np.full((len(rows), width), np.nan)
        for row, cells in enumerate(rows):
            numbers = [float(cell) if cell.strip() else math.nan for cell in cells[2 : 2 + width]]
            table[row, : len(numbers)] = numbers
        if not names or len(rows) < 2:
            raise ValueError(f"{len(names)} markers in {len(rows)} frames")
        points = table.reshape(len(rows), -1, 3)
        rate = float(stated.get("DataRate", "nan"))
    return _named(points, names, frame_rate(rate, name="DataRate", place=path), stated.get("Units", ""))


def _named(points: np.ndarray, names: Sequence[str], rate: float, unit: str) -> Recording:
    """Points (T, N, 3) with names: joints if enough of the names are those of joints, and otherwise markers."""
    points = known_points(points)
    joints = _joints(points, names)
    shown = points if joints is None else joints
    return Recording(shown, joints is not None, rate, unit=UNIT_NAMES.get(unit.strip().lower()))


# C3D


def _c3d(path: Path) -> Recording:
    found = read_c3d(path)
    return _named(found.points, found.names, frame_rate(found.rate, name="POINT:RATE", place=path), found.unit)


# Arrays of joints


def _npy(path: Path) -> Recording:
    array = read_array(path, what="joints (frames, 22, 3)")
    if array.ndim == 2 and array.shape[1] in (263, 251):
        raise InputError(
            f"{path}: HumanML3D's features ({array.shape[1]} columns); give its joints instead, the file of the same"
            " name in new_joints (frames, 22, 3)"
        )
    joints = body_joints(array)
    if joints.ndim != 3 or joints.shape[1:] != (NUM_JOINTS, 3) or len(joints) < 2:
        raise InputError(
            f"{path}: an array of shape {array.shape}; joints (frames, 22, 3) in SMPL's order are expected"
        )
    return Recording(known_points(joints, origin=0), True, None, more=joints_left_out(array))


def joints_left_out(array: np.ndarray) -> int:
    """Number of joints of an array of more than SMPL's 22, of which ``body_joints`` takes the first, or 0."""
    return int(array.shape[-2]) if array.ndim >= 3 and array.shape[-2] in MORE_JOINTS and array.shape[-1] == 3 else 0


def tell_joints_left_out(count: int, path: Path) -> None:
    """Warn that only the first of the joints of a file were taken."""
    if count:
        log.warning("%s: %d joints; the first %d are taken as SMPL's", path, count, NUM_JOINTS)


def body_joints(array: np.ndarray) -> np.ndarray:
    """SMPL's 22 body joints (T, 22, 3) of an array in another usual layout; an array of none of them as it is.

    Known are (T, 66), a batch of one, (22, 3, T) and (1, 22, 3, T), as motion generators write them, and the joints of
    SMPL, SMPL+H and SMPL-X with hands, face and further points, of which the first 22 are taken.
    """
    array = np.asarray(array, np.float64)
    if array.ndim == 4 and 1 in (len(array), array.shape[1]):
        array = array[0] if len(array) == 1 else array[:, 0]
    if array.ndim == 2 and array.shape[1] == 3 * NUM_JOINTS:
        array = array.reshape(len(array), NUM_JOINTS, 3)
    if array.ndim == 3 and array.shape[:2] == (NUM_JOINTS, 3) and array.shape[2] != 3:
        array = array.transpose(2, 0, 1)
    if array.ndim == 3 and array.shape[2] == 3 and array.shape[1] in MORE_JOINTS:
        array = array[:, :NUM_JOINTS]
    return array
