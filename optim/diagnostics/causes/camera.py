"""Cause: the focal length is wrong, so that depth and size are.

A wrong focal length moves a person along the axis of the camera by the same factor and leaves the picture as it is.
Where the camera looks down at an observed floor, the feet then no longer stand on the floor: their height over it grows
with their depth, which no floor of another height explains.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optim.diagnostics.causes.cause import Cause, Causes, Look, body_length, level_of
from optim.diagnostics.causes.floor import still_feet

FOCAL = 0.2
"""Difference of the focal length (of its logarithm) that is worth a word. The default clip, whose floor was made wrong
by a few degrees, shows 0.16."""
SIZE = 0.12
"""Difference of the body's size from the mean; two standard deviations of the height of adults."""
SOLE_M = 0.05
"""Mean height [m] of ankles and toes above the sole."""
STANDING = 3.0
"""Sum of the weights of standing feet that is enough to measure something."""
EXPLAINS = 0.7
"""Another focal length must leave less than this share of the distance that another height of the floor leaves."""


def camera(look: Look) -> Causes:
    """Focal length against the floor under the feet, and the size of the body."""
    if look.problem.camera is None:
        return
    yield from _focal(look)
    yield from _size(look)


def _focal(look: Look) -> Causes:
    lens, observed = look.problem.camera, look.problem.floor
    assert lens is not None
    focal = float(lens.focal[0].mean())
    view = ""
    if lens.image_size is not None:
        view = f"focal length {focal:.0f} px, a field of view of {_degrees(lens.image_size, focal):.0f}°"
    if observed is None or look.free is None or not look.problem.floor_known:
        return
    points, weight = still_feet(look)
    scale, before, after, lifted = focal_from_floor(points, weight, observed[0].double())
    if scale is None:
        return
    evidence = (
        *([view] if view else []),
        f"standing feet {100 * before:.0f} cm off the observed floor",
        f"{100 * after:.0f} cm with a focal length of {scale * focal:.0f} px",
        f"{100 * lifted:.0f} cm with a floor of another height",
        f"mean depth {float(points[..., 2].mean()):.1f} m",
    )
    if after > EXPLAINS * lifted or before < SOLE_M:
        return
    level = level_of(abs(math.log(scale)), FOCAL)
    if level != "good":
        yield Cause(
            level,
            f"The focal length seems wrong: with {scale:.2f} of it the feet would stand on the observed floor.",
            evidence,
            "Give the camera's intrinsics (--rgb-intrinsics), or the focal length of the lens.",
        )


def focal_from_floor(points: Tensor, weight: Tensor, plane: Tensor) -> tuple[float | None, float, float, float]:
    """Factor of the focal length that brings standing feet onto a floor, and their distance from it before and after.

    Args:
        points: (N, J, 3) [m] in the camera frame; weight: (N, J) as standing feet; plane: (4,).

    Returns:
        The factor, None if nothing stands or the floor is parallel to the axis, and three weighted mean distances [m]:
        as it is, with the other focal length, and with a floor of another height.
    """
    if float(weight.sum()) < STANDING or abs(float(plane[2])) < 0.1:
        return None, 0.0, 0.0, 0.0
    side = points[..., :2] @ plane[:2] - plane[3] - SOLE_M
    along = points[..., 2] * plane[2]
    factor = -float((weight * along * side).sum() / (weight * along**2).sum())
    off = [float((weight * (side + k * along).abs()).sum() / weight.sum()) for k in (1.0, factor)]
    height = side + along
    lifted = float((weight * (height - (weight * height).sum() / weight.sum()).abs()).sum() / weight.sum())
    return (factor if factor > 0 else None), off[0], off[1], lifted


def _degrees(size: tuple[int, int], focal: float) -> float:
    return math.degrees(2 * math.atan(max(size) / (2 * focal)))


def _size(look: Look) -> Causes:
    betas, body = look.snapshot.variables["betas"], look.problem.body

    ratio = body_length(body, betas) / body_length(body, torch.zeros_like(betas))
    b = int((ratio - 1).abs().argmax())
    away = float(ratio[b] - 1)
    depth = float(look.fit.trajectory(look.snapshot).trans[b, :, 2].mean())
    evidence = (
        f"size {100 * away:+.0f} % of the mean body",
        f"mean depth {depth:.1f} m",
        f"‖betas‖ {betas[b].norm():.1f}",
    )
    level = level_of(abs(away), SIZE)
    if level == "good":
        yield Cause(level, f"The body{look.of(b)} has a usual size.", evidence)
        return
    yield Cause(
        level,
        f"The body{look.of(b)} is {abs(100 * away):.0f} % {'larger' if away > 0 else 'smaller'} than the mean; size and"
        " depth stand for each other in one picture.",
        evidence,
        "Check the focal length (--rgb-intrinsics), raise shape_prior, lower joints3d_smooth.",
    )
