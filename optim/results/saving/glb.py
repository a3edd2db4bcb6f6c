"""Write binary glTF 2.0 files: arrays become accessors of one buffer, all else is JSON. Knows nothing of bodies.

Source of the layout: Khronos, glTF 2.0 specification, sections 3.6 (accessors) and 4 (GLB).
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from optim.common.writing import replacing

_COMPONENTS = {
    np.dtype(np.float32): 5126,
    np.dtype(np.uint8): 5121,
    np.dtype(np.uint32): 5125,
}
_TYPES = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
VERTICES, INDICES = 34962, 34963
"""Targets of a buffer view, which say how the graphics card uses the data."""


class GlbBuilder:
    """Collects arrays and objects, then writes them as one file.

    ``content`` is the JSON document. The caller fills its lists (``nodes``, ``meshes``, …).
    """

    def __init__(self, *, generator: str) -> None:
        self.content: dict[str, Any] = {"asset": {"version": "2.0", "generator": generator}}
        self._buffer = bytearray()

    def add(self, kind: str, value: dict[str, Any]) -> int:
        """Append a value to one of the lists of the document, and return its index."""
        self.content.setdefault(kind, []).append(value)
        return len(self.content[kind]) - 1

    def accessor(self, array: np.ndarray, *, target: int | None = None, bounds: bool = False) -> int:
        """Add an array as an accessor and return its index.

        Args:
            array: (N,), (N, 3), (N, 4), or (N, 4, 4) for matrices in the usual order of rows and columns.
            target: ``VERTICES`` or ``INDICES``. None for animation data.
            bounds: Whether to store the bounds of each component, which positions and times must have.
        """
        tail = array.shape[1:]
        flat = array.swapaxes(1, 2) if tail == (4, 4) else array  # glTF stores matrices by columns
        self._buffer += b"\0" * (-len(self._buffer) % 4)
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self._buffer), "byteLength": array.nbytes}
        if target is not None:
            view["target"] = target
        self._buffer += np.ascontiguousarray(flat).astype(array.dtype.newbyteorder("<")).tobytes()
        value: dict[str, Any] = {
            "bufferView": self.add("bufferViews", view),
            "componentType": _COMPONENTS[array.dtype],
            "count": len(array),
            "type": _TYPES[tail],
        }
        if bounds:
            columns = array.reshape(len(array), -1)
            value |= {"min": columns.min(0).tolist(), "max": columns.max(0).tolist()}
        return self.add("accessors", value)

    def write(self, path: Path) -> None:
        """Write the file: header, JSON chunk and binary chunk."""
        self._buffer += b"\0" * (-len(self._buffer) % 4)
        content = self.content | {"buffers": [{"byteLength": len(self._buffer)}]}
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=True).encode("ascii")
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
        chunks += struct.pack("<II", len(self._buffer), 0x004E4942) + self._buffer
        with replacing(path) as beside:
            beside.write_bytes(struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks)
