"""The loss terms of stages 1 and 2 as weighted squares of residuals, with the derivatives of the residuals.

Terms that are not squares are squares with other weights: the robust terms with the weights at the point, and point
clouds with the nearest vertices at the point. One function per term; a term without one has no curvature here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from optim.body.body_model import BODY25_FROM_JOINTS
from optim.body.derivatives import Derivatives, PosedBody
from optim.body.joints import NUM_JOINTS
from optim.objective.terms import data, overlap
from optim.objective.terms.scene import Scene, there
from optim.problem.variables import root_matrix

BODY_JOINTS_AND_HANDS = 52
"""Number of joints of SMPL+H, after which BODY_25's list counts vertices."""
ALONG_THE_SURFACE = 0.3
"""Factor on residuals of point clouds along the body's surface. When the body slides, other vertices become the nearest
ones, so that the loss is flatter in that direction than for fixed vertices, and steps can be longer."""


@dataclass(frozen=True)
class Rows:
    """Derivatives of r numbers in each of N frames."""

    frame: Tensor
    """(N, r, c) by the c moving variables of the frame itself."""
    shape: Tensor
    """(N, r, 16) by the shape coefficients of its sub-sequence; (N, r, 0) while the shape does not move."""

    def through(self, factors: Tensor) -> Rows:
        """Other numbers, made from each point's three coordinates by factors (N, K, q, 3)."""
        return Rows(*((factors @ part.unflatten(1, (-1, 3))).flatten(1, 2) for part in (self.frame, self.shape)))


@dataclass(frozen=True)
class Squares:
    """½ Σ weight · (Σ_m sign_m · row of frame_m − observed)²."""

    rows: Rows
    frames: Tensor
    """(R, m) the frames, counted through all sub-sequences, whose rows are added up."""
    signs: tuple[float, ...]
    weight: Tensor
    """(R, r) ≥ 0."""


