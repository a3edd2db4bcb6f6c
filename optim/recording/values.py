"""Writes immutable values into a run file and reads them: numbers, texts, tuples, tables, arrays and given dataclasses.

An object that several values share is written once, and is one object again when they are read. No pickle is used: only
the listed types are ever created. Tensors are stored bit for bit; the caller says how they are created when they are
read, so torch is not needed here.

A file knows a dataclass by the names in its ``Form`` and not by those in the code, so that a class or a field can be
renamed and old files can still be read: its form then says which stored name the renamed field has.
"""

from __future__ import annotations

import base64
import json
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from optim.common.errors import InputError
from optim.recording.runfile import RunFile

INLINE = 2048
"""Arrays with fewer bytes are written inside the value that has them."""
_written = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_AS_THEY_ARE = (type(None), bool, int, float, str)


@dataclass(frozen=True)
class Form:
    """The stored form of a dataclass: the name of the class, and the name of each of its fields."""

    kind: type
    name: str
    stored: Mapping[str, str]
    """Name of a field → its name in the file. A field that is not listed is not written and must have a default."""
    shared: bool = False
    """Whether several values hold the same object, which is then written once."""


def form(kind: type, name: str, names: str, *, shared: bool = False) -> Form:
    """A ``Form`` from a list of stored names; ``stored:field`` where the field has another name in the code."""
    pairs = (word.partition(":") for word in names.split())
    return Form(kind, name, {field or stored: stored for stored, _, field in pairs}, shared)


class Values:
    """Writes and reads values of some types in one run file.

    Args:
        forms: Forms of the dataclasses that may occur.
        tensor: Creates a tensor from an array; with None, tensors are read as arrays.
    """

    def __init__(
        self,
        file: RunFile,
        forms: Iterable[Form],
        *,
        tensor: Callable[[np.ndarray], Any] | None = None,
    ) -> None:
        self._file, self._make_tensor = file, tensor
        self._by_name = {known.name: known for known in forms}
        self._by_kind = {known.kind: known for known in self._by_name.values()}
        self._objects, self._arrays, self._tensors = Known(), Known(), Known()
        self._texts: dict[str, int] = {}
        self._encoders: dict[type, Callable[[Any], Any]] = {}

    def encode(self, value: Any) -> str:
        """The value as JSON; large arrays and shared values become rows of the file. Call it inside a transaction.

        Raises:
            TypeError: The value contains a type that is not listed.
        """
        return _written(self._encoded(value))

    def decode(self, text: str) -> Any:
        """The value that ``encode`` was given; sequences are returned as tuples, and arrays are read-only.

        Raises:
            InputError: The text contains an unknown type, or ``encode`` did not write it.
        """
        try:
            return self._decoded(json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self._file.path}: a value cannot be read ({error}); the file is damaged") from None

    def text_row(self, text: str) -> int:
        """The id of a JSON text among the file's objects, where it is written once. Call it inside a transaction."""
        if text not in self._texts:
            self._texts[text] = self._file.add_object(text)
        return self._texts[text]

    def make_tensor(self, array: np.ndarray) -> Any:
        """The tensor of an array, see ``tensor`` above."""
        return array if self._make_tensor is None else self._make_tensor(array)

    # Encoding.

    def _encoded(self, value: Any) -> Any:
        kind = type(value)
        if kind in _AS_THEY_ARE:
            return value
        encode = self._encoders.get(kind)
        if encode is None:
            encode = self._encoders[kind] = self._encoder_of(value)
        return encode(value)

    def _encoder_of(self, value: Any) -> Callable[[Any], Any]:
        """The function that encodes all values of the type of this value."""
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
        known = self._by_kind.get(type(value))
        if known is not None:
            encoded = self._encoded_shared if known.shared else self._encoded_whole
            return lambda item: encoded(item, known)
        raise TypeError(f"values of type {type(value).__name__} are not kept in run files")

    def _encoded_array(self, word: str, known: Known, value: Any, array: np.ndarray) -> dict[str, Any]:
        row = known.row(value)
        if row is not None:
            return {word: row}
        if array.nbytes < INLINE:
            code = array.dtype.newbyteorder("<").str
            data = np.ascontiguousarray(array).astype(code, copy=False)
            return {word: [code, array.shape, base64.b64encode(data.tobytes()).decode("ascii")]}
        return {word: known.note(value, self._file.add_array(array, packed=True))}

    def _encoded_sequence(self, items: Sequence[Any]) -> Any:
        return [self._encoded(item) for item in items]

    def _encoded_whole(self, value: Any, known: Form) -> dict[str, Any]:
        whole = {"@": known.name}
        whole.update((stored, self._encoded(getattr(value, name))) for name, stored in known.stored.items())
        return whole

    def _encoded_shared(self, value: Any, known: Form) -> dict[str, Any]:
        row = self._objects.row(value)
        if row is None:
            row = self._objects.note(value, self.text_row(_written(self._encoded_whole(value, known))))
        return {"#": row}

    # Decoding.

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
        if word == "tensor":
            return self._tensors.get(content, lambda: self.make_tensor(self._read_array(content)))
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
        if name not in self._by_name:
            raise InputError(f"{self._file.path}: holds a {name}, unknown to this version; update humorscope")
        known = self._by_name[name]
        given = {field: self._decoded(value[stored]) for field, stored in known.stored.items() if stored in value}
        own = fields(known.kind)
        missing = [f.name for f in own if f.name not in given and f.default is f.default_factory is MISSING]
        if missing:
            raise InputError(f"{self._file.path}: {name} has no {', '.join(missing)}; an older version wrote this file")
        return known.kind(**given)


class Known:
    """Maps objects in memory to the rows of the file that store them, and back."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[weakref.ref, int]] = {}
        self._live: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def row(self, value: Any) -> int | None:
        """The id of the row that stores an object; None if it is not known."""
        found = self._rows.get(id(value))
        return found[1] if found is not None and found[0]() is value else None

    def note(self, value: Any, row: int) -> int:
        """Note that a row stores an object; returns the row."""
        key = id(value)
        self._rows[key] = weakref.ref(value, lambda gone: self._forget(key, gone)), row
        self._live.setdefault(row, value)
        return row

    def get(self, row: Any, read: Callable[[], Any]) -> Any:
        """The object of a row: the one in memory, otherwise the result of ``read``.

        If ``row`` is not an id but an inline value, ``read`` is always called.
        """
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
