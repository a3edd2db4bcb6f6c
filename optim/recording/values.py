"""Frozen values as rows of a run file and back: numbers, texts, tuples, tables, arrays and the dataclasses it is told.

What several values share is written once and is one object again when they are read. No pickle: only the listed types
are ever made. Tensors are bits in, bits out; whoever wants them back says how they are made (torch is not needed here).
"""

from __future__ import annotations

import base64
import json
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optim.common.errors import InputError
from optim.recording.runfile import RunFile

INLINE = 2048
"""Arrays of fewer bytes stand inside the value that has them."""
_written = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_AS_THEY_ARE = (type(None), bool, int, float, str)


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
        self._encoders: dict[type, Callable[[Any], Any]] = {}

    def encode(self, value: Any) -> str:
        """As JSON; arrays and shared values become rows of the file. Call it inside a transaction."""
        return _written(self._encoded(value))

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
        kind = type(value)
        if kind in _AS_THEY_ARE:
            return value
        encode = self._encoders.get(kind)
        if encode is None:
            encode = self._encoders[kind] = self._encoder_of(value)
        return encode(value)

    def _encoder_of(self, value: Any) -> Callable[[Any], Any]:
        """For all values of this one's type."""
        if isinstance(value, np.generic):
            return lambda number: number.item()
        if isinstance(value, tuple | list):
            return self._encoded_sequence
        if isinstance(value, Mapping):
            return lambda table: {"map": [[self._encoded(k), self._encoded(v)] for k, v in table.items()]}
        if isinstance(value, frozenset | set):
            return lambda items: {"set": [self._encoded(item) for item in sorted(items)]}
        if isinstance(value, Path):
            return lambda path: {"path": str(path)}
        if isinstance(value, np.ndarray):
            return lambda array: self._encoded_array("array", self._arrays, array, array)
        if hasattr(value, "detach"):
            return lambda tensor: self._encoded_array("tensor", self._tensors, tensor, tensor.detach().numpy())
        if is_dataclass(value) and type(value).__name__ in self._types:
            names = tuple(field.name for field in fields(value))
            if isinstance(value, self._shared):
                return lambda item: self._encoded_shared(item, names)
            return lambda item: self._encoded_whole(item, names)
        raise TypeError(f"values of type {type(value).__name__} are not kept in run files")

    def _encoded_array(self, word: str, known: _Known, value: Any, array: np.ndarray) -> dict[str, Any]:
        row = known.row(value)
        if row is not None:
            return {word: row}
        if array.nbytes < INLINE:
            code = array.dtype.newbyteorder("<").str
            data = np.ascontiguousarray(array).astype(code, copy=False)
            return {word: [code, array.shape, base64.b64encode(data.tobytes()).decode("ascii")]}
        return {word: known.note(value, self._file.add_array(array))}

    def _encoded_sequence(self, items: Sequence[Any]) -> Any:
        """Many shared objects in a row, such as a hundred curvature pairs, as their numbers alone."""
        if len(items) > 1 and all(isinstance(item, self._shared) for item in items):
            rows = ((self._objects.row(item), item) for item in items)
            return {"##": [self._encoded(item)["#"] if row is None else row for row, item in rows]}
        return [self._encoded(item) for item in items]

    def _encoded_whole(self, value: Any, names: tuple[str, ...]) -> dict[str, Any]:
        whole = {"@": type(value).__name__}
        whole.update((name, self._encoded(getattr(value, name))) for name in names)
        return whole

    def _encoded_shared(self, value: Any, names: tuple[str, ...]) -> dict[str, Any]:
        row = self._objects.row(value)
        if row is None:
            text = _written(self._encoded_whole(value, names))
            if text not in self._texts:
                self._texts[text] = self._file.add_object(text)
            row = self._objects.note(value, self._texts[text])
        return {"#": row}

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
            return self._shared_object(content)
        if word == "##":
            return tuple(self._shared_object(row) for row in content)
        if word == "tensor" and self._tensor is not None:
            make = self._tensor
            return self._tensors.get(content, lambda: make(self._read_array(content)))
        return self._arrays.get(content, lambda: self._read_array(content))

    def _shared_object(self, row: int) -> Any:
        return self._objects.get(row, lambda: self.decode(self._file.object(row)))

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
