"""Keeps snapshots in memory up to a limit and the least recently used of the others in a file, bit for bit.

A tensor that several snapshots share is counted once and written once. Knows nothing of what a snapshot means; the file
is read back by this process alone and is gone when the store is.
"""

from __future__ import annotations

import io
import pickle
import tempfile
from collections import OrderedDict
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from optim.common.errors import InputError
from optim.solver.lbfgs import Pair

if TYPE_CHECKING:
    from optim.session.history import Snapshot

DEFAULT_LIMIT = 500_000_000
"""Bytes of tensors and arrays."""
_STAYS = ("schedule", "observations", "floor")
"""Fields shared by long stretches of a fit; they are kept in memory as they are."""


@dataclass
class _Storage:
    """Memory that one or more tensors lie in."""

    size: int
    users: int = 0
    """Snapshots in memory that need it."""
    place: int | None = None
    """Where in the file it is, once it has been written."""


@dataclass(frozen=True)
class _Record:
    start: int
    length: int
    stays: dict[str, Any]


class Archive(Protocol):
    """Where snapshots are kept for good, so that they need not be written a second time."""

    def __contains__(self, snapshot_id: int) -> bool: ...

    def read(self, snapshot_id: int) -> Snapshot:
        """The snapshot, bit for bit."""
        ...


class Store:
    """Snapshots by id.

    Args:
        limit: Bytes that the tensors of snapshots in memory may take; the newest and pinned ones stay in any case.
        folder: Of the file; None: the system's folder for temporary files.

    Raises:
        InputError: A limit below 0, or a folder that is none.
    """

    def __init__(self, *, limit: int = DEFAULT_LIMIT, folder: Path | None = None) -> None:
        if limit < 0:
            raise InputError(f"the memory limit of the history is {limit} bytes; give 0 or more")
        if folder is not None and not folder.is_dir():
            raise InputError(f"{folder} is no folder; the history puts its older snapshots in an existing one")
        self.limit, self._folder = limit, folder
        self._file: IO[bytes] | None = None
        self._in_memory: OrderedDict[int, Snapshot] = OrderedDict()
        self._used: dict[int, dict[int, int]] = {}
        self._records: dict[int, _Record] = {}
        self._storages: dict[int, _Storage] = {}
        self._pinned: set[int] = set()
        self.archive: Archive | None = None
        """Of the recorded run, where there is one."""
        self.bytes_in_memory = 0
        """Of tensors and arrays, those that snapshots share counted once."""

    @property
    def bytes_on_disk(self) -> int:
        return 0 if self._file is None else self._file.seek(0, io.SEEK_END)

    @property
    def number_on_disk(self) -> int:
        """Snapshots that are not in memory but in the file of this store."""
        return len(self._records.keys() - self._in_memory.keys())

    def put(self, snapshot: Snapshot) -> None:
        """Add a snapshot or replace the one of the same id."""
        if snapshot.id in self._in_memory:
            self._forget(snapshot.id)
        self._records.pop(snapshot.id, None)
        self._hold(snapshot)
        self._make_room()

    def get(self, snapshot_id: int) -> Snapshot:
        """The snapshot, read from the file where it is not in memory."""
        if snapshot_id not in self._in_memory:
            self._hold(self._fetch(snapshot_id))
            self._storages = {address: storage for address, storage in self._storages.items() if storage.users}
            self._make_room()
        self._in_memory.move_to_end(snapshot_id)
        return self._in_memory[snapshot_id]

    def pin(self, snapshot_id: int) -> None:
        """Keep a snapshot in memory for good."""
        self._pinned.add(snapshot_id)

    def _fetch(self, snapshot_id: int) -> Snapshot:
        if snapshot_id in self._records or self.archive is None:
            return self._read(self._records[snapshot_id])
        return self.archive.read(snapshot_id)

    def _hold(self, snapshot: Snapshot) -> None:
        self._in_memory[snapshot.id] = snapshot
        memory: dict[int, int] = {}
        for field in _spilled(snapshot):
            _add_memory_of(getattr(snapshot, field.name), memory)
        for address, size in memory.items():
            storage = self._storages.get(address)
            if storage is None:
                storage = self._storages[address] = _Storage(size)
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
            if snapshot_id != newest and snapshot_id not in self._pinned:
                archived = self.archive is not None and snapshot_id in self.archive
                if snapshot_id not in self._records and not archived:
                    self._records[snapshot_id] = self._write(self._in_memory[snapshot_id])
                self._forget(snapshot_id)

    def _write(self, snapshot: Snapshot) -> _Record:
        stays = {name: getattr(snapshot, name) for name in _STAYS}
        light = replace(snapshot, schedule=(), observations=None, floor=None)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 (lives as long as the store)
            text = io.BytesIO()
            _Writer(text, self._place).dump(light)
            start = self._file.seek(0, io.SEEK_END)
            self._file.write(text.getbuffer())
        except OSError as error:
            where = self._folder or tempfile.gettempdir()
            raise InputError(
                f"no room for older iterations in {where} ({error.strerror}); give another folder or a higher limit"
            ) from None
        return _Record(start, text.tell(), stays)

    def _place(self, tensor: Tensor) -> int:
        """Where in the file a tensor's memory begins, written if it is not there yet."""
        assert self._file is not None
        memory = tensor.untyped_storage()
        storage = self._storages.get(memory.data_ptr()) or _Storage(memory.nbytes())
        if storage.place is None:
            place = self._file.seek(0, io.SEEK_END)
            self._file.write(torch.empty(0, dtype=torch.uint8).set_(memory).numpy().tobytes())
            storage.place = place
        return storage.place

    def _read(self, record: _Record) -> Snapshot:
        assert self._file is not None
        self._file.seek(record.start)
        reader = _Reader(io.BytesIO(self._file.read(record.length)), self._file)
        snapshot = reader.load()
        for place, memory in reader.memory.items():
            self._storages[memory.data_ptr()] = _Storage(memory.nbytes, place=place)
        return replace(snapshot, **record.stays)


class _Writer(pickle.Pickler):
    """Leaves out tensors, and notes where in the file they are."""

    def __init__(self, target: IO[bytes], place) -> None:
        super().__init__(target, protocol=pickle.HIGHEST_PROTOCOL)
        self._place = place

    def persistent_id(self, obj: Any) -> tuple | None:
        if not isinstance(obj, Tensor):
            return None
        size = obj.untyped_storage().nbytes()
        where = self._place(obj) if size else 0
        return where, size, obj.dtype, obj.storage_offset(), tuple(obj.shape), obj.stride()


class _Reader(pickle.Unpickler):
    def __init__(self, source: IO[bytes], file: IO[bytes]) -> None:
        super().__init__(source)
        self._file = file
        self.memory: dict[int, Tensor] = {}
        """Place → what lay there, as bytes."""

    def persistent_load(self, pid: Any) -> Tensor:
        place, size, dtype, offset, shape, stride = pid
        if not size:
            return torch.empty(shape, dtype=dtype)
        if place not in self.memory:
            self._file.seek(place)
            read = torch.frombuffer(bytearray(self._file.read(size)), dtype=torch.uint8)
            self.memory[place] = read.clone()  # aligned as torch aligns: sums may depend on it
        return self.memory[place].view(dtype).as_strided(shape, stride, offset)


def _spilled(snapshot: Snapshot):
    return (f for f in fields(snapshot) if f.name not in _STAYS)


def _add_memory_of(value: Any, memory: dict[int, int]) -> None:
    """Add to ``memory`` the address and size of what the tensors and arrays inside a value lie in."""
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
