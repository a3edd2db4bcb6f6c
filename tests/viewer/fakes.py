"""A session with the interface of ``optim.session.session.Session`` in numpy: a person of capsules learns to walk.

Nothing is optimised: every iteration brings the motion a fixed share nearer to the truth, and the loss falls.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from optim.common.errors import InputError
from optim.objective.objective import Evaluation, TermValue
from optim.schedule.presets import PRESETS
from optim.session.history import ITERATION, START, History
from optim.solver.lbfgs import LbfgsState, Point

FRAMES, BATCH, FPS = 40, 1, 30.0
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
_REST = np.array([
    (0, 0, 0), (.07, -.08, 0), (-.07, -.08, 0), (0, .11, -.02), (.09, -.47, 0), (-.09, -.47, 0), (0, .25, 0),
    (.09, -.88, -.03), (-.09, -.88, -.03), (0, .30, .02), (.11, -.94, .09), (-.11, -.94, .09), (0, .52, -.02),
    (.07, .43, -.02), (-.07, .43, -.02), (0, .60, .03), (.18, .46, -.03), (-.18, .46, -.03), (.44, .45, -.05),
    (-.44, .45, -.05), (.69, .46, -.04), (-.69, .46, -.04),
])  # fmt: skip
X_0 = ("trans", "root_orient", "latent_pose", "trans_vel", "joints_vel", "root_orient_vel")


@dataclass(frozen=True)
class Phase:
    name: str
    stage: int
    variables: tuple[str, ...]
    steps: int
    iterations: int
    weights: dict[str, float]
    frames: int | None = None
    segment: int | None = None
    preset: Any = PRESETS["humorscope"]

    @property
    def offers(self) -> frozenset[str]:
        return frozenset() if self.segment is None else frozenset({"nodes"})


@dataclass(frozen=True)
class Snapshot:
    id: int
    parent: int | None
    cause: str
    schedule: tuple[Phase, ...]
    phase: int
    step: int
    iteration: int
    total_iterations: int
    variables: dict[str, np.ndarray]
    frozen: frozenset[str]
    evaluation: Any = None
    evaluations_spent: int = 0
    seconds: float = 0.0

    @property
    def solver(self) -> LbfgsState:
        """As after a line search that took its first point."""
        return LbfgsState(Point(torch.zeros(1), float(self.evaluation.total), torch.zeros(1)), stop=self.stop)

    @property
    def stop(self) -> str | None:
        return "iterations spent" if self.iteration >= self.schedule[self.phase].iterations else None

    @property
    def stage(self) -> int:
        return self.schedule[self.phase].stage

    @property
    def weights(self) -> dict[str, float]:
        return self.schedule[self.phase].weights

    @property
    def phase_done(self) -> bool:
        return self.stop is not None and self.step >= self.schedule[self.phase].steps - 1

    @property
    def next_phase(self) -> int | None:
        return self.phase + 1 if self.phase + 1 < len(self.schedule) else None

    @property
    def done(self) -> bool:
        return self.phase_done and self.phase == len(self.schedule) - 1


def rotation(axis_angle: np.ndarray) -> np.ndarray:
    """Rodrigues' formula, (..., 3) → (..., 3, 3)."""
    angle = np.linalg.norm(axis_angle, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(axis_angle / np.maximum(angle[..., 0], 1e-9), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([np.stack(row, -1) for row in ((zero, -z, y), (z, zero, -x), (-y, x, zero))], -2)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def capsule_body() -> SimpleNamespace:
    """A body with the fields of ``optim.body.body_model.BodyModel``; every bone a rigid eight-sided tube."""
    vertices, faces, weights = [], [], []
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            continue
        start, end = _REST[parent], _REST[joint] + (0.12 * np.array([0, 1, 0]) if joint == 15 else 0)
        ring, tube = _tube(start, end, 0.085 if joint in (3, 6, 9, 15) else 0.05)
        faces.append(tube + sum(len(v) for v in vertices))
        vertices.append(ring)
        weights.append(np.eye(22)[np.full(len(ring), parent)])
    template = np.concatenate(vertices).astype(np.float32)
    shape = np.zeros((len(template), 3, 16), np.float32)
    shape[:, :, 0] = 0.1 * template
    joint_shape = np.zeros((22, 3, 16), np.float32)
    joint_shape[:, :, 0] = 0.1 * _REST
    return SimpleNamespace(
        template=template,
        faces=np.concatenate(faces),
        weights=np.concatenate(weights).astype(np.float32),
        shape_directions=shape,
        pose_directions=None,
        joint_template=_REST.astype(np.float32),
        joint_shape_directions=joint_shape,
        parents=PARENTS,
        openpose_vertices=tuple(range(21)),
        keypoint_vertices=tuple(range(43)),
    )


def _tube(start: np.ndarray, end: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
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


def walk(amount: float, *, batch: int = BATCH, frames: int = FRAMES) -> SimpleNamespace:
    """A walk along +x of which an ``amount`` between 0 and 1 has been found, as a trajectory with joints."""
    t = np.arange(frames) / FPS
    swing = 0.6 * np.sin(2 * np.pi * t)
    pose = np.zeros((frames, 21, 3))
    for joint, sign in ((0, 1), (1, -1), (15, -0.7), (16, 0.7)):
        pose[:, joint, 0] = sign * swing
    pose[:, 15, 2], pose[:, 16, 2] = -1.2, 1.2
    pose[:, 3, 0], pose[:, 4, 0] = 0.5 * np.maximum(-swing, 0), 0.5 * np.maximum(swing, 0)
    trans = np.stack((1.2 * t, 0.1 * np.sin(np.pi * t), np.full(frames, 0.97)), axis=1) * (
        amount,
        amount,
        1.0,
    )
    upright = np.array([(0, 0, 1.0), (1.0, 0, 0), (0, 1.0, 0)])
    root, body = np.tile(upright, (frames, 1, 1)), rotation(pose * amount)
    joints = _forward(np.concatenate((root[:, None], body), axis=1)) + trans[:, None]
    offset = np.array([0, 1.2, 0])
    stack = [np.stack([value] * batch).astype(np.float32) for value in (trans, root, body, joints)]
    for index in range(batch):
        stack[0][index] += index * offset
        stack[3][index] += index * offset
    return SimpleNamespace(
        trans=stack[0],
        root_orient=stack[1],
        pose_body=stack[2],
        joints=stack[3],
        betas=np.zeros((batch, 16), np.float32),
        contacts=None,
        floor_plane=None,
    )


def _forward(rotations: np.ndarray) -> np.ndarray:
    world, position = rotations.copy(), np.tile(_REST, (len(rotations), 1, 1))
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            world[:, joint] = world[:, parent] @ rotations[:, joint]
            position[:, joint] = position[:, parent] + world[:, parent] @ (_REST[joint] - _REST[parent])
    return position


def make_problem(*, batch: int = BATCH, camera: bool = False) -> SimpleNamespace:
    """Noisy joints of the walk with some missing; or keypoints through a camera that looks along +y."""
    truth = walk(1.0, batch=batch)
    rng = np.random.default_rng(0)
    seen = SimpleNamespace(joints3d=None, verts3d=None, points3d=None, joints2d=None, seq_interval=None, previous=None)
    problem = SimpleNamespace(
        observations=seen, body=capsule_body(), camera=None, footage=None, floor=None, fps=FPS, ground_truth=truth,
        name="fake walk", asked_overlap=None, batch=batch, frames=FRAMES,
        offers=frozenset({"joints2d", "floor"} if camera else {"joints3d"}),
    )  # fmt: skip
    if camera:
        problem.camera = SimpleNamespace(
            focal=np.array([[800.0, 800.0]]), centre=np.array([[640.0, 360.0]]), image_size=(1280, 720)
        )
        problem.floor = np.tile(np.array([0.0, -1.0, 0.0, -1.0]), (batch, 1))
        to_camera = np.array([(1.0, 0, 0), (0, 0, -1.0), (0, 1.0, 0)])
        shift = np.array([-0.6, 1.0, 4.0])
        truth.joints = (truth.joints @ to_camera.T + shift).astype(np.float32)
        truth.root_orient = (to_camera @ truth.root_orient).astype(np.float32)
        truth.trans = (truth.trans @ to_camera.T + shift).astype(np.float32)  # the pelvis rests at the origin
        ids = [12, 12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7] + [15] * 10
        pixels = truth.joints[:, :, ids, :2] / truth.joints[:, :, ids, 2:] * 800 + (640, 360)
        confidence = np.ones((*pixels.shape[:-1], 1))
        seen.joints2d = np.concatenate((pixels + rng.normal(0, 4, pixels.shape), confidence), axis=-1)
        seen.joints2d[:, 5:9] = 0.0
    else:
        seen.joints3d = truth.joints + rng.normal(0, 0.04, truth.joints.shape).astype(np.float32)
        seen.joints3d[:, 10:20, [7, 8, 10, 11]] = np.inf
    return problem


_STAGE_WEIGHTS = (
    {"joints3d": 1.0},
    {"joints3d": 1.0, "pose_prior": 2e-4, "shape_prior": 1.67e-4, "joints3d_smooth": 10.0},
    {
        "joints3d": 1.0,
        "shape_prior": 1.67e-4,
        "motion_prior": 1e-3,
        "joint_consistency": 1.0,
        "contact_vel": 1.0,
    },
)
_STAGE_3 = (*X_0, "betas", "latent_motion")
SCHEDULE = (
    Phase("stage 1", 1, ("trans", "root_orient"), 2, 4, _STAGE_WEIGHTS[0]),
    Phase("stage 2", 2, ("trans", "root_orient", "betas", "latent_pose"), 3, 4, _STAGE_WEIGHTS[1]),
    Phase("stage 3 tune", 3, _STAGE_3, 2, 4, _STAGE_WEIGHTS[2]),
    Phase("stage 3 freeze", 3, ("betas", "latent_motion"), 2, 4, _STAGE_WEIGHTS[2]),
    Phase("stage 3 refine", 3, _STAGE_3, 2, 4, _STAGE_WEIGHTS[2]),
)


@dataclass
class FakeSession:
    """See ``optim.session.session.Session``; an iteration takes ``delay`` seconds; ``fail_at`` raises there, once."""

    problem: Any = field(default_factory=make_problem)
    schedule: tuple[Phase, ...] = SCHEDULE
    delay: float = 0.0
    fail_at: int | None = None

    def __post_init__(self) -> None:
        self.history = History()
        self._edits: list[tuple[Snapshot, Snapshot]] = []
        self._undone: list[tuple[Snapshot, Snapshot]] = []
        variables = _variables(0.0, self.problem.batch)
        start = Snapshot(0, None, START, self.schedule, 0, 0, 0, 0, variables, frozenset())
        self.current = self.history.add(replace(start, evaluation=_evaluate(start)))

    @property
    def done(self) -> bool:
        return self.current.done

    @property
    def can_undo(self) -> bool:
        return bool(self._edits)

    @property
    def can_redo(self) -> bool:
        return bool(self._undone)

    def step_iteration(self, interrupt: Callable[[], bool] | None = None) -> Snapshot:
        now = self.current
        if now.done:
            return now
        if self.fail_at is not None and now.total_iterations >= self.fail_at:
            self.fail_at = None
            raise FloatingPointError("the loss is not a number")
        start = time.monotonic()
        while True:
            if interrupt is not None and interrupt():
                return now
            if time.monotonic() - start >= self.delay:
                break
            time.sleep(0.002)
        phase, step, iteration = now.phase, now.step, now.iteration + 1
        if now.phase_done:
            phase, step, iteration = phase + 1, 0, 1
        elif now.stop is not None:
            step, iteration = step + 1, 1
        amount = float(now.variables["trans"][0, 0, 0])
        if "trans" not in now.frozen:
            amount = amount + 0.06 * (1 - amount)
        return self._add(
            ITERATION,
            phase=phase,
            step=step,
            iteration=iteration,
            total_iterations=now.total_iterations + 1,
            variables=_variables(amount, self.problem.batch),
            seconds=time.monotonic() - start,
        )

    def rewind(self, snapshot_id: int) -> None:
        self.current = self.history[snapshot_id]

    def set_weight(self, term: str, value: float, *, stage: int | None = None) -> None:
        if not np.isfinite(value) or value < 0:
            raise InputError(f"weight {term} is {value}; a finite number of at least 0 is needed")
        stage = stage or self.current.stage
        schedule = tuple(
            replace(phase, weights={**phase.weights, term: value}) if phase.stage == stage else phase
            for phase in self.current.schedule
        )
        self._edit(f"weight {term} {value}", schedule=schedule)

    def freeze(self, name: str) -> None:
        self._edit(f"froze {name}", frozen=self.current.frozen | {name})

    def release(self, name: str) -> None:
        self._edit(f"released {name}", frozen=self.current.frozen - {name})

    def undo(self) -> None:
        edit = self._edits.pop()
        self._undone.append(edit)
        self._apply("undo", edit[0])

    def redo(self) -> None:
        edit = self._undone.pop()
        self._edits.append(edit)
        self._apply("redo", edit[1])

    def trajectory(self, snapshot: Snapshot | None = None) -> SimpleNamespace:
        snapshot = snapshot or self.current
        amount = float(snapshot.variables["trans"][0, 0, 0])
        if self.problem.camera is not None:
            truth = self.problem.ground_truth
            shift = np.array([0.0, 0.0, 2.0 * (1 - amount)], np.float32)
            fields = {**vars(truth), "trans": truth.trans + shift, "joints": truth.joints + shift}
            return SimpleNamespace(**{**fields, "floor_plane": self.problem.floor})
        return walk(amount, batch=self.problem.batch)

    def prior_frame(self, snapshot: Snapshot) -> SimpleNamespace:
        turn = np.tile(np.eye(3), (self.problem.batch, 1, 1))
        return SimpleNamespace(R_prior_input=turn, offset=np.zeros((self.problem.batch, 3)))

    def prediction(self, snapshot: Snapshot) -> SimpleNamespace:
        return SimpleNamespace(in_prior=None)

    def stage_start(self, snapshot: Snapshot | None = None) -> Snapshot:
        here = first = snapshot or self.current
        while here.stage == first.stage:
            first = here
            if here.parent is None:
                break
            here = self.history[here.parent]
        return first

    @property
    def stage3_start(self) -> Snapshot | None:
        first = None
        here: int | None = self.current.id
        while here is not None and self.history[here].stage == 3:
            first = self.history[here]
            here = first.parent
        return first

    @property
    def stage3_init(self) -> SimpleNamespace | None:
        start = self.stage3_start
        if start is None or start.parent is None:
            return None
        if not hasattr(self, "_init"):
            stage2, initial = (self.trajectory(self.history[start.parent]) for _ in range(2))
            bend = np.linspace(0, 1, FRAMES, dtype=np.float32)[:, None] ** 2 * np.array([0.1, 0.5, 0.0], np.float32)
            initial.trans = initial.trans + bend
            initial.joints = initial.joints + bend[:, None]
            drift = 100 * np.linalg.norm(initial.trans - stage2.trans, axis=-1)
            self._init = SimpleNamespace(stage2=stage2, rollout=initial, drift_cm=drift)
        return self._init

    def _edit(self, cause: str, **changes: Any) -> None:
        before = self.current
        self._edits.append((before, self._add(cause, **changes)))
        self._undone.clear()

    def _apply(self, cause: str, like: Snapshot) -> None:
        self._add(cause, schedule=like.schedule, frozen=like.frozen)

    def _add(self, cause: str, **changes: Any) -> Snapshot:
        new = replace(self.current, id=len(self.history), parent=self.current.id, cause=cause, **changes)
        self.current = self.history.add(replace(new, evaluation=_evaluate(new)))
        return self.current


def _variables(amount: float, batch: int) -> dict[str, torch.Tensor]:
    """The share of the motion that has been found is kept in ``trans``."""
    shapes = {"trans": (FRAMES, 3), "root_orient": (FRAMES, 3), "latent_pose": (FRAMES, 32), "betas": (16,)}
    return {name: torch.full((batch, *shape), amount if name == "trans" else 0.0) for name, shape in shapes.items()}


def _evaluate(snapshot: Snapshot) -> Evaluation:
    gap = 1.0 - float(snapshot.variables["trans"][0, 0, 0])
    raw = {"joints3d": 30 * gap**2 + 0.5, "pose_prior": 90.0 - 40 * gap, "shape_prior": 8.0,
           "joints3d_smooth": 0.02 + gap / 9, "motion_prior": 4000 * gap + 50,
           "joint_consistency": gap / 3 + 0.01, "contact_vel": 0.004 + gap / 50}  # fmt: skip
    weights = {name: weight for name, weight in snapshot.weights.items() if weight > 0}
    values = {name: TermValue(raw[name], raw[name] * weight, None) for name, weight in weights.items()}
    total = sum(value.weighted for value in values.values())
    return Evaluation(total, values, {"trans": gap})


def make_session() -> FakeSession:
    """A quick session."""
    return FakeSession()


def make_slow_session() -> FakeSession:
    """Two dozen iterations a second, so that a run can be interrupted."""
    return FakeSession(delay=0.04)


def make_failing_session() -> FakeSession:
    """Raises at its third iteration, once."""
    return FakeSession(fail_at=2)


def refuse() -> FakeSession:
    """Cannot be loaded."""
    raise InputError("clip.npz: no array 'trans'; an AMASS file is expected")


def crash() -> FakeSession:
    """Dies while loading, without a word."""
    import os

    os._exit(9)
