"""The pull of one loss term on the joints: its descent direction if every joint could move by itself."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from optim.body.body_model import BODY25_FROM_JOINTS, BodyModel
from optim.objective.objective import Objective
from optim.objective.prediction import Points, Prediction
from optim.session.fit import Fit
from optim.session.history import Snapshot

_KEYPOINT_VERTICES_FROM = 52


def joint_pull(fit: Fit, snapshot: Snapshot, weight: str) -> Tensor | None:
    """Negative gradient −∂(weighted term)/∂(joint positions), (B, T, 22, 3) [loss/m], in the input frame.

    Points move with their joints: vertices by their skinning weights, keypoints with their joint or vertex. Latents,
    rotations and floor are held, so this is a force on the points, not the step of the solver. A term that uses only
    the decoder's joints (such as bone lengths) pulls on those; joint consistency pulls on the body's joints. Frames
    that the phase does not observe get 0.

    Args:
        weight: Name of the term's weight; terms that share it are summed.

    Returns:
        The pull, or None if no active term with that weight uses positions.
    """
    problem, phase = fit.problem_at(snapshot), snapshot.schedule[snapshot.phase]
    objective = Objective(problem, phase, snapshot.prior_frame)
    with torch.no_grad():
        predicted = objective.predict(snapshot.variables)
    body = torch.zeros_like(predicted.points.joints, requires_grad=True)
    decoded = torch.zeros_like(predicted.points.joints, requires_grad=True)
    residuals = objective.residuals(_shifted(predicted, problem.body, body, decoded))
    parts = [
        phase.weight(weight) * objective.scale(term) * residuals[term.name].sum()
        for term in objective.terms
        if term.weight == weight and residuals[term.name].requires_grad
    ]
    if not parts:
        return None
    found = torch.autograd.grad(torch.stack(parts).sum(), (body, decoded), allow_unused=True)
    there = next((gradient for gradient in found if gradient is not None), None)
    if there is None:
        return None
    return functional.pad(-there, (0, 0, 0, 0, 0, problem.frames - there.shape[1]))


def _shifted(predicted: Prediction, body: BodyModel, shift: Tensor, decoded: Tensor) -> Prediction:
    """The same prediction with the joints of the body and those of the decoder displaced by (B, T, 22, 3) each."""
    points, inside = predicted.points, predicted.in_prior

    def vertices(ids: list[int]) -> Tensor:
        return torch.einsum("vj,btjc->btvc", body.weights[ids], shift)

    keypoints = None
    if points.keypoints is not None:
        everything = torch.cat((shift, vertices(list(body.openpose_vertices))), dim=2)
        beyond = _KEYPOINT_VERTICES_FROM - shift.shape[2]
        index = [k - beyond if k >= _KEYPOINT_VERTICES_FROM else k for k in BODY25_FROM_JOINTS]
        keypoints = points.keypoints + everything[:, :, index]
    moved = Points(
        joints=points.joints + shift,
        verts3d=None if points.verts3d is None else points.verts3d + vertices(list(body.keypoint_vertices)),
        keypoints=keypoints,
        mesh=None if points.mesh is None else points.mesh + torch.einsum("vj,btjc->btvc", body.weights, shift),
    )
    if inside is None:
        return replace(predicted, points=moved)
    turn = inside.frame.R_prior_input[:, None, None]
    inside = replace(
        inside,
        joints=inside.joints + (turn @ shift[..., None])[..., 0],
        rollout=replace(inside.rollout, joints=inside.rollout.joints + (turn @ decoded[..., None])[..., 0]),
    )
    return replace(predicted, points=moved, in_prior=inside)
