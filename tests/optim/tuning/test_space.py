"""What may be searched: how it is written, what it does to a schedule, and that a configuration holds it exactly."""

from __future__ import annotations

import pytest

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.config.writing import configuration
from optim.schedule.stages import schedule
from optim.tuning.report import save_configuration, weights_of
from optim.tuning.space import applied, parameters, present
from optim.tuning.study import Trial

PHASES = schedule("humorscope", "3d")


def test_a_weight_is_searched_around_its_present_value():
    (one,) = parameters(["contact_vel"], PHASES)
    assert (one.name, one.stage, one.low, one.high) == ("contact_vel", 3, 1 / 30, 30.0)
    assert parameters([one.text], PHASES)[0].name == one.name
    assert present([one], PHASES) == {"contact_vel": 1.0}


def test_stages_ranges_and_choices():
    texts = ["pose_prior@2=1e-5:1e-2", "contact_vel@3", "solver@3", "preset=direct,shooting", "flat_gain"]
    prior, contact, solver, preset, flat = parameters(texts, PHASES)
    assert (prior.name, prior.stage, prior.low, prior.high) == ("pose_prior@2", 2, 1e-5, 1e-2)
    assert contact.name == "contact_vel"
    assert solver.choices == ("lbfgs", "lbfgs-gn") and solver.stage == 3
    assert preset.choices == ("humorscope", "direct", "shooting"), "the present one is always among them"
    assert preset.stage == flat.stage == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense", "unknown"),
        ("contact_vel@7", "write NAME"),
        ("contact_vel=3:1", "range"),
        ("contact_vel=0:1", "range"),
        ("contact_vel=1:inf", "range"),
        ("contact_vel=much", "two numbers"),
        ("joints2d", "give a range"),
        ("solver@3=newton", "give different ones"),
        ("preset=direct,direct", "give different ones"),
        ("contact_vel=1:1e12", "at most"),
    ],
)
def test_what_cannot_be_searched_is_refused(text, told):
    with pytest.raises(InputError, match=told):
        parameters([text], PHASES)


def test_nothing_and_twice_the_same_are_refused():
    with pytest.raises(InputError, match="nothing"):
        parameters([], PHASES)
    with pytest.raises(InputError, match="twice"):
        parameters(["contact_vel", "contact_vel=1:2"], PHASES)


def test_a_point_changes_its_stage_and_nothing_else():
    searched = parameters(["contact_vel", "pose_prior@2", "solver@3", "flat_gain"], PHASES)
    point = {"contact_vel": 7.0, "pose_prior@2": 0.01, "solver@3": "lbfgs-gn", "flat_gain": 1e-3}
    changed = applied(PHASES, searched, point)
    for before, after in zip(PHASES, changed, strict=True):
        late = before.weight("contact_vel")  # contacts join in the last phase
        assert after.weight("contact_vel") == (7.0 if late else 0.0)
        assert after.weight("pose_prior") == (0.01 if after.stage == 2 else before.weight("pose_prior"))
        assert after.solver == ("lbfgs-gn" if after.stage == 3 else before.solver)
        assert after.flat_gain == 1e-3 and after.weight("joints3d") == before.weight("joints3d")
    assert applied(PHASES, searched, present(searched, PHASES)) == PHASES


def test_the_phases_for_hidden_joints_keep_their_share_of_a_weight():
    phases = schedule("fast", "3d")
    searched = parameters(["joints3d_smooth@2"], phases)
    assert applied(phases, searched, present(searched, phases)) == phases
    doubled = applied(phases, searched, {"joints3d_smooth@2": 2 * phases[1].weight("joints3d_smooth")})
    for before, after in zip(phases, doubled, strict=True):
        factor = 2.0 if before.stage == 2 else 1.0
        assert after.weight("joints3d_smooth") == pytest.approx(factor * before.weight("joints3d_smooth"))
    assert any(phase.for_hidden for phase in doubled)


@pytest.mark.parametrize("preset", ["humorscope", "reference", "gauss-newton"])
@pytest.mark.parametrize("data", ["3d", "rgb"])
def test_a_saved_configuration_reads_back_with_equal_weights(tmp_path, preset, data):
    phases = schedule(preset, data)
    searched = parameters(["contact_vel", "motion_prior", "pose_prior@2", "solver@3", "flat_gain"], phases)
    point = {"contact_vel": 1 / 3, "motion_prior": 1.1e-4, "pose_prior@2": 0.07, "solver@3": "lbfgs-gn"}
    trial = Trial(4, "complete", point | {"flat_gain": 2e-4}, (1.0,), {})
    path = tmp_path / "best.cfg"
    save_configuration(path, phases, searched, trial, data=data)
    settings = parse([f"@{path}"])
    weights = dict(settings.weights)
    assert weights == weights_of(phases, searched, trial.point, data)
    assert weights["contact_vel"][2] == 1 / 3 and weights["pose_prior"][1] == 0.07
    again = schedule(preset, data, weights=weights, solvers=settings.solvers, flat_gain=settings.flat_gain)
    assert again == applied(phases, searched, trial.point)


def test_a_configuration_has_one_flag_a_line_as_those_of_humor():
    text = configuration({"contact_vel": (0.0, 0.0, 0.1)}, also={"--preset": ("direct",)}, remarks=["found"])
    assert text == "# found\n--preset direct\n--contact-vel-weight 0.0 0.0 0.1\n"
