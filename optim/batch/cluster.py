"""Fit jobs on the machines of a Ray cluster. All of them must see the same folders and have this program installed."""

from __future__ import annotations

import pickle
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from optim.batch.fitting import Fit, Work, try_again
from optim.batch.jobs import Job
from optim.batch.records import Record
from optim.common.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
"""Folder of the program, which its processes on other machines look for if it is not installed there."""


class Cluster:
    """Tasks of one processor each on a Ray cluster.

    Args:
        fit: The function that fits.
        address: Address of the cluster, for example ``auto``, ``127.0.0.1:6379`` or ``ray://HOST:10001``.

    Raises:
        InputError: Ray is not installed, or nothing answers at the address.
    """

    def __init__(self, fit: Fit, *, address: str) -> None:
        try:
            import ray
        except ImportError:
            raise InputError("--ray: Ray is not installed; pip install 'humorscope[cluster]'") from None
        self._ray, self._fit = ray, fit
        self._tasks: dict[Any, Work] = {}
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False, namespace="humorscope")
        except (ConnectionError, RuntimeError, ValueError) as error:
            told = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(f"--ray {address}: not reached ({told}); `ray start --head` starts a cluster") from None
        # By value, because a machine finds this module only after the function has said where the program is.
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        self._remote = ray.remote(num_cpus=1, max_retries=0)(_fit_there)

    @property
    def running(self) -> list[str]:
        """Names of the clips that have been handed to the cluster."""
        return [work.job.name for work in self._tasks.values()]

    def outcomes(self, jobs: Sequence[Job], *, every: float) -> Iterator[tuple[Job, Record] | None]:
        """Fit the jobs; yields each with its record when it is done, and None when ``every`` seconds have passed."""
        waiting = deque(Work(job, self._fit) for job in jobs)
        while waiting or self._tasks:
            while waiting:
                self._submit(waiting.popleft())
            ready, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=every)
            if not ready:
                yield None
            for task in ready:
                work = self._tasks.pop(task)
                record = self._received(task, work, waiting)
                if record is not None:
                    yield work.job, record

    def close(self) -> None:
        """Cancel what is being fitted, and leave the cluster."""
        for task in self._tasks:
            self._ray.cancel(task, force=False)  # as Ctrl-C does
        self._tasks.clear()
        self._ray.shutdown()

    def _submit(self, work: Work) -> None:
        self._tasks[self._remote.remote(str(ROOT), pickle.dumps(work))] = work

    def _received(self, task: Any, work: Work, waiting: deque[Work]) -> Record | None:
        """The record of a task. None if its process has died and the clip waits for another one."""
        try:
            return Record(**self._ray.get(task))
        except self._ray.exceptions.RayError as error:
            told = str(error).strip().splitlines()[0]
        after = try_again(work, told)
        if isinstance(after, Record):
            return after
        waiting.append(after)
        return None


def _fit_there(root: str, work: bytes) -> dict[str, Any]:
    """Body of a task: the fields of a ``Record``.

    The work comes as bytes, so that nothing is imported before the program is found.
    """
    import dataclasses
    import importlib
    import pickle
    import sys

    if root not in sys.path:
        sys.path.append(root)
    importlib.import_module("run_viewer")  # finds our packages, whatever the current folder holds
    fitting = importlib.import_module("optim.batch.fitting")
    return dataclasses.asdict(fitting.fit_job(pickle.loads(work)))
