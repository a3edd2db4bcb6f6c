"""Keeps snapshots in memory. In a recorded run there is a limit, because the run file can give snapshots back.

Snapshots share immutable tensors; a tensor that several of them share is counted once.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from torch import Tensor

from optim.common.errors import InputError
from optim.solver.lbfgs import Pair

if TYPE_CHECKING:
    from optim.session.history import Snapshot

log = logging.getLogger(__name__)

DEFAULT_LIMIT = 500_000_000
"""Default limit in bytes of tensors and arrays."""
_NOT_COUNTED = ("schedule", "observations", "floor", "floor_metric", "novelty", "expected_joints", "planted")
"""Fields that many successive snapshots share."""


@dataclass
class _Storage:
    """A block of memory that holds one or more tensors."""

    size: int
    users: int = 0
    """Number of snapshots in memory that use it."""


class Archive(Protocol):
    """Permanent storage of snapshots, from which they can be read back."""

    def __contains__(self, snapshot_id: int) -> bool: ...

    def read(self, snapshot_id: int) -> Snapshot:
        """The snapshot with this id, bit for bit as it was stored."""
        ...


class Store:
    """Snapshots by id.

    If there is an archive and the limit is exceeded, the least recently used snapshots that are in the archive are
    removed from memory. They are read again when they are needed. The newest snapshot, pinned snapshots and those
    that are not in the archive stay in memory. If these exceed the limit, a warning is logged once.

    Args:
        limit: Largest number of bytes of the tensors and arrays of the snapshots in memory.

    Raises:
        InputError: The limit is below 0.
    """

    def __init__(self, *, limit: int = DEFAULT_LIMIT) -> None:
        if limit < 0:
            raise InputError(f"the memory limit of the history is {limit} bytes; give 0 or more")
        self.limit = limit
        self._in_memory: OrderedDict[int, Snapshot] = OrderedDict()
        self._used: dict[int, dict[int, int]] = {}
        self._storages: dict[int, _Storage] = {}
        self._pinned: set[int] = set()
        self._warned = False
        self.archive: Archive | None = None
        """Archive of the recorded run; None where the run is not recorded."""
        self.bytes_in_memory = 0
        """Bytes of tensors and arrays in memory; shared ones are counted once."""

    @property
    def number_in_memory(self) -> int:
        """Number of snapshots in memory."""
        return len(self._in_memory)

    def put(self, snapshot: Snapshot) -> None:
        """Add a snapshot, or replace the one with the same id."""
        if snapshot.id in self._in_memory:
            self._forget(snapshot.id)
        self._hold(snapshot)
        self._make_room()

    def get(self, snapshot_id: int) -> Snapshot:
        """The snapshot with this id; it is read from the archive if it is not in memory."""
        if snapshot_id not in self._in_memory:
            assert self.archive is not None  # Without an archive, no snapshot leaves memory.
            self._hold(self.archive.read(snapshot_id))
            self._make_room()
        self._in_memory.move_to_end(snapshot_id)
        return self._in_memory[snapshot_id]

    def pin(self, snapshot_id: int) -> None:
        """Keep a snapshot in memory permanently."""
        self._pinned.add(snapshot_id)

    def _hold(self, snapshot: Snapshot) -> None:
        self._in_memory[snapshot.id] = snapshot
        memory: dict[int, int] = {}
        for field in fields(snapshot):
            if field.name not in _NOT_COUNTED:
                _add_memory_of(getattr(snapshot, field.name), memory)
        for address, size in memory.items():
            storage = self._storages.setdefault(address, _Storage(size))
            self.bytes_in_memory += 0 if storage.users else size
            storage.users += 1
        self._used[snapshot.id] = memory

    def _forget(self, snapshot_id: int) -> None:
        for address in self._used.pop(snapshot_id):
            storage = self._storages[address]
            storage.users -= 1
            if not storage.users:
                self.bytes_in_memory -= storage.size
                del self._storages[address]
        del self._in_memory[snapshot_id]

    def _make_room(self) -> None:
        newest = next(reversed(self._in_memory))
        for snapshot_id in list(self._in_memory):
            if self.bytes_in_memory <= self.limit:
                return
            archived = self.archive is not None and snapshot_id in self.archive
            if archived and snapshot_id != newest and snapshot_id not in self._pinned:
                self._forget(snapshot_id)
        if self.bytes_in_memory > self.limit and not self._warned:
            self._warned = True
            text = "the history takes more than %.0f MB; only iterations that a run file holds can leave memory"
            log.warning(text, self.limit / 1e6)


def _add_memory_of(value: Any, memory: dict[int, int]) -> None:
    """Add to ``memory`` the address and size of the blocks that hold the tensors and arrays inside a value."""
    if isinstance(value, Tensor):
        storage = value.untyped_storage()
        if storage.nbytes():
            memory.setdefault(storage.data_ptr(), storage.nbytes())
    elif isinstance(value, np.ndarray):
        if value.nbytes:
            memory.setdefault(value.__array_interface__["data"][0], value.nbytes)
    elif isinstance(value, dict):
        for item in value.values():
            _add_memory_of(item, memory)
    elif isinstance(value, tuple):
        for item in value:
            _add_memory_of(item, memory)
    elif isinstance(value, Pair):
        memory.update(value.memory)
    elif is_dataclass(value):
        for field in fields(value):
            _add_memory_of(getattr(value, field.name), memory)
