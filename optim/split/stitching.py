"""Stitch the fitted sub-sequences of one video into one motion, and measure the jumps that remain at the seams.

``cut`` takes shared frames from the earlier sub-sequence, as in HuMoR's public code. ``blend`` interpolates from one to
the other over the shared frames. Both keep the floor of the first sub-sequence. Frames that no sub-sequence covers are
interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.common.errors import InputError
from optim.common.rotations import geodesic_angle, interpolate
from optim.problem.variables import Trajectory

WAYS = ("cut", "blend")


@dataclass(frozen=True)
class Clip:
    """A fitted sub-sequence and its place in the video."""

    interval: tuple[int, int]  # first frame, and the frame after the last one
    motion: Trajectory  # batch of one


@dataclass(frozen=True)
class Jump:
    """Difference between two poses."""

    cm: float
    """Mean distance between the 22 joints [cm]."""
    deg: float
    """Mean angle between the 22 rotations [°]: the root's in the frame of the input, the others relative to their
    parents."""

    def __str__(self) -> str:
        return f"{self.cm:.2f} cm, {self.deg:.2f}°"


@dataclass(frozen=True)
class Seam:
    """Transition from one sub-sequence to the next."""

    frame: int
    """First frame that the earlier sub-sequence does not cover."""
    shared: int
    """Number of frames that both cover. A negative number counts the frames between them that were interpolated."""
    apart: Jump | None
    """Mean difference of the two over the shared frames. None if they share none."""
    before: Jump | None
    """Jump of a hard cut: their difference on the last shared frame. None if they share none."""
    after: Jump | None
    """Jump in the stitched motion: the largest difference of one of its steps from the nearer of the two
    sub-sequences' own steps. None if they share no frame."""

    def __str__(self) -> str:
        if self.before is None or self.after is None or self.apart is None:
            return f"seam at frame {self.frame}: " + (
                f"{-self.shared} frames bridged" if self.shared else "none shared"
            )
        return (
            f"seam at frame {self.frame}: {self.shared} frames shared, {self.apart} apart;"
            f" a hard cut jumps by {self.before}, this motion by {self.after}"
        )


@dataclass(frozen=True)
class Stitched:
    """One motion of N frames in the frame of the input. The body shape may change at seams."""

    trans: Tensor  # (N, 3) [m]
    root_orient: Tensor  # (N, 3, 3)
    pose_body: Tensor  # (N, 21, 3, 3)
    betas: Tensor  # (N, 16)
    joints: Tensor  # (N, 22, 3) [m], from the body model
    contacts: Tensor | None  # (N, 22)
    floor_plane: Tensor | None  # (4,) that of the first sub-sequence
    seams: tuple[Seam, ...]


_Frames = dict[str, Tensor]
_PER_FRAME = ("trans", "betas", "root_orient", "pose_body", "contacts")
_ROTATIONS = ("root_orient", "pose_body")


def stitch(clips: Sequence[Clip], *, body: BodyModel, how: str = "blend", frames: int | None = None) -> Stitched:
    """Stitch all sub-sequences into one motion.

    Positions, shapes and contacts are interpolated linearly and rotations on the shortest arc, with the weights
    k / (shared + 1) for k = 1 … shared. Frames between two sub-sequences are interpolated in the same way. Frames
    before the first and after the last sub-sequence repeat the nearest pose.

    Args:
        clips: Fitted sub-sequences in the order of the video.
        body: Body model for the joints of the result.
        how: ``cut`` or ``blend``.
        frames: Number of frames of the whole video. None takes the end of the last sub-sequence.

    Raises:
        InputError: There is no sub-sequence, they are not in order, or ``how`` is unknown.
    """
    _check(clips, how)
    motion = _frames_of(clips[0])
    motion = _held(motion, before=clips[0].interval[0])
    for clip in clips[1:]:
        motion = _joined(motion, _frames_of(clip), start=clip.interval[0], blend=how == "blend")
    length = len(motion["trans"])
    motion = _held(motion, after=(frames or length) - length)
    trans, root, pose = (motion[name][:, None] for name in ("trans", *_ROTATIONS))
    joints = body.joints(trans, root, pose, motion["betas"])[:, 0]
    floor = clips[0].motion.floor_plane
    return Stitched(
        trans=motion["trans"],
        root_orient=motion["root_orient"],
        pose_body=motion["pose_body"],
        betas=motion["betas"],
        joints=joints,
        contacts=motion.get("contacts"),
        floor_plane=None if floor is None else floor[0],
        seams=seams_of(clips, joints, _rotations(motion)),
    )


def seams_of(clips: Sequence[Clip], joints: Tensor, rotations: Tensor) -> tuple[Seam, ...]:
    """Seams between the sub-sequences in a motion of the whole video, whichever way it was stitched.

    Args:
        clips: Fitted sub-sequences in the order of the video.
        joints: (N, 22, 3) [m] joints of the whole motion, from frame 0 of the video on.
        rotations: (N, 22, 3, 3) rotations of its root and of its body joints.
    """
    whole = _Poses(joints, rotations)
    return tuple(_seam(before, after, whole) for before, after in pairwise(clips))


def _check(clips: Sequence[Clip], how: str) -> None:
    if not clips:
        raise InputError("no sub-sequences to stitch")
    if how not in WAYS:
        raise InputError(f"stitching {how!r} is not known; there are {', '.join(WAYS)}")
    for before, after in pairwise(clips):
        if not (before.interval[0] < after.interval[0] and before.interval[1] < after.interval[1]):
            raise InputError(
                f"sub-sequences {before.interval} and {after.interval} are not in order; sort them by their first frame"
            )


