"""Read pickles, joblib's files and torch's files as plain data: numbers, text, containers and arrays.

Nothing is executed. Python's unpickler calls whatever a file names. This is an interpreter of its own: it follows the
opcodes that build data, knows a short list of names that stand for arrays and builds these itself, and refuses every
other name and opcode. No name from a file is ever looked up or imported.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from optim.common.errors import InputError
from optim.reading.files import MOST_BYTES, guarded, read_bytes, require_archive_size

MOST_OPCODES = 5_000_000
"""Largest number of opcodes that are followed in a file."""
MOST_NESTED = 3
"""Largest depth of pickles inside pickles (torch keeps tensors so in numpy's files)."""
MOST_REPEATED = 64 * 1024**2
"""Largest size of a tensor that is larger than its storage because it repeats it [bytes]."""
_MARK = object()
_TYPES = {
    "Double": "f8", "Float": "f4", "Half": "f2", "Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1", "Byte": "u1",
    "Bool": "?",
}  # fmt: skip
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_SAFE = "biufcSU?"


class _Name:
    """A name in a file that stands for something known. It is compared with our own table and never looked up."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Dtype:
    """A numpy type that is being built: its code, and its byte order, which comes later."""

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "<"

    def dtype(self) -> np.dtype:
        if self.code[:1] == "O":
            return np.dtype(object)
        if len(self.code) > 8 or self.code[:1] not in _SAFE:
            raise ValueError(f"an array of type {self.code[:20]}")
        return np.dtype(self.code).newbyteorder(">" if self.order == ">" else "<")


class _Array:
    """An array that is being built: numpy's before its state came, or joblib's before its bytes came."""

    value: Any = None


def read_pickle(path: Path, *, what: str) -> Any:
    """Content of a file that pickle, joblib or torch wrote: numbers, text, lists, dicts and numpy arrays.

    Tuples and sets become lists, ordered dicts become dicts, arrays of Python objects become lists.

    Raises:
        InputError: There is no such file, it is damaged or too large, or it holds anything but data; names what.
    """
    content = read_bytes(path, what=what)
    with guarded(path, problem="damaged or not a pickle", advice=f"{what} is expected", also=(Exception,)):
        if content[:2] == b"PK":
            return _torch_zip(content, path)
        if content[:1] == b"\x78":
            unpacker = zlib.decompressobj()
            content = unpacker.decompress(content, MOST_BYTES)
            if unpacker.unconsumed_tail:
                raise ValueError(f"it unpacks to more than {MOST_BYTES / 1e6:,.0f} MB")
        return parse_pickle(content, path)


def parse_pickle(content: bytes, path: Path) -> Any:
    """Content of a pickle in memory. ``path`` is for messages.

    Raises:
        InputError: It is damaged, or it holds anything but data.
    """
    with guarded(path, problem="damaged or not a pickle", advice="copy it again", also=(Exception,)):
        return _Reader(io.BytesIO(content), path, nested=0).whole()


class _Reader:
    """One stream of pickles."""

    def __init__(
        self, stream: IO[bytes], path: Path, *, nested: int, storage: Callable[[str, np.dtype, int], Any] | None = None
    ) -> None:
        if nested > MOST_NESTED:
            raise ValueError("pickles inside pickles")
        self.stream, self.path, self.nested, self.storage = stream, path, nested, storage
        self.opcodes = 0

    def whole(self) -> Any:
        """The first pickle; if it is the mark of torch's old format, the content that follows it."""
        first = _finished(self.one())
        if not (isinstance(first, int) and first == _TORCH_MAGIC):
            return first
        _, _ = self.one(), self.one()  # version, sizes of the machine's numbers
        stored: dict[str, _Array] = {}
        types: dict[str, tuple[np.dtype, int]] = {}

        def later(key: str, dtype: np.dtype, count: int) -> Any:
            types[key] = (dtype, count)
            return stored.setdefault(key, _Array())

        self.storage = later
        content = self.one()
        for key in self.one():
            count = struct.unpack("<q", self._bytes(8))[0]
            dtype, told = types[str(key)]
            if count != told:
                raise ValueError("a storage of another size")
            stored[str(key)].value = np.frombuffer(self._bytes(count * dtype.itemsize), dtype)
        return _finished(content)

    def one(self) -> Any:
        """The next pickle of the stream."""
        stack: list[Any] = []
        memo: dict[int, Any] = {}

        def marked() -> list[Any]:
            at = len(stack) - 1
            while stack[at] is not _MARK:
                at -= 1
                if at < 0:
                    raise ValueError("no mark")
            items = stack[at + 1 :]
            del stack[at:]
            return items

        argument: Any
        for opcode, argument, _ in pickletools.genops(self.stream):
            self.opcodes += 1
            if self.opcodes > MOST_OPCODES:
                raise ValueError(f"more than {MOST_OPCODES:,} opcodes")
            name = opcode.name
            if name in _CONSTANTS:
                stack.append(_CONSTANTS[name]())
            elif name in _VALUES:
                stack.append(argument)
            elif name in ("PROTO", "FRAME"):
                pass
            elif name == "STOP":
                return stack.pop()
            elif name == "MARK":
                stack.append(_MARK)
            elif name == "POP":
                stack.pop()
            elif name == "POP_MARK":
                marked()
            elif name == "DUP":
                stack.append(stack[-1])
            elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
                memo[argument] = stack[-1]
            elif name == "MEMOIZE":
                memo[len(memo)] = stack[-1]
            elif name in ("GET", "BINGET", "LONG_BINGET"):
                stack.append(memo[argument])
            elif name == "APPEND":
                item = stack.pop()
                _list(stack[-1]).append(item)
            elif name in ("APPENDS", "ADDITEMS"):
                items = marked()
                _list(stack[-1]).extend(items)
            elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
                count = int(name[-1])
                items = stack[-count:]
                if len(items) < count or _MARK in items:
                    raise ValueError("a tuple without items")
                stack[-count:] = [items]
            elif name in ("TUPLE", "LIST", "FROZENSET"):
                stack.append(marked())
            elif name == "DICT":
                stack.append(_pairs({}, marked()))
            elif name == "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._set(stack[-1], [key, value])
            elif name == "SETITEMS":
                items = marked()
                self._set(stack[-1], items)
            elif name in ("GLOBAL", "STACK_GLOBAL"):
                if name == "GLOBAL":
                    known = str(argument).replace(" ", ".", 1)
                else:
                    last, module = stack.pop(), stack.pop()
                    known = f"{module}.{last}"
                stack.append(self._named(known))
            elif name in ("REDUCE", "NEWOBJ"):
                arguments, function = stack.pop(), stack.pop()
                stack.append(self._built(function, arguments))
            elif name == "BUILD":
                state = stack.pop()
                self._state(stack[-1], state)
            elif name == "BINPERSID":
                stack.append(self._persistent(stack.pop()))
            else:
                raise self._refused(f"the opcode {name}")
        raise ValueError("it is cut off")

    def _refused(self, what: str) -> InputError:
        return InputError(
            f"{self.path}: holds {what[:80]}, which is not data, so the file is not read, for safety; save its arrays"
            " with numpy.savez(FILE, NAME=array, …)"
        )

    def _named(self, name: str) -> _Name:
        if name not in _BUILDERS and name not in _WORDS and not _storage_type(name):
            raise self._refused(f"the Python object {name}")
        return _Name(name)

    def _built(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, _Name) or function.name not in _BUILDERS or not isinstance(arguments, list):
            told = function.name if isinstance(function, _Name) else type(function).__name__
            raise self._refused(f"a call of {told}")
        return _BUILDERS[function.name](self, *arguments)

    def _set(self, target: Any, items: list[Any]) -> None:
        if not isinstance(target, dict):
            raise ValueError("items for what is no dict")
        _pairs(target, items)

    def _state(self, target: Any, state: Any) -> None:
        if isinstance(target, _Dtype):
            if not isinstance(state, list) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
                raise ValueError("the state of a type")
            if len(state) > 4 and (state[3] is not None or state[4] is not None):
                raise self._refused("an array of records")
            target.order = state[1]
        elif isinstance(target, _Array) and isinstance(state, dict):
            target.value = self._joblib(state)
        elif isinstance(target, _Array) and isinstance(state, list) and len(state) == 5:
            _, shape, dtype, fortran, content = state
            target.value = _array(content, dtype, shape, fortran=bool(fortran))
        elif isinstance(target, dict) and isinstance(state, dict):
            pass  # attributes of an ordered dict (torch's ``_metadata``)
        else:
            raise self._refused("the state of an object")

    def _joblib(self, state: dict[str, Any]) -> Any:
        """An array of joblib, whose bytes follow in the stream."""
        dtype = state["dtype"].dtype()
        shape = _shape(state["shape"], dtype)
        if dtype.hasobject:
            raise self._refused("a joblib array of Python objects")
        if state.get("numpy_array_alignment_bytes") is not None:
            self._bytes(self._bytes(1)[0])
        content = self._bytes(math.prod(shape) * dtype.itemsize)
        return _array(content, state["dtype"], list(shape), fortran=state.get("order") == "F")

    def _bytes(self, count: int) -> bytes:
        if not 0 <= count <= MOST_BYTES:
            raise ValueError(f"{count} bytes")
        content = self.stream.read(count)
        if len(content) < count:
            raise ValueError("it is cut off")
        return content

    def _persistent(self, what: Any) -> Any:
        if self.storage is None or not isinstance(what, list) or len(what) < 5 or what[0] != "storage":
            raise self._refused("a reference to another file")
        code = _storage_type(what[1].name) if isinstance(what[1], _Name) else None
        if code is None or not isinstance(what[4], int) or not 0 <= what[4] <= MOST_BYTES:
            raise self._refused("a storage of an unknown type")
        return self.storage(str(what[2]), np.dtype(code).newbyteorder("<"), what[4])


def _list(target: Any) -> list[Any]:
    if not isinstance(target, list):
        raise ValueError("items for what is no list")
    return target


def _pairs(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    for key, value in zip(items[::2], items[1::2], strict=True):
        if isinstance(key, list):
            key = tuple(map(str, key[:8]))
        elif isinstance(key, _Array):
            key = str(key.value)
        if not isinstance(key, (str, int, float, bytes, tuple, type(None), np.generic)):
            raise ValueError("a key that is no text or number")
        target[key] = value
    return target


def _shape(shape: Any, dtype: np.dtype) -> tuple[int, ...]:
    if not isinstance(shape, (list, tuple)) or len(shape) > 16 or not all(isinstance(n, int) for n in shape):
        raise ValueError("a shape that is none")
    if any(n < 0 for n in shape) or math.prod(shape) * max(dtype.itemsize, 1) > MOST_BYTES:
        raise ValueError(f"an array of shape {tuple(shape)}")
    return tuple(shape)


def _array(content: Any, dtype: Any, shape: Any, *, fortran: bool) -> Any:
    """An array from its bytes. One of Python objects is the list of them, or the object if it has no dimension."""
    if not isinstance(dtype, _Dtype):
        raise ValueError("an array without a type")
    kind = dtype.dtype()
    lengths = _shape(shape, kind)
    if kind.hasobject:
        items = content if isinstance(content, list) else []
        if len(items) != math.prod(lengths):
            raise ValueError("an array of objects that are not there")
        return items if lengths else items[0]
    raw = content.encode("latin-1") if isinstance(content, str) else content
    if not isinstance(raw, (bytes, bytearray)) or len(raw) != math.prod(lengths) * kind.itemsize:
        raise ValueError("an array whose bytes do not fit its shape")
    flat = np.frombuffer(bytes(raw), kind)
    return (flat.reshape(lengths[::-1]).T if fortran else flat.reshape(lengths)).astype(kind.newbyteorder("="))


# What the known names build. Each takes the reader and the arguments in the file.


def _reconstruct(reader: _Reader, *_: Any) -> _Array:
    return _Array()


def _dtype(reader: _Reader, code: Any, *_: Any) -> _Dtype:
    if not isinstance(code, str):
        raise ValueError("a type without a code")
    return _Dtype(code)


def _scalar(reader: _Reader, dtype: Any, content: Any = b"", *_: Any) -> Any:
    return _array(content, dtype, [], fortran=False)[()]


def _from_buffer(reader: _Reader, content: Any, dtype: Any, shape: Any, order: Any = "C", *_: Any) -> Any:
    return _array(content, dtype, shape, fortran=order == "F")


def _encoded(reader: _Reader, text: Any = "", code: Any = "latin1", *_: Any) -> bytes:
    if not isinstance(text, str) or code not in ("latin1", "latin-1"):
        raise ValueError("bytes in another code")
    return text.encode("latin-1")


def _dict(reader: _Reader, *arguments: Any) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    pairs = next((one for one in arguments if isinstance(one, list)), [])
    for pair in pairs:
        _pairs(result, _list(pair))
    return result


def _items(reader: _Reader, items: Any = None, *_: Any) -> list[Any]:
    return _list([] if items is None else items)


def _nested_storage(reader: _Reader, content: Any, *_: Any) -> Any:
    if not isinstance(content, (bytes, bytearray)):
        raise ValueError("a storage without bytes")
    return _Reader(io.BytesIO(bytes(content)), reader.path, nested=reader.nested + 1).whole()


class _Tensor(_Array):
    """A tensor whose storage may come later in the stream."""

    def __init__(self, storage: Any, offset: Any, size: Any, stride: Any) -> None:
        self.parts = (storage, offset, size, stride)

    def finished(self) -> np.ndarray:
        storage, offset, size, stride = self.parts
        flat = storage.value if isinstance(storage, _Array) else storage
        if not isinstance(flat, np.ndarray) or flat.ndim != 1 or not isinstance(offset, int) or offset < 0:
            raise ValueError("a tensor without a storage")
        shape, steps = _shape(size, flat.dtype), _shape(stride, np.dtype("u1"))
        if len(shape) != len(steps):
            raise ValueError("a tensor whose strides do not fit")
        last = offset + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
        if 0 in shape:
            return np.zeros(shape, flat.dtype)
        if math.prod(shape) * flat.dtype.itemsize > max(flat.nbytes, MOST_REPEATED):
            raise ValueError("a tensor that repeats its storage too often")
        if last >= len(flat):
            raise ValueError("a tensor larger than its storage")
        step_bytes = [step * flat.dtype.itemsize for step in steps]
        return np.lib.stride_tricks.as_strided(flat[offset:], shape, step_bytes, writeable=False).copy()


def _tensor(reader: _Reader, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, offset, size, stride)


def _parameter(reader: _Reader, tensor: Any, *_: Any) -> Any:
    return tensor


_NUMPY = ("numpy.core", "numpy._core")
_BUILDERS: dict[str, Callable[..., Any]] = {
    **{f"{place}.multiarray._reconstruct": _reconstruct for place in _NUMPY},
    **{f"{place}.multiarray.scalar": _scalar for place in _NUMPY},
    **{f"{place}.numeric._frombuffer": _from_buffer for place in _NUMPY},
    "numpy.dtype": _dtype,
    "joblib.numpy_pickle.NumpyArrayWrapper": _reconstruct,
    "collections.OrderedDict": _dict,
    "collections.defaultdict": _dict,
    "builtins.set": _items,
    "builtins.frozenset": _items,
    "__builtin__.set": _items,
    "builtins.bytearray": lambda reader, content=b"", *_: content if isinstance(content, bytes) else b"",
    "_codecs.encode": _encoded,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.storage._load_from_bytes": _nested_storage,
}
_WORDS = {
    "numpy.ndarray",
    *(f"{place}.{name}" for place in ("builtins", "__builtin__") for name in ("list", "dict", "int", "float", "str")),
}
"""Names that may stand as an argument and build nothing."""
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": list,
    "EMPTY_SET": list,
    "EMPTY_DICT": dict,
}
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip


def _storage_type(name: str) -> str | None:
    """Code of the numbers of a torch storage type, such as ``torch.FloatStorage``. None for other names."""
    return _TYPES.get(name.removeprefix("torch.").removesuffix("Storage")) if name.startswith("torch.") else None


def _finished(content: Any) -> Any:
    """The content with everything that was being built replaced by its value. Shared parts are done once."""
    done: dict[int, Any] = {}

    def finish(value: Any, depth: int) -> Any:
        if depth > 60:
            raise ValueError("it is nested too deeply")
        if isinstance(value, _Tensor):
            return value.finished()
        if isinstance(value, _Array):
            return finish(value.value, depth + 1)
        if isinstance(value, (_Name, _Dtype)) or value is _MARK:
            return None
        if not isinstance(value, (list, dict)):
            return value
        if id(value) in done:
            return done[id(value)]
        result: Any = [] if isinstance(value, list) else {}
        done[id(value)] = result
        if isinstance(value, list):
            result.extend(finish(one, depth + 1) for one in value)
        else:
            result.update((key, finish(one, depth + 1)) for key, one in value.items())
        return result

    return finish(content, 0)


def _torch_zip(content: bytes, path: Path) -> Any:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        require_archive_size(archive, path)
        name = next((one for one in archive.namelist() if one.split("/")[-1] == "data.pkl"), None)
        if name is None:
            raise ValueError("no data.pkl in it")
        root = name.removesuffix("data.pkl")
        stored: dict[str, np.ndarray] = {}

        def storage(key: str, dtype: np.dtype, count: int) -> np.ndarray:
            if key not in stored:
                stored[key] = np.frombuffer(archive.read(f"{root}data/{key}"), dtype)
            if len(stored[key]) != count or stored[key].dtype != dtype:
                raise ValueError("a storage of another size")
            return stored[key]

        reader = _Reader(io.BytesIO(archive.read(name)), path, nested=0, storage=storage)
        return _finished(reader.one())
