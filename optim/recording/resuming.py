"""Resumes a recorded run. Its data come from the run file, its models from the model files on this machine."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from optim.common.errors import InputError
from optim.common.writing import file_name
from optim.config.options import MODEL_FILES, OF_ONE_RUN, flag_of
from optim.config.settings import Settings
from optim.loading.models import find_body, load_body, load_init_state_prior, load_motion_prior
from optim.priors.pose_prior import load_pose_prior
from optim.problem.problem import Problem
from optim.recording.recording import Recording
from optim.recording.runfile import RunFile
from optim.session.session import Session
from optim.split.batches import Batches

_GENDERS = ("female", "male", "neutral")


def resumed_settings(settings: Settings) -> Settings:
    """The settings that the run of ``settings.resume`` was started with, but with the paths given now.

    Raises:
        InputError: The file is not a recorded run or holds no settings, or the given flags would change the fit.
    """
    assert settings.resume is not None
    other = [name for name in settings.given if name not in OF_ONE_RUN.union(MODEL_FILES)]
    if other:
        raise InputError(
            f"{flag_of(other[0])}: --resume goes on with what the file holds; only models and results can be elsewhere"
        )
    with closing(RunFile(settings.resume, mode="read")) as file:
        recorded = Recording(file).settings
    if recorded is None:
        raise InputError(f"{settings.resume}: does not say what was fitted; it was not begun by run_viewer.py")
    return settings.over(recorded)


def load_recorded(settings: Settings) -> Session:
    """A new session of the recorded data; ``recording.recorded_session`` then brings it to the recorded state.

    Raises:
        InputError: The file holds no data, or a model cannot be read on this machine.
    """
    assert settings.resume is not None
    with closing(RunFile(settings.resume, mode="read")) as file:
        recording = Recording(file)
        data, intervals = recording.data, recording.batches
        if not data:
            raise InputError(f"{settings.resume}: holds no data to fit; it was not begun by run_viewer.py")
        if data["footage"] is not None and file.rows("SELECT 1 FROM pictures LIMIT 1"):
            data["footage"] = replace(data["footage"], path=settings.resume)
    data["name"] = file_name(data["name"], otherwise="clip")
    known = data.pop("body_file")
    body_file = find_body(settings.smpl, gender=_gender(known))
    problem = Problem(
        **data,
        body=load_body(body_file),
        body_file=body_file,
        pose_prior=load_pose_prior(settings.vposer),
        motion_prior=load_motion_prior(settings.humor),
        init_state_prior=load_init_state_prior(settings.init_motion_prior),
    )
    if intervals is None:
        return Session(problem, schedule=settings.schedule(), under=settings.under)
    batches = Batches(problem, intervals)
    return Session(batches.problem(0), schedule=settings.schedule(), batches=batches, under=settings.under)


def _gender(body_file: Path | None) -> str:
    """The gender of the body model that was fitted, from the name of its folder; neutral if that is unknown."""
    name = "" if body_file is None else body_file.parent.name
    return name if name in _GENDERS else "neutral"
