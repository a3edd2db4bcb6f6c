"""The rule that ends a phase early: when it applies, what it tells, and that it survives a run file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.recording.recording import Recording, recorded_session
from optim.recording.runfile import RunFile
from optim.schedule.presets import PRESETS
from optim.schedule.stages import schedule
from optim.session.edits import Plan, SetFlatRule, SetWeight
from optim.session.session import Session
from optim.solver.solver import STOP_GRADIENT, STOP_SLOPE
from tests import fakes

STEPS = {"num_iters": (20, 2, 2), "lbfgs_max_iter": 5, "tune_init": False}


def new_session(*, gain: float | None, iterations: int = 4, keep_iterations: bool = True) -> Session:
    phases = schedule("humorscope", "3d", flat_gain=gain, flat_iterations=iterations, **STEPS)
    return Session(fakes.problem(frames=6), schedule=phases, keep_iterations=keep_iterations)


def losses(session: Session) -> list[float]:
    """The loss of every iteration on the current branch since the phase began."""
    path = session.history.path(session.current.id)
    return [entry.evaluation.total for entry in path if entry.phase == session.current.phase]


def test_a_phase_ends_at_the_first_iteration_that_makes_it_flat():
    session = new_session(gain=0.01)
    end = session.finish_phase()
    found = losses(session)
    gains = [before - after for before, after in zip(found, found[4:], strict=False)]
    sizes = [entry.evaluation.size for entry in session.history.path(end.id)][4:]
    flat = [gain < 0.01 * size for gain, size in zip(gains, sizes, strict=True)]
    assert flat.index(True) == len(flat) - 1, "no earlier iteration was flat"
    assert end.flat and end.step < 19
    assert end.ended == "flat: the loss gains less than 1 % in 4 iterations"
    assert session.step_iteration().stage == 2


def test_without_the_rule_all_steps_are_done():
    session = new_session(gain=0)
    end = session.finish_phase()
    assert not end.flat and not end.ended.startswith("flat")


@pytest.mark.parametrize(
    ("stop", "stalled", "told"),
    [
        (None, False, ""),
        (STOP_SLOPE, False, ""),
        (STOP_SLOPE, True, f"stalled: {STOP_SLOPE}, which is not proof of a minimum"),
        (STOP_GRADIENT, True, f"converged: {STOP_GRADIENT}"),
    ],
)
def test_a_phase_ends_before_its_steps_are_done_only_where_further_steps_are_of_no_use(stop, stalled, told):
    here = new_session(gain=None).step_iteration()
    ended = replace(here, solver=replace(here.solver, stop=stop, stalled=stalled))
    assert ended.ended == told and ended.phase_done == bool(told) and bool(ended.ended_early) == bool(told)


def test_the_rule_only_cuts_off_iterations():
    """Up to its end, a phase that ends early is the phase without the rule."""
    whole, short = new_session(gain=0), new_session(gain=0.01)
    whole.finish_phase()
    short.finish_phase()
    assert losses(short) == losses(whole)[: len(losses(short))]


def test_a_session_that_keeps_only_the_latest_iteration_ends_at_the_same_one():
    kept, light = new_session(gain=0.01), new_session(gain=0.01, keep_iterations=False)
    assert kept.finish_phase().losses == light.finish_phase().losses


def test_switching_the_rule_off_lets_a_flat_phase_go_on():
    session = new_session(gain=0.01)
    flat = session.finish_phase()
    edited = session.apply(SetFlatRule(0.0))
    assert not edited.phase_done and edited.cause == "stage 1 never ends early"
    assert session.step_iteration().stage == 1
    session.rewind(flat.id)
    assert session.current.phase_done


def test_an_edit_begins_the_count_again():
    session = new_session(gain=0.01)
    session.finish_phase()
    edited = session.apply(SetWeight("joints3d", 2.0))
    assert edited.losses == (edited.evaluation.total,) and not edited.flat
    assert session.step_iteration().stage == 1


@pytest.mark.parametrize(("gain", "iterations"), [(-0.1, 20), (1.0, 20), (float("nan"), 20), (0.1, 0)])
def test_numbers_that_make_no_rule_are_refused(gain, iterations):
    session = new_session(gain=0)
    with pytest.raises(InputError, match="flat_"):
        session.apply(SetFlatRule(gain, iterations))
    assert len(session.history) == 1


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("reference")])
def test_the_presets_of_the_public_code_never_end_early(name):
    assert {phase.flat_gain for phase in parse(["--preset", name]).schedule()} == {0.0}


def test_the_flags_set_the_rule_of_every_phase():
    phases = parse(["--flat-gain", "0.02", "--flat-iterations", "7"]).schedule()
    assert {(phase.flat_gain, phase.flat_iterations) for phase in phases} == {(0.02, 7)}
    assert {phase.flat_gain for phase in parse(["--flat-gain", "0"]).schedule()} == {0.0}


def test_a_recorded_fit_ends_early_after_it_was_resumed(tmp_path):
    """The losses that the rule needs are read from the file, at the end and in the middle of a phase."""
    whole = new_session(gain=0.01)
    whole.finish_phase()
    session = new_session(gain=0.01)
    recording = recorded_session(session, path=tmp_path / "run.humorscope")
    for _ in range(6):
        session.step_iteration()
    recording.follow(session)
    recording.file.close()
    again = new_session(gain=0.01)
    Recording(RunFile(tmp_path / "run.humorscope", mode="read")).restore(again)
    assert again.current.losses == session.current.losses
    assert again.finish_phase().losses == whole.current.losses
    assert losses(again) == losses(whole)


def test_a_recorded_phase_has_still_ended_after_other_phases_were_planned(tmp_path):
    """Such an edit goes on counting; so do the iterations that follow."""
    session = new_session(gain=0.01)
    session.finish_phase()
    planned = session.apply(Plan(session.schedule[session.current.phase + 1 :]))
    assert planned.flat
    session.step_on()
    session.step_on()
    recording = recorded_session(session, path=tmp_path / "run.humorscope")
    recording.follow(session)
    recording.file.close()
    again = new_session(gain=0.01)
    Recording(RunFile(tmp_path / "run.humorscope", mode="read")).restore(again)
    for snapshot in session.history.snapshots:
        assert again.history[snapshot.id].losses == snapshot.losses
    again.rewind(planned.id)
    assert again.current.phase_done and again.step_iteration().stage == 2
