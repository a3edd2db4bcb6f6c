"""The loss terms of iterations in a row as one block: totals, terms and gradient norms exactly, shares of frames not.

Needs no torch and no type of the optimiser: an evaluation is a table here, as ``plain_evaluation`` makes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from optim.recording.packing import pack

Plain = dict[str, Any]
"""``total``; ``names`` and ``numbers`` (K, 3) of the terms: raw, weighted, scale; ``per_frame``: rows of these and
their (R, B, T) shares, for each shape there is; ``norms`` of the gradient by variable."""
MOST = 64
"""Number of iterations in one block."""
_CUT = 13
"""Bits that shares of frames lose of float32's 23 bits of a fraction; they are right to 1 in 2000."""


def layout_of(evaluation: Plain) -> str:
    """What evaluations in one block have in common, as JSON."""
    frames = [[list(rows), list(stack.shape)] for rows, stack in evaluation["per_frame"]]
    layout = {"terms": list(evaluation["names"]), "norms": list(evaluation["norms"]), "per_frame": frames}
    return json.dumps(layout, separators=(",", ":"))


def runs(evaluations: Sequence[Plain]) -> Iterator[tuple[str, range]]:
    """Layout and places of those that go into one block each."""
    begin, layout = 0, ""
    for place, evaluation in enumerate(evaluations):
        here = layout_of(evaluation)
        if place > begin and (here != layout or place - begin == MOST):
            yield layout, range(begin, place)
            begin = place
        layout = here
    if evaluations:
        yield layout, range(begin, len(evaluations))


def packed(evaluations: Sequence[Plain]) -> bytes:
    """A block of evaluations of one layout."""
    arrays = {
        "total": np.array([e["total"] for e in evaluations], np.float64),
        "numbers": np.stack([e["numbers"] for e in evaluations]),
        "norms": np.array([list(e["norms"].values()) for e in evaluations], np.float64),
    }
    for group in range(len(evaluations[0]["per_frame"])):
        shares = np.stack([e["per_frame"][group][1] for e in evaluations]).astype(np.float32)
        arrays[f"per_frame{group}"] = (shares.view(np.int32) + (1 << (_CUT - 1))) >> _CUT
    return pack(arrays, along={name: (0,) for name in arrays if name.startswith("per_frame")})


def unpacked(layout: str, arrays: dict[str, np.ndarray]) -> list[Plain]:
    """The evaluations that are stored in a block."""
    known = json.loads(layout)
    shares = [
        (rows, np.left_shift(arrays[f"per_frame{group}"], _CUT).view(np.float32))
        for group, (rows, _) in enumerate(known["per_frame"])
    ]
    return [
        {
            "total": float(total),
            "names": tuple(known["terms"]),
            "numbers": arrays["numbers"][place],
            "per_frame": [(rows, stack[place]) for rows, stack in shares],
            "norms": dict(zip(known["norms"], arrays["norms"][place].tolist(), strict=True)),
        }
        for place, total in enumerate(arrays["total"])
    ]
