"""Makes files wrong in every way that a user's file can be wrong; one seeded generator decides all."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Rng = np.random.Generator


def wrong_type(array: np.ndarray, rng: Rng) -> np.ndarray:
    """Of the same shape where that is possible, but not real numbers."""
    kind = rng.integers(8)
    if kind == 0:
        return array.astype("U8")
    if kind == 1:
        return np.zeros(array.shape, np.complex128)
    if kind == 2:
        return np.array([None, "a", {}], object)
    if kind == 3:
        return np.zeros(array.shape, "m8[s]")
    if kind == 4:
        return np.zeros(array.shape, "M8[s]")
    if kind == 5:
        return np.zeros(max(array.size, 1), [("a", "f4"), ("b", "i4")])
    if kind == 6:
        return np.full(array.shape, b"x")
    return np.zeros(array.shape, bool)


def wrong_shape(array: np.ndarray, rng: Rng) -> np.ndarray:
    """The same numbers in another arrangement, or fewer of them, or none."""
    kind = rng.integers(8)
    if kind == 0:
        return array.reshape(-1)
    if kind == 1:
        return array[None]
    if kind == 2:
        return array.T
    if kind == 3:
        return array.reshape(-1)[:0]
    if kind == 4:
        return array.reshape(-1)[:1].reshape(())
    if kind == 5:
        return array[..., :-1] if array.ndim else array
    if kind == 6:
        return array[: max(len(array) // 2, 1)] if array.ndim else array
    return np.zeros((0, 3, 0))


def wrong_values(array: np.ndarray, rng: Rng) -> np.ndarray:
    """Not finite, huge, negative or of another width."""
    numbers = np.array(array, np.float64)
    if numbers.size == 0:
        return numbers
    flat = numbers.reshape(-1)
    where = rng.integers(numbers.size, size=3)
    kind = rng.integers(8)
    if kind == 0:
        flat[where] = np.nan
    elif kind == 1:
        flat[where] = np.inf
    elif kind == 2:
        flat[where] = 1e300
    elif kind == 3:
        flat[:] = -flat - 1
    elif kind == 4:
        flat[:] = np.nan
    elif kind == 5:
        return numbers.astype(">f8")
    elif kind == 6:
        return np.clip(np.nan_to_num(numbers), -1e4, 1e4).astype(np.float16)
    else:
        flat[where] = 2.0**62
    return flat.reshape(numbers.shape)


def spoil_array(array: np.ndarray, rng: Rng) -> np.ndarray:
    """One of the three above."""
    ways = (wrong_type, wrong_shape, wrong_values)[: 3 if array.dtype.kind in "biuf" else 2]
    return ways[rng.integers(len(ways))](array, rng)


def npy_bytes(array: np.ndarray) -> bytes:
    """As ``numpy.save`` writes it, Python objects included."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=True)
    return stream.getvalue()


def lying_header(rng: Rng) -> bytes:
    """An .npy file whose header promises more than there is, or is none."""
    shapes = ["(1000000000000,)", "(-3, 3)", "(99999, 99999, 99999)", "(3", "(1.5,)", "(2**40,)"]
    types = ["<f8", "|O", "<M8[s]", "<f99", "nonsense"]
    shape, dtype = shapes[rng.integers(len(shapes))], types[rng.integers(len(types))]
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(24)


def damage_bytes(path: Path, rng: Rng) -> None:
    """Cut off, flip, add or replace bytes of a file."""
    content = bytearray(path.read_bytes())
    kind = rng.integers(6)
    if kind == 0:
        content = content[: rng.integers(len(content) + 1)]
    elif kind == 1:
        for at in rng.integers(len(content), size=8):
            content[at] ^= 1 << rng.integers(8)
    elif kind == 2:
        content = bytearray()
    elif kind == 3:
        content = bytearray(rng.bytes(200))
    elif kind == 4:
        content[: min(40, len(content))] = rng.bytes(min(40, len(content)))
    else:
        content += rng.bytes(100)
    path.write_bytes(bytes(content))


