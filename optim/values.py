"""Frozen values as rows of a run file and back: numbers, texts, tuples, tables, arrays and the dataclasses it is told.

What several values share is written once and is one object again when they are read. No pickle: only the listed types
are ever made. Tensors are bits in, bits out; whoever wants them back says how they are made (torch is not needed here).
"""

from __future__ import annotations

import base64
import json
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optim.errors import InputError
from optim.runfile import RunFile

INLINE = 2048
"""Arrays of fewer bytes stand inside the value that has them."""


class Values:
    """Writes and reads values of some types in one run file.

    Args:
        types: Dataclasses that may occur.
        shared: Those of them of which several values hold the same object.
        tensor: From an array to a tensor; None: tensors are read as arrays.
    """

    def __init__(
        self,
        file: RunFile,
        types: Iterable[type],
        *,
        shared: Iterable[type] = (),
        tensor: Callable[[np.ndarray], Any] | None = None,
    ) -> None:
        self._file, self._tensor = file, tensor
        self._types = {kind.__name__: kind for kind in types}
        self._shared = tuple(shared)
        self._objects, self._arrays, self._tensors = _Known(), _Known(), _Known()
        self._texts: dict[str, int] = {}

    def encode(self, value: Any) -> str:
        """As JSON; arrays and shared values become rows of the file. Call it inside a transaction."""
        return json.dumps(self._encoded(value), separators=(",", ":"), ensure_ascii=False)

    def decode(self, text: str) -> Any:
        """What ``encode`` was given; sequences come back as tuples, arrays unwritable.

        Raises:
            InputError: A type that is not known here, or text that is none of ours.
        """
        try:
            return self._decoded(json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self._file.path}: a value cannot be read ({error}); the file is damaged") from None

    # There

    def _encoded(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | str):
            return float(value) if isinstance(value, np.floating) else value
        if isinstance(value, tuple | list):
            return [self._encoded(item) for item in value]
        if isinstance(value, Mapping):
            return {"map": [[self._encoded(key), self._encoded(item)] for key, item in value.items()]}
        if isinstance(value, frozenset | set):
            return {"set": [self._encoded(item) for item in sorted(value)]}
        if isinstance(value, Path):
            return {"path": str(value)}
        if isinstance(value, np.ndarray | np.generic):
            return self._encoded_array("array", self._arrays, value, np.asarray(value))
        if hasattr(value, "detach"):
            return self._encoded_array("tensor", self._tensors, value, value.detach().numpy())
        if is_dataclass(value) and type(value).__name__ in self._types:
            return self._encoded_object(value)
        raise TypeError(f"values of type {type(value).__name__} are not kept in run files")

    def _encoded_array(self, word: str, known: _Known, value: Any, array: np.ndarray) -> dict[str, Any]:
        if array.nbytes < INLINE:
            code = array.dtype.newbyteorder("<").str
            return {word: [code, array.shape, base64.b64encode(array.astype(code).tobytes()).decode("ascii")]}
        row = known.row(value)
        if row is None:
            row = known.note(value, self._file.add_array(array))
        return {word: row}

    def _encoded_object(self, value: Any) -> dict[str, Any]:
        shared = isinstance(value, self._shared)
        row = self._objects.row(value) if shared else None
        if row is not None:
            return {"#": row}
        parts = {field.name: self._encoded(getattr(value, field.name)) for field in fields(value)}
        whole = {"@": type(value).__name__, **parts}
        if not shared:
            return whole
        text = json.dumps(whole, separators=(",", ":"), ensure_ascii=False)
        if text not in self._texts:
            self._texts[text] = self._file.add_object(text)
        return {"#": self._objects.note(value, self._texts[text])}

    # And back

    def _decoded(self, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(self._decoded(item) for item in value)
        if not isinstance(value, dict):
            return value
        if "@" in value:
            return self._decoded_object(value)
        ((word, content),) = value.items()
        if word == "map":
            return {self._decoded(key): self._decoded(item) for key, item in content}
        if word == "set":
            return frozenset(self._decoded(item) for item in content)
        if word == "path":
            return Path(content)
        if word == "#":
            return self._objects.get(content, lambda: self.decode(self._file.object(content)))
        if word == "tensor" and self._tensor is not None:
            make = self._tensor
            return self._tensors.get(content, lambda: make(self._read_array(content)))
        return self._arrays.get(content, lambda: self._read_array(content))

    def _read_array(self, content: Any) -> np.ndarray:
        if isinstance(content, int):
            return self._file.array(content)
        dtype, shape, text = content
        return np.frombuffer(base64.b64decode(text), np.dtype(dtype)).reshape(shape)

    def _decoded_object(self, value: dict[str, Any]) -> Any:
        name = value["@"]
        if name not in self._types:
            raise InputError(f"{self._file.path}: holds a {name}, unknown to this version; update humorscope")
        kind = self._types[name]
        given = {field.name: self._decoded(value[field.name]) for field in fields(kind) if field.name in value}
        missing = [f.name for f in fields(kind) if f.name not in given and f.default is f.default_factory is MISSING]
        if missing:
            raise InputError(f"{self._file.path}: {name} has no {', '.join(missing)}; an older version wrote this file")
        return kind(**given)


class _Known:
    """Which objects that are alive lie in which rows."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[weakref.ref, int]] = {}
        self._live: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def row(self, value: Any) -> int | None:
        found = self._rows.get(id(value))
        return found[1] if found is not None and found[0]() is value else None

    def note(self, value: Any, row: int) -> int:
        key = id(value)
        self._rows[key] = weakref.ref(value, lambda gone: self._forget(key, gone)), row
        self._live.setdefault(row, value)
        return row

    def get(self, row: Any, read: Callable[[], Any]) -> Any:
        """The live object of a row, or what is read of it; ``row`` may be a value that stands inside another."""
        if not isinstance(row, int):
            return read()
        found = self._live.get(row)
        if found is None:
            found = read()
            self.note(found, row)
        return found

    def _forget(self, key: int, gone: weakref.ref) -> None:
        if key in self._rows and self._rows[key][0] is gone:
            del self._rows[key]
