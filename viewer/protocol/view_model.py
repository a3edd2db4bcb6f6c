"""Everything that the window draws, as frozen dataclasses of numpy arrays.

Positions are in the *display frame*: metres, z up, and an observed floor at z = 0. Data that is z up already keeps its
own frame. There are B sub-sequences of T frames; sub-sequence b covers the frames of the clip from ``starts[b]`` on. A
field made with ``placed`` says how it changes when it is shown in another frame (``viewer.scene.reframe``). This module
knows neither torch nor the optimiser.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from optim.checks.check import Checked
from viewer.protocol.pace import TimeLeft

Kind = Literal["points", "vectors", "planes", "rotations", "poses", "translations", "frames"]


def placed(kind: Kind, **options: Any) -> Any:
    """A dataclass field that changes with the frame of reference.

    Args:
        kind: ``points`` and ``vectors`` are (..., 3), ``planes`` are (..., 4), ``rotations`` are (..., 3, 3). ``poses``
            are the rotations of all joints, of which only the root's changes. ``translations`` are those of the body
            model. ``frames`` (..., 4, 4) are transforms from the display frame to another frame.
        options: Arguments of ``dataclasses.field``.
    """
    return field(metadata={"placed": kind}, **options)


State = Literal["paused", "running", "done"]
Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, kw_only=True)
class BodyMesh:
    """The arrays of the body model with which the window skins it. They are sent once. J = 22 body joints."""

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
    """One motion of all sub-sequences, with everything that skinning needs."""

    trans: np.ndarray = placed("translations")  # (B, T, 3) metres
    rotations: np.ndarray = placed("poses")  # (B, T, J, 3, 3) root orientation, then the body pose
    betas: np.ndarray  # (B, 16)
    joints: np.ndarray = placed("points")  # (B, T, J, 3)
    contacts: np.ndarray | None = None  # (B, T, J) probabilities


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera. In its own frame x points right, y down and z forward."""

    matrix: np.ndarray  # (3, 3) pixels
    size: tuple[int, int]  # width, height in pixels
    R_display_camera: np.ndarray = placed("rotations")  # (3, 3)
    t_display_camera: np.ndarray = placed("points")  # (3,): the camera's centre


