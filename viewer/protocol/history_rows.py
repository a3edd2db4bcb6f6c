"""Keeps the history of a fit in arrays that grow, so that only new iterations have to be added.

Does not know the optimiser.
"""

from __future__ import annotations

import numpy as np

from viewer.protocol import view_model as vm


class HistoryRows:
    """One row for each snapshot, in the order of their ids, which count from 0."""

    def __init__(self, num_terms: int) -> None:
        self._count = 0
        self._whole = np.zeros((256, 9), np.int64)  # id, parent, branch, batch, phase, step, iteration, depth, frames
        self._total = np.zeros(256, np.float32)
        self._terms = np.zeros((256, num_terms), np.float32)
        self._events: list[vm.Event] = []
        self._path: list[int] = []

    def __len__(self) -> int:
        return self._count

    def add(
        self,
        *,
        parent: int | None,
        branch: int,
        phase: int,
        step: int,
        iteration: int,
        frames: int,
        total: float,
        terms: np.ndarray,
        edit: str | None,
        iterated: bool,
        batch_begins: bool = False,
    ) -> None:
        """Append the next snapshot.

        Args:
            edit: Description of the edit that made the snapshot; None if no edit did.
            batch_begins: Whether it is the first snapshot of a further batch of sub-sequences.
            iterated: Whether an iteration made the snapshot, rather than an edit or the start of a phase.

        The other arguments are entries of the arrays of ``view_model.History``.
        """
        if self._count == len(self._total):
            self._whole = np.concatenate((self._whole, np.zeros_like(self._whole)))
            self._total = np.concatenate((self._total, np.zeros_like(self._total)))
            self._terms = np.concatenate((self._terms, np.zeros_like(self._terms)))
        row = self._count
        depth = 0 if parent is None else self._whole[parent, 7] + iterated
        batch = 0 if parent is None else self._whole[parent, 3] + batch_begins
        before = -1 if parent is None else parent
        self._whole[row] = row, before, branch, batch, phase, step, iteration, depth, frames
        self._total[row], self._terms[row] = total, terms
        if edit is not None:
            self._events.append(vm.Event(snapshot=row, text=edit))
        self._count += 1

    def parent(self, row: int) -> int:
        """Row of a snapshot's parent; -1 for the first snapshot."""
        return int(self._whole[row, 1])

    def phase(self, row: int) -> int:
        """Index of the phase that a snapshot belongs to."""
        return int(self._whole[row, 4])

    def batch(self, row: int) -> int:
        """Number of the batch of sub-sequences that a snapshot belongs to."""
        return int(self._whole[row, 3])

    def path(self, row: int) -> list[int]:
        """Rows from the first snapshot to a given one, along its branch."""
        if not self._path or self._path[-1] != row:
            if self._path and self.parent(row) == self._path[-1]:
                self._path = [*self._path, row]
            else:
                self._path = []
                while row >= 0:
                    self._path.append(row)
                    row = self.parent(row)
                self._path.reverse()
        return self._path

    def history(
        self, *, current: int, branches: tuple[vm.Branch, ...], bookmarks: tuple[tuple[int, str], ...]
    ) -> vm.History:
        """All rows as one value.

        Args:
            current: Id of the snapshot that the fit stands at.
            bookmarks: Pairs of a snapshot's id and the name of its bookmark.
        """
        n = self._count
        ids, parents, branch_of, batch_of, phase, step, iteration, depth, frames = self._whole[:n].T
        return vm.History(
            ids=ids,
            parents=parents,
            branch_of=branch_of,
            batch_of=batch_of,
            phase=phase,
            step=step,
            iteration=iteration,
            total=self._total[:n],
            terms=self._terms[:n],
            depth=depth,
            frames=frames,
            branch=np.array(self.path(current)),
            branches=branches,
            events=tuple(self._events),
            bookmarks=bookmarks,
        )
