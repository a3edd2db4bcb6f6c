"""The table of loss terms: one row per term with everything about it except the function that computes it.

A row names a module of ``optim/objective/terms``; the function in it has the name of the term. Weights, flags, help
texts, the window's table of weights and the sum of the loss are derived from these rows. This module needs no torch.

All terms are sums, not means. Source of formulas and weights: HuMoR, Rempe et al., ICCV 2021, its public
implementation and its public configurations (fit_amass_joints, fit_amass_keypts, fit_rgb_demo, fit_proxd).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

Triple = tuple[float, float, float]
"""A weight in stages 1, 2 and 3."""
Axis = Literal["frames", "steps", "sequences", "none"]
Scale = Literal["one", "frames", "init"]
Need = Literal["joints3d", "verts3d", "points3d", "joints2d", "overlap", "previous", "floor", "nodes", "expected"]
BodyPoints = Literal["verts3d", "keypoints", "mesh"]


@dataclass(frozen=True)
class Weights:
    """A factor on one or several terms: its default values by data type, and the flag that sets it.

    The weight is 0 for a data type that is not named.
    """

    public: Mapping[str, Triple] = field(default_factory=dict)
    """Values of the public configurations, or our choice where these do not have the term. There is no public
    configuration for point clouds in a world frame: they get the weights of key vertices."""
    own: Mapping[str, Triple] = field(default_factory=dict)
    """Values that replace ``public`` in our own presets."""
    planted: Mapping[str, Triple] = field(default_factory=dict)
    """Values that replace both where the preset's contact terms are ``planted`` (``Preset.contacts``)."""
    split: Mapping[str, Triple] = field(default_factory=dict)
    """Values that replace ``public`` where a clip is split into sub-sequences."""
    name: str = ""
    """Name of a weight that several terms share; empty where the weight has the name of its term."""
    flag: str = ""
    """Spelling on the command line; empty where it follows from the name."""


@dataclass(frozen=True)
class Term:
    """One row of the table."""

    name: str
    unit: str
    """Unit of the raw value."""
    formula: str
    module: str
    """Module in ``optim/objective/terms`` with a function of the term's name. It takes a ``Scene`` and returns
    unreduced residuals; ``axis`` says what their first axes are."""
    help: str
    """Purpose of the term, as one sentence without a full stop; shown by the command line and the window."""
    weights: Weights = Weights()
    stage: int = 1
    """First stage in which the term is active."""
    joins: Literal["tune", "freeze", "refine"] = "tune"
    """First phase of stage 3 in which the term has its weight; for terms of refine see ``Preset.contact_refine``."""
    axis: Axis = "frames"
    """Shape of the residuals. frames: (B, T, ...); steps: (B, T-1, ...), booked to the later frame; sequences:
    (B, ...); none: any shape."""
    scale: Scale = "one"
    """Factor besides the weight: 1, the number of frames observed, or (all frames) / (frames of the tune phase)."""
    needs: tuple[Need, ...] = ()
    """Inputs that the problem must offer (``Problem.offers``); a phase of multiple shooting offers ``nodes``."""
    where_unknown: Literal["same", "weakened", "joins"] = "same"
    """With ``Preset.unknown_motion`` weakened, for frames of stage 3 that are outside the motion prior. weakened: the
    term counts less there; joins: it counts there only, and gets a share of its weight in stage 2."""
    holds: bool = False
    """Whether it has a strength that is held for an outer step (``Problem.planted``)."""
    points: BodyPoints | None = None
    """Points of the body that the term compares, besides the joints."""

    @property
    def weight(self) -> str:
        """Name of the term's weight."""
        return self.weights.name or self.name

    @property
    def flag(self) -> str:
        """The option of the command line that sets its weight."""
        return self.weights.flag or f"--{self.weight.replace('_', '-')}-weight"


def _same(*data_types: str, weight: Triple) -> dict[str, Triple]:
    return dict.fromkeys(data_types, weight)


def _stage_3(space: float, images: float, *, verts: float | None = None) -> dict[str, Triple]:
    """Weights in stage 3 only: for 3D data, for images, and for point clouds and key vertices where these differ."""
    cloud = space if verts is None else verts
    values = {"3d": space, "verts3d": cloud, "points3d": cloud, "rgb": images, "rgbd": images}
    return {data_type: (0.0, 0.0, value) for data_type, value in values.items()}


_ALWAYS = (1.0, 1.0, 1.0)
_SPACE = ("3d", "verts3d", "points3d")
_IMAGES = ("rgb", "rgbd")
_PRIOR_OWN = {"3d": (0.0, 0.0, 3e-4), **_same(*_IMAGES, weight=(0.0, 0.0, 0.0225))}
"""The shipped prior has a cost of about 50 nats per transition. Under the public weights it pulls the motion away from
3D joints, keypoints and depth (docs/lab/models.md, docs/lab/cameras.md and docs/data.md have the comparison)."""
_OVERLAP = Weights(
    public={"rgb": (200.0, 200.0, 200.0)},
    split={**_same(*_SPACE, weight=_ALWAYS), "rgbd": (200.0, 200.0, 200.0)},
    name="rgb_overlap_consist",
)
"""Weights of the overlap terms; they act only on a batch of overlapping sub-sequences. No public configuration splits
3D data: there the weight is that of an observed point. Depth gets the weight of images."""
_OVERLAP_HELP = "neighbouring sub-sequences of a split clip agree where they overlap"
_WITHIN: tuple[Need, ...] = ("overlap",)
_BEFORE: tuple[Need, ...] = ("overlap", "previous")

