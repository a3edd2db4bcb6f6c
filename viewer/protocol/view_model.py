"""All that may be drawn, as frozen numpy values; knows neither torch nor the optimiser.

Everything with a position is in the *display frame*: metres, z up, an observed floor at z = 0. Data that is
already z up is shown as it is. B sub-sequences of T frames; number b covers the clip from ``starts[b]`` on.
Fields made with ``placed`` say how they change with the frame that they are shown in (``viewer.scene.reframe``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Kind = Literal["points", "vectors", "planes", "rotations", "poses", "translations", "frames"]


def placed(kind: Kind, **options: Any) -> Any:
    """A dataclass field that holds places or directions (..., 3), planes (..., 4), rotations (..., 3, 3) and the like.

    ``poses`` are rotations of which only the first joint's changes, ``translations`` those of the body model,
    ``frames`` (..., 4, 4) lead from the frame that everything is given in to another.
    """
    return field(metadata={"placed": kind}, **options)


State = Literal["paused", "running", "done"]
Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, kw_only=True)
class BodyMesh:
    """The body model's arrays for skinning on the window's side; sent once. J = 22 body joints."""

    template: np.ndarray  # (V, 3)
    faces: np.ndarray  # (F, 3)
    weights: np.ndarray  # (V, J)
    shape_directions: np.ndarray  # (V, 3, 16)
    pose_directions: np.ndarray | None  # (V, 3, 9 (J - 1))
    joint_template: np.ndarray  # (J, 3)
    joint_shape_directions: np.ndarray  # (J, 3, 16)
    parents: tuple[int, ...]  # -1 for the root


@dataclass(frozen=True, kw_only=True)
class Motion:
    """One motion of all sub-sequences, ready to skin."""

    trans: np.ndarray = placed("translations")  # (B, T, 3)
    rotations: np.ndarray = placed("poses")  # (B, T, J, 3, 3): root orientation, then the body pose
    betas: np.ndarray  # (B, 16)
    joints: np.ndarray = placed("points")  # (B, T, J, 3)
    contacts: np.ndarray | None = None  # (B, T, J) probabilities


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera; x right, y down, z forward in its own frame."""

    matrix: np.ndarray  # (3, 3) pixels
    size: tuple[int, int]  # width, height in pixels
    R_display_camera: np.ndarray = placed("rotations")  # (3, 3)
    t_display_camera: np.ndarray = placed("points")  # (3,): the camera's centre


@dataclass(frozen=True, kw_only=True)
class Footage:
    """The video that the fit was seen in; the window reads its pictures itself."""

    path: str
    frames: tuple[int, ...]  # number in the file for each frame of the clip, rising


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What was seen; missing values are NaN."""

    joints3d: np.ndarray | None = placed("points", default=None)  # (B, T, J, 3)
    verts3d: np.ndarray | None = placed("points", default=None)  # (B, T, 43, 3), see ``Scene.key_vertices``
    points3d: np.ndarray | None = placed("points", default=None)  # (B, T, N, 3)
    joints2d: np.ndarray | None = None  # (B, T, 25, 3): x, y in pixels, confidence


@dataclass(frozen=True, kw_only=True)
class Term:
    """A row of the weights table: all loss terms that share one weight."""

    name: str
    unit: str
    formula: str
    stage: int  # first stage that it takes part in
    help: str = ""  # what it is good for


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of the schedule with one set of moving variables."""

    name: str
    stage: int
    steps: int
    iterations: int
    variables: tuple[str, ...]
    frames: int | None = None  # only so many are rolled out and observed; None: all


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Weights and steps that a running fit can take over at once."""

    name: str
    fixed: tuple[str, ...]  # rules in which it differs and that stay what they are, in words


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that can be frozen; ``children`` freeze with it."""

    name: str
    label: str
    unit: str = ""
    children: tuple[str, ...] = ()
    entries: int = 0  # along time, some of which can be frozen alone as ``name[first:end]``; 0: none


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What seldom changes; sent at the start, and again after an edit of observations or floor."""

    name: str
    fps: float
    starts: tuple[int, ...]  # (B,) first frame of each sub-sequence
    num_frames: int  # T
    body: BodyMesh
    observed: Observed
    phases: tuple[Phase, ...]
    terms: tuple[Term, ...]
    parts: tuple[Part, ...]
    default_weights: np.ndarray  # (P, K) for the P phases
    presets: tuple[Preset, ...] = ()
    camera: Camera | None = None
    footage: Footage | None = None
    ground_truth: Motion | None = None
    openpose_vertices: tuple[int, ...] = ()  # completes joints to the 25 keypoints
    key_vertices: tuple[int, ...] = ()  # of ``Observed.verts3d``
    joint_names: tuple[str, ...] = ()
    floors: np.ndarray | None = placed("planes", default=None)  # (B, 4) as observed; None without a camera
    asked_overlap: int | None = None  # frames that neighbours were to share at least
    loss_terms: tuple[str, ...] = ()  # by name; several may share a row of the weights table

    @property
    def clip_frames(self) -> int:
        """Frames from the first to the last of all sub-sequences."""
        return max(self.starts) + self.num_frames

    def local_frame(self, sequence: int, frame: int) -> int | None:
        """The sub-sequence's own frame number at a frame of the clip; None where it does not reach."""
        local = frame - self.starts[sequence]
        return local if 0 <= local < self.num_frames else None


