"""Write a fit in the layout of HuMoR's ``results_out``: one folder per sub-sequence, one .npz per stage.

Per folder: ``stage1_results``, ``stage2_results``, ``stage3_init_results`` (the first roll-out of stage 3)
and ``stage3_results`` with betas (16), trans (T, 3), root_orient (T, 3), pose_body (T, 63) and, where known,
contacts (T, 22; 0/1) and floor_plane (4); from stage 2 on the same again with ``_prior`` in the prior
frame (z up, floor at z = 0). ``stage2_bridged_results`` is stage 2 as stage 3 began with it, where frames
in which nothing is seen were bridged. Beside them ``observations.npz``, ``gt_results.npz`` and ``meta.txt``. Of a split
video ``final_results`` holds the stitched motion in the same form, but with betas per frame (N, 16). Rotations
are axis-angle [rad], lengths metres; without ``_prior`` the frame is that of the input. Beside ``joints2d`` (T, 25, 3)
the observations have ``doubts`` (T, 25) if a keypoint was doubted; see ``problem.observations``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.common.errors import InputError
from optim.common.rotations import matrix_to_axis_angle
from optim.common.writing import replacing, write_text
from optim.loading.input_frame import problem_of_input
from optim.problem.frames import canonical_frame, floor_frame
from optim.problem.problem import Problem
from optim.problem.variables import Trajectory
from optim.results.read_results import STITCHED, clip_of
from optim.results.results import bridged_stage2, motion_at, stage_ends
from optim.session.fit import Fit
from optim.session.session import Session
from optim.split.stitching import Stitched

Arrays = dict[str, np.ndarray]


def save_results(
    session: Session | Fit, folder: Path, *, body_file: Path, numbers: Sequence[int] | None = None
) -> list[Path]:
    """Write the stages that the current branch of a session has begun.

    Args:
        session: The session, or its fit at some snapshot.
        folder: ``results_out``. Each sub-sequence gets a folder in it, named after the problem.
        body_file: SMPL+H file of the fit, for ``meta.txt``.
        numbers: Numbers of the sub-sequences within a split video, for the names of their folders.

    Returns:
        Folders of the sub-sequences.
    """
    problem = problem_of_input(session.problem)
    if numbers is None and problem.batch > 1:
        numbers = range(problem.batch)
    stages = _stages(session.fit if isinstance(session, Session) else session)
    truth = {} if problem.ground_truth is None else _motion_arrays(problem.ground_truth)
    folders = []
    for index in range(problem.batch):
        name = problem.name or "clip"
        place = folder / (name if numbers is None else f"{name}_{numbers[index]:04d}")
        place.mkdir(parents=True, exist_ok=True)
        for stem, arrays in stages.items():
            _write(place / f"{stem}.npz", _of(arrays, index))
        _write(place / "observations.npz", _of(_observation_arrays(problem), index))
        if truth or problem.has_camera:
            _write(place / "gt_results.npz", _of(truth, index) | _camera_matrix(problem, index))
        _write_meta(place, body_file)
        folders.append(place)
    return folders


def save_stitched(motion: Stitched, whole: Problem, folder: Path, *, body_file: Path, stage: int = 3) -> Path:
    """Write the stitched motion of a split video to ``final_results``, with betas per frame.

    Args:
        whole: Problem before it was split.
        folder: ``results_out``.
        body_file: SMPL+H file of the fit, for ``meta.txt``.
        stage: Stage that the sub-sequences have reached.

    Returns:
        Path of ``final_results``.

    Raises:
        InputError: The motion of another clip lies there.
    """
    place = stitched_place(folder, whole.name)
    place.mkdir(parents=True, exist_ok=True)
    arrays = _stitched_arrays(motion)
    in_prior = {name: array for name, array in arrays.items() if name != "floor_plane"}
    trans, root = _in_prior_frame(motion, whole.body)
    in_prior |= {"trans": trans.numpy(), "root_orient": matrix_to_axis_angle(root).numpy()}
    _write(place / f"stage{stage}_results.npz", arrays)
    _write(place / f"stage{stage}_results_prior.npz", in_prior)
    _write(place / "observations.npz", _of(_observation_arrays(whole), 0))
    truth = {} if whole.ground_truth is None else _of(_motion_arrays(whole.ground_truth), 0)
    if truth or whole.has_camera:
        _write(place / "gt_results.npz", truth | _camera_matrix(whole, 0))
    _write_meta(place, body_file)
    return place


def stitched_place(folder: Path, name: str) -> Path:
    """``final_results`` in ``results_out``, if it does not hold the motion of a clip with another name.

    Call it before a long fit, as ``writable_folder``.

    Raises:
        InputError: It holds the motion of another clip.
    """
    place = folder / STITCHED
    there = clip_of(place)
    if there not in (None, name):
        raise InputError(f"{place}: holds the motion of {there}, not of {name}; give another folder with --out")
    return place


def _stitched_arrays(motion: Stitched) -> Arrays:
    """Arrays of a stitched motion, without the batch axis."""
    floor = motion.floor_plane
    batch = Trajectory(
        motion.trans[None],
        motion.root_orient[None],
        motion.pose_body[None],
        motion.betas[None],
        joints=motion.joints[None],
        contacts=None if motion.contacts is None else motion.contacts[None],
        floor_plane=None if floor is None else floor[None],
    )
    return _of(_motion_arrays(batch), 0)


def _in_prior_frame(motion: Stitched, body: BodyModel) -> tuple[Tensor, Tensor]:
    """trans (N, 3) [m] and root_orient (N, 3, 3) in the prior frame of the first frame and the first floor."""
    pelvis = body.rest_joints(motion.betas)[:, 0]
    first = motion.trans[:1], motion.root_orient[:1], pelvis[:1]
    plane = motion.floor_plane
    frame = canonical_frame(*first) if plane is None else floor_frame((plane[:3] * plane[3])[None], *first)
    trans = frame.points((motion.trans + pelvis)[None])[0] - pelvis
    return trans, frame.orient(motion.root_orient[None])[0]


def writable_folder(folder: Path) -> Path:
    """Return the folder itself if files can be written to it. It is made if it does not exist.

    Call it before a long fit, so that the fit does not fail when it writes its results.

    Raises:
        InputError: The folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to ({error.strerror}); give another with --out") from None
    return folder


