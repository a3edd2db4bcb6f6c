"""The pull of a term on the joints is minus its slope when they are moved, whatever the term looks at."""

import pytest
import torch

from optim.diagnostics.pull import _shifted, joint_pull
from optim.objective.objective import Objective
from optim.objective.prediction import detached


def loss(session, weight: str, shift: torch.Tensor, *, decoded: bool) -> float:
    """Weighted share of a term with every joint displaced by (B, T, 22, 3)."""
    now = session.current
    phase = now.schedule[now.phase]
    objective = Objective(session.fit.problem_at(now), phase, now.prior_frame)
    with torch.no_grad():
        predicted = objective.predict(now.variables)
        none = torch.zeros_like(shift)
        moved = _shifted(predicted, session.problem.body, *((none, shift) if decoded else (shift, none)))
        residuals = objective.residuals(moved)
    terms = [term for term in objective.terms if term.weight == weight]
    return sum(phase.weight(weight) * objective.scale(t) * residuals[t.name].double().sum().item() for t in terms)


@pytest.mark.parametrize(
    ("fixture", "weight", "decoded"),
    [
        ("seen_in_3d", "joints3d", False),
        ("seen_in_3d", "joint_consistency", False),
        ("seen_in_3d", "init_motion_prior", False),
        ("seen_in_3d", "bone_length", True),
        ("seen_in_3d", "contact_vel", False),
        ("seen_by_camera", "joints2d", False),
    ],
)
def test_pull_is_minus_the_slope(request, fixture, weight, decoded):
    session = request.getfixturevalue(fixture)
    pull = joint_pull(session.fit, session.current, weight)
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(pull.shape, generator=generator)
    step = 2e-3 * direction / direction.abs().max()
    ends = [loss(session, weight, sign * step, decoded=decoded) for sign in (-1, 1)]
    expected = (ends[0] - ends[1]) / 2
    assert (pull.double() * step.double()).sum().item() == pytest.approx(expected, rel=2e-2, abs=1e-6)


def test_joints_are_pulled_to_where_they_were_seen(seen_in_3d):
    now = seen_in_3d.current
    seen = seen_in_3d.problem.observations.joints3d
    apart = seen - detached(seen_in_3d.fit.prediction(now)).points.joints
    torch.testing.assert_close(joint_pull(seen_in_3d.fit, now, "joints3d"), apart * now.weights["joints3d"])


def test_terms_that_look_at_no_position_pull_nowhere(seen_in_3d):
    assert joint_pull(seen_in_3d.fit, seen_in_3d.current, "shape_prior") is None
    assert joint_pull(seen_in_3d.fit, seen_in_3d.current, "motion_prior") is None
    assert joint_pull(seen_in_3d.fit, seen_in_3d.current, "joints2d") is None


def test_frames_that_are_not_observed_are_not_pulled(seen_in_3d):
    tuning = next(seen_in_3d.history[e.id] for e in seen_in_3d.history.path_back(seen_in_3d.current.id) if e.phase == 2)
    pull = joint_pull(seen_in_3d.fit, tuning, "joints3d")
    assert pull.shape == (2, 6, 22, 3)
    assert pull[:, :4].abs().max() > 0
    assert pull[:, 4:].abs().max() == 0
