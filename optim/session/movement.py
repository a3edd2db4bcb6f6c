"""Movement of each variable, and what is held and since when; computed on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from optim.problem.variables import NAMES, X_0, covered
from optim.schedule.phases import INITIAL_STATE
from optim.session.fit import Fit
from optim.session.history import Entry, Snapshot


@dataclass(frozen=True)
class Held:
    """A variable, or a range of one, that does not move at a snapshot."""

    name: str
    """``x_0``, a variable, or a range such as ``latent_motion[10:20]``."""
    by: str
    """``freeze`` if an edit holds it, or the name of the phase whose schedule leaves it out."""
    since: int
    """Id of the snapshot since which it has been held."""
    iteration: int
    """Total number of iterations at that snapshot."""
    moved: float
    """Largest change of any of its entries since then; 0.0 unless an edit has changed it."""

    def __str__(self) -> str:
        return f"{self.name}: moved {self.moved:g} since iteration {self.iteration} (held by {self.by})"


@dataclass(frozen=True)
class Moved:
    """Change of a variable since its stage began; in stage 3, since x_0 was initialised."""

    largest: float
    """Largest change of any entry, in the variable's unit."""
    rms: float
    """Root mean square over all entries."""
    per_frame: Tensor | None
    """(B, T) root mean square per frame; None for variables without a time axis."""


def held(fit: Fit, snapshot: Snapshot | None = None) -> tuple[Held, ...]:
    """The variables that do not move at a snapshot, because of an edit or because the phase leaves them out."""
    snapshot = snapshot or fit.current
    path = list(fit.history.path_back(snapshot.id))
    found = []
    for name in sorted(snapshot.held):
        if name == X_0 and snapshot.stage < 3:
            continue  # waits for stage 3
        parts = [part for part, _ in covered(name, snapshot.variables)]
        since = _since(path, partial(_holds, name), whole_stages=_is_free_motion(parts))
        found.append(_held(fit, snapshot, name, "freeze", since))
    phase = snapshot.schedule[snapshot.phase]
    by_edit = {part for name in snapshot.held for part, _ in covered(name, snapshot.variables)}
    for name in snapshot.variables:
        if name in NAMES and name not in phase.variables and name not in by_edit:
            since = _since(path, lambda entry: entry.phase == snapshot.phase)
            found.append(_held(fit, snapshot, name, phase.name, since))
    return tuple(found)


def moved(fit: Fit, snapshot: Snapshot | None = None) -> dict[str, Moved]:
    """Variable → its change since the snapshot's stage began; nodes that did not exist then are left out."""
    snapshot = snapshot or fit.current
    began = fit.stage_start(snapshot).variables
    return {
        name: _way(began[name], value)
        for name, value in snapshot.variables.items()
        if name in NAMES and name in began and began[name].shape == value.shape
    }


def _way(before: Tensor, now: Tensor) -> Moved:
    change = (now - before).detach()
    per_frame = change.flatten(2).square().mean(-1).sqrt() if change.ndim > 2 else None
    return Moved(float(change.abs().max()), float(change.square().mean().sqrt()), per_frame)


def _is_free_motion(parts: list[str]) -> bool:
    """Whether some variables have a new meaning in stage 3, where they stand for the first frame only."""
    return any(part in INITIAL_STATE or part == "latent_motion" for part in parts)


def _holds(name: str, entry: Entry) -> bool:
    return name in entry.held


def _since(path: list[Entry], holds: Callable[[Entry], bool], *, whole_stages: bool = True) -> Entry:
    """The earliest entry of the unbroken row of entries, counted from the newest, for which ``holds`` is true."""
    first = path[0]
    for entry in path:
        if not holds(entry) or (whole_stages and (entry.stage == 3) != (path[0].stage == 3)):
            break
        first = entry
    return first


def _held(fit: Fit, snapshot: Snapshot, name: str, by: str, since: Entry) -> Held:
    then = fit.history[since.id].variables
    changes = []
    for part, frames in covered(name, snapshot.variables):
        now = snapshot.variables[part]
        was = then.get(part, now)  # nodes may be younger than the edit that holds them, or have been set anew
        change = now[:, frames] - was[:, frames] if was.shape == now.shape else torch.zeros(1)
        if change.numel():
            changes.append(change.abs().max())
    largest = float(torch.stack(changes).max()) if changes else 0.0
    return Held(name, by, since.id, since.total_iterations, largest)
