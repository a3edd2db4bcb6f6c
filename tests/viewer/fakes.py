"""Sessions for windows: the real one on a small problem with a body of capsules, paced or failing where a test asks.

The first phases have two steps of four iterations each, so that a whole fit takes about a second.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace

import numpy as np
import torch

from optim.body.body_model import BodyModel
from optim.checks.contradictions import JUMP
from optim.common.errors import InputError
from optim.problem.problem import Problem
from optim.problem.variables import Trajectory
from optim.schedule.phases import Phase
from optim.schedule.stages import schedule
from optim.session.history import Snapshot
from optim.session.session import Interrupt, Session
from tests import fakes as small

FRAMES = 12
GAP, GAP_JOINTS = slice(4, 7), [7, 8, 10, 11]
"""Frames and joints that are not seen: the feet for a while."""
STEPS = {"num_iters": (2, 3, 6), "lbfgs_max_iter": 4, "tune_frames": 6, "freeze_start": 2, "freeze_end": 4}


def schedule_of(problem: Problem, **changes: object) -> tuple[Phase, ...]:
    """Five phases of 2, 3, 2, 2 and 2 steps, 4 iterations each."""
    return schedule("humorscope", "rgb" if problem.has_camera else "3d", **STEPS | changes)


class PacedSession(Session):
    """A session that waits ``delay`` seconds before each iteration; raises at iteration ``fail_at``, once."""

    def __init__(
        self, problem: Problem | None = None, *, delay: float = 0.0, fail_at: int | None = None, **changes: object
    ) -> None:
        problem = make_problem() if problem is None else problem
        super().__init__(problem, schedule=schedule_of(problem, **changes))
        self._delay, self._fail_at = delay, fail_at

    def step_iteration(self, interrupt: Interrupt | None = None) -> Snapshot:
        """See ``Session.step_iteration``; ``interrupt`` is asked while it waits, too."""
        if self._fail_at is not None and self.current.total_iterations >= self._fail_at:
            self._fail_at = None
            raise FloatingPointError("the loss is not a number")
        end = time.monotonic() + self._delay
        while time.monotonic() < end:
            if interrupt is not None and interrupt():
                return self.current
            time.sleep(0.002)
        return super().step_iteration(interrupt)


def make_problem(*, batch: int = 1, camera: bool = False) -> Problem:
    """A made-up walk with its truth, joints that are missing for a while, or keypoints through a camera."""
    seen = small.problem("joints2d" if camera else "joints3d", batch=batch, frames=FRAMES, model=capsule_body)
    trans, root, pose, betas = small.motion(np.random.RandomState(0), batch, FRAMES, camera=camera)
    joints = capsule_body(dtype=torch.float64).joints(trans, root, pose, betas)[:, :, :22]
    truth = Trajectory(*(value.float() for value in (trans, root, pose, betas, joints)))
    arrays, floor = seen.observations, seen.floor
    if floor is not None:
        up = floor[:, :3] / floor[:, :3].norm(dim=1, keepdim=True)
        lowest = (truth.joints @ up[:, None, :, None]).amin((1, 2))
        floor = torch.cat((up, lowest - 0.05), dim=1)
        hidden = replace(arrays, joints2d=small.hide(arrays.joints2d, (slice(None), GAP)))
    else:
        hidden = replace(arrays, joints3d=small.hide(arrays.joints3d, (slice(None), GAP, GAP_JOINTS)))
    return replace(seen, observations=hidden, floor=floor, ground_truth=truth, name="made-up walk")


def capsule_body(*, dtype: torch.dtype = torch.float32) -> BodyModel:
    """The joints of ``tests.fakes.body`` with a rigid eight-sided tube around every bone."""
    joints = small.body(dtype=torch.float64)
    vertices, faces, weights = [], [], []
    for joint, parent in enumerate(small.PARENTS):
        if parent < 0:
            continue
        start, end = small.REST[parent], small.REST[joint] + (0.12 * np.array([0, 1, 0]) if joint == 15 else 0)
        ring, tube = _tube(start, end, 0.085 if joint in (3, 6, 9, 15) else 0.05)
        faces.append(tube + sum(len(v) for v in vertices))
        vertices.append(ring)
        weights.append(np.eye(22)[np.full(len(ring), parent)])
    template = np.concatenate(vertices)
    shape = np.zeros((len(template), 3, 16))
    shape[:, :, 0] = 0.1 * template
    arrays = {
        "template": template,
        "shape_directions": shape,
        "pose_directions": np.zeros((len(template), 3, 189)),
        "weights": np.concatenate(weights),
        "joint_template": joints.joint_template.numpy(),
        "joint_shape_directions": joints.joint_shape_directions.numpy(),
    }
    tensors = {name: torch.tensor(value, dtype=dtype) for name, value in arrays.items()}
    return replace(joints, **tensors, faces=np.concatenate(faces).astype(np.int64))


def _tube(start: np.ndarray, end: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (32, 3) and faces of a tube between two points."""
    axis = (end - start) / np.linalg.norm(end - start)
    side = np.cross(axis, [0.3, 0.2, 1.0])
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    angle = np.linspace(0, 2 * np.pi, 8, endpoint=False)[:, None]
    circle = np.cos(angle) * side + np.sin(angle) * other
    profile = ((-0.02, 0.5), (0.15, 1.0), (0.85, 0.95), (1.02, 0.5))
    rings = [start + share * (end - start) + radius * size * circle for share, size in profile]
    quads = [
        (r * 8 + i, r * 8 + (i + 1) % 8, r * 8 + 8 + (i + 1) % 8, r * 8 + 8 + i) for r in range(3) for i in range(8)
    ]
    triangles = [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]
    caps = [(base, base + i + 1, base + i) if base == 0 else (base, base + i, base + i + 1)
            for base in (0, 24) for i in range(1, 7)]  # fmt: skip
    return np.concatenate(rings), np.array(triangles + caps)


def make_session() -> Session:
    """A quick session."""
    return PacedSession()


def make_session_with_a_gap() -> Session:
    """Keypoints through a camera, and none in half of the frames."""
    problem = make_problem(camera=True)
    hidden = small.hide(problem.observations.joints2d, (slice(None), slice(4, 10)))
    return PacedSession(replace(problem, observations=replace(problem.observations, joints2d=hidden)))


def make_session_with_doubts() -> Session:
    """Keypoints through a camera: a wrist in two frames and an ankle in one are doubted."""
    problem = make_problem(camera=True)
    doubts = torch.zeros(problem.observations.joints2d.shape[:3], dtype=torch.int8)
    doubts[:, 2:4, 7] = doubts[:, 5, 11] = JUMP
    return PacedSession(replace(problem, observations=replace(problem.observations, doubts=doubts)))


def make_slow_session() -> Session:
    """Two dozen iterations a second at most, so that a run can be interrupted."""
    return PacedSession(delay=0.04)


def make_long_session() -> Session:
    """The same with a first stage of 800 iterations, so that no run is paused at its end."""
    return PacedSession(delay=0.04, num_iters=(200, 3, 6))


def make_failing_session() -> Session:
    """Raises at its third iteration, once."""
    return PacedSession(fail_at=2)


def refuse() -> Session:
    """Cannot be loaded."""
    raise InputError("clip.npz: no array 'trans'; an AMASS file is expected")


def crash() -> Session:
    """Dies while loading, without a word."""
    os._exit(9)
