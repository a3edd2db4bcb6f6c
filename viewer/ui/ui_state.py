"""The state of the screen: frame cursor, switches, unfinished edits. The optimiser never reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viewer.protocol.pace import TimeLeft
from viewer.protocol.view_model import Note
from viewer.ui.look import Look, Selection
from viewer.ui.opening import Opening
from viewer.ui.pins import Pins

LAYER_GROUPS = {
    "Motion": {
        "body": "Body",
        "skeleton": "Skeleton",
        "ghosts": "Ghosts",
        "regressed": "Regressed",
        "contacts": "Contacts",
        "ground_truth": "Ground truth",
    },
    "Data": {"observations": "Observations", "camera": "Camera", "film": "Video"},
    "Space": {"floor": "Floor", "floors": "Other floors", "axes": "Axes"},
    "Roll-out": {
        "rollout": "First roll-out",
        "rollout_body": "Its bodies",
        "rollout_now": "Roll-out now",
        "one_step": "One step",
        "futures": "Futures",
        "nodes": "Defects",
    },
    "Sub-sequences": {"overlaps": "Overlaps", "stitched": "Stitched"},
    "Comparison": {"compared": "Pinned body", "before": "Before the edit", "predicted": "Predicted"},
    "Loss": {"pull": "Pull of a term"},
}
"""Heading in the panel → layer name → label."""
LAYERS = {name: label for group in LAYER_GROUPS.values() for name, label in group.items()}
"""Layer name → label, in the order of the panel; the first nine have a number key."""
ALWAYS = {"body", "skeleton", "observations", "camera", "film", "floor", "overlaps", "compared", "before", "predicted"}
SHOWN_FROM_THE_START = {1: ALWAYS, 2: ALWAYS, 3: ALWAYS | {"rollout", "contacts", "nodes"}}
"""Stage → layers that are shown until the user switches them."""
MAX_NOTES = 100
STILL_TIMES = (1, 2, 3, 4)
"""Sizes of still pictures, in sizes of the window."""


@dataclass
class Draft:
    """A value that is being edited; it is shown until the worker has carried out the command with it."""

    value: float
    sent: bool = False
    number: int | None = None  # number of the command, once it is posted


@dataclass
class FilmingState:
    """The state of filming: a video of the window."""

    request: str | None = None  # "start", "stop", or a script to play: ``viewer.film.studio`` takes it from here
    active: bool = False
    frames: int = 0  # pictures taken
    total: int = 0  # pictures of the whole script; 0 without a script
    fps: float = 30.0  # pictures per second of the film under way
    pictures: bool = False  # write PNG files too
    fast: bool = False  # fewer pictures per second
    folder: str = ""
    script: str = ""
    left: TimeLeft | None = None  # until the script is over
    panels: bool | None = None  # whether the script wants panels; None: as the user chose
    last: Path | None = None  # the file written last
    times: int = 2  # size of a still picture, in sizes of the window
    still_wanted: bool = False  # ``viewer.window.still`` takes it from here
    still_drawn: bool = False  # one is being drawn


@dataclass(frozen=True)
class Shown:
    """Layers and settings of a window at one time; the fields are those of ``UiState``."""

    layers: dict[str, bool]
    chosen: set[str]
    stage: int
    follow: bool
    wide: bool
    tabs: dict[str, str]
    frame: int
    playing: bool
    focus: str
    own: tuple[dict[str, bool], bool] | None


@dataclass
class UiState:
    """The state of one window."""

    frame: int = 0
    playing: bool = False
    loop: bool = True
    rate: float = 1.0
    play_clock: float = 0.0  # seconds not yet turned into frames
    span: tuple[int | None, int | None] = (None, None)  # in and out point: first and last frame that are played
    layers: dict[str, bool] = field(default_factory=lambda: {name: name in SHOWN_FROM_THE_START[1] for name in LAYERS})
    chosen: set[str] = field(default_factory=set)  # layers that the user has switched
    stage: int = 1  # whose layers are shown
    focus: str = "fit"  # a name of ``viewer.ui.focus.FOCUSES``
    own: tuple[dict[str, bool], bool] | None = None  # layers and ``follow`` to return to from another view than "fit"
    legend: bool = True
    look: Look = field(default_factory=Look)
    selection: Selection | None = None
    opening: Opening = field(default_factory=Opening)
    pins: Pins = field(default_factory=Pins)
    exact: bool = False  # every picture must be complete, since it goes to a file; drawing may wait for data
    follow: bool = True
    camera_request: str | None = None
    """Where to put the viewpoint next: "home", "camera", "top", "side", "front", or "saved" and a name."""
    orthographic: bool = False  # lines that are parallel in space are parallel on the screen
    weight_stage: int | None = None  # None follows the running stage
    drafts: dict[tuple[int, str], Draft] = field(default_factory=dict)
    dragged: tuple[tuple[int, str], bool] | None = None
    """The draft of the slider that is dragged while the fit is live, and whether the fit still follows it."""
    effect_figure: str = "observed_cm"  # of the panel Effect
    effect_weight: str = ""
    effect_factor: float = 3.0
    tune_searched: tuple[str, ...] = (  # of the panel Tune; those without a weight are left out
        "motion_prior",
        "contact_vel",
        "contact_height",
        "planted_vel",
        "planted_height",
    )
    tune_objectives: tuple[str, ...] = ("observed_cm", "mean_skate_mm")
    tune_trials: int = 40
    plot_terms: bool = True
    plot_per_frame: bool = True  # losses divided by the frames that were observed
    plot_branches: bool = True
    plot_rescored: bool = False
    plot_zoom: bool = False  # losses of the current phase only
    heat_rows: bool = False  # every row of the heat map on its own scale
    wide_weights: bool = False  # the right column is wide enough for all columns of the weights
    weight_measure: str = "share"  # the one measure shown while the table is not wide
    saved_weights: dict[tuple[int, str], tuple[tuple[int, str, float], ...]] = field(default_factory=dict)
    """Stage and term (or "solo" and term) → (phase, term, weight) before the weights were switched off."""
    names: dict[tuple[str, int], str] = field(default_factory=dict)  # names of bookmarks and branches being typed
    open_x_0: bool = False  # the six parts of x_0 are listed
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)  # variable → first and last entry to freeze
    noise: dict[str, float] = field(default_factory=dict)  # variable → scale of perturbations
    tabs: dict[str, str] = field(default_factory=dict)  # slot of the layout → panel in front
    slots: dict[str, str] = field(default_factory=dict)  # panel → its slot; set by the window from the table of panels
    wide: bool = False  # the plots take most of the right column
    drift_quantity: str = "root_cm"
    floor_draft: tuple[float, float, float] = (0.0, 0.0, 0.0)  # lean x, y [deg], lift [cm]
    sequence: int = 0  # sub-sequence that plots are about
    pair: int = 0  # number of the earlier one of the two sub-sequences that are compared
    blended: bool = False  # the stitched motion is drawn in place of the sub-sequences
    asked: dict[str, tuple[int, tuple[tuple[str, Any], ...]]] = field(default_factory=dict)
    """Kind of analysis → snapshot and options last asked for."""
    data_frames: tuple[int, int] = (0, 0)  # first and last frame to leave out or to trust less, in the sub-sequence
    trust: float = 0.5
    export_formats: frozenset[str] = frozenset({"gltf"})
    export_folder: str = ""
    export_bones: str = "smpl"  # names of the bones in gltf and bvh
    export_scale: float = 1.0  # units of length in one metre in gltf and bvh
    theme: str = "dark"  # of ``viewer.ui.theme.THEMES``
    scale: float | None = None  # factor for texts and widgets; None: as on the desktop
    desktop_scale: float = 1.0
    panels: bool = True  # whether panels are shown
    panels_while_filming: bool = True
    filming: FilmingState = field(default_factory=FilmingState)
    scrubbing: int | None = None  # snapshot asked for while the iteration bar is dragged
    show_help: bool = False
    show_hint: bool = False
    notes: list[Note] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)  # panel or layer → what it raised
    posted: int = 0  # commands sent to the present worker
    quit: bool = False

    @property
    def panels_shown(self) -> bool:
        """Whether panels are drawn now."""
        if not self.filming.active:
            return self.panels
        return self.filming.panels if self.filming.panels is not None else self.panels and self.panels_while_filming

    def switch(self, layer: str) -> None:
        """Show a layer or hide it: from now on in all stages, in a view other than "fit" until that is left."""
        self.layers[layer] = not self.layers[layer]
        if self.focus == "fit":
            self.chosen.add(layer)
        self.broken.pop(f"layer {layer}", None)  # a layer that has failed is tried again

    def show_panel(self, name: str) -> None:
        """Bring a panel to the front of the place that it shares with others."""
        self.tabs[self.slots[name]] = name

    def follow_stage(self, stage: int) -> None:
        """Show the layers that are useful in a stage; layers that the user has switched stay as they are."""
        changed, self.stage = stage != self.stage, stage
        if changed and self.focus == "fit":
            free = (name for name in LAYERS if name not in self.chosen)
            self.layers |= {name: name in SHOWN_FROM_THE_START[stage] for name in free}

    def shown_now(self) -> Shown:
        """A copy of the layers and settings that a script of a recording may change."""
        return Shown(
            dict(self.layers),
            set(self.chosen),
            self.stage,
            self.follow,
            self.wide,
            dict(self.tabs),
            self.frame,
            self.playing,
            self.focus,
            self.own,
        )

    def show_again(self, before: Shown) -> None:
        """Restore what ``shown_now`` returned. Where the stage has changed since, layers that follow it do so."""
        stage, self.stage = self.stage, before.stage
        self.layers, self.chosen = dict(before.layers), set(before.chosen)
        self.follow, self.wide, self.tabs = before.follow, before.wide, dict(before.tabs)
        self.frame, self.playing = before.frame, before.playing
        self.focus, self.own = before.focus, before.own
        self.follow_stage(stage)

    def count_posted(self, commands: int) -> None:
        """Note that commands were sent, and give the drafts among them their number."""
        self.posted += commands
        for draft in self.drafts.values():
            if draft.sent and draft.number is None:
                draft.number = self.posted

    def settle_drafts(self, obeyed: int) -> None:
        """Forget the edits that the worker has dealt with."""
        for key, draft in list(self.drafts.items()):
            if draft.number is not None and draft.number <= obeyed:
                del self.drafts[key]

    def note(self, note: Note) -> None:
        """Add a message; the newest come first, repeats are dropped."""
        if self.notes and self.notes[0] == note:
            return
        self.notes.insert(0, note)
        del self.notes[MAX_NOTES:]

    def advance(self, seconds: float, *, fps: float, num_frames: int) -> None:
        """Move the frame cursor on by real time while playing."""
        if not self.playing or num_frames < 2:
            return
        first, last = self.played(num_frames)
        self.play_clock += seconds * fps * self.rate
        whole, self.play_clock = int(self.play_clock), self.play_clock % 1.0
        frame = self.frame + whole if first <= self.frame <= last else first
        if frame > last and not self.loop:
            self.playing, frame = False, last
        self.frame = first + (frame - first) % (last - first + 1)

    def played(self, num_frames: int) -> tuple[int, int]:
        """First and last frame that are played: from the in to the out point, without them the whole clip."""
        first, last = self.span
        end = num_frames - 1
        return min(first or 0, end), end if last is None else min(last, end)

    def mark_in(self) -> None:
        """Make the frame under the cursor the in point; an in point that is there already is taken away."""
        first, last = self.span
        first = None if first == self.frame else self.frame
        self.span = first, None if first is not None and last is not None and last < first else last

    def mark_out(self) -> None:
        """Make the frame under the cursor the out point; an out point that is there already is taken away."""
        first, last = self.span
        last = None if last == self.frame else self.frame
        self.span = None if first is not None and last is not None and last < first else first, last

    def go_to(self, frame: int, num_frames: int) -> None:
        """Put the cursor on a frame; stops playback and stays within the clip."""
        self.playing = False
        self.frame = min(max(frame, 0), num_frames - 1)

    def move_frame(self, step: int, num_frames: int) -> None:
        """Move the cursor by hand; stops playback and stays within the clip."""
        self.go_to(self.frame + step, num_frames)
