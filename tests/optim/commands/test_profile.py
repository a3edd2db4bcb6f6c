"""Time goes to the part and the stage that spend it; nothing is lost, nothing is booked twice."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import pytest

import optim.objective.terms.data
import optim.priors.fast.chain
import optim.priors.pose_prior
import optim.solver.lbfgs
from optim.body.body_model import BodyModel
from optim.commands.profile import main, part_table, stage_table
from optim.diagnostics.profiling import PARTS, PhaseProfile, Profile, profile_fit, shortened
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes

SHORT = {"num_iters": (2, 2, 3), "lbfgs_max_iter": 3, "tune_frames": 4, "freeze_start": 1, "freeze_end": 2}


def short():
    return schedule("humorscope", "3d", **SHORT)


def test_time_is_booked_where_it_is_spent(monkeypatch):
    """On a clock that stands still but inside one function of each part, every call is booked to that part."""
    at, calls, problem = [0.0], Counter(), fakes.problem(frames=6)

    def spends(seconds: float, owner, name: str, part: str) -> None:
        real = getattr(owner, name)

        def run(*args, **kwargs):
            calls[part] += 1
            at[0] += seconds
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, run)

    costs = {"priors": 1.0, "body": 2.0, "terms": 4.0, "solver": 8.0, "roll-out": 16.0, "roll-out backward": 32.0}
    spends(costs["priors"], optim.priors.pose_prior, "decode_rotations", "priors")
    spends(costs["body"], BodyModel, "_chain", "body")
    spends(costs["terms"], optim.objective.terms.data, "point_distance", "terms")
    spends(costs["solver"], optim.solver.lbfgs, "direction", "solver")
    spends(costs["roll-out"], optim.priors.fast.chain._Run, "forward", "roll-out")
    spends(costs["roll-out backward"], optim.priors.fast.chain._Run, "backward", "roll-out backward")
    profile = profile_fit(problem, short(), now=lambda: at[0])
    spent = {name: sum(phase.parts[name] for phase in profile.phases) for name in PARTS}
    assert spent == {name: costs.get(name, 0.0) * calls[name] for name in PARTS}
    assert all(calls[name] for name in costs)
    first, third = profile.of_stage(1), profile.of_stage(3)
    assert first.parts["roll-out"] == first.parts["roll-out backward"] == 0
    assert third.parts["roll-out"] == 16.0 * third.evaluations
    assert third.parts["roll-out backward"] == 32.0 * third.evaluations
    assert profile.share(1) + profile.share(2) + profile.share(3) == pytest.approx(1.0)


def test_all_of_the_run_is_booked_once():
    problem = fakes.problem(frames=6)
    began = time.perf_counter()
    profile = profile_fit(problem, short())
    took = time.perf_counter() - began
    assert 0.98 * took < profile.seconds <= took
    session = Session(problem, schedule=short())
    session.run()
    assert sum(phase.evaluations for phase in profile.phases) == session.current.evaluations_spent
    assert [phase.name for phase in profile.phases] == [phase.name for phase in short()]
    for phase in profile.phases:
        assert all(seconds >= 0 for seconds in phase.parts.values())
        assert phase.parts["backward"] > 0 and phase.parts["body"] > 0 and phase.parts["solver"] > 0


def made_up(**seconds: float) -> Profile:
    """One step and ten evaluations in each of four phases."""
    phases = []
    for name, stage in (("stage 1", 1), ("stage 2", 2), ("stage 3 tune", 3), ("stage 3 refine", 3)):
        parts = dict.fromkeys(PARTS, 0.0) | {"body": seconds[name.replace(" ", "_")]}
        phases.append(PhaseProfile(name, stage, steps=1, evaluations=10, parts=parts))
    return Profile(loading=1.0, phases=tuple(phases))


def test_a_short_run_stands_for_a_long_one():
    ran = made_up(stage_1=1.0, stage_2=1.0, stage_3_tune=2.0, stage_3_refine=5.0)
    planned = schedule("humorscope", "3d", num_iters=(10, 20, 10), freeze_start=4, freeze_end=4)
    full = ran.scaled(planned)
    assert [phase.seconds for phase in full.phases] == [10.0, 20.0, 8.0, 30.0]
    assert (full.of_stage(3).steps, full.of_stage(3).evaluations) == (10, 100)
    assert full.seconds == 69.0 and full.loading == 1.0
    assert full.share(3) == pytest.approx(38 / 69)
    lines = stage_table(ran, full).splitlines()
    assert lines[-1].split()[-4:] == ["350.0", "38.0", "55.1%", "89%"]
    assert "100.0%" in part_table(ran).splitlines()[1 + PARTS.index("body")]


def test_shortened_keeps_every_phase():
    planned = short()
    assert [phase.steps for phase in shortened(planned, 1)] == [1] * len(planned)
    assert shortened(planned, 99) == planned
    assert [replace(phase, steps=0) for phase in shortened(planned, 1)] == [replace(p, steps=0) for p in planned]


def test_command_on_the_demo_clip(capsys):
    flags = ["--steps", "1", "--processor-time", "--lbfgs-max-iter", "1", "--amass-seq-len", "15"]
    assert main(flags) == 0
    shown = capsys.readouterr().out
    for word in ("default_walk_turn: 1 x 15 frames", "stage 3", "loading", "roll-out backward", "public code"):
        assert word in shown
    shares = [float(line.split("%")[0].split()[-1]) for line in shown.splitlines()[3:7]]
    assert sum(shares) == pytest.approx(100.0, abs=0.3)


@pytest.mark.parametrize("flags", [["--steps", "-1"], ["--preset", "none"], ["--data", "nobody"], ["--nonsense"]])
def test_bad_input_is_one_line(flags, capsys):
    assert main(flags) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
