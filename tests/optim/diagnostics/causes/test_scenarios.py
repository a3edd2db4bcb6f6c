"""A clip that is faulty in one way: the rule for that fault comes first; a healthy clip has no red statement.

The clips are half a second to a second of the shipped walk, fitted with the shipped priors and few iterations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch

from optim.config.settings import parse
from optim.diagnostics.causes.cause import Cause, Look
from optim.diagnostics.causes.solver import solver
from optim.diagnostics.causes.table import MOST, RULES, causes, ranked, summary
from optim.loading.problem import load_problem
from optim.objective.objective import Objective
from optim.problem.frames import floor_plane
from optim.problem.problem import Problem
from optim.schedule.stages import schedule
from optim.schedule.weights import default_weights
from optim.session.session import Session
from optim.solver.lbfgs import Trial
from optim.split.splitting import sub_problem

FRAMES, STEPS = (10, 34), (3, 5, 5)
LEGS = [1, 2, 4, 5, 7, 8, 10, 11]
PAIRS = ((13, 10), (14, 11), (12, 9), (19, 22), (20, 23), (21, 24))


@cache
def problem(kind: str) -> Problem:
    whole = load_problem(parse(["--observations", kind]))
    return replace(sub_problem(whole, [FRAMES]), ground_truth=None)


def fitted(made: Problem, *, weights=None, steps=STEPS, preset="humorscope") -> Session:
    session = Session(made, schedule=schedule(preset, made.data_type, num_iters=steps, weights=weights))
    session.run()
    return session


@cache
def healthy(kind: str) -> Session:
    """Finished; not to be changed. Feet skate until a fit to keypoints has had some steps more."""
    return fitted(problem(kind), steps=STEPS if kind == "joints3d" else (3, 5, 8))


@cache
def pair(*, shared: int = 6) -> Problem:
    """Two sub-sequences of the walk that share some frames."""
    whole = load_problem(parse(["--observations", "joints3d"]))
    return replace(sub_problem(whole, [(10, 26), (26 - shared, 42 - shared)]), ground_truth=None)


def seeing(made: Problem, change: Callable[[torch.Tensor], None]) -> Problem:
    """The same with its first kind of observation changed in a copy."""
    name = made.observations.modalities[0]
    value = getattr(made.observations, name).clone()
    change(value)
    return replace(made, observations=replace(made.observations, **{name: value}))


def faults(session: Session) -> list[Cause]:
    found = causes(session.fit)
    print(summary(found))
    return [cause for cause in found if cause.level != "good"]


def first(session: Session) -> Cause:
    found = faults(session)
    assert found and found[0].level == "bad"
    assert found[0].evidence and found[0].advice and len(found) <= MOST
    return found[0]


@pytest.mark.parametrize("kind", ["joints3d", pytest.param("joints2d", marks=pytest.mark.slow)])
def test_nothing_is_red_for_a_healthy_clip(kind):
    assert [cause.text for cause in faults(healthy(kind)) if cause.level == "bad"] == []


def test_nothing_is_red_for_a_healthy_pair_of_sub_sequences():
    assert [cause.text for cause in faults(fitted(pair(), steps=(3, 5, 3))) if cause.level == "bad"] == []


def test_missing_legs_are_a_matter_of_coverage():
    def hide(joints):
        joints[:, :, LEGS] = torch.inf

    cause = first(fitted(seeing(problem("joints3d"), hide), steps=(2, 3, 3)))
    assert cause.rule == "coverage" and "legs are hardly ever seen" in cause.text


def test_frames_with_nothing_are_a_matter_of_coverage_and_are_led_to():
    def hide(joints):
        joints[:, 8:16] = torch.inf

    cause = first(fitted(seeing(problem("joints3d"), hide), steps=(2, 3, 3)))
    assert cause.rule == "coverage" and "in 8 of 24 frames nothing is" in cause.text
    assert FRAMES[0] + 8 <= cause.frame < FRAMES[0] + 16


@pytest.mark.slow
def test_a_floor_30_cm_too_low_is_named():
    floor = load_problem(parse(["--observations", "joints2d"])).ground_truth.floor_plane.clone()
    assert float(floor[0, 1]) < 0  # the normal points up, so that a smaller offset is a lower plane
    floor[:, 3] -= 0.3
    session = fitted(replace(problem("joints2d"), floor=floor), steps=(3, 5, 2))
    cause = first(session)
    assert cause.rule == "floor" and "cm below where the feet stand" in cause.text
    (held,) = [line for line in cause.evidence if "floor_reg" in line]
    assert float(held.split()[4]) == pytest.approx(cost_of_10_cm(session), rel=0.06)  # two digits are told


def cost_of_10_cm(session: Session) -> float:
    """What the loss itself charges for a floor 10 cm beside the observed one, along the fitted normal."""
    here, given = session.current, session.problem.observed_floor
    objective = Objective(session.problem, here.schedule[here.phase], None)
    normal = floor_plane(here.variables["floor_plane"])[:, :3]
    beside = {**here.variables, "floor_plane": given + 0.1 * normal}
    raw = objective.residuals(objective.predict(beside))["floor_reg"].sum()
    told = here.evaluation.terms["floor_reg"]
    return float(raw) * told.weighted / told.raw


@pytest.mark.parametrize(
    ("up", "word", "preset"),
    [
        (0.3, "floats", "humorscope"),
        (-0.3, "below the floor", "humorscope"),
        (-0.3, "observations are", "fast"),  # which holds the body above the floor
    ],
)
def test_a_motion_beside_the_floor_of_the_world_floats_or_sinks(up, word, preset):
    def lift(joints):
        joints[..., 2] += up

    cause = first(fitted(seeing(problem("joints3d"), lift), steps=(3, 5, 2), preset=preset))
    assert cause.rule == "height" and word in cause.text


def test_hidden_feet_below_the_floor_are_no_observation():
    def lower_and_hide(joints):
        joints[..., 2] -= 0.3
        joints[:, :, [7, 8, 10, 11]] = torch.inf

    made = seeing(problem("joints3d"), lower_and_hide)
    session = Session(made, schedule=schedule("humorscope", "3d", num_iters=(3, 0, 0)))
    session.run()
    found = causes(session.fit)
    assert any("below the floor" in cause.text for cause in found)
    assert not any("The observations are" in cause.text for cause in found)


def test_where_no_foot_is_near_the_floor_it_says_why_skate_is_undefined():
    def lift(joints):
        joints[..., 2] += 1.0

    session = Session(seeing(problem("joints3d"), lift), schedule=schedule("humorscope", "3d", num_iters=(3, 0, 0)))
    session.run()
    assert any("Foot skate is not defined" in cause.text for cause in faults(session))


@pytest.mark.slow
def test_swapped_legs_are_named_with_their_frames():
    def swap(keypoints):
        for left, right in PAIRS:
            keypoints[:, 9:14, [left, right]] = keypoints[:, 9:14, [right, left]]

    cause = first(fitted(seeing(problem("joints2d"), swap)))
    assert cause.rule == "keypoints" and "Left and right legs are swapped" in cause.text
    assert FRAMES[0] + 9 <= cause.frame < FRAMES[0] + 14


LEGS_2D, LEGS_3D = ([13, 14, 19, 20, 21], [10, 11, 22, 23, 24]), ([1, 4, 7, 10], [2, 5, 8, 11])


@pytest.mark.parametrize(
    ("kind", "sides"), [("joints3d", LEGS_3D), pytest.param("joints2d", LEGS_2D, marks=pytest.mark.slow)]
)
def test_two_legs_on_one_are_named_with_their_frames(kind, sides):
    left, right = sides

    def onto_the_left(seen):
        seen[:, 9:14, right] = seen[:, 9:14, left]

    cause = first(fitted(seeing(problem(kind), onto_the_left), steps=(2, 3, 3)))
    assert cause.rule == "keypoints" and "Both legs are observed on the same one" in cause.text
    assert FRAMES[0] + 9 <= cause.frame < FRAMES[0] + 14


def test_two_legs_on_one_are_named_although_the_fit_has_followed_them():
    left, right = LEGS_3D

    def onto_the_left(joints):
        joints[:, :, right] = joints[:, :, left]

    cause = first(fitted(seeing(problem("joints3d"), onto_the_left), steps=(2, 3, 3)))
    assert "Both legs are observed on the same one in 24 frames" in cause.text


@pytest.mark.slow
def test_a_wrong_focal_length_is_named():
    made = problem("joints2d")
    cause = first(fitted(replace(made, camera=replace(made.camera, focal=0.6 * made.camera.focal))))
    assert cause.rule == "camera" and "focal length" in cause.text


def test_a_shifted_sub_sequence_is_named_with_its_side():
    def shift(joints):
        joints[1, :, :, 0] += 0.5

    cause = first(fitted(seeing(pair(), shift), steps=(3, 5, 3)))
    assert cause.rule == "consistency" and "Sub-sequences 1 and 2" in cause.text
    assert 20 <= cause.frame < 26


def test_two_sizes_of_one_person_are_named_before_the_distances_that_follow_from_them():
    def enlarge(joints):
        below = joints[1, :, [10, 11]].mean((0, 1)) * torch.tensor([1.0, 1.0, 0.0])
        joints[1] = below + 1.15 * (joints[1] - below)

    cause = first(fitted(seeing(pair(), enlarge), steps=(3, 5, 3)))
    assert cause.rule == "consistency" and "The body of sub-sequence 2 is" in cause.text and "one size" in cause.text
    assert any("head to feet" in line for line in cause.evidence) and cause.frame == 20


def test_a_hard_cut_between_sub_sequences_that_share_one_frame_is_a_bad_seam():
    phases = schedule("humorscope", "3d", num_iters=(3, 5, 3))
    cut = tuple(replace(phase, preset=replace(phase.preset, stitching="cut")) for phase in phases)
    session = Session(pair(shared=1), schedule=cut)
    session.run()
    cause = first(session)
    assert cause.rule == "consistency" and "at the seam at frame 26" in cause.text
    assert "1 frames shared" in cause.evidence
    here = session.current
    blended = causes(session.fit, replace(here, schedule=phases))
    assert [found.text for found in blended if found.level == "bad"] == [], "nothing else is wrong with this run"


def test_a_prior_with_a_hundred_times_its_weight_is_named():
    weight = 100 * default_weights("3d", own=True, nodes=False)["motion_prior"][2]
    cause = first(fitted(problem("joints3d"), weights={"motion_prior": (0.0, 0.0, weight)}))
    assert cause.rule == "prior" and "taken the motion away from the observations" in cause.text
    assert any("100 × its default" in line for line in cause.evidence)


def test_a_motion_unlike_those_of_the_prior_is_named_with_its_latents():
    """Every fourth frame taken for every one: a walk four times as fast, as from a wrong frame rate."""
    made = load_problem(parse(["--observations", "joints3d"]))
    fast = replace(made.observations, joints3d=made.observations.joints3d[:, ::4])
    cause = first(fitted(replace(made, observations=fast, ground_truth=None)))
    assert cause.rule == "prior" and "of the latents lie far outside the motion prior" in cause.text
    assert "--data-fps" in cause.advice and any("inferred from stage 2" in line for line in cause.evidence)


@pytest.mark.parametrize("stage", [1, 2])
def test_a_run_that_is_not_finished_is_not_judged_further(stage):
    session = Session(problem("joints3d"), schedule=schedule("humorscope", "3d", num_iters=STEPS))
    for _ in range(stage):
        session.finish_stage()
    cause = first(session)
    assert cause.rule == "solver" and "is not finished" in cause.text


def test_a_line_search_without_a_better_point_is_stuck():
    session = healthy("joints3d")
    here = session.current
    trial = Trial(1.0, here.evaluation.total + 1.0, 1.0, False, False, "bracket")
    stuck = replace(here, solver=replace(here.solver, slope=-1.0, step_length=0.0, trials=(trial,)))
    found = next(solver(Look(session.fit, stuck)))
    assert found.level == "bad" and "The solver is stuck" in found.text and "gradient" in found.evidence[0]


@pytest.mark.parametrize("weight", [1e8, 1e9])
def test_a_weight_that_is_far_too_large_by_mistake_is_named(weight):
    """Whether the search is stuck or the blocks are badly scaled with it depends on rounding."""
    cause = first(fitted(problem("joints3d"), weights={"shape_prior": (weight,) * 3}, steps=(3, 3, 3)))
    assert cause.rule == "solver" and "The weight of shape_prior is" in cause.text
    assert "Lower the weight of shape_prior in stage 3" in cause.advice


def test_blocks_of_very_different_curvature_are_named():
    session = healthy("joints3d")
    here = session.current
    packing = here.packing

    def stiff(vector, factor):
        pieces = packing.split(vector.clone())
        pieces["betas"] *= factor
        return torch.cat([piece.reshape(-1) for piece in pieces.values()])

    pairs = tuple(replace(pair, s=stiff(pair.s, 1e-7)) for pair in here.solver.pairs)
    found = list(solver(Look(session.fit, replace(here, solver=replace(here.solver, pairs=pairs)))))
    assert any("betas" in cause.text and "badly scaled" in cause.text for cause in found)


def test_a_finished_and_flat_fit_has_converged():
    session = Session(problem("joints3d"), schedule=schedule("humorscope", "3d", num_iters=(12, 0, 0)))
    session.run()
    (found,) = [cause for cause in causes(session.fit) if cause.rule == "solver"]
    assert found.level == "good" and "converged" in found.text


def test_the_list_is_short_and_the_worst_comes_first():
    made = [Cause(level, "…", rule=rule.name) for rule in RULES for level in ("good", "warn", "bad")]
    found = ranked(made)
    assert [cause.rule for cause in found[:MOST]] == [rule.name for rule in RULES[:MOST]]
    assert all(cause.level == "bad" for cause in found[:MOST])
    assert [cause.level for cause in found[MOST:]] == ["good"] * len(RULES)
