"""Find and read DeepMimic's motion files, resample them to 30 Hz, and join them.

Knows the character with 15 joints of those files and nothing of SMPL. y points up, and lengths are in metres. At rest
the character faces +z, its left is at +x, and its arms hang down. Quaternions are (x, y, z, w).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch
from torch import Tensor

from optim.common.errors import InputError

FPS = 30
PACKAGE = "pybullet==3.2.7"
MOTIONS = "pybullet_data/data/motions/"
SPHERICAL, HINGE, FIXED = 4, 1, 0
# name, parent, offset from the parent [m], numbers per frame. Source: the character humanoid3d of DeepMimic.
SKELETON = (
    ("root", -1, (0.0, 0.0, 0.0), SPHERICAL),
    ("chest", 0, (0.0, 0.236151, 0.0), SPHERICAL),
    ("neck", 1, (0.0, 0.223894, 0.0), SPHERICAL),
    ("right_hip", 0, (-0.084887, 0.0, 0.0), SPHERICAL),
    ("right_knee", 3, (0.0, -0.421546, 0.0), HINGE),
    ("right_ankle", 4, (0.0, -0.409870, 0.0), SPHERICAL),
    ("right_shoulder", 1, (-0.18311, 0.24350, -0.02405), SPHERICAL),
    ("right_elbow", 6, (0.0, -0.274788, 0.0), HINGE),
    ("right_wrist", 7, (0.0, -0.258947, 0.0), FIXED),
    ("left_hip", 0, (0.084887, 0.0, 0.0), SPHERICAL),
    ("left_knee", 9, (0.0, -0.421546, 0.0), HINGE),
    ("left_ankle", 10, (0.0, -0.409870, 0.0), SPHERICAL),
    ("left_shoulder", 1, (0.18311, 0.24350, -0.02405), SPHERICAL),
    ("left_elbow", 12, (0.0, -0.274788, 0.0), HINGE),
    ("left_wrist", 13, (0.0, -0.258947, 0.0), FIXED),
)
NAMES = tuple(row[0] for row in SKELETON)
OFFSETS = torch.tensor([row[2] for row in SKELETON], dtype=torch.float64)
# The corners of the character's foot box, seen from its ankle: heel and toe, inner and outer edge [m].
FOOT_CORNERS = torch.tensor([[x, -0.05, z] for x in (-0.045, 0.045) for z in (-0.0435, 0.1335)], dtype=torch.float64)
_NUMBERS = 1 + 3 + sum(row[3] for row in SKELETON)
_HINGE_AXIS = torch.tensor([-1.0, 0.0, 0.0], dtype=torch.float64)


@dataclass(frozen=True)
class SourceMotion:
    """Motion at 30 Hz: position of the root, and rotation of each joint relative to its parent."""

    root: Tensor  # (T, 3) [m]
    local: Tensor  # (T, 15, 4) unit quaternions

    def world(self) -> tuple[Tensor, Tensor]:
        """World rotations (T, 15, 3, 3) and joint positions (T, 15, 3) by forward kinematics."""
        local = roma.unitquat_to_rotmat(self.local)
        rotations, positions = [local[:, 0]], [self.root]
        for joint, (_, parent, _, _) in enumerate(SKELETON[1:], start=1):
            rotations.append(rotations[parent] @ local[:, joint])
            positions.append(positions[parent] + rotations[parent] @ OFFSETS[joint])
        return torch.stack(rotations, dim=1), torch.stack(positions, dim=1)

    def heading(self) -> Tensor:
        """Angle (T,) [rad] of the root's forward axis about the vertical; 0 points to +z."""
        front = self.root.new_tensor([0.0, 0.0, 1.0]).expand_as(self.root)
        forward = roma.quat_action(self.local[:, 0], front)
        return torch.atan2(forward[:, 0], forward[:, 2])

    def frames(self, start: int, stop: int) -> SourceMotion:
        """The frames from ``start`` to ``stop``, which is not included."""
        return SourceMotion(self.root[start:stop], self.local[start:stop])


