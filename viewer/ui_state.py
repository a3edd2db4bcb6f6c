"""What only the screen knows: frame cursor, switches, drafts of edits. Never read by the optimiser."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    """A value being edited; shown until the worker has published it."""

    value: float
    posted_at: int | None = None  # version of the view that was on screen when it was sent


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
    scrubbing: int | None = None  # snapshot asked for while the iteration bar is dragged
    show_help: bool = False
    show_hint: bool = False
    notes: list[Note] = field(default_factory=list)
    unread_errors: int = 0
    broken: dict[str, str] = field(default_factory=dict)  # panel or layer → what it raised
    quit: bool = False

    def note(self, note: Note) -> None:
        """Add a message; the newest come first, repeats are dropped."""
        if self.notes and self.notes[0] == note:
            return
        self.notes.insert(0, note)
        del self.notes[MAX_NOTES:]
        self.unread_errors += note.level == "error"

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
