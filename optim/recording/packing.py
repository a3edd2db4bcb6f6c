"""Packs arrays of many iterations into one compressed block.

Numbers that change little between iterations take little space. Knows neither torch nor the meaning of the arrays.
zlib releases Python's global lock, so a fit continues meanwhile.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping

import numpy as np

LEVEL = 3
"""Level of zlib; higher levels take several times as long and save only a few percent."""
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
        body = memoryview(zlib.decompress(block[_HEAD.size + length :]))
    except (struct.error, zlib.error) as error:
        raise ValueError(f"a block of arrays cannot be read ({error})") from None
    arrays, place = {}, 0
    for name, code, shape, axes in head:
        kind = np.dtype(code)
        size = int(np.prod(shape)) * kind.itemsize
        stored = np.frombuffer(body[place : place + size], np.uint8).reshape(kind.itemsize, -1)
        array = np.ascontiguousarray(stored.T).view(kind).reshape(shape)
        if axes:
            array = _unfolded(array)
        for axis in reversed(axes):
            array = np.cumsum(array, axis=axis, dtype=kind)
        arrays[name] = array
        place += size
    return arrays


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
