"""Writes the recording in a thread, so that the fit does not wait for the disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

WAITING = 4
"""Largest number of waiting jobs. At this number, the caller waits, so that a slow disk does not fill the memory."""


class Writer:
    """Runs jobs one after the other in its own thread. After a job has failed, no further job is run."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(WAITING)
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="recording", daemon=True)
        self._thread.start()

    def do(self, job: Callable[[], None]) -> None:
        """Put a job into the queue. Raises the exception of an earlier job that failed."""
        self._raise()
        self._jobs.put(job)

    def wait(self) -> None:
        """Wait until all jobs are done. Raises the exception of a job that failed."""
        self._jobs.join()
        self._raise()

    def close(self) -> None:
        """Run the waiting jobs and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _raise(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                if self._failed is None:
                    job()
            except Exception as error:
                self._failed = error
            finally:
                self._jobs.task_done()
