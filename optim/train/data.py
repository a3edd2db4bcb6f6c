"""Prepare motion capture for training: clips in memory, contact labels, and augmented windows of prior states.

Reads any folder of ``.npz`` files in AMASS format. The function that brings a window to the canonical frame of its
first frame is the one that inference and roll-out use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from optim.body.body_model import BodyModel
from optim.body.contacts import label_contacts
from optim.body.joints import MIRRORED_JOINTS
from optim.common.errors import InputError
from optim.common.rotations import axis_angle_to_matrix, matrix_to_sixd, sixd_to_matrix
from optim.priors.rollout import (
    ROOT,
    angular_velocity,
    canonical_turn,
    central_difference,
    joint_pivot,
    move,
    turn_matrix,
)
from optim.reading.json_file import read_json

FPS = 30.0
MIRRORED_CONTACTS = (0, 2, 1, 4, 3, 6, 5, 8, 7)
ARMS = (13, 14, 16, 17, 18, 19, 20, 21)
"""Joints of the collar bones and arms."""
HANDS = (7, 8)
"""The hands among the contact joints."""
FASTEST = 1.2
"""A window is played at most this many times as fast as the data, and at most as many times slower."""


@dataclass(frozen=True)
class Clips:
    """Clips of one split, with the frames of all clips one after another; z up, floor at z = 0, 30 frames/s."""

    trans: Tensor  # (N, 3) [m]
    rotations: Tensor  # (N, 22, 3, 3), root first
    contacts: Tensor  # (N, 9) 0 or 1
    rare: Tensor  # (N,) bool, see ``is_rare``
    starts: tuple[int, ...]  # first frame of each clip, then N
    names: tuple[str, ...]

    def to(self, device: torch.device | str) -> Clips:
        """The same clips with their tensors on another device."""
        return replace(self, **{n: getattr(self, n).to(device) for n in ("trans", "rotations", "contacts", "rare")})

    def followed_by(self, other: Clips) -> Clips:
        """These clips and then the others."""
        parts = {
            name: torch.cat((getattr(self, name), getattr(other, name)))
            for name in ("trans", "rotations", "contacts", "rare")
        }
        starts = (*self.starts, *(self.starts[-1] + start for start in other.starts[1:]))
        return Clips(**parts, starts=starts, names=self.names + other.names)

    def windows(self, length: int) -> Tensor:
        """First frames of all windows of ``length`` frames in one clip that have a further frame at both ends."""
        spans = zip(self.starts[:-1], self.starts[1:], strict=True)
        return torch.cat([torch.arange(a + 1, max(b - length, a + 1)) for a, b in spans]).to(self.trans.device)


@dataclass(frozen=True)
class Windows:
    """W windows of L frames as prior states, each in the canonical frame of its first frame."""

    flat: Tensor  # (W, L, 339) prior states
    pivot: Tensor  # (W, 3) [m] pivot of the canonical frames
    contacts: Tensor  # (W, L, 9) 0 or 1
    betas: Tensor  # (W, 16)

    def to(self, device: torch.device | str) -> Windows:
        """The same windows on another device."""
        return Windows(*(getattr(self, f.name).to(device) for f in fields(self)))

    def part(self, start: int, stop: int) -> Windows:
        """The windows from ``start`` up to ``stop``."""
        return Windows(*(getattr(self, f.name)[start:stop] for f in fields(self)))


@dataclass(frozen=True)
class Choice:
    """The random numbers that decide which W windows are cut from the clips, and how they are changed."""

    starts: Tensor  # (W,) first frames; those of clips with planted feet come after those of all others
    mirrored: Tensor  # (W,) bool, whether left and right are exchanged
    yaw: Tensor  # (W,) rotation about the vertical [rad]
    betas: Tensor  # (W, 16) shape coefficients
    pace: Tensor  # (W,) frames of the data per frame of the window
    lent: Tensor  # (W,) bool, whether the arms move like those of the window before


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
        wanted = _clips_in(index, split)
        return [p for p in paths if p.relative_to(folder).as_posix() in wanted]
    subjects = sorted({p.parent for p in paths})
    every = max(2, round(1 / val_share))
    held_out = set(subjects[every - 1 :: every]) or set(subjects[-1:])
    return [p for p in paths if (p.parent in held_out) == (split == "val")]


def _clips_in(index: Path, split: str) -> set[str]:
    """Names of the files that belong to a split by the folder's ``index.json``."""
    content = read_json(index, what="an index of clips")
    clips = content.get("clips") if isinstance(content, dict) else None
    if not isinstance(clips, list) or not all(isinstance(c, dict) and {"file", "split"} <= set(c) for c in clips):
        raise InputError(f"{index}: no list clips with file and split of each; correct it, or delete it")
    return {str(clip["file"]) for clip in clips if clip["split"] == split}