TERMS: tuple[Term, ...] = (
    Term("joints3d", "m²", "½ Σ_visible ‖obs − pred‖²", "data",
         "joints of the body lie on the observed 3D joints",
         Weights({"3d": _ALWAYS}, flag="--joint3d-weight"), needs=("joints3d",)),
    Term("expected_joints", "m²", "½ Σ_hidden ‖expected − pred‖²", "data",
         "hidden joints are where the prior of the first state expects them beside the visible ones",
         stage=2, needs=("expected",)),
    Term("verts3d", "m²", "½ Σ_visible ‖obs − pred‖²", "data",
         "key vertices of the body lie on the observed ones",
         Weights({"verts3d": _ALWAYS}, flag="--vert3d-weight"), needs=("verts3d",), points="verts3d"),
    Term("points3d", "m²", "½ Σ w ‖obs − nearest vertex‖², w Tukey bisquare", "data",
         "the body's surface lies on the observed point cloud",
         Weights({"points3d": _ALWAYS, "rgbd": _ALWAYS}, flag="--point3d-weight"),
         needs=("points3d",), points="mesh"),
    Term("joints2d", "px²", "Σ conf² σ²r²/(σ²+r²)", "data",
         "keypoints of the body project onto the observed 2D keypoints",
         Weights(_same(*_IMAGES, weight=(0.001, 0.001, 0.001)), flag="--joint2d-weight"),
         needs=("joints2d",), points="keypoints"),
    Term("rgb_overlap_consist_verts3d_pos", "m²", "½ Σ ‖v_b − v_{b+1}‖² over shared frames", "overlap",
         _OVERLAP_HELP, _OVERLAP, joins="freeze", axis="none", needs=_WITHIN, points="verts3d"),
    Term("rgb_overlap_consist_verts3d_vel", "m²", "½ Σ ‖Δv_b − Δv_{b+1}‖² over shared frames", "overlap",
         _OVERLAP_HELP, _OVERLAP, joins="freeze", axis="none", needs=_WITHIN, points="verts3d"),
    Term("rgb_overlap_xbatch_verts3d_pos", "m²", "½ Σ ‖v − v_previous‖² over shared frames", "overlap",
         _OVERLAP_HELP, _OVERLAP, joins="freeze", axis="none", needs=_BEFORE, points="verts3d"),
    Term("rgb_overlap_xbatch_verts3d_vel", "m²", "½ Σ ‖Δv − Δv_previous‖² over shared frames", "overlap",
         _OVERLAP_HELP, _OVERLAP, joins="freeze", axis="none", needs=_BEFORE, points="verts3d"),
    Term("pose_prior", "1", "Σ latent_pose²", "priors",
         "poses are likely under the pose prior",
         Weights({**_same(*_SPACE, weight=(2e-4, 2e-4, 0.0)), "rgb": (0.04, 0.04, 0.0), "rgbd": (0.1, 0.1, 0.0)}),
         stage=2),
    Term("shape_prior", "1", "Σ betas²", "priors",
         "the body's shape is close to the mean shape",
         # Own weights for images: the public smoothing penalises metres, so that a walking person is made small and
         # near the camera at the price of an unlikely shape (docs/video.md).
         Weights({**_same(*_SPACE, weight=(1.67e-4, 1.67e-4, 1.67e-4)), "rgb": (0.05, 0.05, 0.05),
                  "rgbd": (0.034, 0.034, 0.034)}, own={"rgb": (0.5, 0.5, 0.5)}),
         stage=2, axis="sequences", scale="frames"),
    Term("joints3d_smooth", "m²", "½ Σ ‖j_{t+1} − j_t‖²", "consistency",
         "joints move little from frame to frame; in stage 3 only where the prior does not know the motion",
         Weights({"3d": (10.0, 10.0, 0.0), "verts3d": (0.1, 0.1, 0.0), "points3d": (0.1, 0.1, 0.0),
                  **_same(*_IMAGES, weight=(100.0, 100.0, 0.0))},
                 own={"rgb": (20.0, 20.0, 0.0)}, flag="--joint3d-smooth-weight"),
         stage=2, axis="steps", where_unknown="joins"),
    Term("rgb_overlap_consist_betas", "1", "½ Σ (β_b − β_{b+1})²", "overlap",
         _OVERLAP_HELP, _OVERLAP, stage=2, joins="freeze", axis="none", needs=_WITHIN),
    Term("rgb_overlap_xbatch_betas", "1", "½ Σ (β − β_previous)²", "overlap",
         _OVERLAP_HELP, _OVERLAP, stage=2, joins="freeze", axis="none", needs=_BEFORE),
    Term("motion_prior", "nat", "−Σ log N(z_t; μ(x_{t−1}), σ²(x_{t−1}))", "priors",
         "transitions are likely under the motion prior",
         Weights(_stage_3(1e-3, 0.075, verts=5e-4), own=_PRIOR_OWN), stage=3, axis="steps",
         where_unknown="weakened"),
    Term("init_motion_prior", "nat", "−log GMM(joints, joints_vel, trans_vel, root_orient_vel at frame 0)", "priors",
         "the first frame is a likely beginning of a motion",
         Weights(_stage_3(1e-3, 0.075, verts=5e-4), own=_PRIOR_OWN), stage=3, axis="sequences", scale="init"),
    Term("joint_consistency", "m²", "½ Σ ‖SMPL joints − regressed joints‖²", "consistency",
         "joints of the body agree with those that the motion prior regresses",
         Weights(_stage_3(1.0, 100.0)), stage=3, where_unknown="weakened"),
    Term("bone_length", "m²", "½ Σ (‖bone‖_{t+1} − ‖bone‖_t)² of regressed joints", "consistency",
         "bones between regressed joints keep their length",
         Weights(_stage_3(10.0, 2000.0)), stage=3, axis="steps", where_unknown="weakened"),
    Term("joints3d_rollout", "m²", "½ Σ_visible ‖obs − regressed‖²", "data",
         "joints that the motion prior regresses lie on the observed 3D joints",
         Weights(flag="--joint3d-rollout-weight"), stage=3, needs=("joints3d",)),
    Term("contact_vel", "m²", "½ Σ c_t ‖j_t − j_{t−1}‖²", "contact",
         "joints in contact stand still",
         Weights(_stage_3(1.0, 100.0), planted=_stage_3(0.0, 0.0)), stage=3, joins="refine", axis="steps"),
    Term("contact_height", "m", "Σ c · max(|j_z| − 0.08, 0)", "contact",
         "joints in contact are on the floor",
         Weights(_stage_3(1.0, 10.0), planted=_stage_3(0.0, 0.0)), stage=3, joins="refine"),
    Term("floor_reg", "m²", "½ ‖floor − floor observed‖², in 5 cm per standard deviation where stated", "consistency",
         "the floor stays close to the observed one",
         # Own weight for images: the public one is 0.5 of a loss of 185, so that stage 3 turns the floor until a
         # leaning person is upright. Ours counts standard deviations of the estimate, one as about 1.5 of the loss of
         # 60 frames (docs/lab/cameras.md).
         Weights({"rgb": (0.0, 0.0, 0.167), "rgbd": (0.0, 0.0, 1.0)}, own={"rgb": (0.0, 0.0, 20.0)}),
         stage=3, axis="sequences", scale="frames", needs=("floor",)),
    Term("rgb_overlap_consist_floor", "m²", "½ Σ ‖floor_b − floor_{b+1}‖²", "overlap",
         _OVERLAP_HELP, _OVERLAP, stage=3, joins="freeze", axis="none", needs=("overlap", "floor")),
    Term("rgb_overlap_xbatch_floor", "m²", "½ ‖floor − floor_previous‖²", "overlap",
         _OVERLAP_HELP, _OVERLAP, stage=3, joins="freeze", axis="none", needs=("overlap", "previous", "floor")),
    Term("shooting_gap", "m²", "½ Σ_nodes ‖end of segment − node‖²; 1 rad = 0.2 m, 1 m/s = 0.1 m", "shooting",
         "the defects of multiple shooting are closed",
         # Weight in the first phase of shooting: ten times that of joint_consistency.
         Weights(_stage_3(10.0, 1000.0)), stage=3, needs=("nodes",)),
    Term("planted_vel", "m²", "½ Σ s_t ‖j_t − j_{t−1}‖², s = max(c − 0.2, 0) / 0.8, or low and slow", "planted",
         "planted joints stand still",
         Weights(planted=_stage_3(100.0, 10000.0)), stage=3, joins="refine", axis="steps", holds=True,
         where_unknown="weakened"),
    Term("planted_height", "m²", "½ Σ s · max(|j_z − h_j| − 0.005, 0)², h_j resting height", "planted",
         "planted joints are at the height at which the body rests on them",
         Weights(planted=_stage_3(100.0, 10000.0)), stage=3, joins="refine", holds=True,
         where_unknown="weakened"),
    Term("floor_penetration", "m²", "½ Σ max(h_j − 0.005 − j_z, 0)², h_j resting height", "planted",
         "no joint is so low that the body would be below the floor",
         Weights(planted=_stage_3(300.0, 30000.0)), stage=3, joins="refine", where_unknown="weakened"),
)  # fmt: skip
"""All loss terms, in the order in which they are summed."""


def usable_terms(offers: Collection[str]) -> tuple[Term, ...]:
    """The terms whose inputs are there, given what a problem and a phase offer (names in ``Need``)."""
    return tuple(term for term in TERMS if set(term.needs) <= set(offers))
