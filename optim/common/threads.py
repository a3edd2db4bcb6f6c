"""How many threads there are, and work that is shared out among them.

Shared out are compiled functions that hold no lock of the interpreter, on pieces that know nothing of each other. A
thread without a piece sleeps. Torch's own threads and the BLAS's, which wait for each other awake, stay at one: on a
busy machine two of them take five times as long as one, and a window beside them draws half as often.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

Piece = TypeVar("Piece")
Result = TypeVar("Result")
_count = 1


def use(count: int) -> None:
    """Share work out among so many threads from now on; until then there is one."""
    global _count
    _count = count
    torch.set_num_threads(1)
    threadpool_limits(limits=1, user_api="blas")


def used() -> int:
    """How many there are."""
    return _count


def asked_for() -> int | None:
    """What OMP_NUM_THREADS says, of which the first number counts; None where it says nothing."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(given) if given.isdigit() and int(given) else None


def processors() -> int:
    """How many this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pieces(count: int, *, unit: int = 1, least: int = 1) -> list[slice]:
    """``count`` things cut into one piece a thread, in multiples of ``unit`` and no smaller than ``least``."""
    number = max(1, min(_count, count // least))
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
