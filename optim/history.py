"""Every state that a fit has been in: snapshots, and the tree they form. No snapshot is changed after it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from optim.errors import InputError
from optim.frames import PriorFrame
from optim.lbfgs import LbfgsState
from optim.objective import Evaluation
from optim.stages import Phase
from optim.variables import Packing, Variables

ITERATION = "iteration"


@dataclass(frozen=True)
class Snapshot:
    """All that going on depends on, and what was found there."""

    id: int
    parent: int | None
    cause: str
    """``start``, ``iteration``, ``phase``, or the words of an edit: ``weight contact_vel 1 -> 5``, ``froze x_0``, …"""
    schedule: tuple[Phase, ...]
    """As edited up to here."""
    phase: int
    """Index into the schedule."""
    step: int
    """Outer step within the phase, from 0."""
    iteration: int
    """L-BFGS iterations done in this step."""
    total_iterations: int
    variables: Variables
    packing: Packing
    solver: LbfgsState
    frozen: frozenset[str]
    prior_frame: PriorFrame | None
    """Stage 3 without a camera: from the input frame to the frame that the variables are in."""
    evaluation: Evaluation
    evaluations_spent: int
    """Evaluations of objective and gradient from the start of the fit to here."""
    seconds: float
    """Time that this snapshot took to compute."""

    @property
    def weights(self) -> Mapping[str, float]:
        """Of the current phase."""
        return self.schedule[self.phase].weights

    @property
    def stage(self) -> int:
        return self.schedule[self.phase].stage

    @property
    def stop(self) -> str | None:
        """Why this outer step ended here; None while it goes on."""
        return self.solver.stop

    @property
    def phase_done(self) -> bool:
        """The steps of this phase are spent, or more of them would move nothing."""
        last = self.step >= self.schedule[self.phase].steps - 1
        return self.stop is not None and (last or self.solver.stalled)

    @property
    def done(self) -> bool:
        """This is the end of the whole schedule."""
        return self.phase_done and self.phase == len(self.schedule) - 1

    @property
    def gradient(self) -> dict[str, Tensor]:
        """Gradient of the loss by variable, moving entries only."""
        return self.packing.split(self.solver.point.gradient)


class History:
    """Snapshots in the order they were made; ``parent`` links make the branches.

    Args:
        keep_iterations: Otherwise an iteration takes the place of the iteration before it.
    """

    def __init__(self, *, keep_iterations: bool = True) -> None:
        self._snapshots: list[Snapshot] = []
        self._keep_iterations = keep_iterations

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        return tuple(self._snapshots)

    def __len__(self) -> int:
        return len(self._snapshots)

    def __getitem__(self, snapshot_id: int) -> Snapshot:
        if not 0 <= snapshot_id < len(self._snapshots):
            raise InputError(f"no snapshot {snapshot_id}; there are 0 to {len(self._snapshots) - 1}")
        return self._snapshots[snapshot_id]

    def add(self, snapshot: Snapshot) -> Snapshot:
        """Append; its id must be the next one. Returns the snapshot as kept."""
        assert snapshot.id == len(self._snapshots)
        last = self._snapshots[-1] if self._snapshots else None
        follows = last is not None and snapshot.parent == last.id and snapshot.cause == last.cause == ITERATION
        if last is not None and follows and not self._keep_iterations:
            snapshot = replace(snapshot, id=last.id, parent=last.parent)
            self._snapshots.pop()
        self._snapshots.append(snapshot)
        return snapshot

    def ancestors(self, snapshot_id: int) -> Iterator[Snapshot]:
        """From a snapshot back to the root."""
        here: int | None = snapshot_id
        while here is not None:
            snapshot = self[here]
            yield snapshot
            here = snapshot.parent

    def branch(self, snapshot_id: int) -> list[Snapshot]:
        """From the root to a snapshot."""
        return list(self.ancestors(snapshot_id))[::-1]
