"""Read named arrays out of an .npz file, without pickle, with errors that name the file and the array."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from optim.common.errors import InputError


def require_file(path: Path, *, what: str) -> Path:
    """The path itself, if there is a file; ``what`` says what it should be ("a motion", "the body model")."""
    if path.is_dir():
        raise InputError(f"{path}: a folder, but {what} is one file; give the path of the file in it")
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of {what}")
    return path


def array_names(path: Path) -> tuple[str, ...]:
    """Names of the arrays in an .npz; none where it is no such file (its reader will say what is wrong)."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return ()


def read_arrays(path: Path, names: Sequence[str], *, what: str, optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Read the arrays called ``names`` and those of ``optional`` that are there; others are left alone.

    Raises:
        InputError: No such file, not an .npz archive, damaged, an array missing or saved as a Python object.
    """
    require_file(path, what=what)
    try:
        archive = np.load(path, allow_pickle=False)
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise InputError(f"{path}: damaged or cut off ({error}); copy it again") from None
    except ValueError:
        raise InputError(f"{path}: not an .npz file; {what} is expected") from None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise InputError(f"{path}: a single array, but {what} is an .npz archive of named arrays")
    with archive:
        missing = [name for name in names if name not in archive.files]
        if missing:
            raise InputError(
                f"{path}: no array {', '.join(missing)} in it, only {', '.join(archive.files) or 'nothing'};"
                f" {what} is expected"
            )
        wanted = [*names, *(name for name in optional if name in archive.files)]
        return {name: _read(archive, name, path) for name in wanted}


def _read(archive: np.lib.npyio.NpzFile, name: str, path: Path) -> np.ndarray:
    try:
        return archive[name]
    except ValueError:
        raise InputError(
            f"{path}: array {name} holds pickled Python objects or is damaged, and is not read for safety;"
            " save it again as a plain numeric array"
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise InputError(f"{path}: array {name} is damaged ({error}); copy the file again") from None


def require_finite(array: np.ndarray, *, name: str, path: Path) -> np.ndarray:
    """The array itself, if it has no NaN and no infinity."""
    bad = ~np.isfinite(array)
    if bad.any():
        first = int(np.argwhere(bad)[0][0])
        raise InputError(
            f"{path}: {name} has {int(bad.sum())} values that are NaN or infinite, the first in row {first};"
            " cut those frames out or repair them"
        )
    return array
