"""Every term's gradient by finite differences; missing data; what is active when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from optim.common.errors import InputError
from optim.common.rotations import axis_angle_to_matrix
from optim.objective.objective import Objective
from optim.objective.terms import planted
from optim.objective.terms.scene import residual_of
from optim.problem import frames
from optim.problem.observations import Observations, PreviousBatch
from optim.problem.problem import Problem
from optim.problem.variables import packing, root_matrix, root_variable
from optim.schedule.phases import NODES, STAGE_3, Phase
from optim.schedule.stages import schedule
from optim.schedule.terms import TERMS
from optim.schedule.weights import WEIGHT_NAMES
from tests import fakes

FRAMES, STEP = 5, 1e-6
FREE = ("trans", "root_orient", "betas", "latent_pose")


LEGS = [4, 5, 7, 8, 10, 11]
"""Joints with an expected place."""


def everything_seen(*, camera: bool) -> Problem:
    """Two overlapping sub-sequences, a batch before them, every modality, float64; no robust weights on points."""
    modalities = ("joints3d", "verts3d", "points3d", *(("joints2d",) if camera else ()))
    problem = fakes.problem(*modalities, batch=2, frames=FRAMES, dtype=torch.float64)
    rng = np.random.RandomState(8)
    before = PreviousBatch(
        seq_interval=(0, 5),
        verts3d=torch.tensor(0.5 * rng.randn(FRAMES, 43, 3)),
        betas=torch.tensor(rng.randn(16)),
        floor_plane=torch.tensor([0.0, -1.0, 0.0, -1.0], dtype=torch.float64),
    )
    seen = replace(problem.observations, seq_interval=torch.tensor([[2, 7], [4, 9]]), previous=before)
    expected = torch.full((2, FRAMES, 22, 3), torch.inf, dtype=torch.float64)
    expected[:, 1:, LEGS] = torch.tensor(rng.randn(2, FRAMES - 1, len(LEGS), 3))
    return replace(problem, observations=seen, robust_loss="none", expected_joints=expected)


@pytest.fixture(scope="module")
def seen_by_camera() -> Problem:
    return everything_seen(camera=True)


@pytest.fixture(scope="module", params=[(2, None), (3, None), (3, 2)], ids=["stage 2", "stage 3", "shooting"])
def slopes(request, seen_by_camera) -> dict[tuple[str, str], tuple[float, float]]:
    """(Term, variable) → slope along a random direction in that variable: by autograd, by central difference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planted, "RESTING_HEIGHT", dict.fromkeys(planted.RESTING_HEIGHT, 1.0))  # some joints are too low
        return measured_slopes(seen_by_camera, *request.param)


def measured_slopes(seen_by_camera: Problem, stage: int, segment: int | None):
    """The slopes of one stage.

    All terms are measured together: the objective is evaluated twice per variable, not twice per term and variable.
    """
    names = (*STAGE_3, "floor_plane") if stage == 3 else FREE
    if segment is not None:
        names = (*names, NODES)
    weights = dict.fromkeys(WEIGHT_NAMES, 1.0)
    phase = Phase("test", stage, names, 1, weights=weights, init_motion_frames=2, segment=segment)
    variables = fakes.variables(seen_by_camera, phase, dtype=torch.float64)
    free = packing(variables, phase)
    if stage == 3:  # no gradient flows into the strength, so it is held as in a fit
        held = Objective(seen_by_camera, phase).held_strength(variables)
        seen_by_camera = replace(seen_by_camera, planted=held)
    objective = Objective(seen_by_camera, phase)

    def raw(x) -> dict[str, torch.Tensor]:
        found = objective.residuals(objective.predict(free.unpack(x, variables)))
        return {name: value.sum() for name, value in found.items()}

    x = free.pack(variables).requires_grad_()
    gradients = {name: torch.autograd.grad(value, x, retain_graph=True)[0] for name, value in raw(x).items()}
    rng, measured = np.random.RandomState(9), {}
    for name in names:
        step = torch.zeros_like(x)
        free.split(step)[name].copy_(torch.tensor(rng.randn(*free.split(step)[name].shape)))
        with torch.no_grad():
            ahead, behind = raw(x + STEP * step), raw(x - STEP * step)
        for term, gradient in gradients.items():
            difference = float(ahead[term] - behind[term]) / (2 * STEP)
            measured[term, name] = float(gradient @ step), difference
    return measured


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
def test_gradient_of_each_term(term, slopes):
    own = {variable: pair for (name, variable), pair in slopes.items() if name == term.name}
    if not own:
        absent = NODES if "nodes" in term.needs else "latent_motion"
        assert term.stage == 3 and not any(variable == absent for _, variable in slopes)
        pytest.skip("takes no part in this phase")
    largest = max(abs(slope) for slope, _ in own.values())
    assert largest > 0, "some variable must matter to the term"
    for variable, (slope, difference) in own.items():
        assert difference == pytest.approx(slope, rel=1e-4, abs=1e-5 * largest), variable


