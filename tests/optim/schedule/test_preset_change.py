"""Presets for a fit under way: what is still to come is as in a fit begun with them, what is over stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optim.common.errors import InputError
from optim.schedule.preset_change import AS_STARTED, fixed_rules, with_preset
from optim.schedule.presets import PRESETS
from optim.schedule.stages import schedule
from optim.session.edits import SetWeights, UsePreset
from optim.session.session import Session
from tests import fakes


@pytest.mark.parametrize("name", [name for name, rules in PRESETS.items() if rules.stage_3 == "tuned"])
@pytest.mark.parametrize("kind", ["3d", "rgb", "points3d"])
def test_at_the_start_it_is_the_presets_own_schedule(name, kind):
    phases = schedule("humorscope", kind, num_iters=(3, 4, 9))
    edited = with_preset(phases, name, data=kind, started=phases, current=0, begun=1)
    for phase, wanted in zip(edited, schedule(name, kind), strict=True):
        assert (phase.name, phase.steps) == (wanted.name, wanted.steps)
        overlap = {"rgb_overlap_consist"}
        terms = set(phase.weights) | set(wanted.weights)
        assert all(phase.weight(term) == wanted.weight(term) for term in terms - overlap)
        assert phase.preset is phases[0].preset


def test_smoothing_of_unknown_motions_joins_only_where_the_fit_has_that_rule():
    phases = schedule("reference", "3d")
    edited = with_preset(phases, "humorscope", data="3d", started=phases, current=0, begun=1)
    assert all(phase.weight("joints3d_smooth") == 0 for phase in edited if phase.stage == 3)
    back = with_preset(schedule("humorscope", "3d"), "reference", data="3d", started=phases, current=0, begun=1)
    assert all(phase.weight("joints3d_smooth") == 0 and not phase.joining for phase in back if phase.stage == 3)


def test_phases_that_a_preset_does_not_have_stay():
    phases = schedule("humorscope", "3d")
    edited = with_preset(phases, "shooting", data="3d", started=phases, current=0, begun=1)
    assert edited[1].steps == schedule("shooting", "3d")[1].steps
    assert edited[2:4] == phases[2:4]
    assert "stage 3: tuned, not shooting" in fixed_rules(PRESETS["humorscope"], PRESETS["shooting"])


def test_what_is_over_stays_and_what_runs_keeps_the_steps_it_has_begun():
    phases = schedule("humorscope", "3d", num_iters=(3, 200, 9))
    edited = with_preset(phases, "reference", data="3d", started=phases, current=1, begun=120)
    assert edited[0] is phases[0]
    assert edited[1].steps == 120


def test_as_started_brings_back_every_edit():
    started = schedule("humorscope", "3d")
    edited = tuple(replace(phase, weights={"joints3d": 9.0}, steps=1, frames=5) for phase in started)
    assert with_preset(edited, AS_STARTED, data="3d", started=started, current=0, begun=1) == started


def test_the_weight_of_overlaps_stays():
    started = schedule("humorscope", "3d", weights={"rgb_overlap_consist": (1.0, 1.0, 1.0)})
    edited = with_preset(started, "reference", data="3d", started=started, current=0, begun=1)
    assert [phase.weight("rgb_overlap_consist") for phase in edited] == [1.0, 1.0, 0.0, 1.0, 1.0]


def test_an_unknown_preset_is_refused_by_name():
    phases = schedule("humorscope", "3d")
    with pytest.raises(InputError, match="'best' is not known"):
        with_preset(phases, "best", data="3d", started=phases, current=0, begun=1)


def test_rules_that_stay_are_named():
    told = fixed_rules(PRESETS["humorscope"], PRESETS["reference"])
    assert "prior frame: canonical, not input" in told
    assert not any("weights" in rule for rule in told)
    assert fixed_rules(PRESETS["humorscope"], PRESETS["humorscope"]) == ()


@pytest.mark.parametrize(("modality", "kind"), [("joints3d", "3d"), ("joints2d", "rgb"), ("points3d", "points3d")])
def test_kinds_of_data(modality, kind):
    assert fakes.problem(modality).data_type == kind


def test_as_one_edit_of_a_session():
    session = Session(fakes.problem(frames=6), schedule=schedule("humorscope", "3d", num_iters=(2, 1, 5)))
    session.step_iteration()
    before = session.current
    session.apply(UsePreset("reference"))
    assert session.current.cause == "preset reference"
    assert [phase.steps for phase in session.schedule] == [30, 70, 30, 25, 15]
    assert session.schedule[2].weight("motion_prior") == 1e-3
    session.undo()
    assert session.current is before


def test_weights_of_several_phases_at_once():
    session = Session(fakes.problem(frames=6), schedule=schedule("humorscope", "3d", num_iters=(2, 1, 5)))
    count = len(session.history)
    session.apply(SetWeights(((0, "joints3d", 2.0), (2, "contact_vel", 3.0)), "two at once"))
    assert len(session.history) == count + 1
    assert (session.schedule[0].weight("joints3d"), session.schedule[2].weight("contact_vel")) == (2.0, 3.0)
    assert session.schedule[3].weight("contact_vel") == 0.0
    with pytest.raises(InputError, match="no phase 9"):
        session.apply(SetWeights(((9, "joints3d", 1.0),), "nowhere"))
    with pytest.raises(InputError, match="no weight is called"):
        session.apply(SetWeights(((0, "joy", 1.0),), "nothing"))
