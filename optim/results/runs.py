"""Load the results of a run from a folder in HuMoR's layout, from a folder of such folders, or from a run file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from optim.config.settings import parse
from optim.reading.files import is_file
from optim.recording.recording import Recording
from optim.recording.resuming import load_recorded, resumed_settings
from optim.recording.runfile import SUFFIX, RunFile
from optim.results.read_results import find_results, read_result
from optim.results.results import FitResult, of_clip
from optim.results.saving.run_record import run_info


def load_results(path: Path, *, body_path: Path | None = None) -> list[FitResult]:
    """Load all results at a path, one per sub-sequence and one per stitched motion.

    Args:
        body_path: SMPL+H body in place of the one that the run names.

    Raises:
        InputError: There are no results, or they cannot be read.
    """
    if is_file(path) or path.suffix == SUFFIX:
        return read_run(path, body_path=body_path)
    return [read_result(folder, body_path=body_path) for folder in find_results(path)]


def read_run(path: Path, *, body_path: Path | None = None) -> list[FitResult]:
    """Load the results of a recorded session at its last position.

    The data of the session are in the run file. Its models are read from the paths that the session used.

    Raises:
        InputError: The file is not a run file, does not say what was fitted, or the models have changed since.
    """
    body = [] if body_path is None else ["--smpl", str(body_path)]
    settings = resumed_settings(parse(["--resume", str(path), *body]))
    session = load_recorded(settings)
    with closing(RunFile(path, mode="read")) as file:
        recording = Recording(file)
        recording.restore(session)
        seconds = recording.seconds(entry.id for entry in session.history.path(session.current.id))
        return of_clip(session, info=run_info(settings, session, seconds=seconds))
