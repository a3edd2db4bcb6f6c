"""Settings of the 3D view: frame of reference, ghosts, sizes, futures, selection and saved viewpoints."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

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
    frame: int | None = None  # frame of the clip if a ghost was clicked; None: the frame that is shown


@dataclass(frozen=True)
class Sampling:
    """A request for sampled futures of the prior."""

    frame: int  # of the clip, where they begin
    samples: int
    frames: int
    seed: int


@dataclass
class Look:
    """The settings of one window's 3D view."""

    frame: str = "world"  # a name of ``viewer.scene.reframe.FRAMES``
    point_size: float = 1.0  # factor for the size of spheres
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
        """Keep a viewpoint; it replaces another one of the same name."""
        self.saved = [known for known in self.saved if known.name != view.name][: MOST_VIEWS - 1] + [view]

    def rename(self, view: SavedView, name: str) -> None:
        """Rename a viewpoint, unless the new name is empty or taken."""
        if name and all(known.name != name for known in self.saved):
            self.saved = [replace(known, name=name) if known is view else known for known in self.saved]

    def forget(self, name: str) -> None:
        """Delete a viewpoint."""
        self.saved = [known for known in self.saved if known.name != name]


_FARTHEST = 1e6
"""Bound of the numbers of a viewpoint [m or °]; it leaves out NaN too."""
_KEPT = {"point_size": (0.3, 3.0), "line_size": (0.3, 3.0), "ghosts": (1, 12), "ghost_spacing": (2, 60)}
"""Name of a setting that is kept for the next window → its smallest and largest value."""


def kept(look: Look) -> dict[str, Any]:
    """The settings to keep for the next window, besides viewpoints."""
    return {name: getattr(look, name) for name in _KEPT}


def recall(look: Look, settings: object, views: object) -> None:
    """Take over settings and viewpoints of an earlier window; invalid ones are ignored."""
    for name, value in settings.items() if isinstance(settings, dict) else ():
        least, most = _KEPT.get(name, (1, 0))
        if isinstance(value, type(least)) and least <= value <= most:
            setattr(look, name, value)
    for view in views[:MOST_VIEWS] if isinstance(views, list) else ():
        if isinstance(view, dict) and _is_view(view):
            look.save(SavedView(view["name"], view["frame"], tuple(view["matrix"]), float(view["fov_degrees"])))


def _is_view(view: dict[str, Any]) -> bool:
    matrix, fov = view.get("matrix"), view.get("fov_degrees")
    named = isinstance(view.get("name"), str) and view.get("frame") in ("world", "prior", "camera")
    numbers = [*matrix, fov] if isinstance(matrix, list) else []
    return named and len(numbers) == 17 and all(isinstance(x, float | int) and abs(x) < _FARTHEST for x in numbers)