@dataclass(frozen=True)
class Place:
    """Where the residuals are differentiated, and by which variables.

    Args:
        moving: The variables that move in some frame or sub-sequence.
    """

    scene: Scene
    moving: tuple[str, ...]

    @cached_property
    def posed(self) -> PosedBody:
        predicted = self.scene.predicted
        return PosedBody(self.scene.problem.body, predicted.root_orient, predicted.pose_body, self.scene.betas)

    @cached_property
    def root(self) -> Tensor:
        """(B, T, 3, k) small turns of the root by its variable of k numbers."""
        with torch.enable_grad():
            variable = self.scene.predicted.variables["root_orient"].detach().requires_grad_()
            matrix = root_matrix(variable)
            axes = torch.eye(3, dtype=matrix.dtype)
            rows = []
            for axis in axes:
                turned = torch.linalg.cross(axis[:, None].expand_as(matrix), matrix.detach(), dim=-2)
                (row,) = torch.autograd.grad((0.5 * turned * matrix).sum(), variable, retain_graph=True)
                rows.append(row)
        return torch.stack(rows, dim=-2)

    @cached_property
    def pose(self) -> Tensor:
        """(B, T, 63, 32) small turns of the other joints by ``latent_pose``."""
        return self.scene.problem.pose_prior.turns(self.scene.predicted.variables["latent_pose"]).flatten(-3, -2)

    def rows(self, points: Derivatives) -> Rows:
        """Derivatives of points by the moving variables; the three coordinates of a point are successive rows."""
        turn, shape = points.turn.flatten(2, 3), points.shape.flatten(2, 3)
        columns = []
        if "trans" in self.moving:
            still = torch.eye(3, dtype=turn.dtype).repeat(turn.shape[2] // 3, 1)
            columns.append(still.expand(*turn.shape[:2], -1, -1))
        if "root_orient" in self.moving:
            columns.append(turn[..., 0, :] @ self.root)
        if "latent_pose" in self.moving:
            columns.append(turn[..., 1:, :].flatten(-2) @ self.pose)
        size = shape.shape[-1] if "betas" in self.moving else 0
        frame = torch.cat(columns, dim=-1) if columns else turn.new_zeros(*turn.shape[:3], 0)
        return Rows(frame.flatten(0, 1), shape[..., :size].flatten(0, 1))

    @cached_property
    def joints(self) -> Rows:
        """Rows of the 22 joints."""
        return self.rows(self.posed.joints)

    @cached_property
    def verts3d(self) -> Rows:
        """Rows of the 43 key vertices."""
        return self.rows(self.posed.vertices(torch.tensor(self.scene.problem.body.keypoint_vertices)))

    @cached_property
    def frames(self) -> Tensor:
        """(B, T) number of each frame, counted through all sub-sequences."""
        shape = self.scene.joints.shape[:2]
        return torch.arange(shape.numel()).view(shape)


SquaresOf = Callable[[Place], Iterator[Squares]]


def joints3d(place: Place) -> Iterator[Squares]:
    """Joints against observed ones."""
    yield _seen(place, place.joints, place.scene.seen.masked("joints3d").mask)


def expected_joints(place: Place) -> Iterator[Squares]:
    """Hidden joints against their expected places."""
    yield _seen(place, place.joints, place.scene.expected.mask)


def verts3d(place: Place) -> Iterator[Squares]:
    """Key vertices against observed ones."""
    yield _seen(place, place.verts3d, place.scene.seen.masked("verts3d").mask)


def joints3d_smooth(place: Place) -> Iterator[Squares]:
    """Joints against those of the frame before."""
    pairs = torch.stack((place.frames[:, 1:], place.frames[:, :-1]), dim=-1).flatten(0, 1)
    yield _differences(place.joints, pairs, (1.0, -1.0))


def joints2d(place: Place) -> Iterator[Squares]:
    """Keypoints in the image against observed ones, with the weights of Geman and McClure's function at the point."""
    scene = place.scene
    camera, points = there(scene.problem.camera), there(scene.predicted.points.keypoints)
    joints, vertices = place.posed.joints, place.posed.vertices(torch.tensor(scene.problem.body.openpose_vertices))
    of_keypoints = Derivatives(
        turn=torch.cat((joints.turn, vertices.turn), dim=2)[:, :, _keypoint_rows()],
        shape=torch.cat((joints.shape, vertices.shape), dim=2)[:, :, _keypoint_rows()],
    )
    weight = data.keypoint_slopes(scene)
    rows = place.rows(of_keypoints).through(camera.projected(points).flatten(0, 1))
    yield Squares(rows, place.frames.view(-1, 1), (1.0,), weight.flatten(2).flatten(0, 1))


def points3d(place: Place) -> Iterator[Squares]:
    """The vertices nearest to observed points, each with the sum of the robust weights of its points."""
    scene = place.scene
    problem, mesh = scene.problem, there(scene.predicted.points.mesh)
    robust, tuning, least = data.cloud_robustness(scene)
    nearest, weight = data.matches(scene.seen.masked("points3d"), mesh, robust=robust, tuning=tuning, least_scale=least)
    sums = mesh.new_zeros(mesh.shape[:3]).scatter_add_(2, nearest, weight)
    most = int((sums > 0).sum(-1).max())
    heaviest, ids = sums.topk(max(most, 1), dim=-1)
    normal = _normals(mesh, torch.from_numpy(problem.body.faces))
    normal = normal.gather(2, ids[..., None].expand(*ids.shape, 3)).flatten(0, 1)
    along = normal[..., :, None] * normal[..., None, :]
    factors = ALONG_THE_SURFACE * torch.eye(3, dtype=mesh.dtype) + (1.0 - ALONG_THE_SURFACE) * along
    yield Squares(
        place.rows(place.posed.vertices(ids)).through(factors),
        place.frames.view(-1, 1),
        (1.0,),
        heaviest[..., None].expand(*heaviest.shape, 3).flatten(2).flatten(0, 1),
    )


def rgb_overlap_consist_verts3d_pos(place: Place) -> Iterator[Squares]:
    """Key vertices against those of the next sub-sequence in shared frames."""
    for before, after in _shared(place):
        yield _differences(place.verts3d, torch.stack((before, after), dim=-1), (1.0, -1.0))


def rgb_overlap_consist_verts3d_vel(place: Place) -> Iterator[Squares]:
    """Moves of the key vertices against those of the next sub-sequence in shared frames."""
    for before, after in _shared(place):
        moves = torch.stack((before[1:], before[:-1], after[1:], after[:-1]), dim=-1)
        yield _differences(place.verts3d, moves, (1.0, -1.0, -1.0, 1.0))


def rgb_overlap_xbatch_verts3d_pos(place: Place) -> Iterator[Squares]:
    """Key vertices against those of the batch before in shared frames."""
    yield _differences(place.verts3d, _first(place)[:, None], (1.0,))


def rgb_overlap_xbatch_verts3d_vel(place: Place) -> Iterator[Squares]:
    """Moves of the key vertices against those of the batch before in shared frames."""
    first = _first(place)
    yield _differences(place.verts3d, torch.stack((first[1:], first[:-1]), dim=-1), (1.0, -1.0))


SQUARES: dict[str, SquaresOf] = {
    function.__name__: function
    for function in (
        joints3d,
        expected_joints,
        verts3d,
        points3d,
        joints2d,
        joints3d_smooth,
        rgb_overlap_consist_verts3d_pos,
        rgb_overlap_consist_verts3d_vel,
        rgb_overlap_xbatch_verts3d_pos,
        rgb_overlap_xbatch_verts3d_vel,
    )
}
"""Term → its squares. Terms of the variables themselves are in ``gauss_newton``."""


def _seen(place: Place, rows: Rows, mask: Tensor) -> Squares:
    weight = mask.expand(*mask.shape[:3], 3).flatten(2).flatten(0, 1)
    return Squares(rows, place.frames.view(-1, 1), (1.0,), weight)


def _differences(rows: Rows, frames: Tensor, signs: tuple[float, ...]) -> Squares:
    return Squares(rows, frames, signs, rows.frame.new_ones(len(frames), rows.frame.shape[1]))


def _shared(place: Place) -> Iterator[tuple[Tensor, Tensor]]:
    """The shared frames of each pair of neighbours, in the earlier one and in the later one."""
    lengths = overlap.overlap_lengths(there(place.scene.seen.seq_interval))
    for b, count in enumerate(lengths):
        if count > 0:
            yield place.frames[b, -count:], place.frames[b + 1, :count]


def _first(place: Place) -> Tensor:
    """The frames that the first sub-sequence shares with the batch before."""
    return place.frames[0, : overlap.overlap_before(place.scene)]


def _normals(mesh: Tensor, faces: Tensor) -> Tensor:
    """Unit normals (B, T, V, 3) of the vertices; 0 for a vertex without faces.

    With the vertices first, whose numbers lie together then, it takes half the time.
    """
    points = mesh.permute(2, 3, 0, 1).contiguous()
    first, second, third = (points[faces[:, corner]] for corner in range(3))
    a, b = (second - first).unbind(1), (third - first).unbind(1)
    across = torch.stack((a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]), dim=1)
    normal = torch.zeros_like(points)
    for corner in range(3):
        normal.index_add_(0, faces[:, corner], across)
    x, y, z = normal.unbind(1)
    lengths = (x * x + y * y + z * z).sqrt()[:, None]
    unit: Tensor = (normal / lengths.clamp_min(1e-12)).permute(2, 3, 0, 1)
    return unit


def _keypoint_rows() -> list[int]:
    """Place of each BODY_25 keypoint among the 22 body joints followed by the vertices."""
    hands = BODY_JOINTS_AND_HANDS - NUM_JOINTS
    return [index if index < NUM_JOINTS else index - hands for index in BODY25_FROM_JOINTS]