def read_motion(text: str, *, name: str) -> SourceMotion:
    """Parse one DeepMimic motion file and resample it to 30 Hz.

    Each frame holds its duration [s], the position of the root, and 40 numbers of rotation: quaternions (w, x, y, z) or
    hinge angles, in the order of ``SKELETON``. The axes of the file (x forward, z right) are converted.

    Raises:
        InputError: The text is not such a file; names it.
    """
    try:
        frames = torch.tensor(json.loads(text)["Frames"], dtype=torch.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{name}: not a DeepMimic motion file ({error})") from error
    if frames.ndim != 2 or frames.shape[1] != _NUMBERS or len(frames) < 2 or not frames.isfinite().all():
        got = f"{tuple(frames.shape)} numbers"
        raise InputError(f"{name}: {got}; two or more frames of {_NUMBERS} finite numbers are expected")
    seconds = torch.cat((frames.new_zeros(1), frames[:-1, 0].cumsum(0)))
    local, column = [], 4
    for _, _, _, numbers in SKELETON:
        values = frames[:, column : column + numbers]
        local.append(_rotation(values, numbers))
        column += numbers
    return _resample(seconds, _our_axes(frames[:, 1:4]), torch.stack(local, dim=1))


def append(first: SourceMotion, second: SourceMotion, *, pinned: str, blend: int) -> SourceMotion:
    """Continue ``first`` with ``second``, whose first frame replaces the last frame of ``first``.

    ``second`` is turned about the vertical to the same heading, and moved over the floor so that the joint ``pinned``
    stays in its place. The remaining difference is spread over the last ``blend`` frames of ``first``.
    """
    joint = NAMES.index(pinned)
    turn = first.heading()[-1] - second.heading()[0]
    quaternion = roma.rotvec_to_unitquat(turn * turn.new_tensor([0.0, 1.0, 0.0]))
    root = roma.quat_action(quaternion.expand(len(second.root), 4), second.root)
    local = second.local.clone()
    local[:, 0] = roma.quat_product(quaternion.expand(len(root), 4), local[:, 0])
    turned = SourceMotion(root, local)
    step = (first.world()[1][-1, joint] - turned.world()[1][0, joint]) * root.new_tensor([1.0, 0.0, 1.0])
    ramp = torch.linspace(0.0, 1.0, blend + 1, dtype=root.dtype)[:-1]
    weight = torch.cat((root.new_zeros(len(first.root) - 1 - blend), ramp**2 * (3.0 - 2.0 * ramp)))
    difference = root[0] + step - first.root[-1]
    eased_root = first.root[:-1] + weight[:, None] * difference
    eased_local = _towards(first.local[:-1], first.local[-1], local[0], weight)
    return SourceMotion(torch.cat((eased_root, root + step)), torch.cat((eased_local, local)))


def motion_texts(names: tuple[str, ...], source: Path | None = None) -> dict[str, str]:
    """Read motion files below ``pybullet_data/data/motions``, such as ``humanoid3d_walk.txt``.

    The package is never installed or imported.

    Args:
        names: Paths below that folder.
        source: A wheel, an sdist or an unpacked folder of the package. None fetches the pinned version with pip.

    Returns:
        Name → text of the file.

    Raises:
        InputError: The download failed, or a file is missing.
    """
    if source is None:
        with tempfile.TemporaryDirectory() as folder:
            return motion_texts(names, _download(Path(folder)))
    if source.is_dir():
        found = {path.as_posix(): path for path in source.rglob("*.txt")}
        return {name: found[_member(name, list(found), source)].read_text() for name in names}
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            members = archive.namelist()
            return {name: archive.read(_member(name, members, source)).decode() for name in names}
    if source.is_file() and tarfile.is_tarfile(source):
        with tarfile.open(source) as archive:
            return {name: _tar_text(archive, _member(name, archive.getnames(), source)) for name in names}
    raise InputError(f"--source {source}: no wheel, sdist or folder there; leave it out to fetch {PACKAGE}")


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(folder), PACKAGE]
    if subprocess.run(command).returncode != 0 or not (files := sorted(folder.iterdir())):
        raise InputError(f"pip could not download {PACKAGE}; fetch it by hand and pass --source FILE")
    return files[0]


def _member(name: str, members: list[str], source: Path) -> str:
    matches = [member for member in members if member.endswith(MOTIONS + name)]
    if not matches:
        raise InputError(f"--source {source}: no {MOTIONS}{name} in it; {PACKAGE} has it")
    return matches[0]


def _tar_text(archive: tarfile.TarFile, member: str) -> str:
    file = archive.extractfile(member)
    if file is None:
        raise InputError(f"{member}: not a regular file in the sdist")
    return file.read().decode()


def _our_axes(vectors: Tensor) -> Tensor:
    """Vectors (..., 3) from axes x forward, y up, z right to axes z forward, y up, x left."""
    return torch.stack((-vectors[..., 2], vectors[..., 1], vectors[..., 0]), dim=-1)


def _rotation(values: Tensor, numbers: int) -> Tensor:
    """Quaternions (T, 4) in the axes of this module, from a joint's columns (T, 4), (T, 1) or (T, 0)."""
    if numbers == SPHERICAL:
        return roma.quat_normalize(torch.cat((_our_axes(values[:, 1:]), values[:, :1]), dim=-1))
    angle = values if numbers == HINGE else values.new_zeros(len(values), 1)
    return roma.rotvec_to_unitquat(angle * _HINGE_AXIS)


def _resample(seconds: Tensor, root: Tensor, local: Tensor) -> SourceMotion:
    """Motion at multiples of 1/30 s, interpolated linearly in position and on the shorter arc in rotation."""
    times = torch.arange(int(np.floor(float(seconds[-1]) * FPS + 1e-3)) + 1, dtype=root.dtype) / FPS
    after = torch.searchsorted(seconds, times, right=True).clamp(1, len(seconds) - 1)
    before = after - 1
    weight = ((times - seconds[before]) / (seconds[after] - seconds[before])).clamp(0.0, 1.0)
    between = root[before] + weight[:, None] * (root[after] - root[before])
    return SourceMotion(between, _towards(local[before], local[before], local[after], weight))


def _towards(start: Tensor, origin: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """``start`` (T, 15, 4) turned by a fraction (T,) of the rotation from ``origin`` to ``target``."""
    change = roma.unitquat_to_rotvec(roma.quat_product(roma.quat_conjugation(origin), target))
    part = roma.rotvec_to_unitquat(weight[:, None, None] * change)
    return roma.quat_normalize(roma.quat_product(start, part))
