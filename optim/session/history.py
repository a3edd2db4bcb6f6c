"""The history of a fit: a tree of snapshots, which are never changed after they are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, overload

from torch import Tensor

from optim.common.errors import InputError
from optim.objective.objective import Evaluation
from optim.problem.frames import PriorFrame
from optim.problem.observations import Observations
from optim.problem.variables import Packing, Variables
from optim.schedule.phases import Phase
from optim.session.causes import BATCH, CONTACTS, ITERATION, NO_EDITS, PHASE
from optim.session.storage import DEFAULT_LIMIT, Archive, Store
from optim.solver.solver import STOP_GRADIENT, State

if TYPE_CHECKING:
    from optim.session.edits import Edit

_PASSING = {ITERATION, CONTACTS}
"""Causes of snapshots of which only the latest is kept where iterations are not."""


@dataclass(frozen=True)
class Snapshot:
    """Everything that the next iteration depends on, and the results at this point."""

    id: int
    parent: int | None
    cause: str
    """``start``, ``iteration``, ``phase``, ``batch``, ``contacts`` (joints are planted anew), or the description of an
    edit, such as ``held x_0``."""
    schedule: tuple[Phase, ...]
    """The schedule as edited up to this snapshot."""
    phase: int
    """Index into the schedule."""
    step: int
    """Outer step within the phase, from 0."""
    iteration: int
    """Number of iterations of the solver done in this step."""
    total_iterations: int
    variables: Variables
    packing: Packing
    solver: State
    held: frozenset[str]
    """Names of held variables, such as ``x_0`` or ``latent_motion[10:20]``; they do not move until released."""
    prior_frame: PriorFrame | None
    """Only in stage 3 without a camera: transform from the input frame to the frame of the variables."""
    evaluation: Evaluation
    evaluations_spent: int
    """Number of evaluations of objective and gradient since the start of the fit."""
    seconds: float
    """Time that this snapshot took to compute."""
    observations: Observations | None = None
    """The observations as edited up to this snapshot; None means those of the problem."""
    floor: Tensor | None = None
    """(B, 4) the observed floor as edited up to this snapshot; None means that of the problem."""
    floor_metric: Tensor | None = None
    """(B, 3, 3) ``Problem.floor_metric`` from stage 3 on; None means that of the problem."""
    novelty: Tensor | None = None
    """(B, T) ``Problem.novelty`` from stage 3 on; None means that of the problem."""
    expected_joints: Tensor | None = None
    """(B, T, 22, 3) ``Problem.expected_joints`` from the phase on that uses them; None means that of the problem."""
    planted: Tensor | None = None
    """(B, T, 16) ``Problem.planted`` since the last outer step, phase or edit began; None means that of the problem."""
    edit: Edit | None = None
    """The edit that made this snapshot; None where it was no edit. ``cause`` describes it."""
    batch: int = 0
    """Number of the batch of sub-sequences that is fitted here, from 0."""
    losses: tuple[float, ...] = ()
    """The loss here, after those of the last iterations since the phase began or an edit was made. There are as many as
    the rule of the phase for ending early needs (see ``Phase.is_flat``)."""

    @property
    def weights(self) -> Mapping[str, float]:
        """Weights of the current phase."""
        return self.schedule[self.phase].weights

    @property
    def stage(self) -> int:
        return self.schedule[self.phase].stage

    @property
    def stop(self) -> str | None:
        """Reason why the outer step ended here; None while it goes on."""
        return self.solver.stop

    @property
    def phase_done(self) -> bool:
        """Whether this phase ends here (see ``ended``)."""
        return self.flat or self._steps_done or self.solver.stalled

    @property
    def flat(self) -> bool:
        """Whether the phase ends here because its last iterations have gained too little."""
        return self.schedule[self.phase].is_flat(self.losses, self.evaluation.size)

    @property
    def ended(self) -> str:
        """Reason why the phase ends here, in words; empty if it goes on.

        A solver can stall above the minimum, because the loss has kinks.
        """
        if self._steps_done:
            return "all steps done"
        if self.solver.stalled and self.stop == STOP_GRADIENT:
            return f"converged: {self.stop}"
        if self.solver.stalled:
            return f"stalled: {self.stop}, which is not proof of a minimum"
        return f"flat: {self.schedule[self.phase].flat_rule}" if self.flat else ""

    @property
    def ended_early(self) -> str:
        """Message that the phase ends here before its steps are done, and why; empty if it does not."""
        if self._steps_done or not self.phase_done:
            return ""
        phase = self.schedule[self.phase]
        return f"{phase.name} ends in step {self.step + 1} of {phase.steps}, {self.ended}"

    @property
    def _steps_done(self) -> bool:
        return self.stop is not None and self.step >= self.schedule[self.phase].steps - 1

    @property
    def next_phase(self) -> int | None:
        """Index of the next phase that has steps."""
        later = range(self.phase + 1, len(self.schedule))
        return next((index for index in later if self.schedule[index].steps), None)

    @property
    def done(self) -> bool:
        """Whether this is the end of the schedule, which every batch goes through."""
        return self.phase_done and self.next_phase is None

    @property
    def gradient(self) -> dict[str, Tensor]:
        """Gradient of the loss by variable; only moving entries."""
        return self.packing.split(self.solver.point.gradient)


def losses_after(before: Snapshot, total: float, phase: Phase) -> tuple[float, ...]:
    """``Snapshot.losses`` of an iteration that follows a snapshot.

    Args:
        total: Loss after the iteration.
        phase: Phase of the iteration.
    """
    return (*before.losses, total)[-1 - phase.flat_iterations :]


@dataclass(frozen=True)
class Entry:
    """A summary of a snapshot, which is in memory even if the snapshot is not."""

    id: int
    parent: int | None
    cause: str
    branch: int
    """Number of the branch on which the snapshot was made."""
    phase: int
    stage: int
    step: int
    iteration: int
    total_iterations: int
    held: frozenset[str]
    evaluation: Evaluation
    """The evaluation without values per frame."""
    frames: int | None = None
    """Number of frames that were rolled out and observed; None means all."""

    @property
    def edited(self) -> bool:
        """Whether the snapshot was made by an edit, which ``cause`` describes."""
        return self.cause not in NO_EDITS


@dataclass(frozen=True)
class Branch:
    """A line of successive snapshots, from the point where it leaves another branch."""

    number: int
    name: str
    """Name that the user gave, or a default such as ``branch 2``."""
    first: int
    last: int
    forked_from: int | None
    """Snapshot of another branch that the first one follows; None for the first branch."""


class History:
    """All snapshots in the order in which they were made; their ``parent`` links form branches.

    Args:
        keep_iterations: Keep every iteration; if false, an iteration replaces the iteration before it.
        memory_limit: Bytes of tensors beyond which older iterations of a recorded run leave memory; they are read
            from its file when they are asked for. Edits, the ends of phases and the newest snapshot stay in memory.
    """

    def __init__(self, *, keep_iterations: bool = True, memory_limit: int = DEFAULT_LIMIT) -> None:
        self.store = Store(limit=memory_limit)
        self._entries: list[Entry] = []
        self._branches: list[Branch] = []
        self._bookmarks: dict[int, str] = {}
        self._keep_iterations = keep_iterations

    @classmethod
    def recorded(
        cls,
        entries: Sequence[Entry],
        archive: Archive,
        *,
        memory_limit: int = DEFAULT_LIMIT,
        branch_names: Mapping[int, str] | None = None,
        bookmarks: Mapping[int, str] | None = None,
    ) -> History:
        """A history from its entries; its snapshots are fetched from an archive when they are asked for."""
        history = cls(memory_limit=memory_limit)
        history.store.archive = archive
        for entry in entries:
            history._entries.append(entry)
            if entry.branch == len(history._branches):
                name = f"branch {entry.branch + 1}"
                history._branches.append(Branch(entry.branch, name, entry.id, entry.id, entry.parent))
            else:
                history._branches[entry.branch] = replace(history._branches[entry.branch], last=entry.id)
        for number, name in (branch_names or {}).items():
            history._branches[number] = replace(history._branches[number], name=name)
        history._bookmarks |= bookmarks or {}
        return history

    @property
    def snapshots(self) -> Sequence[Snapshot]:
        """All snapshots; each is fetched when it is accessed."""
        return _Snapshots(self)

    @property
    def entries(self) -> Sequence[Entry]:
        """The entries of all snapshots; no snapshot is fetched."""
        return tuple(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, snapshot_id: int) -> Snapshot:
        return self.store.get(self.entry(snapshot_id).id)

    def entry(self, snapshot_id: int) -> Entry:
        """The entry of a snapshot; raises ``InputError`` if there is no such snapshot."""
        if not 0 <= snapshot_id < len(self._entries):
            raise InputError(f"no snapshot {snapshot_id}; there are 0 to {len(self._entries) - 1}")
        return self._entries[snapshot_id]

    def add(self, snapshot: Snapshot) -> Snapshot:
        """Append a snapshot, whose id must be the next one; returns the snapshot as it is kept."""
        assert snapshot.id == len(self._entries)
        last = self._entries[-1] if self._entries else None
        follows = last is not None and snapshot.parent == last.id and {snapshot.cause, last.cause} <= _PASSING
        if last is not None and follows and not self._keep_iterations:
            snapshot = replace(snapshot, id=last.id, parent=last.parent)
            self._entries[-1] = self._entry_of(snapshot, last.branch)
        else:
            self._entries.append(self._entry_of(snapshot, self._branch_for(snapshot)))
        if snapshot.cause not in _PASSING:
            self.store.pin(snapshot.id)
        if snapshot.cause in (PHASE, BATCH) and snapshot.parent is not None:
            self.store.pin(snapshot.parent)
        self.store.put(snapshot)
        return snapshot

    def _entry_of(self, snapshot: Snapshot, branch: int) -> Entry:
        evaluation = snapshot.evaluation
        terms = {name: replace(term, per_frame=None) for name, term in evaluation.terms.items()}
        return Entry(
            snapshot.id,
            snapshot.parent,
            snapshot.cause,
            branch,
            snapshot.phase,
            snapshot.stage,
            snapshot.step,
            snapshot.iteration,
            snapshot.total_iterations,
            snapshot.held,
            replace(evaluation, terms=terms),
            snapshot.schedule[snapshot.phase].frames,
        )

    def _branch_for(self, snapshot: Snapshot) -> int:
        """Number of the branch of a new snapshot: its parent's if the parent is the end of it, otherwise a new one."""
        parent = snapshot.parent
        number = len(self._branches)
        if parent is not None and self._branches[self._entries[parent].branch].last == parent:
            number = self._entries[parent].branch
            self._branches[number] = replace(self._branches[number], last=snapshot.id)
        else:
            self._branches.append(Branch(number, f"branch {number + 1}", snapshot.id, snapshot.id, parent))
        return number

    # Lines of work

    def ancestors(self, snapshot_id: int) -> Iterator[Snapshot]:
        """The snapshots from a given one back to the first one of its batch."""
        return (self[entry.id] for entry in self.path_back(snapshot_id))

    def branch(self, snapshot_id: int) -> list[Snapshot]:
        """The snapshots from the first one of the batch to a given one."""
        return list(self.ancestors(snapshot_id))[::-1]

    def path_back(self, snapshot_id: int) -> Iterator[Entry]:
        """The entries from a given snapshot back to the first one of its batch; no snapshot is fetched."""
        here: int | None = snapshot_id
        while here is not None:
            entry = self.entry(here)
            yield entry
            here = None if entry.cause == BATCH else entry.parent

    def path(self, snapshot_id: int) -> list[Entry]:
        """The entries from the first snapshot of the batch to a given one; no snapshot is fetched."""
        return list(self.path_back(snapshot_id))[::-1]

    def begun(self, snapshot_id: int) -> Entry:
        """The last entry before the first iteration, on the way to a given snapshot; edits may have been made there."""
        path = self.path(snapshot_id)
        first = next((place for place, entry in enumerate(path) if entry.cause in _PASSING), len(path))
        return path[max(first - 1, 0)]

    # Names

    @property
    def branches(self) -> tuple[Branch, ...]:
        """All branches, in the order in which they were begun."""
        return tuple(self._branches)

    def name_branch(self, number: int, name: str) -> None:
        """Give a branch another name.

        Raises:
            InputError: There is no such branch, or the name is empty or taken.
        """
        if not 0 <= number < len(self._branches):
            raise InputError(f"no branch {number}; there are 0 to {len(self._branches) - 1}")
        others = (b.name for b in self._branches if b.number != number)
        self._branches[number] = replace(self._branches[number], name=_new_name(name, others, what="branch"))

    @property
    def bookmarks(self) -> Mapping[int, str]:
        """Snapshot → name, in the order of the snapshots."""
        return dict(sorted(self._bookmarks.items()))

    def bookmark(self, snapshot_id: int, name: str) -> None:
        """Give a snapshot a bookmark; an existing bookmark of the snapshot is replaced.

        Raises:
            InputError: There is no such snapshot, or the name is empty or taken.
        """
        others = (known for marked, known in self._bookmarks.items() if marked != snapshot_id)
        self._bookmarks[self.entry(snapshot_id).id] = _new_name(name, others, what="bookmark")

    def remove_bookmark(self, snapshot_id: int) -> None:
        """Remove the bookmark of a snapshot; raises ``InputError`` if it has none."""
        if self._bookmarks.pop(snapshot_id, None) is None:
            raise InputError(f"snapshot {snapshot_id} has no bookmark; bookmarks are at {list(self.bookmarks)}")

    def find(self, name: str) -> Snapshot:
        """The snapshot whose bookmark has this name, or the end of the branch that has it.

        Raises:
            InputError: No bookmark and no branch has this name.
        """
        by_name = {branch.name: branch.last for branch in self._branches}
        by_name |= {text: marked for marked, text in self._bookmarks.items()}
        if name not in by_name:
            raise InputError(f"nothing is called {name!r}; there are {', '.join(by_name)}")
        return self[by_name[name]]


class _Snapshots(Sequence[Snapshot]):
    """The snapshots of a history as a sequence that fetches one at a time."""

    def __init__(self, history: History) -> None:
        self._history = history

    def __len__(self) -> int:
        return len(self._history)

    @overload
    def __getitem__(self, index: int) -> Snapshot: ...

    @overload
    def __getitem__(self, index: slice) -> list[Snapshot]: ...

    def __getitem__(self, index: int | slice) -> Snapshot | list[Snapshot]:
        chosen = range(len(self))[index]
        return [self._history[i] for i in chosen] if isinstance(chosen, range) else self._history[chosen]


def _new_name(name: str, others: Iterator[str], *, what: str) -> str:
    name = name.strip()
    if not name:
        raise InputError(f"the name of a {what} is empty; give it at least one letter")
    if name in others:
        raise InputError(f"another {what} is called {name!r}; choose another name")
    return name
