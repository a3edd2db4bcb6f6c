"""Prepare motion capture for training: clips in memory, contact labels, and augmented windows of prior states.

Reads any folder of ``.npz`` files in AMASS format. The function that brings a window to the canonical frame of its
first frame is the one that inference and roll-out use.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from optim.body.body_model import BodyModel
from optim.body.contacts import label_contacts
from optim.common.errors import InputError
from optim.common.rotations import axis_angle_to_matrix
from optim.priors.rollout import (
    ROOT,
    angular_velocity,
    canonical_turn,
    central_difference,
    joint_pivot,
    move,
    turn_matrix,
)

FPS = 30.0
MIRRORED_JOINTS = (0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20)
MIRRORED_CONTACTS = (0, 2, 1, 4, 3, 6, 5, 8, 7)
MIRROR = torch.tensor([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Clips:
    """Clips of one split, with the frames of all clips one after another; z up, floor at z = 0, 30 frames/s."""

    trans: Tensor  # (N, 3) [m]
    rotations: Tensor  # (N, 22, 3, 3), root first
    contacts: Tensor  # (N, 9) 0 or 1
    starts: tuple[int, ...]  # first frame of each clip, then N
    names: tuple[str, ...]

    def windows(self, length: int) -> Tensor:
        """First frames of all windows of ``length`` frames in one clip that have a further frame at both ends."""
        spans = zip(self.starts[:-1], self.starts[1:], strict=True)
        return torch.cat([torch.arange(a + 1, max(b - length, a + 1)) for a, b in spans])


@dataclass(frozen=True)
class Windows:
    """W windows of L frames as prior states, each in the canonical frame of its first frame."""

    flat: Tensor  # (W, L, 339) prior states
    pivot: Tensor  # (W, 3) [m] pivot of the canonical frames
    contacts: Tensor  # (W, L, 9) 0 or 1
    betas: Tensor  # (W, 16)


def find_clips(folder: Path, *, split: str | None = None, val_share: float = 0.1) -> list[Path]:
    """Motion files below a folder that belong to a split: ``*_poses.npz``, or else all ``.npz`` files.

    If the folder has an ``index.json`` (``clips``: file, split), it gives the split. Otherwise every n-th subfolder
    (subject) in sorted order belongs to "val", where n is 1 / ``val_share``.

    Args:
        split: "train", "val", or None for all files.

    Raises:
        InputError: There is no ``.npz`` file.
    """
    paths = sorted(folder.rglob("*_poses.npz")) or sorted(folder.rglob("*.npz"))
    if not paths:
        raise InputError(f"{folder}: no .npz motion files below it; give a folder of AMASS-format clips")
    index = folder / "index.json"
    if split is None:
        return paths
    if index.exists():
        wanted = {c["file"] for c in json.loads(index.read_text(encoding="utf-8"))["clips"] if c["split"] == split}
        return [p for p in paths if p.relative_to(folder).as_posix() in wanted]
    subjects = sorted({p.parent for p in paths})
    every = max(2, round(1 / val_share))
    held_out = set(subjects[every - 1 :: every]) or set(subjects[-1:])
    return [p for p in paths if (p.parent in held_out) == (split == "val")]


def load_clips(folder: Path, body: BodyModel, *, split: str | None = None) -> Clips:
    """Read the clips of a split and label their contacts. Clips of fewer than 3 frames are ignored.

    Raises:
        InputError: There is no usable file, or a file is not in AMASS format.
    """
    from optim.loading.files.amass import read_motion

    trans, rotations, contacts, starts, names = [], [], [], [0], []
    for path in find_clips(folder, split=split):
        motion = read_motion(path)
        if len(motion.trans) < 3:
            continue
        turns = axis_angle_to_matrix(torch.from_numpy(motion.poses[:, :66].reshape(-1, 22, 3)).float())
        shift = torch.from_numpy(motion.trans).float()
        joints = body.joints(shift[None], turns[None, :, 0], turns[None, :, 1:], torch.zeros(1, 16))[0]
        trans.append(shift)
        rotations.append(turns)
        contacts.append(label_contacts(joints))
        starts.append(starts[-1] + len(shift))
        names.append(path.relative_to(folder).as_posix())
    if not trans:
        raise InputError(f"{folder}: no clip of split {split!r} with 3 frames or more")
    return Clips(torch.cat(trans), torch.cat(rotations), torch.cat(contacts), tuple(starts), tuple(names))


class Augmenter:
    """Cuts windows from clips, and mirrors, rotates and reshapes them. All random numbers come from one generator."""

    def __init__(self, clips: Clips, body: BodyModel, generator: torch.Generator) -> None:
        self.clips, self.body, self.generator = clips, body, generator
        self.sole = int(body.template[:, 1].argmin())

    def draw(self, count: int, length: int, *, beta_std: float = 0.8) -> Windows:
        """Draw random windows. Half are mirrored, all are rotated by a random yaw, and 60 % have a random body shape.

        Args:
            count: Number of windows.
            length: Number of frames of a window.
            beta_std: Standard deviation of the random betas.
        """
        starts = self.clips.windows(length)
        chosen = starts[torch.randint(len(starts), (count,), generator=self.generator)]
        mirrored = torch.rand(count, generator=self.generator) < 0.5
        yaw = torch.rand(count, generator=self.generator) * (2 * np.pi)
        betas = beta_std * torch.randn(count, 16, generator=self.generator)
        betas = betas * (torch.rand(count, 1, generator=self.generator) < 0.6)
        return self.cut(chosen, length, mirrored=mirrored, yaw=yaw, betas=betas)

    def cut(self, starts: Tensor, length: int, *, mirrored: Tensor, yaw: Tensor, betas: Tensor) -> Windows:
        """Cut windows with chosen augmentations.

        Args:
            starts: (W,) first frames.
            length: Number of frames of a window.
            mirrored: (W,) bool, whether left and right are exchanged.
            yaw: (W,) rotation about the vertical [rad].
            betas: (W, 16) shape coefficients.
        """
        frames = starts[:, None] + torch.arange(-1, length + 1)
        trans, rotations = self.clips.trans[frames], self.clips.rotations[frames]
        contacts = self.clips.contacts[frames[:, 1:-1]]
        flip = torch.outer(MIRROR, MIRROR)
        trans = torch.where(mirrored[:, None, None], trans * MIRROR, trans)
        swapped = rotations[:, :, list(MIRRORED_JOINTS)] * flip
        rotations = torch.where(mirrored[:, None, None, None, None], swapped, rotations)
        contacts = torch.where(mirrored[:, None, None], contacts[..., list(MIRRORED_CONTACTS)], contacts)
        turn = turn_matrix(yaw.cos(), yaw.sin())[:, None]
        root = turn @ rotations[:, :, 0]
        trans = self._refit(trans, turn, betas)
        joints = self.body.joints(trans, root, rotations[:, :, 1:], betas)
        flat = _flat_states(trans, root, rotations[:, :, 1:], joints)[:, 1:-1]
        return Windows(*_canonical_window(flat, joints[:, 1]), contacts=contacts, betas=betas)

    def _refit(self, trans: Tensor, turn: Tensor, betas: Tensor) -> Tensor:
        """Rotate the root's path (W, L, 3) [m] and scale it to the leg length of the body.

        The feet stay on the floor.
        """
        legs, sole, pelvis = self._leg_measures(betas)
        legs0, sole0, pelvis0 = self._leg_measures(torch.zeros_like(betas[:1]))
        ratio = (legs / legs0)[:, None]
        root = (turn @ (trans + pelvis0)[..., None])[..., 0]
        height = sole[:, None] + ratio * (root[..., 2] - sole0)
        return torch.cat((root[..., :2] * ratio[..., None], height[..., None]), dim=-1) - pelvis[:, None]

    def _leg_measures(self, betas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Height of the pelvis above the ankle (W,) and of the ankle above the sole (W,), and the pelvis (W, 3) [m].

        They are measured in the rest pose with trans = 0.
        """
        rest = self.body.rest_joints(betas)
        sole = self.body.template[self.sole, 1] + betas @ self.body.shape_directions[self.sole, 1]
        ankle = rest[:, 7:9, 1].mean(1)
        return rest[:, 0, 1] - ankle, ankle - sole, rest[:, 0]


def _flat_states(trans: Tensor, root: Tensor, pose: Tensor, joints: Tensor) -> Tensor:
    lead = trans.shape[:2]
    parts = (
        trans,
        central_difference(trans, fps=FPS),
        root.reshape(*lead, 9),
        angular_velocity(root, fps=FPS),
        pose.reshape(*lead, 189),
        joints.reshape(*lead, 66),
        central_difference(joints, fps=FPS).reshape(*lead, 66),
    )
    return torch.cat(parts, dim=-1)


def _canonical_window(flat: Tensor, first_joints: Tensor) -> tuple[Tensor, Tensor]:
    """Windows (W, L, 339) in the canonical frame of their first frame, and the pivot (W, 3) of that frame."""
    count, length = flat.shape[:2]
    cos, sin = canonical_turn(flat[:, 0, ROOT].reshape(-1, 3, 3))
    shift = functional.pad(-flat[:, 0, :2], (0, 1))
    offset = joint_pivot(first_joints + shift[:, None])
    spread = [
        x[:, None].expand(count, length, *x.shape[1:]).flatten(0, 1) for x in (turn_matrix(cos, sin), shift, offset)
    ]
    return move(flat.flatten(0, 1), *spread).unflatten(0, (count, length)), offset