def load_clips(folder: Path, body: BodyModel, *, split: str | None = None) -> Clips:
    """Read the clips of a split and label their contacts. Clips of fewer than 3 frames are ignored.

    Raises:
        InputError: There is no usable file, or a file is not in AMASS format.
    """
    from optim.loading.files.amass import read_motion

    trans, rotations, contacts, rare, starts, names = [], [], [], [], [0], []
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
        rare.append(is_rare(joints))
        starts.append(starts[-1] + len(shift))
        names.append(path.relative_to(folder).as_posix())
    if not trans:
        raise InputError(f"{folder}: no clip of split {split!r} with 3 frames or more")
    return Clips(
        torch.cat(trans),
        torch.cat(rotations),
        torch.cat(contacts),
        torch.cat(rare),
        starts=tuple(starts),
        names=tuple(names),
    )


def is_rare(joints: Tensor) -> Tensor:
    """Whether frames show what motion capture has little of: floor work, cartwheels, running or jumps.

    That is a pelvis below 65 cm, a head less than 25 cm above the pelvis, a pelvis faster than 2 m/s over the floor, or
    all joints more than 15 cm above the floor.

    Args:
        joints: (N, 22, 3) [m] at 30 Hz, z up, with the floor at z = 0, N ≥ 2.

    Returns:
        (N,) bool.
    """
    pelvis, head = joints[:, 0], joints[:, 15]
    speed = central_difference(pelvis[None, :, :2], fps=FPS)[0].norm(dim=-1)
    low = (pelvis[:, 2] < 0.65) | (head[:, 2] - pelvis[:, 2] < 0.25)
    return low | (speed > 2.0) | (joints[..., 2].amin(1) > 0.15)


