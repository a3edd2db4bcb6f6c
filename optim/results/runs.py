"""Results of a run, whatever it was kept as: a folder in HuMoR's layout, a folder of such, or a recorded run file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from optim.config.settings import parse
from optim.reading.files import is_file
from optim.recording.recording import Recording
from optim.recording.resuming import load_recorded, resumed_settings
from optim.recording.runfile import SUFFIX, RunFile
from optim.results.read_results import find_results, read_result
from optim.results.results import FitResult, of_session
from optim.results.saving.run_record import run_info


def load_results(path: Path, *, body_path: Path | None = None) -> list[FitResult]:
    """Everything at a path, one result per sub-sequence and one per stitched motion.

    Args:
        body_path: SMPL+H in place of the one that the run names.

    Raises:
        InputError: Nothing there, or something that cannot be read.
    """
    if is_file(path) or path.suffix == SUFFIX:
        return read_run(path, body_path=body_path)
    return [read_result(folder, body_path=body_path) for folder in find_results(path)]


def read_run(path: Path, *, body_path: Path | None = None) -> list[FitResult]:
    """What a recorded session had reached where it stood last; its data are in the file, its models where they were.

    Raises:
        InputError: No run file, one that does not say what was fitted, or models that are not those of then.
    """
    body = [] if body_path is None else ["--smpl", str(body_path)]
    settings = resumed_settings(parse(["--resume", str(path), *body]))
    session = load_recorded(settings)
    with closing(RunFile(path, mode="read")) as file:
        recording = Recording(file)
        recording.restore(session)
        seconds = recording.seconds(entry.id for entry in session.history.path(session.current.id))
        return of_session(session.fit, info=run_info(settings, session, seconds=seconds))
