"""Weights of networks from torch's files: tensors, containers and numbers only; nothing in them is executed."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from optim.common.errors import InputError
from optim.reading.files import MOST_BYTES, guarded, require_archive_size, require_file

_SCALAR = np.float64(0).__reduce__()[0]  # what a pickled numpy number is rebuilt with
_HARMLESS: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    type(np.dtype(np.float64)),
    type(np.dtype(np.float32)),
]
"""What a checkpoint may hold besides tensors: numpy's numbers, as of a loss that was saved with it."""


def read_weights(path: Path, *, what: str) -> Any:
    """The content of a file of ``torch.save``, on the CPU.

    Raises:
        InputError: No such file, damaged, too large, or more in it than tensors, containers and numbers.
    """
    require_file(path, what=what, most=MOST_BYTES)
    with guarded(path, problem="damaged or cut off", advice="copy it again"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                require_archive_size(archive, path)
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's readers raise whatever a damaged file leads them to
        if isinstance(error, pickle.UnpicklingError) and "global" in str(error).lower():
            raise InputError(
                f"{path}: not plain weights (it holds Python objects, which are not read); save it again with"
                " torch.save of tensors and numbers only"
            ) from None
        raise InputError(
            f"{path}: cannot be read as torch weights ({type(error).__name__}); {what} is expected: copy it again"
        ) from None
