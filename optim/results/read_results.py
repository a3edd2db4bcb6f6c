"""Read a folder of results in HuMoR's layout (``results_out/CLIP`` or ``final_results``), from any program.

A folder holds at least one ``stageN_results.npz``. It may also hold ``gt_results.npz``, ``observations.npz``,
``meta.txt``, and the ``losses.csv`` and ``run.json`` of a run without a window. ``saving.humor_results`` describes the
arrays.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import assets
from optim.body.body_model import NUM_BETAS, BodyModel
from optim.common.errors import InputError
from optim.common.rotations import axis_angle_to_matrix
from optim.common.writing import file_name
from optim.loading.images.camera import image_size_of
from optim.loading.images.planes import unit_plane
from optim.loading.models import find_body, load_body
from optim.problem.camera import Camera
from optim.problem.observations import Observations, stored_doubts
from optim.problem.variables import Trajectory
from optim.reading.arrays import read_arrays, require_finite
from optim.reading.files import about, guarded, is_file, is_folder, read_text
from optim.reading.json_file import read_json
from optim.results.results import STAGES, FitResult, LossRow, constant_shape
from optim.split.stitching import Clip, Jump, Seam, Stitched, seams_of

WHAT = "a motion of a results folder (trans, root_orient, pose_body, betas)"
LOSSES, RUN, STITCHED = "losses.csv", "run.json", "final_results"
_MOTION = ("trans", "root_orient", "pose_body", "betas")
_SEEN = ("joints3d", "verts3d", "points3d", "joints2d")
_FAULTS = (TypeError, KeyError, AttributeError)
_INTEGERS = ("iteration", "stage", "step")


def find_results(path: Path) -> list[Path]:
    """Folders of results at or below a path, sorted.

    Raises:
        InputError: There is no such folder, or there are no results in it.
    """
    if not is_folder(path):
        raise InputError(f"{path}: no such folder; give results_out/CLIP, results_out, or a folder of runs")
    found = sorted({file.parent for name in STAGES for file in path.rglob(f"{name}_results.npz")})
    if not found:
        raise InputError(f"{path}: no stage1_results.npz, … below it; give results_out/CLIP, or a folder of such")
    return found


def read_result(folder: Path, *, body_path: Path | None = None) -> FitResult:
    """Read one folder of results.

    Args:
        body_path: SMPL+H file or folder. None takes the one that ``meta.txt`` names, or the shipped one if there is no
            ``meta.txt``.

    Raises:
        InputError: The folder holds no stage, arrays are missing, have wrong shapes or are not finite, or the body
            cannot be found.
    """
    files = {name: file for name in STAGES if is_file(file := folder / f"{name}_results.npz")}
    if not files:
        raise InputError(f"{folder}: no stage1_results.npz, … in it; give a folder results_out/CLIP")
    named = {} if body_path is not None else read_meta(folder)
    body_file = find_body(body_path or named.get("optim_bm") or assets.BODY_FOLDER)
    truth_file = named.get("gt_bm", body_file)
    body = load_body(body_file)
    body_truth = body if truth_file == body_file else load_body(truth_file)
    stages = {name: read_motion_file(file, body) for name, file in files.items()}
    file = folder / "stage2_bridged_results.npz"
    bridged = read_motion_file(file, body) if file.is_file() else None
    lengths = {name: motion.trans.shape[1] for name, motion in stages.items()}
    lengths |= {} if bridged is None else {"stage2_bridged": bridged.trans.shape[1]}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{folder}: stages of different lengths, {lengths}; they are of different fits")
    info = read_record(folder)
    gender = body_file.parent.name if body_file.parent.name in ("male", "female") else "neutral"
    stitched = folder.name == STITCHED and "clip" in info
    result = FitResult(
        f"{file_name(str(info['clip']), otherwise='clip')}_stitched" if stitched else folder.name,
        body,
        stages,
        bridged=bridged,
        losses=read_losses(folder),
        seams=_seams(info, folder / RUN),
        info=_with_causes(info, folder / RUN),
        gender=gender,
        body_truth=None if body_truth is body else body_truth,
    )
    return _with_truth(_with_observations(result, folder), folder, body_truth)


def read_motion_file(file: Path, body: BodyModel) -> Trajectory:
    """Read one ``stageN_results.npz`` or ``gt_results.npz`` as a batch of one. Betas per frame become their mean.

    Raises:
        InputError: Arrays are missing, have wrong shapes, or are not finite.
    """
    frames = _read_frames(file, body)
    if len(frames.betas) > 1:
        return constant_shape(frames, body)[0]
    trans, root, pose, contacts, plane = (
        _batched(getattr(frames, name)) for name in ("trans", "root_orient", "pose_body", "contacts", "floor_plane")
    )
    assert trans is not None and root is not None and pose is not None
    return Trajectory(trans, root, pose, frames.betas, frames.joints[None], contacts, plane)


def read_stitched_file(file: Path, body: BodyModel, clips: Sequence[Clip]) -> Stitched:
    """Read the stored motion of a whole video, with betas per frame, and measure the seams of its sub-sequences in it.

    Raises:
        InputError: Arrays are missing, have wrong shapes or are not finite, or there are fewer frames than the
            sub-sequences cover.
    """
    frames = _read_frames(file, body)
    count, end = len(frames.trans), max(clip.interval[1] for clip in clips)
    if count < end:
        raise InputError(f"{file}: {count} frames, fewer than its sub-sequences cover; they are of different fits")
    rotations = torch.cat((frames.root_orient[:, None], frames.pose_body), dim=1)
    betas = frames.betas.expand(count, -1)
    return replace(frames, betas=betas, seams=seams_of(clips, frames.joints, rotations))


def _read_frames(file: Path, body: BodyModel) -> Stitched:
    """Arrays of a motion, and its joints from the body model. Betas are (1, 16) or (N, 16), as in the file."""
    arrays = read_arrays(file, _MOTION, optional=("contacts", "floor_plane"), what=WHAT)
    count = len(arrays["trans"])
    betas = np.atleast_2d(np.asarray(arrays["betas"], np.float32))[:, :NUM_BETAS]
    betas = np.pad(betas, ((0, 0), (0, NUM_BETAS - betas.shape[1])))
    expected = {"trans": (count, 3), "root_orient": (count, 3), "pose_body": (count, 63), "contacts": (count, 22)}
    for name, array in arrays.items():
        if array.shape != expected.get(name, array.shape) or (name == "betas" and len(betas) not in (1, count)):
            wanted = expected.get(name, f"(16,) or ({count}, 16)")
            raise InputError(f"{file}: {name} has shape {array.shape}; {wanted} is expected")
        require_finite(np.asarray(array, np.float64), name=name, path=file)
    tensors = {name: torch.from_numpy(np.asarray(array, np.float32)) for name, array in arrays.items()}
    root = axis_angle_to_matrix(tensors["root_orient"])
    pose = axis_angle_to_matrix(tensors["pose_body"].unflatten(1, (21, 3)))
    shape = torch.from_numpy(betas)
    if len(betas) == 1:
        joints = body.joints(tensors["trans"][None], root[None], pose[None], shape)[0]
    else:
        joints = body.joints(tensors["trans"][:, None], root[:, None], pose[:, None], shape)[:, 0]
    plane = None if "floor_plane" not in tensors else _unit_plane(tensors["floor_plane"], file)
    return Stitched(tensors["trans"], root, pose, shape, joints, tensors.get("contacts"), plane, seams=())


def read_losses(folder: Path) -> tuple[LossRow, ...]:
    """Rows of ``losses.csv``, one per iteration. Terms that were not active are absent from the row.

    Raises:
        InputError: The file is not a table of losses.
    """
    file = folder / LOSSES
    if not is_file(file):
        return ()
    lines = read_text(file, what="a table of losses").splitlines()
    with guarded(
        file, problem="not a table of losses", advice="delete it or copy it again", also=(csv.Error, AttributeError)
    ):
        return tuple({k: _number(k, v) for k, v in row.items() if k and v} for row in csv.DictReader(lines))


def read_meta(folder: Path) -> dict[str, Path]:
    """Body files that ``meta.txt`` names, ``optim_bm`` and ``gt_bm``. Empty if there is no ``meta.txt``.

    Raises:
        InputError: A body file that it names does not exist.
    """
    file = folder / "meta.txt"
    if not is_file(file):
        return {}
    words = [line.split(" ", 1) for line in read_text(file, what="the names of body files").splitlines()]
    named = {pair[0]: Path(pair[1].strip()) for pair in words if len(pair) == 2}
    for name, path in named.items():
        if name in ("optim_bm", "gt_bm") and not (is_file(path) or is_folder(path)):
            raise InputError(f"{file}: {name} {path} is not there; give the body with --smpl")
    return named


def _with_observations(result: FitResult, folder: Path) -> FitResult:
    file = folder / "observations.npz"
    if not is_file(file):
        return result
    arrays = read_arrays(file, (), optional=(*_SEEN, "doubts", "floor_plane"), what="observations")
    codes = arrays.pop("doubts", None)
    tensors = {name: torch.from_numpy(np.asarray(array, np.float32)) for name, array in arrays.items()}
    floor = tensors.pop("floor_plane", None)
    seen: dict[str, Any] = {
        name: value[None] for name, value in tensors.items() if value.ndim and len(value) == result.frames
    }
    with about(file):
        if codes is not None and "joints2d" in seen:
            seen["doubts"] = stored_doubts(codes, result.frames)
        return replace(
            result,
            observations=Observations(**seen) if seen else None,
            observed_floor=None if floor is None else _unit_plane(floor, file),
        )


def _with_truth(result: FitResult, folder: Path, body: BodyModel) -> FitResult:
    file = folder / "gt_results.npz"
    if not is_file(file):
        return result
    arrays = read_arrays(file, (), optional=(*_MOTION, "cam_mtx"), what="the truth")
    camera = None
    if "cam_mtx" in arrays:
        size = result.info.get("image_size")
        matrix = torch.from_numpy(np.asarray(arrays["cam_mtx"], np.float32))
        camera = Camera.from_matrix(matrix, image_size=None if size is None else image_size_of(size, folder / RUN))
    truth = read_motion_file(file, body) if set(_MOTION) <= set(arrays) else None
    if truth is not None and truth.trans.shape[1] != result.frames:
        raise InputError(f"{file}: {truth.trans.shape[1]} frames, but the fit has {result.frames}")
    return replace(result, camera=camera, truth=truth)


def read_record(folder: Path) -> dict[str, Any]:
    """Content of ``run.json`` in a folder of results; empty if there is none.

    Raises:
        InputError: It cannot be read.
    """
    file = folder / RUN
    if not is_file(file):
        return {}
    found = read_json(file, what="the record of a run")
    if not isinstance(found, dict):
        raise InputError(f"{file}: {type(found).__name__} instead of an object; delete it or copy it again")
    return found


def clip_of(folder: Path) -> str | None:
    """Name of the clip whose results lie in a folder, by its ``run.json``. None if it does not say.

    Raises:
        InputError: ``run.json`` cannot be read.
    """
    name = read_record(folder).get("clip")
    return None if name is None else str(name)


def _seams(info: Mapping[str, Any], file: Path) -> tuple[Seam, ...]:
    def jump(value: Mapping[str, float] | None) -> Jump | None:
        return None if value is None else Jump(**{field.name: float(value[field.name]) for field in fields(Jump)})

    with guarded(file, problem="its seams cannot be read", advice="delete it or copy it again", also=_FAULTS):
        return tuple(
            Seam(int(s["frame"]), int(s["shared"]), jump(s["apart"]), jump(s["before"]), jump(s["after"]))
            for s in info.get("seams", ())
        )


def _with_causes(info: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """The record with causes whose fields have the right types; without them where a run did not keep any."""
    if "why" not in info:
        return dict(info)
    with guarded(file, problem="its causes cannot be read", advice="delete it or copy it again", also=_FAULTS):
        kept = [
            {
                **{name: str(cause[name]) for name in ("rule", "level", "text", "advice")},
                "evidence": [str(line) for line in cause["evidence"]],
                "frame": None if cause["frame"] is None else int(cause["frame"]),
            }
            for cause in info["why"]
        ]
    return {**info, "why": kept}


def _unit_plane(plane: Tensor, file: Path) -> Tensor:
    return torch.from_numpy(unit_plane(plane.numpy(), path=file))


def _batched(value: Tensor | None) -> Tensor | None:
    return None if value is None else value[None]


def _number(name: str, text: str) -> float | int | str:
    if name == "phase":
        return text
    return int(text) if name in _INTEGERS else float(text)
