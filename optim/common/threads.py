"""Run independent pieces of work on several threads, and say how many threads are used.

The pieces are calls of compiled functions that do not hold Python's global interpreter lock. A thread without work
sleeps. Torch and the BLAS use one thread each, because their threads wait in a busy loop: on a busy machine two of them
took five times as long as one, and a window beside them drew half as often.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import torch
from threadpoolctl import threadpool_limits

Piece = TypeVar("Piece")
Result = TypeVar("Result")
_count = 1


def use(count: int) -> None:
    """Set the number of threads for ``side_by_side``. It is one until this is called."""
    global _count
    _count = count
    torch.set_num_threads(1)
    threadpool_limits(limits=1, user_api="blas")


def used() -> int:
    """Number of threads that ``side_by_side`` uses."""
    return _count


def asked_for() -> int | None:
    """First number in the environment variable OMP_NUM_THREADS. None if it is not set or not a positive number."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(given) if given.isdigit() and int(given) else None


def processors() -> int:
    """Number of processors that this process may use: by its affinity, and by the quota of its container.

    A quota that is no whole number is rounded up.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, math.ceil(container_quota() or allowed)))


def container_quota(root: Path = Path("/")) -> float | None:
    """Processors that Linux's control groups grant this process on average. None if they set no limit.

    Docker's ``--cpus``, Kubernetes and SLURM set it. It is the smallest quota of the group and the groups above it, in
    version 2 (``cpu.max``) or version 1 (``cpu.cfs_quota_us``). Inside a container, its group is the root that is seen.

    Args:
        root: Folder that holds ``proc`` and ``sys``.
    """
    mounted = root / "sys/fs/cgroup"
    with suppress(OSError):
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        quotas = [quota for line in lines for quota in _quotas(mounted, *line.split(":", 2)[1:])]
        return min(quotas, default=None)
    return None


def _quotas(mounted: Path, controllers: str, group: str) -> Iterator[float]:
    """Quotas of a group and of those above it; ``controllers`` is empty for version 2."""
    if controllers and "cpu" not in controllers.split(","):
        return
    top = mounted / controllers if controllers else mounted
    inner = PurePosixPath(group.lstrip("/"))
    for folder in dict.fromkeys(top / place for place in (inner, *inner.parents)):
        with suppress(OSError, ValueError):
            if controllers:
                quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            else:
                quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max" and float(quota) > 0:
                yield float(quota) / float(period)


def pieces(count: int, *, unit: int = 1, least: int = 1) -> list[slice]:
    """Slices that divide ``count`` items among the threads.

    Args:
        unit: The length of every slice but the last is a multiple of this.
        least: Smallest number of items that is worth a thread of its own.
    """
    number = max(1, min(_count, count // least))
    units = -(-count // unit)
    cuts = [min(count, unit * (units * i // number)) for i in range(number)] + [count]
    return [slice(a, b) for a, b in zip(cuts, cuts[1:], strict=False) if b > a]


def side_by_side(function: Callable[[Piece], Result], work: Sequence[Piece]) -> list[Result]:
    """Results of ``function`` for every piece of work, in order. The first piece runs in the calling thread.

    Torch's switch of gradients, which each thread has for itself, holds in all of them.
    """
    with_gradients = torch.is_grad_enabled()

    def run(piece: Piece) -> Result:
        with torch.set_grad_enabled(with_gradients):
            return function(piece)

    others = [_pool().submit(run, piece) for piece in work[1:]]
    first = [function(piece) for piece in work[:1]]
    return first + [other.result() for other in others]


def together(*tasks: Callable[[], Any]) -> list[Any]:
    """Results of some tasks, in order. They run side by side if more than one thread is used."""
    if _count == 1:
        return [task() for task in tasks]
    return side_by_side(lambda task: task(), tasks)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="roll-out")
