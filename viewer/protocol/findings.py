"""Results of the analyses, as frozen dataclasses of numpy arrays.

Letters of the shapes: B sub-sequences, T frames, K rows of the weights table. Positions are in the display frame. This
module knows neither torch nor the optimiser.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from viewer.protocol.view_model import Motion, placed

UNDER_WAY = "under way beside the fit, which can go on"
"""What is told in place of an answer while a second process works on it."""
BROKEN_OFF = "broken off; ask again"
"""What is told in place of an answer that took long when something else was asked for."""


@dataclass(frozen=True, kw_only=True)
class FrameTerms:
    """The loss of every term in every frame."""

    weighted: np.ndarray  # (K, B, T) weighted loss; NaN for terms that belong to no frame or are not computed


@dataclass(frozen=True, kw_only=True)
class DriftCurves:
    """How far the first roll-out of stage 3 is from the stage-2 motion that its latents were inferred from."""

    total: dict[str, np.ndarray]  # "root_cm", "joints_cm", "heading_deg", "lowest_foot_cm" → (B, T)
    encoding: dict[str, np.ndarray]  # share of the total that one teacher-forced step already has
    accumulation: dict[str, np.ndarray]  # the rest, which builds up from step to step


@dataclass(frozen=True, kw_only=True)
class OverlapPair:
    """How far two neighbouring sub-sequences disagree over the F frames that they share."""

    before: int  # index of the earlier sub-sequence; -1 is the last one of the previous batch
    frames: np.ndarray  # (F,) of the clip
    position_cm: np.ndarray  # (F,) mean distance of the key vertices
    velocity_cm: np.ndarray  # (F-1,) mean difference of their velocities, cm/frame
    betas: float  # distance between the two shape coefficients, no unit
    floor_angle_deg: float | None  # angle between the two floors; None without a camera
    floor_offset_cm: float | None
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)  # name in ``quantities.PAIR`` → (F,)
    joints: np.ndarray | None = placed("points", default=None)  # (2, F, J, 3) of the earlier and the later one


@dataclass(frozen=True, kw_only=True)
class Seam:
    """The frame where one sub-sequence passes into the next in the stitched motion.

    A jump is given as (cm, degrees). It is None where it cannot be measured.
    """

    frame: int  # of the clip
    shared: int  # number of frames that both sub-sequences have
    apart: tuple[float, float] | None  # distance between the two sub-sequences
    cut: tuple[float, float] | None  # jump from one frame to the next after a hard cut
    stitched: tuple[float, float] | None  # the same jump in the stitched motion


@dataclass(frozen=True, kw_only=True)
class Overlaps:
    """How well neighbouring sub-sequences agree, and how they are stitched."""

    pairs: tuple[OverlapPair, ...]
    seams: tuple[Seam, ...]
    how: str  # way of stitching: "blend" or "cut"


@dataclass(frozen=True, kw_only=True)
class GroundCurves:
    """Foot skate, penetration, contacts and tilt of the floor."""

    skate_mm: np.ndarray  # (B, T) foot skate in mm/frame; NaN where no foot is near the floor
    depth_cm: np.ndarray  # (B, T) depth of the lowest vertex below the floor
    contacts: np.ndarray | None  # (B, T, 9) probabilities
    contact_names: tuple[str, ...]
    tilt_deg: np.ndarray | None  # (B,) angle between the estimated and the observed floor
    estimated: np.ndarray | None  # (B, 4) unit normal and offset [m], n·p = offset
    observed: np.ndarray | None  # (B, 4) the same
    lowest_vertex_cm: np.ndarray | None = None  # (B, T) height of the lowest vertex above the floor
    height_cm: np.ndarray | None = None  # (B,) height of the estimated floor above the observed one
    held: np.ndarray | None = None  # (B, T, 16) strength with which joints are held, in the order of RESTING_JOINTS
    joint_height_cm: np.ndarray | None = None  # (B, T, 16) their heights above the floor
    joint_value: np.ndarray | None = None  # (B, T, 16) share of the loss of the contact terms at each of them


@dataclass(frozen=True, kw_only=True)
class FloorGuess:
    """A floor that the feet of a motion may stand on, and the confidence in it."""

    name: str
    text: str
    confidence: str  # "good", "fair" or "poor"
    plane: tuple[float, float, float, float]  # unit normal and offset [m] in the display frame


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One statement of the diagnosis: something that is wrong, or that is in order."""

    level: str  # "good", "warn" or "bad"
    text: str
    frame: int | None = None  # frame of the clip where it can be seen
    rule: str = ""  # row of ``optim.diagnostics.causes.table`` that found it
    evidence: tuple[str, ...] = ()  # numbers with units
    advice: str = ""  # what to try; empty where nothing is wrong


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What causes the trouble, and in which frame, loss term and variable it shows."""

    verdicts: tuple[Verdict, ...]  # causes: a few faults, the likeliest cause first, then what is in order
    terms: tuple[str, ...]  # M active loss terms
    cosine: np.ndarray  # (M, M) cosine between the gradients of two terms; NaN where a gradient is 0
    pull: dict[str, np.ndarray]  # variable → (M,) gradient norm, loss per unit of the variable
    exponent: np.ndarray | None  # (B,) Lyapunov exponent of the roll-out, 1/s
    growth: np.ndarray | None  # (B, T) factor by which a small error of x_0 has grown at a frame
    places: tuple[Verdict, ...] = ()  # where it shows: frame, terms, variables


@dataclass(frozen=True, kw_only=True)
class LineSearch:
    """One line search along an L-BFGS direction, with the N points that it tried."""

    start: float  # loss at step length 0
    slope: float  # directional derivative at step length 0
    lengths: np.ndarray  # (N,) step lengths, in units of the direction
    values: np.ndarray  # (N,) losses
    slopes: np.ndarray  # (N,) directional derivatives
    armijo: np.ndarray  # (N,) whether the sufficient decrease condition holds
    curvature: np.ndarray  # (N,) whether the curvature condition holds
    kinds: tuple[str, ...]  # phase of the search that tried the point: "bracket" or "zoom"
    taken: float  # step length that was taken; 0 if no better point was found
    pairs: int  # curvature pairs in the memory afterwards
    most_pairs: int  # largest number of pairs that the memory can hold
    scale: float  # factor of the initial inverse Hessian
    stop: str | None  # why the outer step ended here; None if it goes on
    stalled: bool  # the whole step moved nothing
    iterations: int  # done in the outer step so far
    evaluations: int  # done in the outer step so far
    budget: int  # evaluations that the outer step may use
    gradient: float  # largest entry of the gradient at the point taken
    c1: float  # constants of the strong Wolfe conditions
    c2: float


@dataclass(frozen=True, kw_only=True)
class DampedSteps:
    """One iteration of Levenberg–Marquardt, with the N steps that it tried."""

    start: float  # loss before the iteration
    dampings: np.ndarray  # (N,) damping, as a share of the diagonal of the curvature
    values: np.ndarray  # (N,) losses
    promised: np.ndarray  # (N,) decrease of the loss that the model promised
    gains: np.ndarray  # (N,) gain ratio: decrease found / decrease promised
    accepted: np.ndarray  # (N,) whether the step was taken
    damping: float  # damping of the next iteration
    stop: str | None  # why the outer step ended here; None if it goes on
    stalled: bool  # whether further steps are of no use
    iterations: int  # done in the outer step so far
    evaluations: int  # done in the outer step so far
    gradient: float  # largest entry of the gradient at the point taken
    least_gain: float  # gain ratio from which a step is taken


@dataclass(frozen=True, kw_only=True)
class RescoredCurve:
    """The loss of past iterations of one phase, computed with one set of weights."""

    ids: np.ndarray  # (n,) ids of the snapshots
    total: np.ndarray  # (n,) weighted loss
    missing: tuple[str, ...]  # terms that have a weight now but were not computed in some of these iterations


@dataclass(frozen=True, kw_only=True)
class TermPull:
    """Gradient norms of the weighted terms."""

    norm: dict[str, np.ndarray]  # variable → (K,), loss per unit of the variable; NaN where a term is not computed


@dataclass(frozen=True, kw_only=True)
class OneStep:
    """The stage-2 motion with every frame decoded from the true frame before it (teacher forcing)."""

    motion: Motion  # (B, T)


@dataclass(frozen=True, kw_only=True)
class Futures:
    """Motions that the prior samples to continue the fit after a frame."""

    frame: int  # frame of the clip where they begin
    sequences: tuple[int, ...]  # indices of the sub-sequences that have this frame
    motions: tuple[Motion, ...]  # for each of them K samples of F frames; frame 0 is the fitted one


@dataclass(frozen=True, kw_only=True)
class StitchedSeam:
    """The jump at one seam, with a hard cut and with blending."""

    frame: int  # first frame of the clip that does not come from the earlier sub-sequence
    shared: int  # number of frames that both sub-sequences have
    cut_cm: float | None
    blend_cm: float | None


@dataclass(frozen=True, kw_only=True)
class Stitched:
    """The sub-sequences joined into one motion of N frames, from the first frame of the clip on."""

    cut: np.ndarray = placed("points")  # (N, J, 3)
    blend: np.ndarray = placed("points")
    seams: tuple[StitchedSeam, ...]
    motion: Motion | None = None  # the blended one as one sequence of N frames, with one shape


@dataclass(frozen=True, kw_only=True)
class JointPull:
    """The direction in which one row of the weights table pulls each joint."""

    term: str
    vectors: np.ndarray = placed("vectors")  # (B, T, J, 3) minus the gradient by the joint's position, loss/m


@dataclass(frozen=True, kw_only=True)
class WeightEffects:
    """Predicted changes of one figure for each weight."""

    figure: str  # name in ``optim.diagnostics.quantities.TUNED``
    value: float  # now
    floor: float  # change that could be noise
    factor: float  # by which each weight is raised
    changes: Mapping[str, float]  # name of a weight → predicted change of the figure
    rough: bool  # only the directions are predicted well


@dataclass(frozen=True, kw_only=True)
class WeightProbe:
    """The predicted fit under one weight times a factor."""

    weight: str
    factor: float
    motion: Motion | None  # None where the prediction does not lower the loss with the new weight
    gain: float  # by which it lowers that loss
    changes: Mapping[str, float]  # name in ``quantities.TUNED`` → predicted change


@dataclass(frozen=True, kw_only=True)
class WeightTrial:
    """What a short re-fit with another weight changes, less what one without it changes."""

    weight: str
    factor: float
    iterations: int
    changes: Mapping[str, float]  # name in ``quantities.TUNED`` → change
