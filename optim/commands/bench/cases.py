"""Makes the cases that are timed: evaluations of a clip, of longer clips and batches, and their lower limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from optim.common import threads
from optim.config.settings import Settings, parse
from optim.initialise.hidden_joints import suited
from optim.loading.problem import load_problem
from optim.objective.objective import Objective
from optim.objective.terms.data import nearest_vertices
from optim.priors.fast.packed import Matrix, is_half
from optim.priors.mlp import Mlp
from optim.priors.motion_prior import MotionPrior
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.schedule.phases import Phase
from optim.schedule.stages import schedule
from optim.session.history import Snapshot
from optim.session.session import Session
from optim.solver import lbfgs
from optim.solver.lbfgs import LbfgsState, Options
from optim.solver.solver import Point

CLOUD_POINTS = 512
HISTORY = 100


@dataclass(frozen=True)
class Evaluation:
    """A function that does one evaluation: the loss and all its gradients at a snapshot."""

    problem: Problem
    objective: Objective
    snapshot: Snapshot

    def __call__(self) -> Point:
        snapshot = self.snapshot
        return self.objective.point(snapshot.packing.pack(snapshot.variables), snapshot.variables, snapshot.packing)


def evaluation(*flags: str, stage: int = 3, batch: int = 1, frames: int | None = None) -> Evaluation:
    """An evaluation at the start of a stage's last phase, after one iteration in each phase of the stages before.

    Args:
        flags: Flags of ``run_viewer.py``.
        batch: Number of sub-sequences, which are all equal.
        frames: Number of frames; None takes the clip's. A motion longer than the clip goes back and forth.
    """
    settings = parse(flags)
    problem = enlarged(load_problem(settings), batch=batch, frames=frames)
    return at_stage(problem, settings, stage)


def at_stage(problem: Problem, settings: Settings, stage: int) -> Evaluation:
    """An evaluation at the start of the last phase of a stage; see ``evaluation``."""
    phases = suited(settings.schedule(), [problem.observations])
    return _entered(problem, phases, next(phase for phase in reversed(phases) if phase.stage == stage))


def in_segments(segment: int) -> Evaluation:
    """An evaluation of multiple shooting of the clip, with a node at every ``segment``-th frame."""
    settings = parse(("--preset", "shooting"))
    phases = settings.schedule()
    shots = next(phase for phase in phases if phase.segment is not None)
    return _entered(load_problem(settings), phases, replace(shots, segment=segment))


def _entered(problem: Problem, phases: Sequence[Phase], phase: Phase) -> Evaluation:
    """An evaluation at the start of a phase, after one iteration in each phase of the stages before."""
    earlier = [replace(before, steps=1, iterations=1) for before in phases if before.stage < phase.stage]
    session = Session(problem, schedule=(*earlier, phase))
    while session.current.phase < len(session.schedule) - 1:
        session.step_iteration()
    snapshot = session.current
    return Evaluation(problem, Objective(problem, phase, snapshot.prior_frame), snapshot)


def enlarged(problem: Problem, *, batch: int = 1, frames: int | None = None) -> Problem:
    """The problem with ``batch`` copies of its motion as sub-sequences, and with another number of frames."""
    length = problem.frames if frames is None else frames
    there_and_back = [*range(problem.frames), *range(problem.frames - 2, 0, -1)]
    index = torch.tensor([there_and_back[t % len(there_and_back)] for t in range(length)])

    def grown(value: Tensor | None) -> Tensor | None:
        return None if value is None else value[:, index].repeat(batch, *(1,) * (value.ndim - 1))

    seen = problem.observations
    observations = Observations(
        joints3d=grown(seen.joints3d),
        verts3d=grown(seen.verts3d),
        points3d=grown(seen.points3d),
        joints2d=grown(seen.joints2d),
    )
    floor = None if problem.floor is None else problem.floor.repeat(batch, 1)
    return replace(problem, observations=observations, floor=floor, ground_truth=None)


def point_cloud(*, stage: int = 1) -> tuple[Evaluation, Tensor, Tensor]:
    """An evaluation on a cloud, the cloud (1, T, N, 3), and the mesh (1, T, V, 3) that it was sampled from [m]."""
    settings = parse(())
    problem = load_problem(settings)
    truth = problem.ground_truth
    assert truth is not None
    mesh = problem.body.mesh(truth.trans, truth.root_orient, truth.pose_body, truth.betas)
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(mesh.shape[2], (CLOUD_POINTS,), generator=generator)
    cloud = mesh[:, :, chosen] + 0.01 * torch.randn(*mesh.shape[:2], CLOUD_POINTS, 3, generator=generator)
    problem = replace(problem, observations=Observations(points3d=cloud))
    phases = schedule(settings.preset, "points3d")
    session = Session(problem, schedule=tuple(phase for phase in phases if phase.stage == stage))
    snapshot = session.current
    return Evaluation(problem, Objective(problem, snapshot.schedule[0], None), snapshot), cloud, mesh


def nearest_by_tree(cloud: Tensor, mesh: Tensor) -> Callable[[], Tensor]:
    """A search of the nearest vertex for every point, as the data term does it."""
    return lambda: nearest_vertices(cloud, mesh)


def nearest_by_force(cloud: Tensor, mesh: Tensor) -> Callable[[], Tensor]:
    """The same search by all distances."""
    return lambda: torch.stack([torch.cdist(cloud[0, t], mesh[0, t]).argmin(1) for t in range(len(cloud[0]))])


def floor(prior: MotionPrior, *, steps: int, batch: int = 1, fastest: bool = False) -> Callable[[], None]:
    """Only the decoder's matrix products: ``steps`` decodings one after the other, then the gradients of their inputs.

    Torch may use as many threads for them as the roll-out.

    Args:
        steps: Number of decodings.
        batch: Number of rows of each product.
        fastest: Use the compiled products of the roll-out; otherwise those of torch for a linear layer and for the
            gradient of its input.
    """
    ways = _forth_and_back(prior.decoder, rows=batch, fastest=fastest, half=True)

    def products() -> None:
        torch.set_num_threads(threads.used())
        for way in ways:
            for _ in range(steps):
                for product in way:
                    product()
        torch.set_num_threads(1)

    return products


def _forth_and_back(
    network: Mlp, *, rows: int, fastest: bool, half: bool = False
) -> tuple[list[Callable[[], object]], ...]:
    """The matrix products of a network's layers for ``rows`` rows, and those of the gradients of their inputs.

    With ``half`` the fastest products read weights of half precision, if these weights are exact in it.
    """
    weights = [layer.weight.detach() for layer in network.linears]
    inputs = [torch.ones(rows, weight.shape[1]) for weight in weights]
    outputs = [torch.ones(rows, weight.shape[0]) for weight in weights]
    forth: list[Callable[[], object]]
    back: list[Callable[[], object]]
    if fastest:
        exact = half and is_half(network)
        given = [(Matrix(w.numpy(), half=exact), x, y) for w, x, y in zip(weights, inputs, outputs, strict=True)]
        forth = [partial(m.add_to, torch.zeros_like(y).numpy(), x.numpy()) for m, x, y in given]
        back = [partial(m.add_back_to, torch.zeros_like(x).numpy(), y.numpy()) for m, x, y in given]
    else:
        forth = [partial(functional.linear, x, weight) for x, weight in zip(inputs, weights, strict=True)]
        back = [partial(torch.mm, x, weight) for x, weight in zip(outputs, weights, strict=True)]
    return forth, back


def one_product(prior: MotionPrior, *, steps: int) -> Callable[[], None]:
    """The products of ``floor`` with all steps as one batch, which is not possible in a roll-out."""
    return floor(prior, steps=1, batch=steps, fastest=True)


def all_products(prior: MotionPrior, *, steps: int, batch: int) -> Callable[[], None]:
    """The products that every evaluation of stage 3 needs: the decoder step by step, and the conditional prior."""
    decoder = floor(prior, steps=steps, batch=batch, fastest=True)
    at_once = _forth_and_back(prior.prior_net, rows=batch * steps, fastest=True)

    def products() -> None:
        decoder()
        for way in at_once:
            for product in way:
                product()

    return products


def solver_iteration(size: int) -> Callable[[], LbfgsState]:
    """One iteration of L-BFGS with a full history, on a very cheap function of ``size`` variables."""
    scale = torch.logspace(0, 4, size)
    options = Options(max_iterations=10 * HISTORY, history=HISTORY)

    def evaluate(x: Tensor) -> Point:
        gradient = scale * x
        return Point(x, 0.5 * float(gradient.dot(x)), gradient)

    state = lbfgs.init(evaluate(torch.ones(size)), options=options)
    while len(state.pairs) < HISTORY:
        state = lbfgs.step(state, evaluate, options=options)
    return lambda: lbfgs.step(state, evaluate, options=options)
