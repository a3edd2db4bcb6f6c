"""Cause: confident keypoints or joints that are wrong, above all a left and a right side that are swapped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from optim.diagnostics.agreement import reprojection
from optim.diagnostics.causes.cause import Cause, Causes, Look
from optim.objective.prediction import Parts, body_points
from optim.problem.observations import Observations

PAIRS = {
    "joints2d": {
        "legs": ((13, 10), (14, 11), (19, 22), (20, 23), (21, 24)),
        "arms": ((6, 3), (7, 4)),
    },
    "joints3d": {"legs": ((4, 5), (7, 8), (10, 11)), "arms": ((18, 19), (20, 21))},
}
"""Kind of observation → limbs → pairs of left and right keypoints or joints."""
FAR = 0.06
"""Smallest error of a swapped pair, as a share of the body's length. Errors of right keypoints are below 2 %."""
BETTER = 0.5
"""An error that falls below this share of itself when left and right are exchanged is one of a swap."""
STEP = 0.015
"""Smallest step of a pair from frame to frame that can be an exchange, as a share of the body's length."""
ONE_LEG = 0.25
"""Two knees or ankles that are observed at less than this share of the distance that the body has, lie on one leg."""
ONE_PLACE = 0.02
"""Left and right joints whose mean distance in space is a smaller share of the body's length (3 cm) are on one limb,
wherever the fit has put them: limbs are thicker than that. In the image two limbs may cover each other."""
CONFIDENT, WRONG = 0.5, 0.1
"""Confidence of a keypoint that is trusted, and its error as a share of the body's length that is surely wrong."""
FEW = {"warn": 0.02, "bad": 0.05}
"""Share of frames with such errors: 2 % is a slip of the detector, 5 % bends the motion."""


@dataclass(frozen=True)
class Sides:
    """Observed and fitted positions of one kind, and the length of the body in their unit."""

    kind: str
    unit: str
    factor: float
    """From the positions' unit to the unit of the text."""
    seen: Tensor  # (B, T, K, D)
    mask: Tensor  # (B, T, K) bool
    fitted: Tensor  # (B, T, K, D)
    length: Tensor  # (B, T) from head to feet


def keypoints(look: Look) -> Causes:
    """Swapped sides, two legs on one, and trusted keypoints far from the body."""
    found = [cause for sides in _sides(look) for cause in _of(look, sides)]
    yield from found
    if not found:
        yield Cause("good", "No left and right sides are swapped, and no trusted keypoint is far from the body.")


def _of(look: Look, sides: Sides) -> Causes:
    for limbs, pairs in PAIRS[sides.kind].items():
        left, right = ([pair[side] for pair in pairs] for side in (0, 1))
        swapped, before, after = _swapped(sides, left, right)
        level = _level(swapped)
        if level != "good":
            b, frame = (int(i) for i in np.argwhere(swapped.numpy())[0])
            yield Cause(
                level,
                f"Left and right {limbs} are swapped in {int(swapped.sum())} frames of the {_name(sides)}.",
                (
                    f"first at frame {look.at(b, frame)}",
                    f"error {_mean(before, swapped, sides)}, with the sides exchanged {_mean(after, swapped, sides)}",
                ),
                "Correct the detector's sides, or leave these frames out (Data tab).",
                look.at(b, frame),
            )
            continue
        together = _on_one(sides, left, right)
        level = _level(together)
        if level != "good":
            b, frame = (int(i) for i in np.argwhere(together.numpy())[0])
            yield Cause(
                level,
                f"Both {limbs} are observed on the same one in {int(together.sum())} frames of the {_name(sides)}.",
                (f"first at frame {look.at(b, frame)}",),
                "Lower the confidence of these keypoints (Data tab, Trust), or leave the frames out.",
                look.at(b, frame),
            )
    yield from _trusted_and_wrong(look, sides)


def _trusted_and_wrong(look: Look, sides: Sides) -> Causes:
    found = reprojection(look.fit, look.snapshot) if sides.kind == "joints2d" else None
    if found is None:
        return
    trusted = look.problem.observations.trusted_keypoints[..., 2] > CONFIDENT
    used = torch.from_numpy(found.used) & trusted
    error = torch.from_numpy(found.error_px)
    wrong = used & (error > WRONG * sides.length[..., None])
    share = float(wrong.sum()) / max(float(used.sum()), 1.0)
    level = "bad" if share > 2 * FEW["bad"] else "warn" if share > FEW["bad"] else "good"
    if level == "good":
        return
    counts = wrong.sum(-1)
    b, frame = divmod(int(counts.flatten().argmax()), counts.shape[1])
    yield Cause(
        level,
        f"{100 * share:.0f} % of the trusted keypoints are far from the body, most at frame {look.at(b, frame)}.",
        (
            f"confidence above {CONFIDENT:g}, error above {100 * WRONG:.0f} % of the body's length",
            f"mean error of these {float(error[wrong].mean()):.0f} px",
        ),
        "Look at these frames in the picture; leave wrong ones out or trust them less (Data tab).",
        look.at(b, frame),
    )