def test_every_row_names_a_function():
    for term in TERMS:
        assert residual_of(term).__name__ == term.name
    with pytest.raises(InputError, match="hand_height.*terms.contact"):
        residual_of(replace(TERMS[0], name="hand_height", module="contact"))
    with pytest.raises(InputError, match="terms.hands"):
        residual_of(replace(TERMS[0], module="hands"))


def test_table_is_complete():
    assert {term.weight for term in TERMS} == set(WEIGHT_NAMES)
    assert len({term.name for term in TERMS}) == len(TERMS)
    assert all(term.formula and term.unit for term in TERMS)


def test_per_frame_values_add_up(seen_by_camera):
    phase = replace(schedule("humorscope", "rgb")[-1], weights=dict.fromkeys(WEIGHT_NAMES, 1.0), segment=2)
    variables = fakes.variables(seen_by_camera, phase, dtype=torch.float64)
    objective, free = Objective(seen_by_camera, phase), packing(variables, phase)
    found = objective.evaluation(objective.point(free.pack(variables), variables, free), free)
    assert found.total == pytest.approx(sum(value.weighted for value in found.terms.values()))
    assert set(found.terms) == {term.name for term in TERMS}
    for name, value in found.terms.items():
        if value.per_frame is not None:
            assert value.per_frame.shape == (2, FRAMES)
            assert value.per_frame.sum() == pytest.approx(value.raw), name
    assert found.terms["joints3d"].per_frame is not None
    assert found.terms["shape_prior"].per_frame is None
    assert set(found.gradient_norm) == set(phase.variables)


GAPS = {
    "first frame": (slice(None), slice(0, 1)),
    "last frame": (slice(None), slice(-1, None)),
    "middle": (slice(None), slice(2, 4)),
    "all but one frame": (slice(None), slice(1, None)),
    "one whole sub-sequence": (slice(1, 2),),
}


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("name", ["joints3d", "verts3d", "points3d", "joints2d"])
@pytest.mark.parametrize("stage", [2, 3])
def test_missing_data_costs_nothing(name, gap, stage):
    """Loss and gradient stay finite, and what is not seen does not pull: its frames have no share of the term."""
    problem = fakes.problem(name, batch=2, frames=FRAMES)
    hidden = fakes.hide(getattr(problem.observations, name), GAPS[gap])
    problem = replace(problem, observations=Observations(**{name: hidden}))
    data_type = "rgb" if problem.has_camera else "3d"
    phase = [p for p in schedule("humorscope", data_type, weights={name: (1, 1, 1)}) if p.stage == stage][-1]
    variables = fakes.variables(problem, phase)
    fixed = None if problem.has_camera or stage < 3 else frames.identity(2)
    objective, free = Objective(problem, phase, fixed), packing(variables, phase)
    point = objective.point(free.pack(variables), variables, free)
    assert np.isfinite(point.value) and torch.isfinite(point.gradient).all()
    share = objective.evaluation(point, free).terms[name].per_frame
    assert (share[GAPS[gap]] == 0).all()
    assert share.sum() > 0


def test_robust_points_ignore_outliers():
    problem = fakes.problem("points3d", frames=4)
    phase = Phase("test", 1, ("trans", "root_orient"), 1, weights={"points3d": 1.0})
    variables = fakes.variables(problem, phase)
    points = problem.observations.points3d.clone()
    points[:, :, 0] += 5.0
    spoilt = replace(problem, observations=Observations(points3d=points))

    def gradient(of):
        free = packing(variables, phase)
        return Objective(of, phase).point(free.pack(variables), variables, free).gradient.norm()

    assert gradient(replace(spoilt, robust_loss="none")) > 2 * gradient(replace(problem, robust_loss="none"))
    assert gradient(spoilt) < 1.5 * gradient(problem)


def test_tuning_sees_only_its_frames():
    problem = fakes.problem("joints2d", frames=8)
    tune = [p for p in schedule("humorscope", "rgb", tune_frames=4) if p.name == "stage 3 tune"][0]
    variables = fakes.variables(problem, tune)
    objective, free = Objective(problem, tune), packing(variables, tune)
    assert free.split(free.pack(variables))["latent_motion"].shape == (1, 3, 48)
    point = objective.point(free.pack(variables), variables, free)
    changed = fakes.hide(problem.observations.joints2d, (slice(None), slice(4, None)))
    blind = Objective(replace(problem, observations=Observations(joints2d=changed)), tune)
    assert blind.point(free.pack(variables), variables, free).value == point.value
    assert objective.evaluation(point, free).terms["joints2d"].per_frame.shape == (1, 4)