def _frames_of(clip: Clip) -> _Frames:
    """All quantities of a sub-sequence by name, one row per frame (T, ...)."""
    motion = clip.motion
    betas = motion.betas.expand(motion.trans.shape[1], -1)
    found: _Frames = {"trans": motion.trans[0], "betas": betas, "root_orient": motion.root_orient[0]}
    found["pose_body"] = motion.pose_body[0]
    return found if motion.contacts is None else found | {"contacts": motion.contacts[0]}


def _joined(motion: _Frames, later: _Frames, *, start: int, blend: bool) -> _Frames:
    """Append a sub-sequence that begins at frame ``start`` to the motion stitched so far, which begins at frame 0."""
    end = len(motion["trans"])
    shared = end - start
    if shared < 0:
        bridge = _mixed(_slice(motion, -1, None), _slice(later, 0, 1), count=-shared)
        return _concatenated(motion, bridge, later)
    rest = _slice(later, shared, None)
    if not (blend and shared):
        return _concatenated(motion, rest)
    passing = _mixed(_slice(motion, start, None), _slice(later, 0, shared), count=shared)
    return _concatenated(_slice(motion, 0, start), passing, rest)


def _mixed(before: _Frames, after: _Frames, *, count: int) -> _Frames:
    """Interpolate from one motion to the other over ``count`` frames. Each has as many frames, or one."""
    share = torch.arange(1, count + 1) / (count + 1)

    def mix(name: str) -> Tensor:
        a, b = (side[name].expand(count, *side[name].shape[1:]) for side in (before, after))
        if name in _ROTATIONS:
            return interpolate(a, b, share.view(count, *(1,) * (a.ndim - 3)))
        return torch.lerp(a, b, share[:, None].to(a.dtype))

    return {name: mix(name) for name in _PER_FRAME if name in before and name in after}


def _held(motion: _Frames, *, before: int = 0, after: int = 0) -> _Frames:
    """Repeat the first pose ``before`` times in front of a motion and the last pose ``after`` times behind it."""

    def repeated(value: Tensor, index: int, count: int) -> Tensor:
        return value[index][None].expand(max(count, 0), *value.shape[1:])

    return {
        name: torch.cat((repeated(value, 0, before), value, repeated(value, -1, after)))
        for name, value in motion.items()
    }


def _slice(motion: _Frames, start: int, end: int | None) -> _Frames:
    return {name: value[start:end] for name, value in motion.items()}


def _concatenated(*parts: _Frames) -> _Frames:
    names = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: torch.cat([part[name] for part in parts]) for name in names}


def _rotations(motion: _Frames) -> Tensor:
    """Rotations (T, 22, 3, 3) of the root and the body joints."""
    return torch.cat((motion["root_orient"][:, None], motion["pose_body"]), dim=1)


def _seam(earlier: Clip, later: Clip, stitched: _Poses) -> Seam:
    (first, end), (start, last) = earlier.interval, later.interval
    shared = end - start
    if shared <= 0:
        return Seam(end, shared, None, None, None)
    a, b = (_Poses.of(clip) for clip in (earlier, later))
    distance = (a.joints[start - first :] - b.joints[:shared]).norm(dim=-1).mean(1) * 100.0
    angle = geodesic_angle(a.rotations[start - first :], b.rotations[:shared]).mean(1).rad2deg()
    window = torch.arange(max(first, start - 1), min(last - 1, end))
    steps = [_excess(poses, clip.interval[0], stitched, window) for poses, clip in ((a, earlier), (b, later))]
    cm, deg = (torch.minimum(*pair).max().item() for pair in zip(*steps, strict=True))
    return Seam(
        frame=end,
        shared=shared,
        apart=Jump(distance.mean().item(), angle.mean().item()),
        before=Jump(distance[-1].item(), angle[-1].item()),
        after=Jump(cm, deg),
    )


@dataclass(frozen=True)
class _Poses:
    """Joints and rotations on which jumps are measured."""

    joints: Tensor  # (T, 22, 3) [m]
    rotations: Tensor  # (T, 22, 3, 3)

    @staticmethod
    def of(clip: Clip) -> _Poses:
        return _Poses(clip.motion.joints[0], _rotations(_frames_of(clip)))


def _excess(own: _Poses, start: int, stitched: _Poses, window: Tensor) -> tuple[Tensor, Tensor]:
    """Differences between the steps t → t + 1 of the stitched motion and of a sub-sequence [cm], [°].

    They are infinite where the sub-sequence, which begins at frame ``start``, does not cover both ends of the step.
    """
    covered = (window >= start) & (window + 1 < start + len(own.joints))
    here = window[covered] - start
    there = window[covered]
    step = own.joints[here + 1] - own.joints[here]
    move = stitched.joints[there + 1] - stitched.joints[there]
    turn = own.rotations[here].mT @ own.rotations[here + 1]
    turned = stitched.rotations[there].mT @ stitched.rotations[there + 1]
    cm, deg = (torch.full(window.shape, torch.inf) for _ in range(2))
    cm[covered] = (move - step).norm(dim=-1).mean(1) * 100.0
    deg[covered] = geodesic_angle(turn, turned).mean(1).rad2deg()
    return cm, deg