@dataclass(frozen=True, kw_only=True)
class Footage:
    """The video that the observations come from; the window reads its pictures itself."""

    path: str
    frames: tuple[int, ...]  # for each frame of the clip its number in the file, in rising order


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The observations; missing values are NaN."""

    joints3d: np.ndarray | None = placed("points", default=None)  # (B, T, J, 3)
    verts3d: np.ndarray | None = placed("points", default=None)  # (B, T, 43, 3), see ``Scene.key_vertices``
    points3d: np.ndarray | None = placed("points", default=None)  # (B, T, N, 3)
    joints2d: np.ndarray | None = None  # (B, T, 25, 3): x, y in pixels, confidence
    doubts: np.ndarray | None = None  # (B, T, 25), see ``Observations.doubts``; None: all keypoints are trusted


@dataclass(frozen=True, kw_only=True)
class Term:
    """A row of the weights table: all loss terms that share one weight."""

    name: str
    unit: str
    formula: str
    stage: int  # first stage that it takes part in
    help: str = ""  # purpose of the term


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of the schedule with one set of moving variables."""

    name: str
    stage: int
    steps: int
    iterations: int
    variables: tuple[str, ...]
    frames: int | None = None  # number of frames that are rolled out and observed; None: all
    solver: str = "lbfgs"  # name of its solver (``optim.schedule.solvers``)
    flat_gain: float = 0.0  # the phase ends early when it gains less than this share of the loss; 0: never
    flat_iterations: int = 20  # number of iterations in which that gain is counted


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Weights and steps that a running fit can take over in one edit."""

    name: str
    fixed: tuple[str, ...]  # descriptions of the rules that differ but cannot change in a running fit


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable, or a group of variables, that can be held; the ``children`` of a group are held with it."""

    name: str
    label: str
    unit: str = ""
    children: tuple[str, ...] = ()
    entries: int = 0  # along time, some of which can be held alone as ``name[first:end]``; 0: none


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that seldom changes. It is sent at the start, and again after an edit of observations or floor."""

    name: str
    fps: float
    starts: tuple[int, ...]  # (B,) first frame of each sub-sequence
    num_frames: int  # T
    body: BodyMesh
    observed: Observed
    phases: tuple[Phase, ...]
    terms: tuple[Term, ...]
    variables: tuple[Variable, ...]
    default_weights: np.ndarray  # (P, K) for the P phases
    presets: tuple[Preset, ...] = ()
    camera: Camera | None = None
    footage: Footage | None = None
    ground_truth: Motion | None = None
    openpose_vertices: tuple[int, ...] = ()  # vertices that complete the joints to the 25 keypoints of BODY_25
    key_vertices: tuple[int, ...] = ()  # of ``Observed.verts3d``
    joint_names: tuple[str, ...] = ()
    floors: np.ndarray | None = placed("planes", default=None)  # (B, 4) as observed; None without a camera
    asked_overlap: int | None = None  # smallest number of frames that neighbours should share, as the user asked
    loss_terms: tuple[str, ...] = ()  # names of the loss terms; several may share a row of the weights table
    checked: tuple[Checked, ...] = ()  # what the checks of the data found
    batch: int = 0  # number of the batch of sub-sequences that is shown, from 0
    batches: int = 1  # number of batches that are fitted one after the other
    first_frame: int = 0  # frame of the whole video from which frames of the clip count
    earlier: tuple[int, ...] = ()  # first frames of the sub-sequences in the batches before, which are finished

    @property
    def begins(self) -> tuple[int, ...]:
        """First frames of the sub-sequences of all batches so far, in the order of their numbers."""
        return (*self.earlier, *self.starts)

    def number(self, sequence: int) -> int:
        """Number of a sub-sequence of the batch among those of all batches so far, from 0."""
        return len(self.earlier) + sequence

    @property
    def batch_frames(self) -> tuple[int, int]:
        """First and last frame of the clip that the batch covers."""
        return min(self.starts), self.clip_frames - 1

    @property
    def clip_frames(self) -> int:
        """Number of frames from the first one of the clip to the last one of the batch."""
        return max(self.starts) + self.num_frames

    @property
    def split(self) -> bool:
        """Whether the sub-sequences belong to one clip, and are not clips of their own."""
        return max(self.begins) > 0

    @property
    def overlaps(self) -> dict[int, tuple[int, int]]:
        """Number of a sub-sequence → first and last frame of the clip that it shares with the next one."""
        ends = [start + self.num_frames - 1 for start in self.begins]
        pairs = enumerate(zip(self.begins[1:], ends[:-1], strict=True)) if self.split else ()
        return {b: (first, last) for b, (first, last) in pairs if first <= last}

    def local_frame(self, sequence: int, frame: int) -> int | None:
        """A sub-sequence's own number of a frame of the clip; None if the sub-sequence does not have that frame."""
        local = frame - self.starts[sequence]
        return local if 0 <= local < self.num_frames else None


@dataclass(frozen=True, kw_only=True)
class Drift:
    """The first roll-out of stage 3 and the stage-2 motion, with missing frames bridged, that it was inferred from."""

    stage2: Motion
    initial: Motion  # the roll-out
    root_cm: np.ndarray  # (B, T) distance between their root joints
    novelty: np.ndarray | None = None  # (B, T) 0 to 1: how far the stage-2 motion is outside the motion prior


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The N nodes of multiple shooting. At each of them one segment of the roll-out ends and the next one begins."""

    frames: tuple[int, ...]  # (N,) frames of a sub-sequence
    before: np.ndarray = placed("points")  # (B, N, J, 3) joints at the end of the earlier segment
    after: np.ndarray = placed("points")  # (B, N, J, 3) joints at the beginning of the next one


@dataclass(frozen=True, kw_only=True)
class Event:
    """An edit of the fit between two iterations."""

    snapshot: int  # id of the snapshot that it made
    text: str


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A row of successive snapshots, from the one where it leaves another branch."""

    number: int
    name: str
    first: int  # id of its first snapshot
    last: int  # id of its last snapshot
    forked_from: int | None  # id of the snapshot on another branch where it begins; None for the first branch


