"""Read a motion in AMASS format or HuMoR's form of it, at any frame rate, and resample it to 30 frames per second.

Fitting and training use this same reader. Knows no body model and no observations. The frame of reference is that of
AMASS: z up, the floor near z = 0, metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from optim.checks.body_file import GENDERS, BodyOfFile
from optim.checks.check import Checked
from optim.checks.rotations import Rotations
from optim.checks.run import run_checks
from optim.common import quaternions
from optim.common.errors import InputError
from optim.common.euler import EULER_ORDERS, euler_to_axis_angle
from optim.loading.files.missing import known_points
from optim.loading.files.parameters import holds_parameters, read_parameters
from optim.reading.arrays import array_names, first_text, frame_rate, read_arrays, require_finite, require_range

FPS = 30.0
WHAT = "a motion in AMASS format (trans, poses, betas, mocap_framerate)"
_MODEL_NAMES = ("surface_model_type", "model_type")
_RATE_NAMES = ("mocap_framerate", "mocap_frame_rate", "fps")
_APART = ("root_orient", "pose_body")
"""Arrays in place of ``poses`` in the files of HuMoR's preprocessing and fits, and of SLAHMR."""
MOST = 1e6
"""Largest absolute value that is accepted in a motion. Diagnostics report values that are merely implausible."""
_SCALE = "metres and radians of a motion"
WIDTHS = (66, 72, 156, 165)
"""Columns of ``poses`` as axis-angle: the body alone, SMPL, SMPL+H, SMPL-X."""
_OTHER_FORMS = {
    **{joints * 6: f"the 6D form of {joints} rotations" for joints in (22, 24, 52, 55)},
    **{joints * 9: f"the matrices of {joints} rotations" for joints in (22, 24, 52, 55)},
    **{joints * 4: f"the quaternions of {joints} rotations" for joints in (22, 24, 52, 55)},
}


@dataclass(frozen=True)
class Motion:
    """A motion of SMPL+H parameters at 30 frames/s."""

    trans: np.ndarray  # (N, 3) float32, m, z up
    poses: np.ndarray  # (N, 66) float32, axis-angle, root then the 21 body joints
    betas: np.ndarray  # (16,) float32
    gender: str  # "neutral", "female" or "male"
    source_fps: float  # frame rate of the file [Hz]; if it is not 30, the motion was resampled
    name: str
    checked: tuple[Checked, ...] = ()
    """What the checks of the rotations and of the file's body found."""

    @property
    def resampled(self) -> bool:
        """Whether the frames differ from those in the file."""
        return self.source_fps != FPS


