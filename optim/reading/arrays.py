"""Read named arrays from .npz files and single arrays from .npy files. Pickled objects are never read.

The header of an array is read before its content. A file that announces too large an array is refused without reading
it.
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
"""Lowest and highest frame rate [Hz] that is accepted for a motion of a person."""
_DAMAGED, _AGAIN = "damaged or cut off", "copy it again"
_NUMBERS, _TEXT = "biuf", "US"


def array_names(path: Path) -> tuple[str, ...]:
    """Names of the arrays in an .npz file. The tuple is empty if the path is not an .npz file."""
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
    """Read some of the arrays in an .npz file.

    Args:
        names: Names of the arrays that must be in the file.
        what: Description of the expected file, for messages.
        optional: Names of the arrays that are read only if they are in the file.
        text: Names of the arrays that may hold text. All others must hold real numbers or truth values.

    Returns:
        The arrays by name. Arrays that were not asked for are not read.

    Raises:
        InputError: There is no such file, it is not an .npz archive, it is damaged, or an array is missing, of another
            type or too large.
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
    """Read the array of numbers in an .npy file.

    Raises:
        InputError: There is no such file, it is not an array of numbers, it is damaged, or it is too large.
    """
    require_file(path, what=what)
    advice = f"{what} is expected"
    with guarded(path, problem="not a plain .npy array", advice=advice, also=(Exception,)), path.open("rb") as stream:
        return _read(stream, path.stat().st_size, str(path), text=False)


def _read(stream: IO[bytes], size: int, place: str, *, text: bool) -> np.ndarray:
    """Read one array from a stream that stands at its header. ``size`` counts header and content [bytes]."""
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
    return array.astype(dtype.newbyteorder("="), order="C")  # a copy, because frombuffer is read-only


def require_finite(array: np.ndarray, *, name: str, path: Path) -> np.ndarray:
    """Return the array itself if it has no NaN and no infinity.

    Raises:
        InputError: It has one; names the array and the first row with it.
    """
    bad = ~np.isfinite(array)
    if bad.any():
        first = int(np.argwhere(bad)[0][0]) if array.ndim else 0
        raise InputError(
            f"{path}: {name} has {int(bad.sum())} values that are NaN or infinite, the first in row {first};"
            " cut those frames out or repair them"
        )
    return array


def require_range(array: np.ndarray, *, name: str, path: Path, low: float, high: float, what: str) -> np.ndarray:
    """Return the array itself if all its finite numbers lie between ``low`` and ``high``.

    Args:
        what: Plural noun for the numbers, with their unit, for the message.

    Raises:
        InputError: A number lies outside the bounds; names the array and the number.
    """
    known = array[np.isfinite(array)]
    if known.size and (known.min() < low or known.max() > high):
        worst = known.max() if known.max() > high else known.min()
        raise InputError(f"{path}: {name} has {worst:g} in it; {what} lie between {low:g} and {high:g}")
    return array


def frame_rate(value: np.ndarray | float, *, name: str, place: Path | str) -> float:
    """Frame rate [Hz] that a file or a flag gives.

    Args:
        name: Name of the field or flag, for the message.
        place: Path of the file, or the flag, for the message.

    Raises:
        InputError: The value is not a single number within ``FRAME_RATES``.
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
    """First text in an array of text or bytes. None if there is no array or no text in it."""
    values: Iterable[object] = [] if array is None else array.ravel()[:1].tolist()
    for value in values:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return None