def write_npz(path: Path, arrays: dict[str, np.ndarray | bytes]) -> None:
    """An .npz archive whose members may also be raw bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", array if isinstance(array, bytes) else npy_bytes(array))


def spoil_npz(path: Path, rng: Rng) -> None:
    """One array of an .npz archive is wrong, or the archive itself is."""
    if rng.random() < 0.3:
        damage_bytes(path, rng)
        return
    with np.load(path, allow_pickle=False) as archive:
        arrays: dict[str, np.ndarray | bytes] = {name: archive[name] for name in archive.files}
    name = sorted(arrays)[rng.integers(len(arrays))]
    kind = rng.integers(8)
    array = arrays[name]
    assert isinstance(array, np.ndarray)
    if kind == 0:
        del arrays[name]
    elif kind == 1:
        arrays[name] = lying_header(rng)
    elif kind == 2:
        arrays[name] = rng.bytes(50)
    else:
        arrays[name] = spoil_array(array, rng)
    write_npz(path, arrays)


def spoil_npy(path: Path, rng: Rng) -> None:
    """The array of an .npy file is wrong, or the file itself is."""
    kind = rng.integers(3)
    if kind == 0:
        damage_bytes(path, rng)
    elif kind == 1:
        path.write_bytes(lying_header(rng))
    else:
        path.write_bytes(npy_bytes(spoil_array(np.load(path), rng)))


def spoil_pickle(path: Path, rng: Rng) -> None:
    """Opcodes of a pickle are others, or parts of it are repeated, or its bytes are wrong."""
    if rng.random() < 0.3:
        damage_bytes(path, rng)
        return
    content = bytearray(path.read_bytes())
    opcodes = b"()0.12IJKMGXUTVNSacdehjlopqrstu}]b\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8e\x93\x94\x95\x96\x97"
    for at in rng.integers(min(len(content), 400), size=int(rng.integers(1, 5))):
        content[at] = opcodes[rng.integers(len(opcodes))]
    if rng.random() < 0.3:
        first, last = sorted(rng.integers(len(content), size=2))
        content[first:first] = content[first:last]
    path.write_bytes(bytes(content))


def spoil_c3d(path: Path, rng: Rng) -> None:
    """Bytes of the header or of the parameters are others, or bytes anywhere are wrong."""
    if rng.random() < 0.3:
        damage_bytes(path, rng)
        return
    content = bytearray(path.read_bytes())
    low, high = (0, 30) if rng.random() < 0.4 else (512, min(len(content), 2048))
    for at in rng.integers(low, high, size=int(rng.integers(1, 5))):
        content[at] = int(rng.choice([0, 1, 2, 3, 127, 128, 255, rng.integers(256)]))
    path.write_bytes(bytes(content))


_VALUES: tuple[Callable[[], Any], ...] = (
    lambda: None,
    lambda: "text",
    lambda: True,
    lambda: {},
    lambda: [],
    lambda: -1e308,
    lambda: float("nan"),
    lambda: float("inf"),
    lambda: 10**400,
    lambda: [[]],
    lambda: [1, [2, [3]]],
    lambda: {"a": [1, 2]},
    lambda: 0,
    lambda: "9" * 400,
)


def spoil_json(path: Path, rng: Rng) -> None:
    """One value somewhere in a JSON file is another one, or the text is wrong."""
    kind = rng.integers(6)
    if kind == 0:
        damage_bytes(path, rng)
        return
    if kind == 1:
        depth = int(rng.choice([50, 2000, 200_000]))
        path.write_text("[" * depth + "]" * depth)
        return
    content = json.loads(path.read_text(encoding="utf-8"))
    place: Any = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = keys[rng.integers(len(keys))]
        deeper = isinstance(place[key], (dict, list)) and len(place[key]) > 0
        if deeper and rng.random() < 0.7:
            place = place[key]
            continue
        if isinstance(place, dict) and rng.random() < 0.3:
            del place[key]
        else:
            place[key] = _VALUES[rng.integers(len(_VALUES))]()
        break
    path.write_text(json.dumps(content), encoding="utf-8")


def spoil_text(path: Path, rng: Rng) -> None:
    """Words of a text file are others, or its bytes are wrong."""
    if rng.random() < 0.4:
        damage_bytes(path, rng)
        return
    words = path.read_text(encoding="utf-8").split(" ")
    spoilt = ["", "nan", "1e999", "-5", "\0", '"', "--no-such-flag", "9" * 5000, "ü", "[[", "inf", "\n"]
    for at in rng.integers(len(words), size=2):
        words[at] = spoilt[rng.integers(len(spoilt))]
    path.write_text(" ".join(words), encoding="utf-8")
