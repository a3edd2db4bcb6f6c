"""Work that is shared out among as many threads as torch may use (``torch.set_num_threads``); else it stays on one.

For compiled functions that hold no lock of the interpreter and work on pieces that know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def pieces(count: int, *, unit: int = 1, least: int = 1) -> list[slice]:
    """``count`` things cut into one piece a thread, in multiples of ``unit`` and no smaller than ``least``."""
    number = max(1, min(torch.get_num_threads(), count // least))
    units = -(-count // unit)
    cuts = [min(count, unit * (units * i // number)) for i in range(number)] + [count]
    return [slice(a, b) for a, b in zip(cuts, cuts[1:], strict=False) if b > a]


def side_by_side(function: Callable[[Piece], Result], work: Sequence[Piece]) -> list[Result]:
    """``function`` of every piece, the first one's in this thread; results in order."""
    others = [_pool().submit(function, piece) for piece in work[1:]]
    first = [function(piece) for piece in work[:1]]
    return first + [other.result() for other in others]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="roll-out")