@dataclass(frozen=True, kw_only=True)
class Drift:
    """The roll-out from which stage 3 starts against the stage-2 motion that it encodes, missing frames bridged."""

    stage2: Motion
    initial: Motion
    root_cm: np.ndarray  # (B, T)


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The N nodes of multiple shooting: where segments end, and where the next ones begin."""

    frames: tuple[int, ...]  # (N,) of a sub-sequence
    before: np.ndarray = placed("points")  # (B, N, J, 3)
    after: np.ndarray = placed("points")


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something done to the fit between two iterations."""

    snapshot: int  # its result
    text: str


@dataclass(frozen=True, kw_only=True)
class Branch:
    """Snapshots in a row, from where they leave another branch."""

    number: int
    name: str
    first: int  # ids of snapshots
    last: int
    forked_from: int | None  # on another branch; None for the first


@dataclass(frozen=True, kw_only=True)
class History:
    """Every iteration so far, one row each, in the order they were made; ids are the numbers of the rows."""

    ids: np.ndarray  # (N,)
    parents: np.ndarray  # (N,) ids; -1 for the start
    branch_of: np.ndarray  # (N,) number of the branch that a row was made on
    phase: np.ndarray  # (N,) index into the schedule
    step: np.ndarray  # (N,)
    iteration: np.ndarray  # (N,) within the step
    total: np.ndarray  # (N,) weighted loss
    terms: np.ndarray  # (N, K) weighted loss per term; NaN where it is not computed
    depth: np.ndarray  # (N,) rows between the start and this one on its own branch
    frames: np.ndarray  # (N,) frames that were observed, all sub-sequences together
    branch: np.ndarray  # rows from the start to the current iteration
    branches: tuple[Branch, ...] = ()
    events: tuple[Event, ...] = ()  # edits, oldest first
    bookmarks: tuple[tuple[int, str], ...] = ()  # id of a snapshot, name

    def row_of(self, snapshot: int) -> int:
        """Row of a snapshot's id."""
        return int(np.searchsorted(self.ids, snapshot))

    def number(self, snapshot: int) -> int:
        """A snapshot as it is called on the screen: how many lie before it on its branch."""
        return int(self.depth[self.row_of(snapshot)])

    def path(self, snapshot: int) -> np.ndarray:
        """Rows from the start to a snapshot on any branch."""
        rows, row = [], self.row_of(snapshot)
        while row >= 0:
            rows.append(row)
            row = int(self.parents[row])
        return np.array(rows[::-1])


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where the optimiser stands."""

    state: State
    phase: int
    step: int
    iteration: int
    total_iterations: int
    progress: float  # share of the schedule's outer steps that is done
    loss: float
    rate: float | None = None  # iterations per second
    seconds_left: float | None = None
    speed_limit: float | None = None  # iterations per second
    evaluation: int = 0  # of the objective, of the iteration under way


@dataclass(frozen=True, kw_only=True)
class Movement:
    """How far a variable has moved since its stage began, in its unit, and what holds it."""

    largest: float | None  # of any entry; None for a group, whose parts differ in unit
    rms: float | None
    held_by: str = ""  # "freeze" or the name of a phase whose schedule leaves it out
    since: int | None = None  # id of the snapshot in which it was held
    moved_since: float = 0.0  # by hand, since then


@dataclass(frozen=True, kw_only=True)
class Note:
    """A message to the user."""

    level: Level
    text: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class BreakpointSetting:
    """A condition that pauses a run; only some have a bound or a loss term."""

    name: str
    on: bool = False
    bound: float | None = None
    unit: str = ""
    term: str | None = None


@dataclass(frozen=True, kw_only=True)
class Caught:
    """A pause of a run by a breakpoint."""

    snapshot: int
    text: str
    last_good: int | None  # to rewind to


@dataclass(frozen=True, kw_only=True)
class PhaseTimes:
    """Where the time of one phase went."""

    name: str
    evaluations: int
    seconds: dict[str, float]  # part → seconds


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What was found out about a snapshot when it was asked for (``viewer.worker.analyses``)."""

    kind: str
    options: tuple[tuple[str, Any], ...]
    snapshot: int
    seconds: float  # that it took
    value: Any  # frozen numpy values, see ``viewer.protocol.findings``; None: there is nothing to measure, or it failed
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class ViewModel:
    """What is shown now."""

    version: int
    obeyed: int  # commands that the worker has dealt with so far
    status: Status
    current: int  # id of the session's snapshot
    shown: int  # id of the snapshot that is drawn
    motion: Motion
    floors: np.ndarray | None = placed("planes")  # (B, 4) normal and offset, n·p = offset
    drift: Drift | None
    phases: tuple[Phase, ...]  # the schedule as edited up to the current iteration
    weights: np.ndarray  # (P, K)
    raw: np.ndarray  # (K,) unweighted loss of the drawn snapshot; NaN where a term is not computed
    weighted: np.ndarray  # (K,)
    frozen: frozenset[str]
    movement: Mapping[str, Movement] = field(default_factory=dict)  # by variable, and x_0 where that is frozen
    history: History
    can_undo: bool = False
    can_redo: bool = False
    breakpoints: tuple[BreakpointSetting, ...] = ()
    caught: Caught | None = None  # the latest
    times: tuple[PhaseTimes, ...] = ()
    regressed: np.ndarray | None = placed("points", default=None)  # (B, T, J, 3) that the prior's decoder puts out
    prior_frames: np.ndarray = placed("frames", default_factory=lambda: np.eye(4)[None])  # (B, 4, 4) to the prior frame
    nodes: Nodes | None = None
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)
    analyses: Mapping[str, Analysis] = field(default_factory=dict, repr=False)  # the latest of each kind
    scene: Scene = field(repr=False)

    def __getstate__(self) -> dict[str, object]:
        """Pickle without what travels by itself (scene, analyses); the receiver puts it back with ``replace``."""
        return {**self.__dict__, "scene": None, "analyses": {}}


@dataclass(frozen=True, kw_only=True)
class Loading:
    """The worker is busy before there is anything to show."""

    text: str


@dataclass(frozen=True, kw_only=True)
class LoadFailed:
    """There will be nothing to show; the worker ends."""

    text: str
    input_error: bool  # the user's input is at fault, not the program


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The worker ended because it was asked to."""
