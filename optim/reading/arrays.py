"""Named arrays out of .npz files and single ones out of .npy files: never pickled objects, only of a bounded size.

The header of an array is read before its content, so that a file that promises more than it should is refused first.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from optim.common.errors import InputError
from optim.reading.files import MOST_BYTES, guarded, require_file

FRAME_RATES = (1.0, 1000.0)
"""Frames per second that a recording of a person can have."""
_DAMAGED, _AGAIN = "damaged or cut off", "copy it again"
_NUMBERS, _TEXT = "biuf", "US"


def array_names(path: Path) -> tuple[str, ...]:
    """Names of the arrays in an .npz file; none where it is no such file."""
    try:
        require_file(path, what="an .npz file")
        with guarded(path, problem=_DAMAGED, advice=_AGAIN), zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
    except InputError:
        return ()


def read_arrays(
    path: Path,
    names: Sequence[str],
    *,
    what: str,
    optional: Sequence[str] = (),
    text: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Read the arrays called ``names`` and those of ``optional`` that are there; others are left alone.

    Args:
        what: What the file should be, for messages.
        text: Those among them that may hold text; all others hold real numbers or truth values.

    Raises:
        InputError: No such file, not an .npz archive, damaged, an array missing, of another type or too large.
    """
    require_file(path, what=what)
    with guarded(path, problem=_DAMAGED, advice=_AGAIN):
        with path.open("rb") as file:
            start = file.read(6)
        if start == b"\x93NUMPY":
            raise InputError(f"{path}: a single array, but {what} is an .npz archive of named arrays")
        if not start.startswith(b"PK"):
            if not start:
                raise InputError(f"{path}: damaged or cut off (it is empty); copy it again")
            raise InputError(f"{path}: not an .npz file; {what} is expected")
        with zipfile.ZipFile(path) as archive:
            there = {member.removesuffix(".npy"): member for member in archive.namelist() if member.endswith(".npy")}
            missing = [name for name in names if name not in there]
            if missing:
                raise InputError(
                    f"{path}: no array {', '.join(missing)} in it, only {', '.join(there) or 'nothing'};"
                    f" {what} is expected"
                )
            wanted = [*names, *(name for name in optional if name in there)]
            return {name: _member(archive, there[name], name, path, text=name in text) for name in wanted}


def _member(archive: zipfile.ZipFile, member: str, name: str, path: Path, *, text: bool) -> np.ndarray:
    with (
        guarded(path, problem=f"array {name} is damaged", advice="copy the file again", also=(Exception,)),
        archive.open(member) as stream,
    ):
        return _read(stream, archive.getinfo(member).file_size, f"{path}: array {name}", text=text)


def read_array(path: Path, *, what: str) -> np.ndarray:
    """The array of numbers in an .npy file.

    Raises:
        InputError: No such file, not such an array, damaged, or too large.
    """
    require_file(path, what=what)
    advice = f"{what} is expected"
    with guarded(path, problem="not a plain .npy array", advice=advice, also=(Exception,)), path.open("rb") as stream:
        return _read(stream, path.stat().st_size, str(path), text=False)


def _read(stream: IO[bytes], size: int, place: str, *, text: bool) -> np.ndarray:
    """One array from where its header begins; ``size`` is that of header and content together [bytes]."""
    version = np.lib.format.read_magic(stream)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(stream)
    if dtype.hasobject:
        raise InputError(
            f"{place} holds pickled Python objects, and is not read for safety; save it again as a plain numeric array"
        )
    if dtype.kind not in (_NUMBERS + _TEXT if text else _NUMBERS) or dtype.names is not None:
        raise InputError(f"{place} is of type {dtype}; real numbers are expected")
    count = math.prod(shape)
    if any(length < 0 for length in shape) or count * dtype.itemsize > MOST_BYTES:
        raise InputError(
            f"{place} has shape {shape} of {dtype}, {count * dtype.itemsize / 1e6:,.0f} MB; at most"
            f" {MOST_BYTES / 1e6:,.0f} MB are read"
        )
    if count * dtype.itemsize > size:
        raise InputError(f"{place} is damaged (shape {shape} of {dtype} in {size} bytes); copy the file again")
    content = stream.read(count * dtype.itemsize)
    if len(content) < count * dtype.itemsize:
        raise InputError(f"{place} is damaged (it is cut off); copy the file again")
    array = np.frombuffer(content, dtype=dtype.newbyteorder("=") if dtype.isnative else dtype, count=count)
    array = array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
    return array.astype(dtype.newbyteorder("="), order="C")  # a copy of its own, which may be written to


def require_finite(array: np.ndarray, *, name: str, path: Path) -> np.ndarray:
    """The array itself, if it has no NaN and no infinity."""
    bad = ~np.isfinite(array)
    if bad.any():
        first = int(np.argwhere(bad)[0][0]) if array.ndim else 0
        raise InputError(
            f"{path}: {name} has {int(bad.sum())} values that are NaN or infinite, the first in row {first};"
            " cut those frames out or repair them"
        )
    return array


def require_range(array: np.ndarray, *, name: str, path: Path, low: float, high: float, what: str) -> np.ndarray:
    """The array itself, if all its finite numbers lie between two bounds; ``what`` says what they are, with a unit."""
    known = array[np.isfinite(array)]
    if known.size and (known.min() < low or known.max() > high):
        worst = known.max() if known.max() > high else known.min()
        raise InputError(f"{path}: {name} has {worst:g} in it; {what} lie between {low:g} and {high:g}")
    return array


def frame_rate(value: np.ndarray | float, *, name: str, place: Path | str) -> float:
    """Frames per second that a file or a flag gives.

    Raises:
        InputError: Not one number between ``FRAME_RATES``.
    """
    array = np.asarray(value)
    rate = float(array.reshape(-1)[0]) if array.size == 1 and array.dtype.kind in _NUMBERS else math.nan
    if not FRAME_RATES[0] <= rate <= FRAME_RATES[1]:
        raise InputError(
            f"{place}: {name} is {value}; one positive number of frames per second, from {FRAME_RATES[0]:g} to"
            f" {FRAME_RATES[1]:g}, is expected"
        )
    return rate


def first_text(array: np.ndarray | None) -> str | None:
    """The first text in an array of text or bytes; None where there is none."""
    values: Iterable[object] = [] if array is None else array.ravel()[:1].tolist()
    for value in values:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return None
