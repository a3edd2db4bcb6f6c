"""Results of a run, whatever it was kept as: a folder in HuMoR's layout, a folder of such, or a recorded run file."""

from __future__ import annotations

from pathlib import Path

from optim.errors import InputError
from optim.loading.problem import load_session
from optim.loading.results import find_results, read_result
from optim.recording import Recording
from optim.results import FitResult, of_session
from optim.runfile import SUFFIX, RunFile
from optim.saving.run_record import run_info


def load_results(path: Path, *, body_path: Path | None = None) -> list[FitResult]:
    """Everything at a path, one result per sub-sequence and one per stitched motion.

    Args:
        body_path: SMPL+H for results whose ``meta.txt`` names a file that is not here; not for run files.

    Raises:
        InputError: Nothing there, or something that cannot be read.
    """
    if path.is_file() or path.suffix == SUFFIX:
        return read_run(path)
    return [read_result(folder, body_path=body_path) for folder in find_results(path)]


def read_run(path: Path) -> list[FitResult]:
    """What a recorded session had reached where it stood last; loads the clip and the models that it was fitted with.

    Raises:
        InputError: No run file, one that does not say what was fitted, or clip and models are not those of then.
    """
    file = RunFile(path, mode="read")
    try:
        recording = Recording(file)
        settings = recording.settings
        if settings is None:
            raise InputError(f"{path}: does not say what was fitted; it was not begun by run_viewer.py")
        session = load_session(settings)
        recording.restore(session)
        seconds = sum(snapshot.seconds for snapshot in session.history.ancestors(session.current.id))
        return of_session(session, info=run_info(settings, session, seconds=seconds))
    finally:
        file.close()
