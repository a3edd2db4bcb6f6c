"""What analyses find out, as frozen numpy values; knows neither torch nor the optimiser.

B sub-sequences, T frames, K rows of the weights table. Positions are in the display frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from viewer.protocol.view_model import Motion, placed


@dataclass(frozen=True, kw_only=True)
class FrameTerms:
    """Where along the clip the loss comes from."""

    weighted: np.ndarray  # (K, B, T) share of the loss; NaN for terms that belong to no frame or are not computed


@dataclass(frozen=True, kw_only=True)
class DriftCurves:
    """How far the first roll-out of stage 3 leaves the motion that it encodes."""

    total: dict[str, np.ndarray]  # "root_cm", "joints_cm", "heading_deg", "lowest_foot_cm" → (B, T)
    encoding: dict[str, np.ndarray]  # the part that one teacher-forced step already has
    accumulation: dict[str, np.ndarray]  # the rest


@dataclass(frozen=True, kw_only=True)
class OverlapGap:
    """Two neighbouring sub-sequences over the F frames that both hold."""

    before: int  # index of the earlier one; -1: the last one of the batch before
    frames: np.ndarray  # (F,) of the clip
    position_cm: np.ndarray  # (F,) mean distance of the key vertices
    velocity_cm: np.ndarray  # (F-1,) mean difference of their moves, cm/frame
    betas: float
    floor_angle_deg: float | None
    floor_offset_cm: float | None


@dataclass(frozen=True, kw_only=True)
class Seam:
    """Where one sub-sequence passes into the next once they are stitched; jumps as (cm, degrees)."""

    frame: int  # of the clip
    shared: int
    apart: tuple[float, float] | None
    cut: tuple[float, float] | None  # in one step, by a hard cut
    stitched: tuple[float, float] | None  # the same in the stitched motion


@dataclass(frozen=True, kw_only=True)
class Overlaps:
    """How neighbouring sub-sequences agree, and what stitching makes of them."""

    gaps: tuple[OverlapGap, ...]
    seams: tuple[Seam, ...]
    how: str  # "blend" or "cut"


@dataclass(frozen=True, kw_only=True)
class GroundCurves:
    """The feet and the floor."""

    skate_mm: np.ndarray  # (B, T) per frame; NaN where no foot is near the floor
    depth_cm: np.ndarray  # (B, T) of the lowest vertex below the floor
    contacts: np.ndarray | None  # (B, T, 9) probabilities
    contact_names: tuple[str, ...]
    tilt_deg: np.ndarray | None  # (B,) against the observed floor
    estimated: np.ndarray | None  # (B, 4) normal, offset
    observed: np.ndarray | None  # (B, 4)


@dataclass(frozen=True, kw_only=True)
class FloorGuess:
    """A floor that the feet of a motion may stand on, and how sure that is."""

    name: str
    text: str
    confidence: str  # "good", "fair" or "poor"
    plane: tuple[float, float, float, float]  # display frame


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One thing that a look at the numbers finds wrong, or finds in order."""

    level: str  # "good", "warn" or "bad"
    text: str
    frame: int | None = None  # of the clip, to go and see


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Which frame, which term and which variable is to blame."""

    verdicts: tuple[Verdict, ...]
    terms: tuple[str, ...]  # M active loss terms
    cosine: np.ndarray  # (M, M) between their gradients; NaN where one is 0
    pull: dict[str, np.ndarray]  # variable → (M,) gradient norm, loss per unit of the variable
    exponent: np.ndarray | None  # (B,) Lyapunov exponent of the roll-out, 1/s
    growth: np.ndarray | None  # (B, T)


@dataclass(frozen=True, kw_only=True)
class LineSearch:
    """One line search along an L-BFGS direction, over N points tried."""

    start: float  # loss at step length 0
    slope: float  # there
    lengths: np.ndarray  # (N,) step lengths, in units of the direction
    values: np.ndarray  # (N,) losses
    slopes: np.ndarray  # (N,)
    armijo: np.ndarray  # (N,) enough decrease
    curvature: np.ndarray  # (N,) flat enough
    kinds: tuple[str, ...]  # "bracket" or "zoom"
    taken: float  # step length; 0 where nothing better was found
    pairs: int  # of curvature in the memory afterwards
    most_pairs: int
    scale: float  # of the initial inverse Hessian
    stop: str | None  # why the outer step ended here
    stalled: bool
    iterations: int  # of the outer step so far
    evaluations: int
    budget: int  # of evaluations
    gradient: float  # largest entry at the point taken
    c1: float  # of the Wolfe conditions
    c2: float


@dataclass(frozen=True, kw_only=True)
class RescoredCurve:
    """Past iterations of one phase under the same weights."""

    ids: np.ndarray  # (n,) snapshots
    total: np.ndarray  # (n,)
    missing: tuple[str, ...]  # terms that have a weight now but were not computed in all of them


@dataclass(frozen=True, kw_only=True)
class TermPull:
    """Gradients of the weighted terms."""

    norm: dict[str, np.ndarray]  # variable → (K,), loss per unit of the variable; NaN where a term is not computed


@dataclass(frozen=True, kw_only=True)
class OneStep:
    """Stage 2 with every frame decoded from the true one before it."""

    motion: Motion  # (B, T)


@dataclass(frozen=True, kw_only=True)
class Futures:
    """Samples of what may come after a frame."""

    frame: int  # of the clip
    sequences: tuple[int, ...]  # that have this frame
    motions: tuple[Motion, ...]  # of each: (K, F), frame 0 is the fit's


@dataclass(frozen=True, kw_only=True)
class StitchedSeam:
    """What a step across a seam has too much."""

    frame: int  # of the clip, the first that is not the earlier sub-sequence's
    shared: int
    cut_cm: float | None
    blend_cm: float | None


@dataclass(frozen=True, kw_only=True)
class Stitched:
    """The sub-sequences as one motion of N frames, from the clip's first on."""

    cut: np.ndarray = placed("points")  # (N, J, 3)
    blend: np.ndarray = placed("points")
    seams: tuple[StitchedSeam, ...]


@dataclass(frozen=True, kw_only=True)
class JointPull:
    """Where one row of the weights table pulls."""

    term: str
    vectors: np.ndarray = placed("vectors")  # (B, T, J, 3) loss/m
