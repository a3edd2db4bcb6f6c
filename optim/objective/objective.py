"""The one table of loss terms (name, unit, formula, function, scale), and their weighted sum with its gradient.

All terms are sums, not means. Source of the formulas: HuMoR, Rempe et al., ICCV 2021, and its public implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from optim.common.errors import InputError
from optim.common.timing import part, timed
from optim.objective.prediction import InPrior, Parts, Prediction, detached, predict_free, predict_rollout, turn_of
from optim.objective.terms import consistency, contact, data, overlap, priors
from optim.problem.frames import PriorFrame
from optim.problem.observations import Observations, PreviousBatch
from optim.problem.problem import Problem
from optim.problem.variables import Packing, Variables
from optim.schedule.stages import Phase
from optim.solver.lbfgs import Point


@dataclass(frozen=True)
class Scene:
    """What a term may look at. Asking for what ``Term.needs``, ``parts`` or ``stage`` does not promise is an error."""

    problem: Problem
    seen: Observations
    predicted: Prediction

    @property
    def joints(self) -> Tensor:
        return self.predicted.points.joints

    @property
    def verts3d(self) -> Tensor:
        return _there(self.predicted.points.verts3d)

    @property
    def betas(self) -> Tensor:
        return self.predicted.variables["betas"]

    @property
    def floor(self) -> Tensor:
        return self.predicted.variables["floor_plane"]

    @property
    def in_prior(self) -> InPrior:
        return _there(self.predicted.in_prior)

    @property
    def previous(self) -> PreviousBatch:
        return _there(self.seen.previous)

    @property
    def overlaps(self) -> list[int]:
        """Frames shared by neighbours of the batch, as far as the earlier one is rolled out."""
        missing = self.problem.frames - self.seen.frames
        return [max(0, n - missing) for n in overlap.overlap_lengths(_there(self.seen.seq_interval))]

    @property
    def overlap_before(self) -> int:
        """Frames shared with the batch before."""
        return max(0, self.previous.seq_interval[1] - int(_there(self.seen.seq_interval)[0, 0]))


T = TypeVar("T")


def _there(value: T | None) -> T:
    assert value is not None
    return value


Axis = Literal["frames", "steps", "sequences", "none"]
Scale = Literal["one", "frames", "init"]
Need = Literal["joints3d", "verts3d", "points3d", "joints2d", "overlap", "previous", "floor", "nodes"]


@dataclass(frozen=True)
class Term:
    """A row of the table."""

    name: str
    unit: str
    """Of the raw value."""
    formula: str
    residual: Callable[[Scene], Tensor]
    """Unreduced residuals; the first axes are as ``axis`` says."""
    stage: int = 1
    """First stage that it takes part in."""
    axis: Axis = "frames"
    """frames: (B, T, ...); steps: (B, T-1, ...), counted to the later frame; sequences: (B, ...); or any."""
    weight_name: str = ""
    """Name of its weight where that is not its own."""
    scale: Scale = "one"
    """Besides the weight: 1, the number of frames observed, or (all frames) / (frames of the tune phase)."""
    needs: tuple[Need, ...] = ()
    parts: Parts = Parts()

    @property
    def weight(self) -> str:
        return self.weight_name or self.name


def _keypoints(s: Scene) -> Tensor:
    projected = _there(s.problem.camera).project(_there(s.predicted.points.keypoints))
    weight, sigma = s.seen.keypoint_weights, s.problem.joint2d_sigma
    return data.keypoint_distance(s.seen.keypoints, weight, projected, sigma=sigma)


def _cloud(s: Scene) -> Tensor:
    mesh, problem = _there(s.predicted.points.mesh), s.problem
    least = problem.robust_least_scale if s.predicted.in_prior is None else 0.0
    seen, tuning = s.seen.masked("points3d"), problem.robust_tuning_const
    return data.cloud_distance(seen, mesh, robust=problem.robust_loss, tuning=tuning, least_scale=least)


def _latent_pose(s: Scene) -> Tensor:
    if s.predicted.in_prior is None:
        return priors.pose_prior(s.predicted.variables["latent_pose"])
    return priors.pose_prior(s.problem.pose_prior.encode(s.predicted.pose_body))


def _motion_prior(s: Scene) -> Tensor:
    mean, variance = s.in_prior.rollout.prior_mean, s.in_prior.rollout.prior_var
    return priors.motion_prior(s.predicted.variables["latent_motion"][:, : mean.shape[1]], mean, variance)


def _init_motion_prior(s: Scene) -> Tensor:
    x_0 = {name: s.predicted.variables[name][:, 0] for name in ("joints_vel", "trans_vel", "root_orient_vel")}
    return priors.init_motion_prior(s.problem.init_state_prior, s.in_prior.joints[:, 0], **x_0)


def _rollout_distance(s: Scene) -> Tensor:
    regressed = s.in_prior.frame.points_back(s.in_prior.rollout.joints)
    return data.point_distance(s.seen.masked("joints3d"), regressed)


def _node_gaps(s: Scene) -> Tensor:
    gaps = _there(s.in_prior.gaps)
    residual = s.joints.new_zeros(s.joints.shape[:2])
    residual[:, list(gaps.frames)] = gaps.residual()
    return residual


def _before_floor(s: Scene) -> Tensor:
    plane = s.previous.floor_plane
    return consistency.agreement(s.floor[:1], (plane[:3] * plane[3:])[None])


_VERTS = Parts(verts3d=True)
_WITHIN: tuple[Need, ...] = ("overlap",)
_BEFORE: tuple[Need, ...] = ("overlap", "previous")
_OVERLAP = "rgb_overlap_consist"
TERMS: tuple[Term, ...] = (
    Term("joints3d", "m²", "½ Σ_visible ‖obs − pred‖²",
         lambda s: data.point_distance(s.seen.masked("joints3d"), s.joints), needs=("joints3d",)),
    Term("verts3d", "m²", "½ Σ_visible ‖obs − pred‖²",
         lambda s: data.point_distance(s.seen.masked("verts3d"), s.verts3d),
         needs=("verts3d",), parts=_VERTS),
    Term("points3d", "m²", "½ Σ w ‖obs − nearest vertex‖², w Tukey bisquare", _cloud,
         needs=("points3d",), parts=Parts(mesh=True)),
    Term("joints2d", "px²", "Σ conf² σ²r²/(σ²+r²)", _keypoints,
         needs=("joints2d",), parts=Parts(keypoints=True)),
    Term("rgb_overlap_consist_verts3d_pos", "m²", "½ Σ ‖v_b − v_{b+1}‖² over shared frames",
         lambda s: overlap.within_batch(s.verts3d, s.overlaps, overlap.position_gap),
         axis="none", weight_name=_OVERLAP, needs=_WITHIN, parts=_VERTS),
    Term("rgb_overlap_consist_verts3d_vel", "m²", "½ Σ ‖Δv_b − Δv_{b+1}‖² over shared frames",
         lambda s: overlap.within_batch(s.verts3d, s.overlaps, overlap.velocity_gap),
         axis="none", weight_name=_OVERLAP, needs=_WITHIN, parts=_VERTS),
    Term("rgb_overlap_xbatch_verts3d_pos", "m²", "½ Σ ‖v − v_previous‖² over shared frames",
         lambda s: overlap.against_previous(
             s.verts3d, s.previous.verts3d, s.overlap_before, overlap.position_gap),
         axis="none", weight_name=_OVERLAP, needs=_BEFORE, parts=_VERTS),
    Term("rgb_overlap_xbatch_verts3d_vel", "m²", "½ Σ ‖Δv − Δv_previous‖² over shared frames",
         lambda s: overlap.against_previous(
             s.verts3d, s.previous.verts3d, s.overlap_before, overlap.velocity_gap),
         axis="none", weight_name=_OVERLAP, needs=_BEFORE, parts=_VERTS),
    Term("pose_prior", "1", "Σ latent_pose²", _latent_pose, stage=2),
    Term("shape_prior", "1", "Σ betas²", lambda s: priors.shape_prior(s.betas),
         stage=2, axis="sequences", scale="frames"),
    Term("joints3d_smooth", "m²", "½ Σ ‖j_{t+1} − j_t‖²",
         lambda s: consistency.smoothness(s.joints), stage=2, axis="steps"),
    Term("rgb_overlap_consist_betas", "1", "½ Σ (β_b − β_{b+1})²",
         lambda s: overlap.neighbour_gap(s.betas),
         stage=2, axis="none", weight_name=_OVERLAP, needs=_WITHIN),
    Term("rgb_overlap_xbatch_betas", "1", "½ Σ (β − β_previous)²",
         lambda s: consistency.agreement(s.betas[:1], s.previous.betas[None]),
         stage=2, axis="none", weight_name=_OVERLAP, needs=_BEFORE),
    Term("motion_prior", "nat", "−Σ log N(z_t; μ(x_{t−1}), σ²(x_{t−1}))", _motion_prior, stage=3, axis="steps"),
    Term("init_motion_prior", "nat", "−log GMM(joints, joints_vel, trans_vel, root_orient_vel at frame 0)",
         _init_motion_prior, stage=3, axis="sequences", scale="init"),
    Term("joint_consistency", "m²", "½ Σ ‖SMPL joints − regressed joints‖²",
         lambda s: consistency.agreement(s.in_prior.joints, s.in_prior.rollout.joints), stage=3),
    Term("bone_length", "m²", "½ Σ (‖bone‖_{t+1} − ‖bone‖_t)² of regressed joints",
         lambda s: consistency.bone_length(s.in_prior.rollout.joints), stage=3, axis="steps"),
    Term("joints3d_rollout", "m²", "½ Σ_visible ‖obs − regressed‖²", _rollout_distance,
         stage=3, needs=("joints3d",)),
    Term("contact_vel", "m²", "½ Σ c_t ‖j_t − j_{t−1}‖²",
         lambda s: contact.contact_vel(s.in_prior.contact_probability, s.in_prior.contact_joints),
         stage=3, axis="steps"),
    Term("contact_height", "m", "Σ c · max(|j_z| − 0.08, 0)",
         lambda s: contact.contact_height(s.in_prior.contact_probability, s.in_prior.contact_joints), stage=3),
    Term("floor_reg", "m²", "½ ‖floor − floor observed‖²",
         lambda s: consistency.agreement(s.floor, s.problem.observed_floor),
         stage=3, axis="sequences", scale="frames", needs=("floor",)),
    Term("rgb_overlap_consist_floor", "m²", "½ Σ ‖floor_b − floor_{b+1}‖²",
         lambda s: overlap.neighbour_gap(s.floor),
         stage=3, axis="none", weight_name=_OVERLAP, needs=("overlap", "floor")),
    Term("rgb_overlap_xbatch_floor", "m²", "½ ‖floor − floor_previous‖²", _before_floor,
         stage=3, axis="none", weight_name=_OVERLAP, needs=("overlap", "previous", "floor")),
    Term("shooting_gap", "m²", "½ Σ_nodes ‖end of segment − node‖²; 1 rad = 0.2 m, 1 m/s = 0.1 m", _node_gaps,
         stage=3, needs=("nodes",)),
)  # fmt: skip
"""In the order of the sum."""


@dataclass(frozen=True)
class TermValue:
    """One term at one point."""

    raw: float
    """Unweighted and unscaled."""
    weighted: float
    """Its share of the loss."""
    per_frame: np.ndarray | None
    """(B, T) raw share of each frame; None where the term belongs to no frame."""
    scale: float = 1.0
    """Factor besides the weight: weighted = raw · scale · weight."""


@dataclass(frozen=True)
class Evaluation:
    """The objective at one point."""

    total: float
    terms: Mapping[str, TermValue]
    gradient_norm: Mapping[str, float]
    """By variable, of the entries that move."""


@dataclass(frozen=True)
class Seen:
    """What an evaluation worked out on its way, without gradients."""

    residuals: Mapping[str, Tensor]
    """As ``Objective.residuals``."""
    prediction: Prediction


@dataclass(frozen=True)
class Objective:
    """The loss of one phase; ``prior_frame`` only in stage 3 without a camera."""

    problem: Problem
    phase: Phase
    prior_frame: PriorFrame | None = None

    @cached_property
    def seen(self) -> Observations:
        return self.problem.observations.first(self.phase.frames)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Those with a weight, in their stage, with something to compare to."""
        seen, problem = self.problem.observations, self.problem
        there = {name for name in ("joints3d", "verts3d", "points3d", "joints2d") if getattr(seen, name) is not None}
        there |= {"overlap"} if seen.seq_interval is not None else set()
        there |= {"previous"} if seen.previous is not None else set()
        there |= {"floor"} if problem.floor is not None else set()
        there |= {"nodes"} if self.phase.segment is not None else set()
        return tuple(
            term
            for term in TERMS
            if self.phase.weight(term.weight) > 0 and self.phase.stage >= term.stage and there.issuperset(term.needs)
        )

    @cached_property
    def parts(self) -> Parts:
        active = [term.parts for term in self.terms]
        return Parts(*(any(getattr(p, name) for p in active) for name in ("verts3d", "keypoints", "mesh")))

    def scale(self, term: Term) -> float:
        """Factor of a term besides its weight."""
        if term.scale == "frames":
            return float(self.seen.frames)
        if term.scale == "init" and self.phase.init_motion_frames is not None:
            return self.problem.frames / min(self.problem.frames, self.phase.init_motion_frames)
        return 1.0

    @property
    def sees_all(self) -> bool:
        """A prediction made on the way has all frames and, in stage 3, the prior along them."""
        return self.seen.frames == self.problem.frames and (self.phase.stage < 3 or self._with_prior)

    @cached_property
    def _with_prior(self) -> bool:
        return any(term.name == "motion_prior" for term in self.terms)

    def predict(self, variables: Variables) -> Prediction:
        """What the variables say, with the parts that the active terms need."""
        if self.phase.stage < 3:
            return predict_free(self.problem, variables, self.parts)
        return predict_rollout(
            self.problem,
            variables,
            self.parts,
            frame=self.prior_frame,
            frames=self.seen.frames,
            with_prior=self._with_prior,
            segment=self.phase.segment,
            turn=turn_of(self.phase.preset),
        )

    @timed("terms")
    def residuals(self, prediction: Prediction) -> dict[str, Tensor]:
        """Raw terms per frame (B, T), or summed where they belong to no frame; gradients flow."""
        scene = Scene(self.problem, self.seen, prediction)
        return {term.name: _per_frame(term, term.residual(scene)) for term in self.terms}

    @timed("terms")
    def total(self, residuals: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum."""
        shares = [self.phase.weight(term.weight) * self.scale(term) * residuals[term.name].sum() for term in self.terms]
        if not shares:
            raise InputError(f"{self.phase.name}: no term with a weight has anything to act on; give one a weight")
        return torch.stack(shares).sum()

    def point(self, x: Tensor, variables: Variables, packing: Packing) -> Point:
        """Value and gradient at the flat vector x, with ``Seen`` as its ``extra``."""
        leaf = x.detach().requires_grad_()
        prediction = self.predict(packing.unpack(leaf, variables))
        residuals = self.residuals(prediction)
        total = self.total(residuals)
        with part("backward"):
            (gradient,) = torch.autograd.grad(total, leaf)
        residuals = {name: value.detach() for name, value in residuals.items()}
        return Point(x, total.item(), gradient, Seen(residuals, detached(prediction)))

    def evaluation(self, point: Point, packing: Packing) -> Evaluation:
        """Numbers per term and variable at a point of this objective."""
        values = {}
        for term in self.terms:
            residual = point.extra.residuals[term.name]
            raw = residual.sum().item()
            per_frame = residual.numpy() if residual.ndim == 2 else None
            scale = self.scale(term)
            values[term.name] = TermValue(raw, raw * self.phase.weight(term.weight) * scale, per_frame, scale)
        norms = {name: piece.norm().item() for name, piece in packing.split(point.gradient).items()}
        return Evaluation(point.value, values, norms)


def _per_frame(term: Term, residual: Tensor) -> Tensor:
    if term.axis == "frames":
        return residual if residual.ndim == 2 else residual.flatten(2).sum(-1)
    if term.axis == "steps":
        return functional.pad(residual if residual.ndim == 2 else residual.flatten(2).sum(-1), (1, 0))
    return residual.sum()
