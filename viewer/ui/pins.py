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
    snapshot: int | None = None  # of its run; None: the ground truth
    run: str = ""  # path of the other run that it comes from; empty: the run of the window


@dataclass(frozen=True)
class Place:
    """Where a pin comes from, so that the next window on the same run can pin it again."""

    label: str
    snapshot: int | None
    run: str
    drawn: bool


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
    run_path: str = ""
    again: list[Place] = field(default_factory=list)
    """Pins of an earlier window on the same run that have not been pinned again yet."""
    drawn_again: str | None = None  # label of the one that was drawn then, until it is drawn again

    @property
    def pin(self) -> Pin | None:
        """The pin that is drawn."""
        return None if self.active is None else self.kept[self.active]

    def add(self, pin: Pin) -> None:
        """Pin a motion, and draw it; it replaces one with the same label, or the oldest if there are too many."""
        self.kept = [known for known in self.kept if known.label != pin.label][-(MOST_PINS - 1) :] + [pin]
        self.active = len(self.kept) - 1

    def places(self) -> list[Place]:
        """Where the pins come from."""
        kept = [Place(pin.label, pin.snapshot, pin.run, pin is self.pin) for pin in self.kept]
        return [*kept, *self.again]

    def draw(self, label: str | None) -> None:
        """Draw the pin of this name; none without one."""
        self.active = next((index for index, pin in enumerate(self.kept) if pin.label == label), None)

    def remove(self, index: int) -> None:
        """Unpin a motion; the newest other one is drawn if it was drawn."""
        del self.kept[index]
        if self.active is not None and self.active >= index:
            self.active = self.active - 1 if self.active > index else len(self.kept) - 1
            self.active = None if self.active < 0 else self.active


def pin_of(view: ViewModel, label: str, *, motion: Motion | None = None, run: str = "") -> Pin:
    """What is shown, as a pin.

    Args:
        run: Path of the run, if it is not the one of the window.
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
        snapshot=view.shown if motion is None else None,
        run=run,
    )


def places_of(saved: object) -> list[Place]:
    """Places that were saved as JSON; what is none is left out."""
    found = []
    for one in saved if isinstance(saved, list) else ():
        if isinstance(one, dict):
            label, snapshot, run = one.get("label"), one.get("snapshot"), one.get("run")
            if isinstance(label, str) and isinstance(run, str) and (snapshot is None or type(snapshot) is int):
                found.append(Place(label, snapshot, run, one.get("drawn") is True))
    return found[:MOST_PINS]


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
