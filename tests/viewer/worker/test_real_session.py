"""The worker around the real session, with a small body and random priors: views of it agree with the optimiser."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
import torch

from optim.schedule.stages import schedule
from optim.session import edits
from optim.session.session import Session
from tests import fakes
from viewer.layers.camera import image_points
from viewer.layers.observations import ObservationsLayer
from viewer.protocol import commands as c
from viewer.protocol.view_model import Note, ViewModel
from viewer.scene.skinning import Skinner
from viewer.worker.build_view import ViewBuilder
from viewer.worker.worker import Worker


def make(*modalities: str, batch: int = 1) -> Session:
    kind = "rgb" if "joints2d" in modalities else "3d"
    phases = schedule("humorscope", kind, num_iters=(1, 2, 5), lbfgs_max_iter=3, tune_frames=4)
    return Session(fakes.problem(*modalities, batch=batch), schedule=phases)


class Bench:
    """A worker and what it published."""

    def __init__(self, session: Session) -> None:
        self.session, self.published, self.inbox = session, [], deque()
        self.worker = Worker(session, self.published.append, self.inbox)

    def do(self, *commands: c.Command) -> ViewModel:
        self.inbox.extend(commands)
        while self.inbox or self.worker.running:
            self.worker.turn()
        self.worker.turn()
        return next(m for m in reversed(self.published) if isinstance(m, ViewModel))

    def notes(self) -> list[str]:
        return [m.text for m in self.published if isinstance(m, Note)]


@pytest.mark.parametrize("modalities", [("joints3d",), ("joints2d",), ("points3d", "joints2d")])
def test_a_whole_run_can_be_shown(modalities):
    bench = Bench(make(*modalities, batch=2))
    stages = [bench.do(c.RunStage()) for _ in range(3)]
    assert [view.status.state for view in stages] == ["paused", "paused", "done"]
    assert not bench.notes()
    last = stages[-1]
    assert last.drift is not None and last.drift.root_cm.shape == (2, 8)
    assert last.status.progress == 1.0
    assert np.isfinite(last.history.total).all()
    shown = np.nansum(last.weighted)
    assert shown == pytest.approx(bench.session.current.evaluation.total, rel=1e-5)
    moving = {name for phase in last.scene.phases for name in phase.variables}
    assert {part.name for part in last.scene.variables if not part.children} <= moving


@pytest.mark.parametrize("stages", [2, 3])
def test_bodies_stand_where_the_optimiser_has_them(stages):
    bench = Bench(make("joints2d"))
    for _ in range(stages):
        view = bench.do(c.RunStage())
    session, builder = bench.session, ViewBuilder(bench.session)
    found = session.fit.trajectory()
    body = session.problem.body
    mesh = body.mesh(found.trans, found.root_orient, found.pose_body, found.betas).numpy()
    skinner = Skinner(view.scene.body)
    np.testing.assert_allclose(skinner.vertices(view.motion, 0, 5), builder.frame.points(mesh[0, 5]), atol=1e-4)
    np.testing.assert_allclose(view.motion.joints, builder.frame.points(found.joints.numpy()), atol=1e-5)


def test_reprojections_are_the_optimisers():
    bench = Bench(make("joints2d"))
    view = bench.do(c.RunStage(), c.RunStage())
    problem, found = bench.session.problem, bench.session.fit.trajectory()
    ids = torch.tensor(problem.body.openpose_vertices)
    joints, spots = problem.body.joints_and_vertices(found.trans, found.root_orient, found.pose_body, found.betas, ids)
    expected = problem.camera.project(problem.body.keypoints25(joints, spots))[0, 3]
    fitted = ObservationsLayer()._keypoints25(view, 0, 3)
    np.testing.assert_allclose(image_points(view.scene.camera, fitted), expected.numpy(), atol=0.05)


def test_edits_reach_the_session_and_can_be_undone():
    bench = Bench(make())
    view = bench.do(edits.SetWeight("joints3d", 3.0, 1), edits.Hold("trans"), c.Step())
    assert bench.session.current.weights["joints3d"] == 3.0
    assert view.held == {"trans"} and view.can_undo and not view.can_redo
    view = bench.do(edits.Undo(), edits.Undo())
    assert view.held == frozenset() and view.can_redo and not view.can_undo
    bench.do(edits.Hold("root_orient"), edits.Hold("trans"))
    assert "nothing is left to move" in bench.notes()[-1]


def test_inspecting_and_rewinding():
    bench = Bench(make())
    bench.do(c.RunStage(), c.RunStage())
    end = bench.session.current.id
    view = bench.do(c.Inspect(2))
    assert (view.shown, view.current) == (2, end)
    np.testing.assert_allclose(
        view.motion.joints, bench.session.fit.trajectory(bench.session.history[2]).joints.numpy(), atol=1e-6
    )
    view = bench.do(edits.Rewind(2))
    assert (view.shown, view.current) == (2, 2)
    assert view.history.branch.tolist() == [0, 1, 2]