def _stages(fit: Fit) -> dict[str, Arrays]:
    """File name without ending → arrays of all sub-sequences, for the stages that were begun."""
    arrays = {}
    for name, snapshot in stage_ends(fit).items():
        arrays[f"{name}_results"] = _motion_arrays(motion_at(fit, snapshot))
        if name != "stage1":
            arrays[f"{name}_results_prior"] = _motion_arrays(fit.prior_trajectory(snapshot))
    bridged = bridged_stage2(fit)
    if bridged is not None:
        arrays["stage2_bridged_results"] = _motion_arrays(bridged)
    return arrays


def _motion_arrays(motion: Trajectory) -> Arrays:
    tensors: dict[str, Tensor] = {
        "betas": motion.betas,
        "trans": motion.trans,
        "root_orient": matrix_to_axis_angle(motion.root_orient),
        "pose_body": matrix_to_axis_angle(motion.pose_body).flatten(-2),
    }
    if motion.contacts is not None:
        tensors["contacts"] = (motion.contacts > 0.5).to(torch.float32)
    if motion.floor_plane is not None:
        tensors["floor_plane"] = motion.floor_plane
    return {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}


def _observation_arrays(problem: Problem) -> Arrays:
    seen = problem.observations
    names = ("joints3d", "verts3d", "points3d", "joints2d", "doubts", "seq_interval")
    fields = {name: getattr(seen, name) for name in names}
    fields["floor_plane"] = problem.floor
    return {name: tensor.cpu().numpy() for name, tensor in fields.items() if tensor is not None}


def _camera_matrix(problem: Problem, index: int) -> Arrays:
    if problem.camera is None:
        return {}
    index = min(index, len(problem.camera.focal) - 1)
    (fx, fy), (cx, cy) = problem.camera.focal[index].tolist(), problem.camera.centre[index].tolist()
    return {"cam_mtx": np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]], np.float32)}


def _write_meta(place: Path, body_file: Path) -> None:
    write_text(place / "meta.txt", f"optim_bm {body_file}\ngt_bm {body_file}\n")


def _of(arrays: Arrays, index: int) -> Arrays:
    return {name: array[index] for name, array in arrays.items()}


def _write(path: Path, arrays: Arrays) -> None:
    """Write a file completely or not at all. A run that is stopped while it writes leaves the earlier file."""
    with replacing(path) as beside:
        np.savez(beside, **arrays)  # type: ignore[arg-type]