@dataclass(frozen=True, kw_only=True)
class History:
    """All iterations so far, one row each, in the order in which they were made."""

    ids: np.ndarray  # (N,) ids of the snapshots, which are the numbers of the rows
    parents: np.ndarray  # (N,) ids; -1 for the first snapshot
    branch_of: np.ndarray  # (N,) number of the branch that a row was made on
    batch_of: np.ndarray  # (N,) number of the batch of sub-sequences that a row belongs to
    phase: np.ndarray  # (N,) index into the schedule
    step: np.ndarray  # (N,) outer step within the phase
    iteration: np.ndarray  # (N,) iteration within the step
    total: np.ndarray  # (N,) weighted loss
    terms: np.ndarray  # (N, K) weighted loss per term; NaN where it is not computed
    depth: np.ndarray  # (N,) number of iterations on the way to a row; edits and starts of phases are none
    frames: np.ndarray  # (N,) observed frames of all sub-sequences together
    branch: np.ndarray  # rows from the first snapshot to the current one
    branches: tuple[Branch, ...] = ()
    events: tuple[Event, ...] = ()  # edits, oldest first
    bookmarks: tuple[tuple[int, str], ...] = ()  # id of a snapshot, name

    def row_of(self, snapshot: int) -> int:
        """Row of the snapshot with an id."""
        return int(np.searchsorted(self.ids, snapshot))

    def number(self, snapshot: int) -> int:
        """The number under which the screen shows a snapshot: how many iterations led to it on its branch."""
        return int(self.depth[self.row_of(snapshot)])

    def numbered(self, number: int) -> int:
        """Id of the newest snapshot with a number (see ``number``) on the current branch, at most that of its end."""
        at = np.searchsorted(self.depth[self.branch], number, side="right") - 1
        return int(self.ids[self.branch[at]])

    def path(self, snapshot: int) -> np.ndarray:
        """Rows from the first snapshot to a given one, which may be on any branch."""
        row = self.row_of(snapshot)
        at = int(np.searchsorted(self.branch, row))
        if at < len(self.branch) and self.branch[at] == row:
            return self.branch[: at + 1]
        rows = []
        while row >= 0:
            rows.append(row)
            row = int(self.parents[row])
        return np.array(rows[::-1])


@dataclass(frozen=True, kw_only=True)
class Status:
    """The position and the speed of the optimiser."""

    state: State
    phase: int
    step: int
    iteration: int
    total_iterations: int
    progress: float  # share of the schedule's outer steps that is done
    loss: float
    rate: float | None = None  # iterations per second
    left: TimeLeft | None = None
    speed_limit: float | None = None  # iterations per second
    evaluation: int = 0  # evaluations of the objective so far in the iteration under way
    live: bool = False  # the fit goes on after the end of its schedule and follows every edit at once
    close: bool = False  # live, and estimated to be within 0.1 % of the minimum


@dataclass(frozen=True, kw_only=True)
class Movement:
    """How far a variable has moved since its stage began, in its own unit, and what holds it."""

    largest: float | None  # largest change of any entry; None for a group, whose variables have different units
    rms: float | None  # root mean square of the changes
    held_by: str = ""  # "freeze" for the user, or the name of a phase in which the schedule holds it; empty: it moves
    since: int | None = None  # id of the snapshot since which it has been held
    moved_since: float = 0.0  # largest change since then, which only a reset or a perturbation can cause


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
    last_good: int | None  # id of the snapshot to rewind to


@dataclass(frozen=True, kw_only=True)
class PhaseTimes:
    """How the time of one phase is divided."""

    name: str
    evaluations: int
    seconds: dict[str, float]  # name of a timed section → seconds


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """The answer to a question about a snapshot (``viewer.worker.analyses``)."""

    kind: str
    options: tuple[tuple[str, Any], ...]
    snapshot: int
    seconds: float  # time that the answer took
    value: Any  # a class of ``viewer.protocol.findings``; None if there is nothing to measure, or on an error
    error: str = ""  # why there is no value


