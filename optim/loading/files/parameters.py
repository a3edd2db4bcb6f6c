"""Find the SMPL parameters of one person in what other programs write, under the names that they use.

Read are .npz, .npy, .json, .pkl and .pt files of WHAM, GVHMR, TRAM, 4D-Humans, AIST++, 3DPW, GLAMR, ROMP, PROX and of
whatever uses the same names. Nothing in a file is executed. Units and axes stay those of the file.
"""

from __future__ import annotations

import io
import logging
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from optim.common.errors import InputError
from optim.reading.arrays import array_names
from optim.reading.files import MOST_BYTES, guarded, is_file, is_folder, require_archive_size, require_file
from optim.reading.json_file import json_numbers, read_json
from optim.reading.pickles import parse_pickle, read_pickle

ENDINGS = (".pkl", ".pickle", ".pt", ".pth", ".npy", ".json", ".npz")
WHAT = "SMPL parameters (poses or global_orient and body_pose, with trans or transl)"
WHOLE = ("pose_world", "poses", "smpl_poses", "pred_rotmat", "full_pose", "fullpose", "pose", "smpl_thetas", "thetas")
ROOT = ("smpl_orient_world", "root_orient_world", "global_orient", "root_orient", "smpl_root_orient", "orient")
BODY = ("body_pose", "pose_body", "smpl_body_pose", "smpl_pose")
TRANS = (
    "trans_world", "root_trans_world", "transl", "trans", "smpl_trans", "pred_trans", "translation", "cam_trans",
    "pred_cam_t", "camera", "root_trans",
)  # fmt: skip
BETAS = ("betas", "beta", "smpl_betas", "smpl_beta", "pred_shape", "smpl_shape", "shapes", "shape")
RATES = ("mocap_framerate", "mocap_frame_rate", "fps", "framerate", "frame_rate")
FIRST = ("smpl_params_global", "person_data", "results", "smpl")
"""Entries that are looked into before others: GVHMR also holds the motion in its camera's frame."""
MOST_ENTRIES = 100_000
"""Largest number of lists and dicts that are looked through."""
log = logging.getLogger(__name__)


def read_content(path: Path) -> Any:
    """Plain content of a file by its first bytes: dicts, lists, numbers, text and arrays.

    Raises:
        InputError: There is no such file, it is damaged, or it holds anything but data.
    """
    if is_folder(path):
        return [read_pickle(file, what=WHAT) for file in frame_files(path)]
    require_file(path, what=WHAT, most=MOST_BYTES)
    with guarded(path, problem="damaged or cut off", advice="copy it again", also=(Exception,)):
        with path.open("rb") as file:
            start = file.read(6)
        if start == b"\x93NUMPY":
            return _array(path.read_bytes(), path)
        if start[:2] == b"PK" and array_names(path):
            with zipfile.ZipFile(path) as archive:
                require_archive_size(archive, path)
                names = [name for name in archive.namelist() if name.endswith(".npy")]
                return {name.removesuffix(".npy"): _array(archive.read(name), path) for name in names}
        if start.lstrip()[:1] in (b"{", b"["):
            return read_json(path, what=WHAT)
    return read_pickle(path, what=WHAT)


def frame_files(folder: Path) -> list[Path]:
    """Pickles of single frames in a folder or one level below, as PROX stores its fits, by the numbers in their names.

    Links to folders are not followed.

    Raises:
        InputError: The folder cannot be listed, or it holds more than ``MOST_ENTRIES`` of them.
    """
    with guarded(folder, problem="cannot be listed", advice="give a folder that may be read"):
        found = [*folder.glob("*.pkl"), *folder.glob("*/*.pkl")]
    if len(found) > MOST_ENTRIES:
        raise InputError(f"{folder}: {len(found):,} pickles in it; at most {MOST_ENTRIES:,} frames are read")
    return sorted(found, key=lambda file: [int(n[:15]) for n in re.findall(r"\d+", str(file.relative_to(folder)))])


