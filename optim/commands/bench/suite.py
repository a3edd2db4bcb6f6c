"""The measurements of ``python -m optim.bench``, and the requirements on them."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from optim.commands.bench import cases
from optim.commands.bench.measure import Times, clock, growth, in_turns, load, peak_megabytes, ratio
from optim.commands.bench.report import Cost, Reach, Result
from optim.common import threads
from optim.config.settings import parse
from optim.diagnostics.profiling import profile_fit, shortened
from optim.loading.problem import load_problem

FRAMES = (30, 60, 120, 240)
FLOOR, FASTEST_FLOOR = "floor: products alone, as torch makes them", "the same by the fastest products found"
STAGE_3, CAMERA = "stage 3", "stage 3, camera and floor plane"
BATCHES = (4, 8)
SEGMENTS = (3, 10, 30)
SOLVER = f"solver, one iteration, {cases.HISTORY} pairs remembered"
PUBLIC_MS = {1: 160.0, 2: 160.0, 3: 1100.0}
"""Time [ms] of an evaluation of the public code on a CPU, T = 60, B = 1, 3D joints; stages 1 and 2 took 160 to 190 ms.
Measured by others on another machine of the same kind."""


def run(*, count: int, rounds: int, fit: bool, whole_fit: bool) -> Result:
    """Everything, on ``count`` threads.

    Args:
        whole_fit: Run all of the default fit, otherwise its first steps, and scale them up.
    """
    threads.use(count)
    before, one = load(), cases.evaluation()
    functions = _functions(one)
    times = in_turns(functions, rounds=rounds)
    costs = [_cost(name, times[name], times[FLOOR]) for name in functions]
    reaches = [*_ratios(times), _memory()]
    notes: list[str] = []
    if fit:
        reach, note = _default_fit(whole=whole_fit)
        reaches.append(reach)
        notes.append(note)
    return Result(
        machine=_machine(),
        load_before=before,
        load_after=load(),
        threads=count,
        rounds=rounds,
        costs=tuple(costs),
        reaches=tuple(reaches),
        notes=tuple(notes),
    )


def _functions(one: cases.Evaluation) -> dict[str, Callable[[], object]]:
    prior, steps = one.problem.motion_prior, one.problem.frames - 1
    on_cloud, cloud, mesh = cases.point_cloud()
    functions: dict[str, Callable[[], object]] = {
        FLOOR: cases.floor(prior, steps=steps),
        FASTEST_FLOOR: cases.floor(prior, steps=steps, fastest=True),
        "its products with all steps as one batch": cases.one_product(prior, steps=steps),
        **{
            f"all products of stage 3, B = {batch}, one thread": cases.all_products(prior, steps=steps, batch=batch)
            for batch in (1, *BATCHES)
        },
        STAGE_3: one,
        CAMERA: cases.evaluation("--observations", "joints2d"),
        "stage 3, preset reference": cases.evaluation("--preset", "reference"),
    }
    for segment in SEGMENTS:
        functions[f"stage 3 in segments of {segment} steps"] = cases.in_segments(segment)
    for batch in BATCHES:
        functions[f"stage 3, B = {batch}"] = cases.evaluation(batch=batch)
    for frames in FRAMES:
        functions[f"stage 3, T = {frames}"] = cases.evaluation(frames=frames)
    for stage in (1, 2):
        functions[f"stage {stage}"] = cases.evaluation(stage=stage)
    functions[SOLVER] = cases.solver_iteration(one.snapshot.packing.size)
    functions[f"stage 1 on a cloud of {cases.CLOUD_POINTS} points a frame"] = on_cloud
    functions["nearest vertices of that cloud, k-d trees"] = cases.nearest_by_tree(cloud, mesh)
    functions["nearest vertices of that cloud, all distances"] = cases.nearest_by_force(cloud, mesh)
    return functions


def _cost(name: str, times: Times, floor: Times) -> Cost:
    return Cost(name, times.median, times.least, ratio(times, floor))


def _ratios(times: Mapping[str, Times]) -> list[Reach]:
    exponent = growth(FRAMES, [times[f"stage 3, T = {frames}"].median for frames in FRAMES])
    return [
        Reach("stage 3, 3D joints", ratio(times[STAGE_3], times[FLOOR]), "floors", 1.6),
        Reach("stage 3, camera and floor plane", ratio(times[CAMERA], times[FLOOR]), "floors", 1.9),
        Reach("stage 3, B = 8 over B = 1", ratio(times["stage 3, B = 8"], times[STAGE_3]), "times", 3.0),
        *(Reach(f"stage {stage}", times[f"stage {stage}"].median, "ms", 10.0) for stage in (1, 2)),
        Reach("solver of a stage-3 evaluation", 100 * ratio(times[SOLVER], times[STAGE_3]), "%", 3.0),
        Reach("growth with T, exponent", exponent, "", 1.05),
    ]


def _memory() -> Reach:
    peak = peak_megabytes(_four_sequences)
    return Reach("memory of one evaluation, T = 60, B = 4", peak, "MB", 200.0)


def _four_sequences() -> Callable[[], object]:
    """Enter stage 3 with four sub-sequences and evaluate there; the models are loaded before."""
    settings = parse(())
    problem = load_problem(settings)
    cases.at_stage(cases.enlarged(problem, batch=2, frames=20), settings, 3)()
    four = cases.enlarged(problem, batch=4)
    return lambda: cases.at_stage(four, settings, 3)()


def _default_fit(*, whole: bool) -> tuple[Reach, str]:
    settings, now = parse(["--preset", "humorscope"]), clock()
    began = now()
    problem = load_problem(settings)
    planned = settings.schedule()
    profile = profile_fit(problem, planned if whole else shortened(planned, 1), loading=now() - began, now=now).scaled(
        planned
    )
    spent = {stage: profile.of_stage(stage) for stage in profile.stages}
    public = sum(part.evaluations * PUBLIC_MS[stage] / 1000 for stage, part in spent.items())
    parts = ", ".join(
        f"stage {stage} {part.seconds:.1f} s for {part.evaluations} evaluations" for stage, part in spent.items()
    )
    how = "run to the end" if whole else "scaled up from the first step of every phase"
    note = (
        f"Whole fit ({how}): {profile.seconds:.1f} s, of which {parts}. As many evaluations of the public code take"
        f" {public:.0f} s at 160 ms in stages 1 and 2 and 1.1 s in stage 3: measured by others, on a machine of this"
        " kind but not on this one. Most evaluations of the tune phase cover 15 frames only, here and there."
    )
    return Reach("whole fit, public code over ours", public / profile.seconds, "times", 10.0, at_least=True), note


def _machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, torch {torch.__version__}"