class Augmenter:
    """Cuts windows from clips, and mirrors, rotates, reshapes, speeds up or slows them down.

    All random numbers come from one generator. Clips and body have to be on its device.

    Args:
        planted: The same clips with planted feet that stand (``plant_feet``), if windows are to be cut from them too.
    """

    def __init__(
        self, clips: Clips, body: BodyModel, generator: torch.Generator, *, planted: Clips | None = None
    ) -> None:
        self.clips, self.body, self.generator = clips, body, generator
        self._source = clips if planted is None else clips.followed_by(planted)
        self.sole = int(body.template[:, 1].argmin())
        device = clips.trans.device
        self._mirror = torch.tensor([-1.0, 1.0, 1.0], device=device)
        self._mirrored_joints = torch.tensor(MIRRORED_JOINTS, device=device)
        self._mirrored_contacts = torch.tensor(MIRRORED_CONTACTS, device=device)
        self._arms = torch.zeros(22, 1, 1, dtype=torch.bool, device=device)
        self._arms[list(ARMS)] = True
        self._hands = torch.zeros(9, dtype=torch.bool, device=device)
        self._hands[list(HANDS)] = True
        self._starts: dict[int, tuple[Tensor, Tensor]] = {}

    def draw(self, count: int, length: int, *, beta_std: float = 0.8) -> Windows:
        """Draw random windows of ``length`` frames at the pace of the data; arguments as for ``choose``."""
        return self.cut_chosen(self.choose(count, length, beta_std=beta_std), length)

    def choose(
        self,
        count: int,
        length: int,
        *,
        beta_std: float = 0.8,
        warp: bool = False,
        rare_share: float = 0.0,
        lent_arms: float = 0.0,
        planted_share: float = 0.0,
    ) -> Choice:
        """Choose random windows. Half are mirrored, all are rotated by a random yaw, and 60 % have a random body shape.

        Args:
            count: Number of windows.
            length: Number of frames of a window.
            beta_std: Standard deviation of the random betas.
            warp: Whether windows are played faster or slower by up to 20 %.
            rare_share: Share of the windows that are drawn from those with a rare frame (see ``is_rare``) only.
            lent_arms: Share of the windows whose arms move like those of another window. People who walk alike hold
                their arms in many ways, and few of these are in the data.
            planted_share: Share of the windows that are cut from the clips with planted feet.
        """
        like: dict[str, Any] = {"generator": self.generator, "device": self.clips.trans.device}
        starts, rare = self._windows(_frames_needed(length) if warp else length)
        chosen = starts[torch.randint(len(starts), (count,), **like)]
        if rare_share and len(rare):
            other = rare[torch.randint(len(rare), (count,), **like)]
            chosen = torch.where(torch.rand(count, **like) < rare_share, other, chosen)
        mirrored = torch.rand(count, **like) < 0.5
        yaw = torch.rand(count, **like) * (2 * np.pi)
        betas = beta_std * torch.randn(count, 16, **like)
        betas = betas * (torch.rand(count, 1, **like) < 0.6)
        pace = torch.ones(count, device=like["device"])
        if warp:
            pace = torch.exp((2 * torch.rand(count, **like) - 1) * math.log(FASTEST))
        lent = torch.rand(count, **like) < lent_arms if lent_arms else torch.zeros_like(mirrored)
        if planted_share:
            chosen = chosen + len(self.clips.trans) * (torch.rand(count, **like) < planted_share)
        return Choice(chosen, mirrored, yaw, betas, pace, lent)

    def _windows(self, length: int) -> tuple[Tensor, Tensor]:
        """First frames of all windows, and of those in which a frame is rare."""
        if length not in self._starts:
            starts = self.clips.windows(length)
            count = torch.cat((starts.new_zeros(1), self.clips.rare.long().cumsum(0)))
            self._starts[length] = (starts, starts[count[starts + length] > count[starts]])
        return self._starts[length]

    def cut(self, starts: Tensor, length: int, *, mirrored: Tensor, yaw: Tensor, betas: Tensor) -> Windows:
        """Cut windows at the pace of the data, with chosen augmentations; see ``Choice``."""
        plain = Choice(starts, mirrored, yaw, betas, torch.ones_like(yaw), torch.zeros_like(mirrored))
        return self.cut_chosen(plain, length, warp=False)

    def cut_chosen(self, choice: Choice, length: int, *, warp: bool = False) -> Windows:
        """Cut the chosen windows of ``length`` frames.

        Args:
            warp: Whether frames are interpolated; otherwise every pace has to be 1.
        """
        trans, rotations, contacts = self._played(choice, length) if warp else self._frames(choice, length)
        mirrored, betas, mirror = choice.mirrored, choice.betas, self._mirror
        trans = torch.where(mirrored[:, None, None], trans * mirror, trans)
        swapped = rotations.index_select(2, self._mirrored_joints) * (mirror[:, None] * mirror)
        rotations = torch.where(mirrored[:, None, None, None, None], swapped, rotations)
        contacts = torch.where(mirrored[:, None, None], contacts.index_select(2, self._mirrored_contacts), contacts)
        lent = choice.lent[:, None, None]
        rotations = torch.where(lent[..., None, None] & self._arms, rotations.roll(1, dims=0), rotations)
        contacts = torch.where(lent & self._hands, torch.zeros_like(contacts), contacts)
        turn = turn_matrix(choice.yaw.cos(), choice.yaw.sin())[:, None]
        root = turn @ rotations[:, :, 0]
        trans = self._refit(trans, turn, betas)
        joints = self.body.joints(trans, root, rotations[:, :, 1:], betas)
        flat = _flat_states(trans, root, rotations[:, :, 1:], joints)[:, 1:-1]
        return Windows(*_canonical_window(flat, joints[:, 1]), contacts=contacts, betas=betas)

    def _frames(self, choice: Choice, length: int) -> tuple[Tensor, Tensor, Tensor]:
        """Path of the root, rotations (with one more frame at both ends) and contacts of windows."""
        frames = choice.starts[:, None] + torch.arange(-1, length + 1, device=choice.starts.device)
        source = self._source
        return source.trans[frames], source.rotations[frames], source.contacts[frames[:, 1:-1]]

    def _played(self, choice: Choice, length: int) -> tuple[Tensor, Tensor, Tensor]:
        """The same at another pace, by cubic interpolation (Catmull–Rom) of path and rotations between frames."""
        time = choice.pace[:, None] * torch.arange(length + 2, device=choice.pace.device)
        before, last = time.floor().long(), _frames_needed(length) + 1
        part = (time - before)[..., None]
        near = [choice.starts[:, None] - 1 + (before + i).clamp(0, last) for i in (-1, 0, 1, 2)]
        weights = (
            0.5 * part * (part * (2 - part) - 1),
            0.5 * (part * part * (3 * part - 5) + 2),
            0.5 * part * (part * (4 - 3 * part) + 1),
            0.5 * part * part * (part - 1),
        )
        parts = [
            (w, self._source.trans[n], matrix_to_sixd(self._source.rotations[n]))
            for w, n in zip(weights, near, strict=True)
        ]
        trans = torch.stack([w * x for w, x, _ in parts]).sum(0)
        turns = torch.stack([w[..., None] * x for w, _, x in parts]).sum(0)
        nearest = torch.where(part[..., 0] < 0.5, near[1], near[2])
        return trans, sixd_to_matrix(turns), self._source.contacts[nearest[:, 1:-1]]

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


def _frames_needed(length: int) -> int:
    """Frames of the data that a window of ``length`` frames may need if it is played as fast as allowed."""
    return math.ceil(FASTEST * (length + 1))


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
