"""The curvature of the loss of stages 1 and 2 after Gauss and Newton, as a band with a border.

The unknowns of a frame (root, translation, latent pose: 38 numbers) are coupled with those of neighbouring frames by
the terms that smooth, with those of the same time in another sub-sequence by the overlap terms, and with all frames of
the sub-sequence by the shape. The gradient is not part of the model: it is that of the loss itself, so that a model
that leaves something out only costs iterations.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from optim.common.timing import timed
from optim.objective.objective import Objective
from optim.objective.squares import SQUARES, Place, Squares
from optim.objective.terms.scene import Scene
from optim.problem.variables import Packing, Variables
from optim.solver.banded import BorderedBand, bordered_band

_OF_A_FRAME = ("trans", "root_orient", "latent_pose")
LONGEST_MOVE = 0.5
"""Largest step [m] of a coordinate of ``trans`` where keypoints in an image are observed. Their robust loss no longer
pulls on a body that a long step has moved away, and far away a whole step changes little in the image."""


@timed("model")
def gauss_newton(objective: Objective, x: Tensor, variables: Variables, packing: Packing) -> BorderedBand:
    """The curvature at the flat vector x (n,), over its entries; for phases of stages 1 and 2."""
    with torch.no_grad():
        here = packing.unpack(x, variables)
        scene = Scene(objective.problem, objective.seen, objective.predict(here))
        moving = tuple(block.name for block in packing.blocks)
        normal = _Normal(scene, moving)
        place = Place(scene, moving)
        for term in objective.terms:
            weight = objective.phase.weight(term.weight) * objective.scale(term)
            if term.name in SQUARES:
                for squares in SQUARES[term.name](place):
                    normal.add(squares, weight)
            else:
                normal.add_prior(term.name, weight)
        matrix = normal.matrix(packing)
        seen_in_images = any(term.name == "joints2d" for term in objective.terms)
        return replace(matrix, longest=_longest(here, packing)) if seen_in_images else matrix


def _longest(variables: Variables, packing: Packing) -> np.ndarray:
    """(n,) largest step of each entry of the flat vector."""
    longest = {name: torch.full_like(value, math.inf) for name, value in variables.items()}
    return packing.pack(longest | {"trans": torch.full_like(variables["trans"], LONGEST_MOVE)}).numpy()


class _Normal:
    """The normal equations while terms are added to them."""

    def __init__(self, scene: Scene, moving: tuple[str, ...]) -> None:
        variables = scene.predicted.variables
        self._batch, self._frames = scene.joints.shape[:2]
        self._widths = {name: variables[name].shape[-1] for name in _OF_A_FRAME if name in moving}
        self._column, count = {}, 0
        for name, width in self._widths.items():
            self._column[name], count = count, count + width
        self._count, self._shapes = count, variables["betas"].shape[-1] if "betas" in moving else 0
        total, shapes = self._batch * self._frames, self._shapes
        self._own = torch.zeros(total, count, count, dtype=torch.float64)
        self._coupled: list[tuple[Tensor, Tensor, Tensor]] = []
        self._border = torch.zeros(total, self._batch, count, shapes, dtype=torch.float64)
        self._corner = torch.zeros(self._batch, self._batch, shapes, shapes, dtype=torch.float64)
        self._order = _order(scene)

    def add(self, squares: Squares, weight: float) -> None:
        """Add the curvature of weighted squares."""
        rows, numbers = squares.rows, squares.frames.T
        heavy = (weight * squares.weight)[..., None]
        for i, (first, sign) in enumerate(zip(numbers, squares.signs, strict=True)):
            by_frame, by_shape = sign * heavy * rows.frame[first], sign * heavy * rows.shape[first]
            for j, (second, other) in enumerate(zip(numbers, squares.signs, strict=True)):
                if j <= i:
                    block = (by_frame.mT @ (other * rows.frame[second])).double()
                    if j == i:
                        self._own.index_add_(0, first, block)
                    else:
                        self._coupled.append((first, second, block))
                if self._shapes:
                    shape = other * rows.shape[second]
                    b, c = first // self._frames, second // self._frames
                    self._border.index_put_((first, c), (by_frame.mT @ shape).double(), accumulate=True)
                    self._corner.index_put_((b, c), (by_shape.mT @ shape).double(), accumulate=True)

    def add_prior(self, name: str, weight: float) -> None:
        """Add the curvature of a term of the variables themselves; a term of another kind has none here."""
        corner = self._corner.diagonal(dim1=2, dim2=3)
        if name == "pose_prior" and "latent_pose" in self._column:
            start = self._column["latent_pose"]
            width = self._widths["latent_pose"]
            self._own.diagonal(dim1=1, dim2=2)[:, start : start + width] += 2.0 * weight
        elif name == "shape_prior":
            corner.diagonal(dim1=0, dim2=1).add_(2.0 * weight)
        elif name == "rgb_overlap_xbatch_betas":
            corner[0, 0] += weight
        elif name == "rgb_overlap_consist_betas":
            for b in range(self._batch - 1):
                corner[b, b] += weight
                corner[b + 1, b + 1] += weight
                corner[b, b + 1] -= weight
                corner[b + 1, b] -= weight

    def matrix(self, packing: Packing) -> BorderedBand:
        """The whole matrix, with the frames in the order of time."""
        count, shapes, total = self._count, self._shapes, len(self._own)
        first = self._order * count
        blocks = [(first, first, self._own)]
        blocks += [(first[a], first[b], block) for a, b, block in self._coupled]
        border = torch.zeros(total, count, self._batch * shapes, dtype=torch.float64)
        border[self._order] = self._border.transpose(1, 2).flatten(2)
        corner = self._corner.permute(0, 2, 1, 3).flatten(2).flatten(0, 1)
        return bordered_band(
            [(a.numpy(), b.numpy(), block.numpy()) for a, b, block in blocks],
            border.flatten(0, 1).numpy(),
            corner.numpy(),
            self._place(packing, first).numpy(),
        )

    def _place(self, packing: Packing, first: Tensor) -> Tensor:
        """(n,) row of the matrix of each entry of the flat vector."""
        table = first.view(self._batch, self._frames, 1)
        rows = {name: table + self._column[name] + torch.arange(width) for name, width in self._widths.items()}
        after = len(first) * self._count
        rows["betas"] = after + torch.arange(self._batch * self._shapes).view(self._batch, -1)
        return packing.pack(rows)


def _order(scene: Scene) -> Tensor:
    """(B · T,) place of each frame: by sub-sequence and time, or by time alone where sub-sequences overlap.

    Then frames that are coupled are near each other, and the band is narrow.
    """
    batch, frames = scene.joints.shape[:2]
    times = torch.arange(batch)[:, None] * frames + torch.arange(frames)
    if scene.seen.seq_interval is not None:
        times = scene.seen.seq_interval[:, :1] + torch.arange(frames)
    order = times.flatten().argsort(stable=True)
    return torch.empty_like(order).index_copy_(0, order, torch.arange(batch * frames))
