"""Read JSON of a bounded size and depth, and turn its lists of numbers into arrays of a checked shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from optim.common.errors import InputError
from optim.reading.files import guarded, read_text

MOST_DEPTH = 40
"""Largest number of levels of nested lists and objects. The files that are read here have at most six."""


def read_json(path: Path, *, what: str) -> Any:
    """Read the content of a JSON file.

    Raises:
        InputError: There is no such file, it is not JSON, or it is nested more than ``MOST_DEPTH`` levels deep.
    """
    text = read_text(path, what=what)
    return parse_json(text, path, what=what)


def parse_json(text: str, path: Path, *, what: str) -> Any:
    """Content of a JSON text that was read from ``path``.

    Raises:
        InputError: It is not JSON, or it is nested more than ``MOST_DEPTH`` levels deep.
    """
    with guarded(path, problem="not JSON", advice=f"{what} is expected"):
        content = json.loads(text)
    require_depth(content, path)
    return content


def require_depth(content: Any, path: Path) -> None:
    """Refuse content that is nested so deeply that a recursive function could exhaust the stack.

    Raises:
        InputError: The content is nested more than ``MOST_DEPTH`` levels deep.
    """
    level = [content]
    for _ in range(MOST_DEPTH + 1):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += [one for one in value if isinstance(one, (list, dict))]
        level = inner
        if not level:
            return
    raise InputError(f"{path}: nested more than {MOST_DEPTH} deep; nothing that is read here is like that")


def json_numbers(value: Any, *, shape: tuple[int | None, ...] | None = None) -> np.ndarray | None:
    """Nested lists of numbers as a float64 array. None if they are not numbers or have another shape.

    Texts and truth values do not count as numbers here, although numpy would convert them. ``null`` becomes NaN.

    Args:
        shape: Expected shape. None as a length accepts any length. None as the shape accepts any shape.
    """
    if not _is_numeric(value):
        return None
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError, MemoryError):
        return None
    if shape is not None and (
        array.ndim != len(shape) or any(w is not None and w != n for w, n in zip(shape, array.shape, strict=True))
    ):
        return None
    return array


def _is_numeric(value: Any) -> bool:
    level = [value]
    while level:
        inner: list[Any] = []
        for one in level:
            if isinstance(one, list):
                inner += one
            elif isinstance(one, bool) or not (one is None or isinstance(one, (int, float))):
                return False
        level = inner
    return True