def _array(content: bytes, path: Path) -> Any:
    """An array in numpy's form; one of Python objects is read as data."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(stream)
    if dtype.hasobject:
        return parse_pickle(content[stream.tell() :], path)
    if dtype.itemsize * int(np.prod(shape, dtype=object)) > len(content) - stream.tell():
        raise ValueError("it is cut off")
    flat = np.frombuffer(content, dtype, int(np.prod(shape)), stream.tell())
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def holds_parameters(path: Path) -> bool:
    """Whether the file holds SMPL parameters and is no plain .npz in AMASS format. It reads the whole file."""
    if is_folder(path):
        return bool(files := frame_files(path)) and _holds_a_frame(files[0])
    if not is_file(path) or path.suffix.lower() not in ENDINGS:
        return False
    names = set(array_names(path))
    if "trans" in names and names & {"poses", "root_orient"}:
        return False
    if names and not (names & {*WHOLE, *BODY} and names & set(TRANS)) and not names & {"results", "person_data"}:
        return False
    try:
        return bool(_people(read_content(path)))
    except InputError as error:
        return "for safety" in str(error) and path.suffix.lower() in (".pkl", ".pickle")  # its reader says why


def _holds_a_frame(file: Path) -> bool:
    """Whether a pickle holds the parameters of one frame."""
    try:
        content = read_pickle(file, what=WHAT)
    except InputError:
        return False
    return isinstance(content, dict) and _person(content) is not None


def read_parameters(path: Path, *, person: int | None = None, fps: float | None = None) -> dict[str, np.ndarray]:
    """Arrays of one person as in a file in AMASS format: trans, poses (N, 66 or 72), betas, gender, mocap_framerate.

    Args:
        person: Number of the person in the order of the file, counted from 1. None takes the longest sequence.
        fps: Frame rate [Hz] of files that do not give it. None takes 60 for AIST++ and 30 for all others.

    Raises:
        InputError: There are no SMPL parameters in the file, or they do not fit together.
    """
    content = read_content(path)
    with guarded(path, problem="its SMPL parameters cannot be used", advice=f"{WHAT} is expected", also=(Exception,)):
        people = _people(content)
    if not people:
        raise InputError(f"{path}: no SMPL parameters in it, only {_inside(content)}; {WHAT} is expected")
    if person is not None and person > len(people):
        raise InputError(f"{path}: {len(people)} people in it; --person {person} is one of 1 to {len(people)}")
    chosen = people[person - 1] if person is not None else max(people, key=lambda one: len(one["poses"]))
    if len(people) > 1 and person is None:
        log.warning("%s: %d people in it; the longest sequence is taken (--person N takes another)", path, len(people))
    if not chosen["trans"].any():
        log.warning("%s: no translation in it; the body stays in its place", path)
    aist = isinstance(content, dict) and "smpl_scaling" in content
    if "mocap_framerate" not in chosen:
        rate = fps or (60.0 if aist else 30.0)
        chosen["mocap_framerate"] = np.array(rate)
        if fps is None:
            log.warning("%s: no frame rate in it; %g frames/s are assumed, --data-fps gives another", path, rate)
    return chosen


def _inside(content: Any) -> str:
    if isinstance(content, dict):
        return ", ".join(map(str, list(content)[:8])) or "nothing"
    return f"an array of shape {content.shape}" if isinstance(content, np.ndarray) else f"a {type(content).__name__}"


def _people(content: Any) -> list[dict[str, np.ndarray]]:
    """Parameters of every person in the content, in the order in which they stand there."""
    found = _of_frames(content)
    if found:
        return found
    left = [content]
    for _ in range(MOST_ENTRIES):
        if not left:
            return []
        one = left.pop(0)
        if isinstance(one, dict):
            people = _in_dict(one)
            mates = [m for other in left if isinstance(other, dict) for m in _in_dict(other)] if people else []
            if people:
                return people + mates
            inner = [one[name] for name in FIRST if name in one] + [v for k, v in one.items() if k not in FIRST]
            left = [v for v in inner if isinstance(v, (dict, list))] + left
        elif isinstance(one, list):
            if stacked := _stacked(one):
                return [stacked]
            left = [v for v in one if isinstance(v, dict)] + left
    return []


def _in_dict(entry: dict[Any, Any]) -> list[dict[str, np.ndarray]]:
    """People in one dict of arrays. 3DPW has lists with one array for each person."""
    poses = entry.get("poses")
    if isinstance(poses, list) and poses and all(isinstance(one, np.ndarray) and one.ndim == 2 for one in poses):
        lists = {name: value for name, value in entry.items() if isinstance(value, list) and len(value) == len(poses)}
        each = [{name: value[row] for name, value in lists.items()} for row in range(len(poses))]
        for one, gender in zip(each, lists.get("genders", lists.get("gender", [None] * len(poses))), strict=True):
            one["gender"] = {"m": "male", "f": "female"}.get(str(gender), str(gender))
        return [person for one in each if (person := _person(one)) is not None]
    person = _person(entry)
    return [] if person is None else [person]


def _person(entry: dict[Any, Any]) -> dict[str, np.ndarray] | None:
    """Parameters in one dict of arrays. None if it holds no rotations of a body."""
    arrays = {str(k): a for k, v in entry.items() if (a := _numbers(v)) is not None}
    body = next((a for name in BODY if name in arrays and (a := _axis_angle(arrays[name])) is not None), None)
    root = next((a for name in ROOT if name in arrays and (a := _axis_angle(arrays[name])) is not None), None)
    whole = next((a for name in WHOLE if name in arrays and (a := _axis_angle(arrays[name])) is not None), None)
    if body is not None and root is not None and body.shape[1] in (63, 69) and len(root) == len(body):
        poses = np.concatenate((root[:, :3], body), axis=1)
    elif whole is not None and whole.shape[1] in (63, 69) and root is not None and len(root) == len(whole):
        poses = np.concatenate((root[:, :3], whole), axis=1)
    elif whole is not None and whole.shape[1] in (66, 72, 156, 165):
        poses = whole
    else:
        return None
    trans = next((a for n in TRANS if n in arrays and (a := _rows(arrays[n], 3, len(poses))) is not None), None)
    trans = np.zeros((len(poses), 3)) if trans is None else trans
    if "smpl_scaling" in arrays and arrays["smpl_scaling"].size == 1 and float(arrays["smpl_scaling"].ravel()[0]) > 0:
        trans = trans / float(arrays["smpl_scaling"].ravel()[0])  # AIST++: the body is scaled, not the translation
    result = {"poses": poses, "trans": trans}
    betas = next((arrays[name] for name in BETAS if name in arrays), None)
    if betas is not None and betas.size and betas.shape[-1] <= 400:
        result["betas"] = np.asarray(betas, np.float64).reshape(-1, betas.shape[-1] if betas.ndim else 1).mean(axis=0)
    rate = next((arrays[name] for name in RATES if name in arrays), None)
    if rate is not None and rate.size == 1:
        result["mocap_framerate"] = rate
    if isinstance(gender := entry.get("gender"), (str, bytes)):
        result["gender"] = np.array(gender)
    return result


def _numbers(value: Any) -> np.ndarray | None:
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind in "biuf" else None
    if isinstance(value, (int, float, list)) and not isinstance(value, bool):
        return json_numbers(value)
    return None


def _axis_angle(array: np.ndarray) -> np.ndarray | None:
    """Rotations (N, 3·J) [rad] from matrices (N, J, 3, 3), vectors (N, J, 3) or rows. None for other shapes."""
    from scipy.spatial.transform import Rotation  # takes 0.3 s to load, and few files need it

    if array.ndim >= 3 and array.shape[-2:] == (3, 3) and (array.ndim == 4 or np.allclose(_norms(array), 1, atol=1e-2)):
        matrices = array.reshape(len(array), -1, 3, 3).astype(np.float64)
        if not np.isfinite(matrices).all() or not (np.linalg.det(matrices) > 0).all():
            return None
        return Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec().reshape(len(array), -1)
    if array.ndim == 3 and (array.shape[2] == 3 or array.shape[1] == 1):
        array = array.reshape(len(array), -1)
    if array.ndim == 1 and array.size % 3 == 0:
        array = array[None]
    return array.astype(np.float64) if array.ndim == 2 and array.shape[1] % 3 == 0 and array.shape[1] else None


def _norms(array: np.ndarray) -> np.ndarray:
    return np.linalg.norm(array.astype(np.float64), axis=-1)


def _rows(array: np.ndarray, width: int, count: int) -> np.ndarray | None:
    flat = array.reshape(-1, width) if array.size == count * width else None
    return None if flat is None else flat.astype(np.float64)


# One entry for each frame


def _of_frames(content: Any) -> list[dict[str, np.ndarray]]:
    """People of results that have an entry for each frame, named by its image: ROMP and 4D-Humans."""
    if isinstance(content, dict) and isinstance(content.get("results"), dict):
        content = content["results"]
    if not isinstance(content, dict) or len(content) < 2 or not all(isinstance(v, dict) for v in content.values()):
        return []
    if not all(re.search(r"\d", str(name)) for name in content):
        return []
    tracks: dict[int, list[dict[str, Any]]] = {}
    for name in sorted(content, key=lambda one: [int(n) for n in re.findall(r"\d+", str(one))][-3:]):
        for track, row in _rows_of_frame(content[name]):
            tracks.setdefault(track, []).append(row)
    stacked = [_stacked(rows) for _, rows in sorted(tracks.items())]
    return [one for one in stacked if one is not None]


def _rows_of_frame(frame: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Track and parameters of every person in a frame."""
    smpl, ids = frame.get("smpl"), frame.get("tid", frame.get("tracked_ids", frame.get("track_ids")))
    if isinstance(smpl, list):  # 4D-Humans (PHALP)
        cameras = frame.get("camera", [])
        for row, one in enumerate(smpl):
            if isinstance(one, dict):
                place = {"camera": cameras[row]} if row < len(cameras) else {}
                arrays = {name: a for name, v in one.items() if (a := _numbers(v)) is not None}
                frame_first = {name: a[None] if a.shape[-2:] == (3, 3) else a for name, a in arrays.items()}
                yield _track(ids, row), {**frame_first, **place}
        return
    thetas = _numbers(frame.get("smpl_thetas"))
    if thetas is not None and thetas.ndim == 2:  # ROMP
        arrays = {name: a for name, v in frame.items() if (a := _numbers(v)) is not None and a.ndim}
        for row in range(len(thetas)):
            yield _track(ids, row), {name: a[row : row + 1] for name, a in arrays.items() if len(a) == len(thetas)}


def _track(ids: Any, row: int) -> int:
    numbers = _numbers(ids)
    return int(numbers.ravel()[row]) if numbers is not None and numbers.size > row else row


def _stacked(rows: list[Any]) -> dict[str, np.ndarray] | None:
    """One motion of entries that hold one frame each. None if they do not."""
    people = [_person(one) if isinstance(one, dict) else None for one in rows]
    if len(people) < 2 or any(one is None or len(one["poses"]) != 1 for one in people):
        return None
    known = [one for one in people if one is not None]
    if len({one["poses"].shape for one in known}) > 1:
        return None
    result = {name: np.concatenate([one[name] for one in known]) for name in ("poses", "trans")}
    betas = [one["betas"] for one in known if "betas" in one]
    if betas and len({b.shape for b in betas}) == 1:
        result["betas"] = np.mean(betas, axis=0)
    return {**result, **{name: known[0][name] for name in ("gender", "mocap_framerate") if name in known[0]}}