def read_motion(
    path: Path,
    *,
    person: int | None = None,
    fps: float | None = None,
    degrees: bool = False,
    euler: str | None = None,
) -> Motion:
    """Read an ``.npz`` in AMASS format, or SMPL parameters of another program, and resample it to 30 frames/s.

    Needed are ``trans`` (N, 3), ``poses`` (N, one of ``WIDTHS``) and ``mocap_framerate`` or ``mocap_frame_rate``. In
    the form of HuMoR's preprocessing and fits, ``root_orient`` (N, 3), ``pose_body`` (N, 63) and ``fps`` (default: 30)
    take the place of ``poses`` and the frame rate. ``betas`` default to zero and are cut or padded to 16. ``gender``
    defaults to neutral. Hands and face are left out. Betas of another model than SMPL and SMPL+H are replaced by zero.
    Other files are read by ``parameters.read_parameters``.

    Args:
        person: Number of the person in a file of another program, counted from 1.
        fps: Frame rate [Hz] if such a file does not give it.
        degrees: Whether the rotations are in degrees.
        euler: Order of Euler angles in place of axis-angle vectors, as in ``EULER_ORDERS``. "no" says that they are
            axis-angle vectors.

    Raises:
        CheckError: The rotations are certainly no axis-angle vectors in radians.
        InputError: The file is missing, is not in AMASS format, has wrong shapes or NaN, or has fewer than 2 frames.
    """
    optional = ("betas", "gender", *_MODEL_NAMES, *_RATE_NAMES)
    names = set(array_names(path))
    if names and "betas" in names and not names & {"trans", "poses", *_APART} and not holds_parameters(path):
        raise InputError(
            f"{path}: the shape of a subject ({', '.join(sorted(names))}), not a motion; give a *_poses.npz or"
            " *_stageii.npz beside it"
        )
    apart = set(_APART) <= names
    needed, text = ("trans", *(_APART if apart else ("poses",))), ("gender", *_MODEL_NAMES, *_RATE_NAMES)
    if holds_parameters(path):
        arrays = read_parameters(path, person=person, fps=fps)
    else:
        arrays = read_arrays(path, needed, optional=optional, text=text, what=WHAT)
    if "poses" not in arrays:
        arrays["poses"] = _joined(arrays, path)
    trans, poses = (_as_float(arrays[name], name, path) for name in ("trans", "poses"))
    if trans.ndim != 2 or trans.shape[1] != 3:
        raise InputError(f"{path}: trans has shape {trans.shape}; (frames, 3) is expected")
    poses = np.radians(poses) if degrees else poses
    given = {"degrees": degrees, "euler": euler is not None}
    turned = euler in EULER_ORDERS and poses.shape[-1] % 3 == 0
    poses = euler_to_axis_angle(poses, str(euler)) if turned else poses
    rows = run_checks(Rotations(poses), place=path, answered=[name for name, value in given.items() if value])
    _require_axis_angle(poses, path)
    body = _body_of(arrays, poses.shape[1])
    rows += run_checks(body, place=path)
    if len(trans) != len(poses):
        raise InputError(f"{path}: trans has {len(trans)} frames but poses has {len(poses)}")
    if len(trans) < 2:
        raise InputError(f"{path}: {len(trans)} frames; a motion needs at least 2")
    _require_no_marks(trans, poses, path)
    rate = _frame_rate(arrays, path, default=FPS if apart else None)
    require_finite(trans, name="trans", path=path)
    require_finite(poses[:, :66], name="poses", path=path)
    trans, poses = resample(trans, poses[:, :66], fps=rate)
    return Motion(
        trans=trans.astype(np.float32),
        poses=poses.astype(np.float32),
        betas=_betas(arrays, path) if body.shape_known else np.zeros(16, np.float32),
        gender=body.usual_gender if body.usual_gender in GENDERS else "neutral",
        source_fps=rate,
        name=path.stem.removesuffix("_poses"),
        checked=rows,
    )


