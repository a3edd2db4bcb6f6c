"""JSON that a user gave: bounded in size and depth, and its numbers as arrays of a promised shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from optim.common.errors import InputError
from optim.reading.files import guarded, read_text

MOST_DEPTH = 40
"""Lists and objects within each other; what is read here has at most six."""


def read_json(path: Path, *, what: str) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: No such file, not JSON, or lists and objects nested more than ``MOST_DEPTH`` deep.
    """
    text = read_text(path, what=what)
    return parse_json(text, path, what=what)


def parse_json(text: str, path: Path, *, what: str) -> Any:
    """The same of a text that stood in a file.

    Raises:
        InputError: As ``read_json``.
    """
    with guarded(path, problem="not JSON", advice=f"{what} is expected"):
        content = json.loads(text)
    require_depth(content, path)
    return content


def require_depth(content: Any, path: Path) -> None:
    """Refuse what is nested so deeply that whoever walks through it could run out of stack.

    Raises:
        InputError: It is.
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
    """Nested lists of numbers as a float64 array, or None where they are none.

    Texts and truth values are no numbers here, though numpy would convert them; ``null`` is NaN.

    Args:
        shape: What it must have; None in it stands for any length, None for it for any shape.
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