def _swapped(sides: Sides, left: list[int], right: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Frames (B, T) in which exchanging the sides brings the observations to the body; the errors before and after."""
    both = sides.mask[..., left] & sides.mask[..., right]
    count = 2 * both.sum(-1)

    def error(a: list[int], b: list[int]) -> Tensor:
        far = (sides.seen[..., a, :] - sides.fitted[..., left, :]).norm(dim=-1)
        far = far + (sides.seen[..., b, :] - sides.fitted[..., right, :]).norm(dim=-1)
        return torch.where(both, far, 0.0).sum(-1) / count.clamp_min(1)

    before, after = error(left, right), error(right, left)
    against_body = (count >= 4) & (before > FAR * sides.length) & (after < BETTER * before)
    return against_body | _exchanged(sides, left, right), before, after


def _exchanged(sides: Sides, left: list[int], right: list[int]) -> Tensor:
    """Frames (B, T) of the rarer of two labellings, which pass into each other by an exchange of the sides.

    A fit may have followed the exchange; the observations alone show it, because two legs do not change places from
    one frame to the next.
    """
    both = sides.mask[..., left] & sides.mask[..., right]
    both = both[:, 1:] & both[:, :-1]
    one, other = sides.seen[..., left, :], sides.seen[..., right, :]

    def way(a: Tensor, b: Tensor) -> Tensor:
        return torch.where(both, (b[:, 1:] - a[:, :-1]).norm(dim=-1), 0.0).sum(-1)

    keep, cross = way(one, one) + way(other, other), way(one, other) + way(other, one)
    far = keep / (2 * both.sum(-1)).clamp_min(1) > STEP * sides.length[:, 1:]
    odd = torch.cat((torch.zeros_like(far[:, :1]), (far & (cross < BETTER * keep)).int().cumsum(1) % 2 == 1), dim=1)
    return torch.where(odd.float().mean(1, keepdim=True) > 0.5, ~odd, odd)


def _on_one(sides: Sides, left: list[int], right: list[int]) -> Tensor:
    """Frames (B, T) in which both limbs are observed at one place although those of a body cannot be there."""
    both = sides.mask[..., left] & sides.mask[..., right]
    seen = (sides.seen[..., left, :] - sides.seen[..., right, :]).norm(dim=-1)
    fitted = (sides.fitted[..., left, :] - sides.fitted[..., right, :]).norm(dim=-1)
    count = both.sum(-1)
    seen, fitted = (torch.where(both, distance, 0.0).sum(-1) / count.clamp_min(1) for distance in (seen, fitted))
    found = (seen < ONE_LEG * fitted) & (fitted > FAR * sides.length)
    if sides.kind == "joints3d":
        found = found | (seen < ONE_PLACE * sides.length)
    return (count >= 2) & found


def _sides(look: Look) -> list[Sides]:
    """The kinds of observation that have a left and a right."""
    seen, problem = look.problem.observations, look.problem
    predicted = look.fit.prediction(look.snapshot)
    found = []
    if seen.joints3d is not None:
        joints = predicted.points.joints
        length = (joints[:, :, 15] - joints[:, :, [10, 11]].mean(2)).norm(dim=-1).median()
        found.append(_made("joints3d", "cm", 100.0, seen, seen.masked("joints3d").values, joints, length))
    if seen.joints2d is not None and problem.camera is not None:
        betas = look.snapshot.variables["betas"]
        parts = predicted.trans, predicted.root_orient, predicted.pose_body, betas
        points = body_points(problem, *parts, Parts(keypoints=True)).keypoints
        assert points is not None
        pixels = problem.camera.project(points)
        span = pixels.amax(2) - pixels.amin(2)
        found.append(_made("joints2d", "px", 1.0, seen, seen.keypoints, pixels, span.norm(dim=-1)))
    return found


def _made(
    kind: str, unit: str, factor: float, seen: Observations, values: Tensor, fitted: Tensor, length: Tensor
) -> Sides:
    mask = seen.visible[kind]
    if kind == "joints2d":
        mask = mask & ~seen.doubted  # what is doubted is told in the Data tab, and hardly pulls
    return Sides(kind, unit, factor, values, mask, fitted, length.expand(mask.shape[:2]))


def _level(frames: Tensor) -> str:
    share = float(frames.float().mean())
    return "bad" if share > FEW["bad"] else "warn" if share > FEW["warn"] else "good"


def _mean(values: Tensor, frames: Tensor, sides: Sides) -> str:
    return f"{sides.factor * float(values[frames].mean()):.0f} {sides.unit}"


def _name(sides: Sides) -> str:
    return "2D keypoints" if sides.kind == "joints2d" else "3D joints"
