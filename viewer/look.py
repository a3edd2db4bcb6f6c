"""How the 3D view is looked at: frame of reference, ghosts, sizes, futures, what is selected, saved viewpoints."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

MOST_VIEWS = 9


@dataclass(frozen=True)
class SavedView:
    """A viewpoint with a name, in the frame that it was saved in."""

    name: str
    frame: str
    matrix: tuple[float, ...]  # 16, row by row: from that frame to the eye
    fov_degrees: float


@dataclass(frozen=True)
class Selection:
    """A joint of a sub-sequence's body, or a vertex and the joint that moves it most."""

    sequence: int
    joint: int
    vertex: int | None = None
    frame: int | None = None  # of the clip, where it is one of a ghost; None: whichever is shown


@dataclass(frozen=True)
class Sampling:
    """Futures that the prior is asked for."""

    frame: int  # of the clip, where they begin
    samples: int
    frames: int
    seed: int


@dataclass
class Look:
    """One per window."""

    frame: str = "world"  # of ``viewer.reframe.FRAMES``
    point_size: float = 1.0  # of spheres, against the ordinary
    line_size: float = 1.0
    ghosts: int = 4
    ghost_spacing: int = 15  # frames
    futures: int = 4
    future_frames: int = 45
    sampling: Sampling | None = None
    pull_term: str | None = None  # a row of the weights table
    drag_floor: bool = False
    saved: list[SavedView] = field(default_factory=list)

    def save(self, view: SavedView) -> None:
        """Keep a viewpoint, in place of another one of its name."""
        self.saved = [known for known in self.saved if known.name != view.name][: MOST_VIEWS - 1] + [view]

    def rename(self, view: SavedView, name: str) -> None:
        """Give a viewpoint another name, unless there is one of that name."""
        if name and all(known.name != name for known in self.saved):
            self.saved = [replace(known, name=name) if known is view else known for known in self.saved]

    def forget(self, name: str) -> None:
        """Drop a viewpoint."""
        self.saved = [known for known in self.saved if known.name != name]