def test_factors_besides_the_weights_count_the_frames_of_the_phase():
    problem = fakes.problem("joints2d", frames=8)
    by_frames = next(term for term in TERMS if term.scale == "frames")
    init = next(term for term in TERMS if term.scale == "init")
    for count, tuned, expected in ((None, None, (8, 1)), (4, 4, (4, 2)), (4, 16, (4, 1))):
        phase = Phase("test", 3, STAGE_3, 1, frames=count, init_motion_frames=tuned)
        objective = Objective(problem, phase)
        assert (objective.scale(by_frames), objective.scale(init)) == expected


def test_a_step_between_two_frames_is_shown_at_the_later_one():
    problem = fakes.problem("joints3d", frames=6)
    phase = Phase("test", 2, FREE, 1, weights={"joints3d_smooth": 1.0})
    variables = fakes.variables(problem, phase)
    variables["trans"][:, 3:] += 1.0
    objective, free = Objective(problem, phase), packing(variables, phase)
    point = objective.point(free.pack(variables), variables, free)
    per_frame = objective.evaluation(point, free).terms["joints3d_smooth"].per_frame
    assert per_frame[0, 0] == 0.0 and int(per_frame[0].argmax()) == 3


def test_nothing_to_act_on_is_an_error():
    problem = fakes.problem("verts3d", frames=3)
    phase = schedule("humorscope", "3d")[0]
    variables = fakes.variables(problem, phase)
    free = packing(variables, phase)
    with pytest.raises(InputError, match="stage 1"):
        Objective(problem, phase).point(free.pack(variables), variables, free)


@pytest.mark.parametrize(("modality", "kind"), [("joints2d", "rgb"), ("joints3d", "3d")])
def test_three_sub_sequences_are_the_sum_of_each(modality, kind):
    """B = 3 is no special case, although rotations are 3 x 3."""
    whole = fakes.problem(modality, batch=3, frames=FRAMES, dtype=torch.float64)
    phase = schedule("humorscope", kind)[-1]
    variables = fakes.variables(whole, phase, dtype=torch.float64)
    frame = None if whole.has_camera else frames.identity(3, dtype=torch.float64)
    free = packing(variables, phase)
    point = Objective(whole, phase, frame).point(free.pack(variables), variables, free)
    gradient, total = free.split(point.gradient), 0.0
    for row in range(3):
        here = slice(row, row + 1)
        seen = Observations(**{modality: getattr(whole.observations, modality)[here]})
        lens = whole.camera
        camera = lens and replace(lens, focal=lens.focal[here], centre=lens.centre[here])
        one = replace(whole, observations=seen, camera=camera, floor=None if whole.floor is None else whole.floor[here])
        own = {name: value[here] for name, value in variables.items()}
        place, single = packing(own, phase), None if frame is None else frames.identity(1, dtype=torch.float64)
        alone = Objective(one, phase, single).point(place.pack(own), own, place)
        total += alone.value
        for name, piece in place.split(alone.gradient).items():
            torch.testing.assert_close(gradient[name][here], piece, rtol=1e-6, atol=1e-9)
    assert point.value == pytest.approx(total, rel=1e-9)


def turned_and_moved(given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Variables of stage 3 with the first frame at another place of the floor, turned about the vertical."""
    turn = axis_angle_to_matrix(torch.tensor([0.0, 0.0, 0.5], dtype=torch.float64))
    root = turn @ root_matrix(given["root_orient"])
    shift = torch.tensor([0.4, -0.3, 0.0], dtype=torch.float64)
    return {**given, "trans": given["trans"] + shift, "root_orient": root_variable(root, rotation="axis-angle")}


def test_a_following_frame_holds_the_first_state_nowhere():
    """With a frame that follows, the priors do not change with the place and the heading of the first frame."""
    problem = fakes.problem("joints3d", frames=FRAMES, dtype=torch.float64)
    changed = {}
    for name in ("fast", "fast-following-frame"):
        phase = schedule(name, "3d")[-1]
        given = fakes.variables(problem, phase, dtype=torch.float64)
        frame = frames.identity(1, dtype=torch.float64) if name == "fast" else None
        objective = Objective(problem, phase, frame)
        values = [objective.residuals(objective.predict(each)) for each in (given, turned_and_moved(given))]
        changed[name] = {t: float((values[1][t] - values[0][t]).abs().max()) for t in values[0]}
    for term in ("init_motion_prior", "motion_prior", "joint_consistency", "bone_length"):
        assert changed["fast-following-frame"][term] < 1e-8 * max(1.0, changed["fast"][term]), term
    assert changed["fast"]["init_motion_prior"] > 0.1
    assert changed["fast-following-frame"]["joints3d"] > 0.01, "the motion has moved with its first frame"
