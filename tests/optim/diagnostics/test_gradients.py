"""Gradients per term: together they are the loss's, alone they are those of an objective with one term."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from optim.diagnostics.gradients import term_gradients
from optim.objective.objective import Objective
from optim.schedule.stages import schedule
from optim.session.edits import Hold
from optim.session.session import Session
from tests import fakes


def snapshots(session: Session) -> list:
    """The last of every phase."""
    return [[s for s in session.history.snapshots if s.phase == k][-1] for k in range(len(session.schedule))]


@pytest.mark.parametrize("fixture", ["seen_in_3d", "seen_by_camera"])
def test_norms_and_cosines_add_up_to_the_gradient_of_the_loss(fixture, request):
    """‖Σ g_k‖² = Σ ‖g_i‖ ‖g_j‖ cos_ij."""
    session = request.getfixturevalue(fixture)
    for snapshot in snapshots(session):
        found = term_gradients(session.fit, snapshot)
        norms = np.sqrt(sum(np.square(value.astype(float)) for value in found.norm.values()))
        cosine = np.nan_to_num(found.cosine)
        np.testing.assert_allclose(np.diag(found.cosine)[norms > 0], 1.0, rtol=1e-6)
        np.testing.assert_allclose(cosine, cosine.T, atol=1e-12)
        together = np.sqrt(norms @ cosine @ norms)
        whole = float(snapshot.solver.point.gradient.norm())
        assert together == pytest.approx(whole, rel=1e-3, abs=1e-4 * norms.max())
        assert found.terms == tuple(snapshot.evaluation.terms)


def test_each_term_is_an_objective_of_its_own(seen_by_camera):
    snapshot = seen_by_camera.current
    phase = snapshot.schedule[snapshot.phase]
    found = term_gradients(seen_by_camera.fit, snapshot)
    for index, name in enumerate(found.terms):
        alone = replace(phase, weights={name: phase.weight(name)})
        objective = Objective(seen_by_camera.problem, alone, snapshot.prior_frame)
        point = objective.point(snapshot.packing.pack(snapshot.variables), snapshot.variables, snapshot.packing)
        for variable, piece in snapshot.packing.split(point.gradient).items():
            expected = float(piece.norm())
            assert found.norm[variable][index] == pytest.approx(expected, rel=1e-3, abs=1e-5), (name, variable)


def test_frames_hold_what_moves(seen_in_3d):
    tune = snapshots(seen_in_3d)[2]
    found = term_gradients(seen_in_3d.fit, tune)
    assert found.frames["latent_motion"].tolist() == [1, 2, 3], "four frames are tuned; a latent leads to its frame"
    assert found.frames["trans"].tolist() == [0]
    first = term_gradients(seen_in_3d.fit, seen_in_3d.history[0])
    assert first.frames["trans"].tolist() == list(range(6)) and "betas" not in first.norm
    for value in (found, first):
        for name, norms in value.per_frame.items():
            assert norms.shape == (len(value.terms), 2, len(value.frames[name]))
            np.testing.assert_allclose(np.sqrt(np.square(norms).sum((1, 2))), value.norm[name], rtol=1e-4)


def test_a_pull_on_one_frame_shows_there_and_nowhere_else():
    problem = fakes.problem(frames=6)
    session = Session(
        problem, schedule=schedule("humorscope", "3d", num_iters=(1, 0, 0), weights={"joints3d_smooth": (0, 0, 0)})
    )
    exact = session.fit.trajectory().joints.clone()
    exact[0, 3, 5] += 0.1
    observed = replace(problem.observations, joints3d=exact)
    found = term_gradients(session.fit, replace(session.current, observations=observed))
    assert found.terms == ("joints3d",)
    np.testing.assert_allclose(found.per_frame["trans"][0, 0], [0, 0, 0, np.sqrt(3) * 0.1, 0, 0], atol=1e-5)


def test_terms_that_nothing_moves_have_no_direction():
    session = Session(fakes.problem(frames=6), schedule=schedule("humorscope", "3d", num_iters=(0, 1, 0)))
    session.apply(Hold("betas"))
    found = term_gradients(session.fit)
    shape, data = found.terms.index("shape_prior"), found.terms.index("joints3d")
    assert "betas" not in found.norm
    assert all(norm[shape] == 0 for norm in found.norm.values())
    assert np.isnan(found.cosine[shape]).all() and np.isfinite(found.cosine[data, data])
    assert torch.isfinite(session.current.solver.point.gradient).all()
