"""Bodies that slide, sink or float by known amounts, and floors that lean by known angles."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from optim.common.rotations import axis_angle_to_matrix
from optim.diagnostics.ground import floor_tilt, ground
from optim.diagnostics.metrics import PENETRATION_DEPTHS_CM, lowest_vertex
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes

FRAMES = 8


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(fakes.problem(batch=2, frames=FRAMES), schedule=schedule("humorscope", "3d", num_iters=(1, 0, 0)))


def standing(session: Session, *, height=0.0, slide=0.0):
    """A snapshot of two upright bodies, the toes of the first 2 cm over the floor, of the second 1 m higher."""
    root = torch.tensor([torch.pi / 2, 0.0, 0.0]).expand(2, FRAMES, 3)
    at_rest = session.fit.trajectory(with_variables(session, root_orient=root, trans=torch.zeros(2, FRAMES, 3)))
    trans = torch.zeros(2, FRAMES, 3)
    trans[..., 2] = 0.02 - at_rest.joints[0, 0, [10, 11], 2].max() + height
    trans[1, :, 2] += 1.0
    trans[..., 1] = slide * torch.arange(FRAMES)
    return with_variables(session, root_orient=root, trans=trans)


def with_variables(session: Session, **variables):
    return replace(session.current, variables=session.current.variables | variables)


def test_sliding_feet(session):
    found = ground(session.fit, standing(session, slide=0.012))
    np.testing.assert_allclose(found.skate_mm[0, 1:], 12.0, rtol=1e-3)
    assert np.isnan(found.skate_mm[:, 0]).all() and np.isnan(found.skate_mm[1]).all()
    np.testing.assert_allclose(found.skate_mean_mm, [12.0, 0.0], rtol=1e-3)
    np.testing.assert_allclose(ground(session.fit, standing(session)).skate_mean_mm, 0.0, atol=1e-3)


def test_sinking_bodies(session):
    """Depths grow by as much as the body sinks, and the shares are those of the metrics."""
    shallow, deep = (ground(session.fit, standing(session, height=height)) for height in (-0.03, -0.10))
    assert shallow.depth_cm[0].min() > 0 and (shallow.depth_cm[1] == 0).all()
    np.testing.assert_allclose(deep.depth_cm[0] - shallow.depth_cm[0], 7.0, rtol=1e-3)
    snapshot = standing(session, height=-0.05)
    height = lowest_vertex(session.fit.prior_trajectory(snapshot), session.problem.body).numpy()
    found = ground(session.fit, snapshot)
    for index, depth in enumerate(PENETRATION_DEPTHS_CM):
        np.testing.assert_allclose(found.penetration_share[:, index], (height < -0.01 * depth).mean(1))
    assert 0 < found.penetration_share[0].sum() < len(PENETRATION_DEPTHS_CM)
    without = ground(session.fit, snapshot, mesh=False)
    assert without.depth_cm is None and without.penetration_share is None


def test_contacts_are_those_of_the_roll_out(session, seen_by_camera):
    assert ground(session.fit).contact_probability is None
    contact = ground(seen_by_camera.fit).contact_probability
    logits = seen_by_camera.fit.rollout().contact_logits
    np.testing.assert_allclose(contact[:, 1:], logits.sigmoid(), rtol=1e-6)
    np.testing.assert_array_equal(contact[:, 0], contact[:, 1])


def test_a_leaning_floor(session, seen_by_camera):
    assert floor_tilt(session.fit) is None
    seen = seen_by_camera.problem.observed_floor
    across = torch.linalg.cross(seen, torch.tensor([[1.0, 0.0, 0.0]]).expand_as(seen))
    across = across / across.norm(dim=1, keepdim=True)
    turn = axis_angle_to_matrix(across * torch.deg2rad(torch.tensor([[4.0], [0.0]])))
    leaning = (turn @ (1.1 * seen)[..., None])[..., 0]
    snapshot = with_variables(seen_by_camera, floor_plane=leaning)
    np.testing.assert_allclose(floor_tilt(seen_by_camera.fit, snapshot), [4.0, 0.0], atol=0.02)
    length = leaning.norm(dim=1, keepdim=True)
    corrected = replace(snapshot, floor=torch.cat((leaning / length, length), dim=1))
    found = floor_tilt(seen_by_camera.fit, corrected)
    np.testing.assert_allclose(found, 0.0, atol=0.02, err_msg="the observed floor was edited to be the fitted one")
