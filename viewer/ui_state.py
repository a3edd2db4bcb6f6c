"""What only the screen knows: frame cursor, switches, drafts of edits. Never read by the optimiser."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from viewer.view_model import Note

LAYERS = {
    "body": "Body",
    "skeleton": "Skeleton",
    "observations": "Observations",
    "floor": "Floor",
    "rollout": "Initial roll-out",
    "rollout_body": "Roll-out body",
    "ground_truth": "Ground truth",
}
"""Layer name → label, in the order of the panel and of the number keys."""
MAX_NOTES = 100


@dataclass
class Draft:
    """A value being edited; shown until the worker has obeyed the command that carries it."""

    value: float
    sent: bool = False
    number: int | None = None  # of the command, once posted


@dataclass
class UiState:
    """One per window."""

    frame: int = 0
    playing: bool = False
    loop: bool = True
    rate: float = 1.0
    play_clock: float = 0.0  # seconds not yet turned into frames
    layers: dict[str, bool] = field(
        default_factory=lambda: {name: name not in ("rollout_body", "ground_truth") for name in LAYERS}
    )
    follow: bool = True
    camera_request: str | None = None  # "home" or "camera": where to put the viewpoint next
    weight_stage: int | None = None  # None follows the running stage
    drafts: dict[tuple[int, str], Draft] = field(default_factory=dict)
    plot_terms: bool = True
    tabs: dict[str, str] = field(default_factory=dict)  # slot of the layout → panel in front
    wide: bool = False  # the slot of plots takes most of the right column
    asked: dict[str, tuple[int, tuple[tuple[str, Any], ...]]] = field(default_factory=dict)
    """Kind of analysis → snapshot and options last asked for."""
    scrubbing: int | None = None  # snapshot asked for while the iteration bar is dragged
    show_help: bool = False
    show_hint: bool = False
    notes: list[Note] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)  # panel or layer → what it raised
    posted: int = 0  # commands sent to the present worker
    quit: bool = False

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
        self.play_clock += seconds * fps * self.rate
        whole, self.play_clock = int(self.play_clock), self.play_clock % 1.0
        frame = self.frame + whole
        if frame >= num_frames and not self.loop:
            self.playing, frame = False, num_frames - 1
        self.frame = frame % num_frames

    def move_frame(self, step: int, num_frames: int) -> None:
        """Move the cursor by hand; stops playback and stays within the clip."""
        self.playing = False
        self.frame = min(max(self.frame + step, 0), num_frames - 1)
