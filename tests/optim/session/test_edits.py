"""Edits as values: every one becomes plain data and comes back, and a snapshot names the edit that made it."""

from __future__ import annotations

import json
from dataclasses import is_dataclass, replace

import pytest
import torch

from optim.checks.contradictions import JUMP
from optim.common.errors import InputError
from optim.schedule.stages import schedule
from optim.session import edits
from optim.session.edits import EDITS, from_record, to_record
from optim.session.session import Session
from tests import fakes

SHORT = {"num_iters": (1, 1, 2), "lbfgs_max_iter": 2, "tune_frames": 4}
ONE_OF_EACH = (
    edits.SetWeight("joints3d", 2.0, stage=1, keep_memory=True),
    edits.SetWeights(((0, "joints3d", 2.0), (1, "pose_prior", 0.5)), "two at once"),
    edits.UsePreset("reference"),
    edits.SetSteps(3, phase=1),
    edits.SetSolver("lbfgs", phase=1),
    edits.RestartSolver(),
    edits.SetFlatRule(0.001, phase=1),
    edits.SetFrames(None, phase=2),
    edits.Plan(schedule("shooting", **SHORT)),
    edits.StartAgain(schedule("reference", **SHORT), "from the start"),
    edits.SkipPhase(),
    edits.Hold("trans"),
    edits.Release("trans"),
    edits.Perturb("root_orient", scale=0.1),
    edits.Reset("root_orient"),
    edits.DropFrames(1, 3, sub_sequence=0),
    edits.ScaleConfidence(0.5, 1, 3, keypoint=4),
    edits.TrustKeypoints(True, 1, 3, keypoints=(4, 7)),
    edits.SetFloor(((0.0, -1.0, 0.0, -1.0), (0.0, -1.0, 0.1, -1.1))),
    edits.Bookmark("here"),
    edits.RemoveBookmark(),
    edits.NameBranch("trunk", branch=0),
    edits.Rewind(0),
    edits.Undo(),
    edits.Redo(),
)


IN_IMAGES = edits.ScaleConfidence | edits.TrustKeypoints | edits.SetFloor
"""Edits that need 2D keypoints."""


def new_session(modality: str = "joints3d") -> Session:
    kind = "rgb" if modality == "joints2d" else "3d"
    problem = fakes.problem(modality, frames=6, batch=2)
    if kind == "rgb":
        doubts = torch.zeros(2, 6, 25, dtype=torch.int8).index_fill(1, torch.tensor([2]), JUMP)
        problem = replace(problem, observations=replace(problem.observations, doubts=doubts))
    return Session(problem, schedule=schedule("humorscope", kind, **SHORT))


def test_there_is_one_of_each():
    assert {type(edit).__name__ for edit in ONE_OF_EACH} == set(EDITS)
    assert all(is_dataclass(kind) for kind in EDITS.values())


@pytest.mark.parametrize("edit", ONE_OF_EACH, ids=lambda edit: type(edit).__name__)
def test_edits_come_back_from_their_records(edit):
    record = to_record(edit)
    assert from_record(record) == edit
    assert from_record(json.loads(json.dumps(record))) == edit, "after JSON has turned tuples into lists"


def test_records_keep_the_names_that_rules_had_when_they_were_first_written():
    (phase, *_) = to_record(edits.Plan(schedule("shooting", **SHORT)))["phases"]
    rules = phase["preset"]
    assert (rules["gaps"], rules["units"]) == ("bridged", "measured")
    assert not {"missing_frames", "preconditioner"} & rules.keys()


@pytest.mark.parametrize(
    "record", [{"edit": "Explode"}, {}, {"edit": "Hold", "variable": "x_0", "force": 2}, {"edit": "Hold"}]
)
def test_records_that_are_not_understood_are_input_errors(record):
    with pytest.raises(InputError):
        from_record(record)


@pytest.mark.parametrize(
    "edit", [edit for edit in ONE_OF_EACH if not isinstance(edit, edits.RemoveBookmark)], ids=lambda e: type(e).__name__
)
def test_a_snapshot_names_its_edit_and_the_next_iteration_does_not(edit):
    session = new_session("joints2d" if isinstance(edit, IN_IMAGES) else "joints3d")
    session.step_iteration()
    if isinstance(edit, edits.Release):
        session.apply(edits.Hold("trans"))
    before = len(session.history)
    after = session.apply(edit)
    made = len(session.history) > before
    assert made == (not isinstance(edit, edits.Bookmark | edits.NameBranch | edits.Rewind | edits.Undo | edits.Redo))
    assert after.edit == (edit if made else None)
    assert session.history.entry(after.id).edited == made
    while session.current.stage < 2:
        assert session.step_iteration().edit is None


def test_the_same_edits_give_the_same_bits():
    """What a run file stores of the edits is enough to make them again."""
    one, two = new_session(), new_session()
    for session in (one, two):
        session.step_iteration()
    for edit in (edits.SetWeight("joints3d", 3.0), edits.Hold("betas"), edits.Perturb("trans"), edits.SkipPhase()):
        made = one.apply(edit)
        again = two.apply(from_record(json.loads(json.dumps(to_record(made.edit)))))
        assert (again.cause, again.held, again.schedule) == (made.cause, made.held, made.schedule)
        assert again.evaluation.total == made.evaluation.total
    assert one.step_iteration().evaluation.total == two.step_iteration().evaluation.total


def test_undo_and_redo_are_edits_too():
    session = new_session()
    start = session.current
    held = session.apply(edits.Hold("trans"))
    assert session.apply(edits.Undo()) is start
    assert session.apply(edits.Redo()) is held
    assert session.apply(edits.Rewind(start.id)) is start
    assert session.apply(edits.Undo()) is held


def test_weights_can_be_set_from_an_earlier_snapshot_in_one_edit():
    session = Session(fakes.problem(frames=8), schedule=schedule("humorscope", "3d", num_iters=(1, 1, 0)))
    session.run()
    here, start = session.current, session.history[1]
    session.apply(edits.SetWeights(((0, "joints3d", 3.0),), "weights of a trial", start=1))
    now = session.current
    assert now.parent == 1 and now.weights["joints3d"] == 3.0 and now.phase == start.phase
    assert all(torch.equal(value, start.variables[name]) for name, value in now.variables.items())
    assert session.undo() is here
