"""Packs the loss terms of successive iterations into one block.

Totals, terms and gradient norms are stored exactly, the shares of the frames with less precision. Needs neither torch
nor a type of the optimiser: an evaluation is a table here, as ``recording.plain_evaluation`` makes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from optim.recording.packing import pack

Plain = dict[str, Any]
"""One evaluation as a table.

Its keys are ``total``; ``names`` of the K terms and their ``numbers`` (K, 3), which are raw, weighted and scale;
``per_frame``, which lists for each shape the rows of R terms and their shares (R, B, T); and ``norms``, the norms of
the gradient by variable.
"""
MOST = 64
"""Largest number of iterations in one block."""
_CUT = 13
"""Number of the 23 fraction bits of float32 that the shares of frames lose; their relative error is about 1/2000."""


def layout_of(evaluation: Plain) -> str:
    """The layout of an evaluation, as JSON; all evaluations in one block have the same layout."""
    frames = [[list(rows), list(stack.shape)] for rows, stack in evaluation["per_frame"]]
    layout = {"terms": list(evaluation["names"]), "norms": list(evaluation["norms"]), "per_frame": frames}
    return json.dumps(layout, separators=(",", ":"))


def runs(evaluations: Sequence[Plain]) -> Iterator[tuple[str, range]]:
    """The layout and the positions of the evaluations of each block."""
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
    """The block of bytes that stores evaluations of the same layout."""
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
