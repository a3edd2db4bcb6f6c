"""Read network weights from torch's files: only tensors, containers and numbers. Nothing in a file is executed."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from optim.common.errors import InputError
from optim.reading.files import MOST_BYTES, guarded, require_archive_size, require_file

_SCALAR = np.float64(0).__reduce__()[0]  # the function that numpy uses to rebuild a pickled number
_HARMLESS: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    type(np.dtype(np.float64)),
    type(np.dtype(np.float32)),
]
"""Types that a checkpoint may hold besides tensors: numpy's numbers, such as a loss that was saved with the weights."""


def read_weights(path: Path, *, what: str) -> Any:
    """Read the content of a file that ``torch.save`` wrote. Tensors come back on the CPU.

    Raises:
        InputError: There is no such file, it is damaged, it is too large, or it holds other objects than tensors,
            containers and numbers.
    """
    require_file(path, what=what, most=MOST_BYTES)
    with guarded(path, problem="damaged or cut off", advice="copy it again"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                require_archive_size(archive, path)
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make torch's readers raise almost any exception
        if isinstance(error, pickle.UnpicklingError) and "global" in str(error).lower():
            raise InputError(
                f"{path}: not plain weights (it holds Python objects, which are not read); save it again with"
                " torch.save of tensors and numbers only"
            ) from None
        raise InputError(
            f"{path}: cannot be read as torch weights ({type(error).__name__}); {what} is expected: copy it again"
        ) from None
