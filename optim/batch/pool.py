"""Fit jobs on several processes of this machine. A process that dies is replaced, and its clip is taken up again."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait

from optim.batch.fitting import Fit, Work, fit_job, try_again
from optim.batch.jobs import Job
from optim.batch.records import Record
from optim.common import threads

PATIENCE = 60.0
"""Time that a process gets to write its results when the batch is stopped [s]."""


class Worker:
    """A process that fits one clip after another."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), name="humorscope batch", daemon=True)
        self.process.start()
        theirs.close()
        self.work: Work | None = None

    def give(self, work: Work) -> None:
        """Send it a clip. If the process has died meanwhile, that is noticed when it is waited for."""
        self.work = work
        with suppress(OSError):
            self.connection.send(work)


class Pool:
    """Workers on this machine.

    Args:
        fit: The function that fits.
        workers: Number of processes. The processors are shared among them, unless OMP_NUM_THREADS says otherwise.
    """

    def __init__(self, fit: Fit, *, workers: int) -> None:
        self._fit, self._count, self._workers = fit, workers, list[Worker]()

    @property
    def running(self) -> list[str]:
        """Names of the clips that are being fitted."""
        return [worker.work.job.name for worker in self._workers if worker.work is not None]

    def outcomes(self, jobs: Sequence[Job], *, every: float) -> Iterator[tuple[Job, Record] | None]:
        """Fit the jobs; yields each with its record when it is done, and None when ``every`` seconds have passed."""
        waiting = deque(Work(job, self._fit) for job in jobs)
        while waiting or self.running:
            self._hand_out(waiting)
            ready = wait([worker.connection for worker in self._workers], timeout=every)
            if not ready:
                yield None
            for worker in [worker for worker in self._workers if worker.connection in ready]:
                work, record = worker.work, self._received(worker, waiting)
                if work is not None and record is not None:
                    yield work.job, record

    def close(self) -> None:
        """Stop all workers; what they are fitting writes its results so far."""
        for worker in self._workers:
            if worker.work is not None:
                worker.process.terminate()  # as Ctrl-C does
            worker.connection.close()
        for worker in self._workers:
            worker.process.join(PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    def _hand_out(self, waiting: deque[Work]) -> None:
        idle = [worker for worker in self._workers if worker.work is None]
        while waiting and (idle or len(self._workers) < self._count):
            if not idle:
                idle.append(_with_its_share(self._count))
                self._workers.append(idle[0])
            idle.pop().give(waiting.popleft())

    def _received(self, worker: Worker, waiting: deque[Work]) -> Record | None:
        """The record of the worker's clip. None if its process has died and the clip waits for another one."""
        work = worker.work
        try:
            record: Record = worker.connection.recv()
            worker.work = None
            return record
        except (EOFError, OSError):
            self._workers.remove(worker)
            worker.process.join()
        if work is None:
            return None
        code = worker.process.exitcode or 0
        how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
        after = try_again(work, how)
        if isinstance(after, Record):
            return after
        waiting.append(after)
        return None


def _with_its_share(workers: int) -> Worker:
    """A new worker that uses its share of the processors. It reads the number of its threads when it starts."""
    before = os.environ.get("OMP_NUM_THREADS")
    if threads.asked_for() is None:
        os.environ["OMP_NUM_THREADS"] = str(max(1, threads.processors() // workers))
    try:
        return Worker()
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _serve(connection: Connection) -> None:
    """Body of a worker's process: fit what arrives, until the other end is closed.

    The process leaves the terminal's group, so that Ctrl-C reaches it once, through the process that started it.
    """
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while True:
            connection.send(fit_job(connection.recv()))
    except (EOFError, OSError, KeyboardInterrupt):
        pass
