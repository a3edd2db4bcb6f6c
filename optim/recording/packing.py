"""Packs arrays of many iterations into one compressed block.

Numbers that change little between iterations take little space. Knows neither torch nor the meaning of the arrays.
zlib releases Python's global lock, so a fit continues meanwhile.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

LEVEL = 3
"""Level of zlib; higher levels take several times as long and save only a few percent."""
MOST_BYTES = 1 << 31
"""Largest size of an array in a block."""
_HEAD = struct.Struct("<I")


def pack(arrays: Mapping[str, np.ndarray], *, along: Mapping[str, tuple[int, ...]] | None = None) -> bytes:
    """Named arrays as one block of bytes.

    Args:
        along: For the names of some arrays of integers, the axes along which differences are stored instead of values.
    """
    along = along or {}
    head, bodies = [], []
    for name, array in arrays.items():
        axes = along.get(name, ())
        stored = array.astype(array.dtype.newbyteorder("<"), copy=False)
        for axis in axes:
            stored = np.diff(stored, axis=axis, prepend=np.zeros_like(stored.take([0], axis=axis)))
        head.append([name, stored.dtype.str, array.shape, axes])
        bodies.append(_planes(_folded(stored) if axes else stored))
    text = json.dumps(head, separators=(",", ":")).encode()
    return _HEAD.pack(len(text)) + text + zlib.compress(b"".join(bodies), LEVEL)


def unpack(block: bytes) -> dict[str, np.ndarray]:
    """The named arrays of a block that ``pack`` made.

    Raises:
        ValueError: The block is damaged.
    """
    try:
        (length,) = _HEAD.unpack_from(block)
        head = json.loads(block[_HEAD.size : _HEAD.size + length])
        sizes = [_size(code, shape) for _, code, shape, _ in head]
        body = memoryview(zlib.decompressobj().decompress(block[_HEAD.size + length :], max(sum(sizes), 1)))
    except (struct.error, zlib.error, RecursionError) as error:
        raise ValueError(f"a block of arrays cannot be read ({error})") from None
    arrays, place = {}, 0
    for (name, code, shape, axes), size in zip(head, sizes, strict=True):
        kind = np.dtype(code)
        stored = np.frombuffer(body[place : place + size], np.uint8).reshape(kind.itemsize, -1)
        array = np.ascontiguousarray(stored.T).view(kind).reshape(shape)
        if axes:
            array = _unfolded(array)
        for axis in reversed(axes):
            array = np.cumsum(array, axis=axis, dtype=kind)
        arrays[name] = array
        place += size
    return arrays


def _size(code: str, shape: Sequence[int]) -> int:
    """Number of bytes of an array; sizes that no fit has are refused before any memory is taken for them."""
    kind = np.dtype(code)
    size = math.prod(shape) * kind.itemsize
    if kind.kind not in "biuf" or not all(type(n) is int and n >= 0 for n in shape) or size > MOST_BYTES:
        raise ValueError(f"an array of {shape} {code} cannot be in a run")
    return size


def _planes(array: np.ndarray) -> bytes:
    """All first bytes, then all second bytes and so on. Small numbers have equal high bytes, which compress well."""
    return np.ascontiguousarray(array).view(np.uint8).reshape(-1, array.itemsize).T.tobytes()


def _folded(array: np.ndarray) -> np.ndarray:
    """Map 0, -1, 1, -2, … to 0, 1, 2, 3, …, so that the high bytes of small negative numbers are 0 too."""
    return (array << 1) ^ (array >> (8 * array.itemsize - 1))


def _unfolded(array: np.ndarray) -> np.ndarray:
    """The inverse of ``_folded``."""
    unsigned = array.view(array.dtype.str.replace("i", "u"))
    return ((unsigned >> 1).view(array.dtype)) ^ -(array & 1)
