"""What the session does for each command that edits a fit; runs on the worker's side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.protocol import commands as c

if TYPE_CHECKING:
    from optim.session.session import Session
    from viewer.worker.display import DisplayFrame


def edit(session: Session, command: c.Command, frame: DisplayFrame) -> None:
    """Carry out one edit; positions of the display frame are brought back to the input's.

    Raises:
        InputError: The session refuses; nothing has changed.
        NotImplementedError: A command that is no edit.
    """
    match command:
        case c.SetWeight(term, value, stage):
            session.set_weight(term, value, stage=stage)
        case c.SetWeights(weights, text):
            by_phase: dict[int, dict[str, float]] = {}
            for phase, term, value in weights:
                by_phase.setdefault(phase, {})[term] = value
            session.set_weights(by_phase, cause=text)
        case c.Freeze(variable):
            session.freeze(variable)
        case c.Release(variable):
            session.release(variable)
        case c.Perturb(variable, scale):
            session.perturb(variable, scale=scale)
        case c.Reset(variable):
            session.reset(variable)
        case c.SetFloor(plane):
            import torch

            session.set_floor(torch.from_numpy(frame.input_plane(np.array(plane))))
        case c.DropFrames(start, end, modality, sub_sequence):
            session.drop_frames(start, end, modality=modality, sub_sequence=sub_sequence)
        case c.ScaleConfidence(factor, start, end, keypoint, sub_sequence):
            session.scale_confidence(factor, start, end, keypoint=keypoint, sub_sequence=sub_sequence)
        case c.Undo():
            session.undo()
        case c.Redo():
            session.redo()
        case _:
            _edit_plan(session, command)


def _edit_plan(session: Session, command: c.Command) -> None:
    """Edits of the schedule and of names."""
    match command:
        case c.SetSteps(phase, steps):
            session.set_steps(steps, phase=phase)
        case c.SetFrames(phase, frames):
            session.set_frames(frames, phase=phase)
        case c.UsePreset(name):
            session.use_preset(name)
        case c.SkipPhase():
            session.skip_phase()
        case c.Bookmark(snapshot, name):
            session.bookmark(name, snapshot=snapshot)
        case c.RemoveBookmark(snapshot):
            session.remove_bookmark(snapshot)
        case c.NameBranch(branch, name):
            session.name_branch(name, branch=branch)
        case _:
            raise NotImplementedError(type(command).__name__)