@dataclass(frozen=True, kw_only=True)
class About:
    """What is shown, and how it was set up; sent once."""

    kind: Literal["fit", "recording", "results"] = "fit"
    settings: Mapping[str, str] = field(default_factory=dict)  # as texts that can be compared


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A second motion beside the one that is shown, in the display frame, and how the two differ."""

    label: str
    motion: Motion
    body: BodyMesh
    starts: tuple[int, ...]  # first frame of each sub-sequence, counted in the clip that is shown
    frames: np.ndarray  # (F,) frames of the clip that both motions have
    values: Mapping[str, np.ndarray]  # name of a quantity of ``optim.diagnostics.comparison`` → (F,)
    about: str  # which frames are compared, in words
    beside: float = 0.0  # distance [m] by which the second body stands to the side

    def at(self, name: str, frame: int) -> float | None:
        """Value of a quantity in a frame of the clip; None if not both motions have it."""
        row = int(np.searchsorted(self.frames, frame))
        return float(self.values[name][row]) if row < len(self.frames) and self.frames[row] == frame else None


@dataclass(frozen=True, kw_only=True)
class LiveChange:
    """What the last edit or drag has changed so far, while the fit is live."""

    before: Motion  # where the edit or drag began
    figures: Mapping[str, tuple[float, float]]  # name in ``optim.diagnostics.quantities.TUNED`` → before, now
    dragging: bool


@dataclass(frozen=True, kw_only=True)
class TunedTrial:
    """A short fit under other weights that has come to its end."""

    number: int
    present: bool  # whether it has the values of the fit itself
    point: Mapping[str, float | str]  # what was searched → its value
    values: tuple[float, ...]  # of the objectives
    front: bool  # no other trial is better in one objective and at least as good in the others


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The state of a search for better weights."""

    about: str  # where each trial begins and how long it is, in words
    objectives: tuple[str, ...]  # names in ``optim.diagnostics.quantities.TUNED``
    wanted: int  # number of trials that the search is to have
    done: int = 0  # number of trials that have come to their end or were given up
    seconds_left: float | None = None  # until it has them; None: not known
    running: bool = True
    trials: tuple[TunedTrial, ...] = ()
    file: str = ""  # path of the study
    error: str = ""  # why it ended early


@dataclass(frozen=True, kw_only=True)
class ViewModel:
    """Everything about one snapshot that the window shows, with the state of the session."""

    version: int  # counts the views that the worker has published
    obeyed: int  # number of commands that the worker has dealt with so far
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
    held: frozenset[str]
    movement: Mapping[str, Movement] = field(default_factory=dict)  # by variable, and x_0 where that is held
    history: History
    can_undo: bool = False
    can_redo: bool = False
    breakpoints: tuple[BreakpointSetting, ...] = ()
    caught: Caught | None = None  # the latest one
    times: tuple[PhaseTimes, ...] = ()
    regressed: np.ndarray | None = placed("points", default=None)  # (B, T, J, 3) joints predicted by the decoder
    prior_frames: np.ndarray = placed("frames", default_factory=lambda: np.eye(4)[None])  # (B, 4, 4) to the prior frame
    nodes: Nodes | None = None
    live: LiveChange | None = None  # only while the fit is live, after an edit
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)  # direction that is up in the frame of this view
    analyses: Mapping[str, Analysis] = field(default_factory=dict, repr=False)  # the latest of each kind
    about: About = About()  # put in by the window, like the three below
    compared: Compared | None = None
    tuning: Tuning | None = None
    scene: Scene = field(repr=False)

    def shared_place(self, sequence: int) -> np.ndarray:
        """Mean (3,) of the root joint of the sub-sequence before, over the frames that it shares with this one.

        It is this one's own mean where there are no such frames.
        """
        first, last = self.scene.overlaps.get(self.scene.number(sequence) - 1, (None, None))
        if sequence == 0 or first is None or last is None:
            return np.asarray(self.motion.joints[sequence, :, 0].mean(0))
        start = self.scene.starts[sequence - 1]
        return np.asarray(self.motion.joints[sequence - 1, first - start : last + 1 - start, 0].mean(0))

    def __getstate__(self) -> dict[str, object]:
        """Leave out the scene and the analyses, which are sent on their own; the receiver puts them back in."""
        return {**self.__dict__, "scene": None, "analyses": {}}


@dataclass(frozen=True, kw_only=True)
class Loading:
    """The worker is still loading; there is nothing to show yet."""

    text: str


@dataclass(frozen=True, kw_only=True)
class LoadFailed:
    """Loading has failed: there will be nothing to show, and the worker ends."""

    text: str
    input_error: bool  # whether the user's input is at fault and not the program


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The worker ended because it was asked to."""
