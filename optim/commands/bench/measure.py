"""Times of several functions, measured in turns, so that other load on the machine affects all of them equally.

On one thread the processor's time for this process is what counts: another process that takes a core away does not
then lengthen anything, though one that fills the caches or the memory bus still does. Knows nothing of what is timed.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from optim.common import threads


@dataclass(frozen=True)
class Times:
    """Times [ms] of one function, one number per round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def least(self) -> float:
        return min(self.rounds)


def in_turns(functions: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, Times]:
    """Time every function once a round, right after a call that does not count: in a fit, too, its like went before.

    One more round before them all does not count either.
    """
    now = clock()
    spent: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(rounds + 1):
        for name, function in functions.items():
            function()
            began = now()
            function()
            if number:
                spent[name].append(1000 * (now() - began))
    return {name: Times(tuple(values)) for name, values in spent.items()}


def ratio(over: Times, under: Times) -> float:
    """Median over the rounds of the ratio of two times; whatever slows a round down is in both of them."""
    return statistics.median(a / b for a, b in zip(over.rounds, under.rounds, strict=True))


def clock() -> Callable[[], float]:
    """A clock [s]: processor time of this process on one thread, otherwise wall time."""
    return time.process_time if threads.used() == 1 else time.perf_counter


def growth(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Exponent p of costs ~ size^p, from the smallest to the largest size."""
    return statistics.linear_regression([_log(n) for n in sizes], [_log(cost) for cost in costs]).slope


def _log(value: float) -> float:
    return float(torch.tensor(value, dtype=torch.float64).log())


def load() -> str:
    """The load of the machine."""
    processes = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{threads.processors()} processors, {processes} processes running (mean of 1, 5, 15 min)"


def peak_megabytes(function: Callable[..., Callable[[], object]], *arguments: object) -> float:
    """Memory that a call of ``function(*arguments)()`` adds at most, in a process of its own.

    What making that call ready takes (``function(*arguments)``) is not counted.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (function, arguments))


def _peak(function: Callable[..., Callable[[], object]], arguments: tuple) -> float:
    threads.use(1)
    ready = function(*arguments)
    gc.collect()
    if sys.platform == "linux":
        # What is free again but still held would hide what the call takes; not every libc can give it back.
        getattr(ctypes.CDLL(None), "malloc_trim", id)(0)
    if _RESET.exists():
        _RESET.write_text("5")  # resets the peak to the present amount
    before = _most_so_far()
    ready()
    return _most_so_far() - before


_RESET = Path("/proc/self/clear_refs")


def _most_so_far() -> float:
    """Largest amount of memory [MB] that this process has held."""
    if _RESET.exists():
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
