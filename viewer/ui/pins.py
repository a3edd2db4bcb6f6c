"""The motions that the user has pinned to compare them with the one that is shown, and what was asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from viewer.protocol.view_model import About, BodyMesh, Camera, Motion, ViewModel

MOST_PINS = 9


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A motion as it was when it was pinned, in the display frame of its own fit."""

    label: str
    motion: Motion
    body: BodyMesh
    starts: tuple[int, ...]
    camera: Camera | None
    terms: Mapping[str, float]  # name of a loss term → weighted value; empty if unknown
    about: About
    phases: tuple[tuple[str, int, Mapping[str, float]], ...]  # name, steps, weights


@dataclass
class Pins:
    """What one window compares."""

    kept: list[Pin] = field(default_factory=list)
    active: int | None = None  # index of the pin that is drawn; None: none is
    beside: bool = False  # side by side rather than overlaid
    distance: float = 1.2  # metres between two bodies side by side
    quantity: str = "between_joints_cm"
    part: str = "frames"  # what the panel shows: frames, terms or settings
    wanted: tuple[int, str] | None = None  # snapshot of this fit to pin once it is shown, and its label
    back: int | None = None  # snapshot to show again afterwards
    run_to_open: str | None = None  # path of another run; the window takes it from here
    run_wanted: tuple[int, str] | None = None  # snapshot of the other run to pin, and its label
    run: ViewModel | None = None  # the other run as it was last seen
    run_name: str = ""

    @property
    def pin(self) -> Pin | None:
        """The pin that is drawn."""
        return None if self.active is None else self.kept[self.active]

    def add(self, pin: Pin) -> None:
        """Pin a motion, and draw it; it replaces one with the same label, or the oldest if there are too many."""
        self.kept = [known for known in self.kept if known.label != pin.label][-(MOST_PINS - 1) :] + [pin]
        self.active = len(self.kept) - 1

    def remove(self, index: int) -> None:
        """Unpin a motion; the newest other one is drawn if it was drawn."""
        del self.kept[index]
        if self.active is not None and self.active >= index:
            self.active = self.active - 1 if self.active > index else len(self.kept) - 1
            self.active = None if self.active < 0 else self.active


def pin_of(view: ViewModel, label: str, *, motion: Motion | None = None) -> Pin:
    """What is shown, as a pin.

    Args:
        motion: Another motion of the same clip, such as the ground truth, which has no loss.
    """
    scene = view.scene
    return Pin(
        label=label,
        motion=motion or view.motion,
        body=scene.body,
        starts=scene.starts,
        camera=scene.camera,
        terms=terms_of(view) if motion is None else {},
        about=view.about if motion is None else About(),
        phases=phases_of(view) if motion is None else (),
    )


def terms_of(view: ViewModel) -> dict[str, float]:
    """Name of each loss term, and ``total`` → weighted value at the iteration that is shown."""
    total = float(view.history.total[view.history.row_of(view.shown)])
    values = (float(value) for value in view.weighted)
    return {"total": total} | dict(zip((term.name for term in view.scene.terms), values, strict=True))


def phases_of(view: ViewModel) -> tuple[tuple[str, int, Mapping[str, float]], ...]:
    """Name, number of steps and weights of each phase, as it is set now."""
    names = [term.name for term in view.scene.terms]
    return tuple(
        (phase.name, phase.steps, dict(zip(names, (float(weight) for weight in row), strict=True)))
        for phase, row in zip(view.phases, view.weights, strict=True)
    )


def moments(view: ViewModel) -> list[tuple[int, str]]:
    """Snapshots worth pinning, with their names: ends of stages, ends of other branches, bookmarks."""
    history, found = view.history, []
    stages = [view.phases[int(phase)].stage for phase in history.phase[history.branch]]
    for stage in sorted(set(stages)):
        last = len(stages) - 1 - stages[::-1].index(stage)
        found.append((int(history.ids[history.branch[last]]), f"end of stage {stage}"))
    mine = int(history.branch_of[history.branch[-1]])
    found += [(branch.last, f"end of {branch.name}") for branch in history.branches if branch.number != mine]
    return found + [(snapshot, f"mark {name}") for snapshot, name in history.bookmarks]