def resample(trans: np.ndarray, poses: np.ndarray, *, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Resample a motion to 30 frames/s: positions linearly, rotations on the shortest arc (slerp).

    Args:
        trans: (N, 3) [m].
        poses: (N, 3·J) axis-angle [rad].
        fps: Frame rate of the motion [Hz].

    Returns:
        ``trans`` and ``poses`` at 30 frames/s, from the first frame to the last one within the motion.
    """
    if fps == FPS:
        return trans, poses
    count = int(np.floor((len(trans) - 1) * FPS / fps + 1e-6)) + 1
    at = np.minimum(np.arange(count) * fps / FPS, len(trans) - 1)
    before = np.minimum(at.astype(int), len(trans) - 2)
    share = torch.from_numpy(at - before)[:, None]
    axis_angles = torch.from_numpy(np.asarray(poses, np.float64)).unflatten(1, (-1, 3))
    turns = quaternions.axis_angle_to_quaternion(axis_angles)
    start = turns[before]
    change = quaternions.quaternion_to_axis_angle(quaternions.product(quaternions.inverse(start), turns[before + 1]))
    between = quaternions.product(start, quaternions.axis_angle_to_quaternion(change * share[..., None]))
    weight = share.numpy()
    new_trans = trans[before] * (1 - weight) + trans[before + 1] * weight
    return new_trans, quaternions.quaternion_to_axis_angle(between).flatten(1).numpy()


def _require_no_marks(trans: np.ndarray, poses: np.ndarray, path: Path) -> None:
    """Refuse frames that are marked as missing: the same number in all of ``trans`` and of ``poses``.

    Zeros that the motion begins with may be a rest pose at the origin, and are read.
    """
    marked = ~np.isfinite(known_points(trans[:, None])[:, 0, 0]) & np.isfinite(trans).all(1)
    marked &= (poses == poses[:, :1]).all(1)
    zero = marked & (trans == 0).all(1) & (poses == 0).all(1)
    marked[: len(trans) if zero.all() else int(np.argmin(zero))] = False
    if 2 <= int(marked.sum()) < len(trans):
        first = int(np.flatnonzero(marked)[0])
        raise InputError(
            f"{path}: {int(marked.sum())} frames hold nothing but {trans[first, 0]:g}, the first in row {first}; they"
            " are missing: cut them out, fill them in, or give joints with NaN in their place"
        )


def _as_float(array: np.ndarray, name: str, path: Path) -> np.ndarray:
    return require_range(array.astype(np.float64), name=name, path=path, low=-MOST, high=MOST, what=_SCALE)


def _require_axis_angle(poses: np.ndarray, path: Path) -> None:
    """Refuse another form of rotations, which the number of columns gives away."""
    if poses.ndim == 2 and poses.shape[1] in WIDTHS:
        return
    expected = f"axis-angle of {', '.join(map(str, WIDTHS))} columns is expected (66: the root and 21 body joints)"
    if poses.ndim == 2 and poses.shape[1] in _OTHER_FORMS:
        form = _OTHER_FORMS[poses.shape[1]]
        raise InputError(f"{path}: poses has {poses.shape[1]} columns, which is {form}; convert it: {expected}")
    if poses.ndim == 3 and poses.shape[2] == 3 and 3 * poses.shape[1] in WIDTHS:
        frames, joints = poses.shape[:2]
        raise InputError(f"{path}: poses has shape {poses.shape}; reshape it to ({frames}, {3 * joints})")
    raise InputError(f"{path}: poses has shape {poses.shape}; {expected}")


def _joined(arrays: dict[str, np.ndarray], path: Path) -> np.ndarray:
    """Rotations (N, 66) of the root and the body joints, axis-angle [rad]."""
    root, body = (_as_float(arrays[name], name, path) for name in _APART)
    if root.ndim == 3 and len(root) > 1:
        raise InputError(f"{path}: {len(root)} people (root_orient has shape {root.shape}); give a file of one of them")
    for name, array, width in (("root_orient", root, 3), ("pose_body", body, 63)):
        if array.ndim != 2 or array.shape[1] != width:
            raise InputError(f"{path}: {name} has shape {array.shape}; (frames, {width}) is expected")
    if len(root) != len(body):
        raise InputError(f"{path}: root_orient has {len(root)} frames but pose_body has {len(body)}")
    return np.concatenate((root, body), axis=1)


def _frame_rate(arrays: dict[str, np.ndarray], path: Path, *, default: float | None) -> float:
    found = [name for name in _RATE_NAMES if name in arrays]
    if not found and default is not None:
        return default
    if not found:
        raise InputError(f"{path}: no mocap_framerate in it; add the frames per second of the motion")
    return frame_rate(arrays[found[0]], name=found[0], place=path)


def _betas(arrays: dict[str, np.ndarray], path: Path) -> np.ndarray:
    given = _as_float(arrays.get("betas", np.zeros(16)), "betas", path)
    if given.ndim == 2 and len(given):
        given = given[0]
    if given.ndim != 1:
        raise InputError(f"{path}: betas has shape {given.shape}; (16,) is expected")
    require_finite(given, name="betas", path=path)
    betas = np.zeros(16, np.float32)
    betas[: len(given)] = given[:16]
    return betas


def _body_of(arrays: dict[str, np.ndarray], columns: int) -> BodyOfFile:
    name = next((first_text(arrays[name]) or "" for name in _MODEL_NAMES if name in arrays), "")
    given = arrays.get("betas", np.zeros(1))
    betas = np.trim_zeros((given[0] if given.ndim == 2 and len(given) else given.ravel()).astype(float), "b")
    return BodyOfFile(name, columns, len(betas), first_text(arrays.get("gender")))
