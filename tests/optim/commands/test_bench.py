"""The bench: what it counts, what it builds, what it writes. Not how fast anything is."""

import json
from dataclasses import replace

import pytest
import torch

from optim.commands.bench import __main__ as command
from optim.commands.bench import cases, suite
from optim.commands.bench.measure import Times, growth, in_turns, peak_megabytes, ratio
from optim.commands.bench.report import Cost, Reach, Result, as_text
from optim.config.settings import parse
from optim.loading.problem import load_problem


def test_every_function_is_called_before_it_is_timed_and_all_take_turns():
    calls = []
    times = in_turns({name: lambda name=name: calls.append(name) for name in "ab"}, rounds=2)
    assert calls == list("aabb" * 3)
    assert [len(value.rounds) for value in times.values()] == [2, 2]


def test_a_ratio_is_taken_round_by_round():
    assert ratio(Times((2.0, 40.0, 6.0)), Times((1.0, 20.0, 2.0))) == 2.0
    assert Times((3.0, 1.0, 2.0)).median == 2.0 and Times((3.0, 1.0, 2.0)).least == 1.0


def test_growth_is_the_exponent():
    assert growth((10, 20, 40), [1.0, 4.0, 16.0]) == pytest.approx(2.0)


def hundred_megabytes():
    return lambda: torch.ones(25_000_000).sum()


def test_peak_counts_what_a_call_takes_for_a_while():
    assert 80 < peak_megabytes(hundred_megabytes) < 200


def test_a_longer_motion_goes_back_and_forth_and_a_batch_repeats():
    problem = load_problem(parse(()))
    seen, large = problem.observations.joints3d, cases.enlarged(problem, batch=3, frames=130).observations.joints3d
    assert large.shape == (3, 130, 22, 3)
    torch.testing.assert_close(large[2, :60], seen[0])
    torch.testing.assert_close(large[1, 60], seen[0, 58])
    torch.testing.assert_close(large[0, 118:120], seen[0, :2])


def test_an_evaluation_is_in_the_stage_asked_for():
    for stage in (1, 3):
        one = cases.evaluation(stage=stage, frames=6)
        assert one.objective.phase.stage == stage and one.problem.frames == 6
        assert one().gradient.shape == (one.snapshot.packing.size,)


def test_segments_start_at_nodes():
    one = cases.in_segments(20)
    assert one.objective.phase.segment == 20 and one.snapshot.variables["nodes"].shape[1] == 2
    assert one.problem.frames == 60 and one().gradient.abs().max() > 0


def test_both_floors_and_the_solver_run():
    prior = load_problem(parse(())).motion_prior
    for fastest in (False, True):
        cases.floor(prior, steps=2, batch=2, fastest=fastest)()
    cases.all_products(prior, steps=2, batch=2)()
    assert len(cases.solver_iteration(50)().pairs) == cases.HISTORY


def result() -> Result:
    costs = (Cost("floor", 10.0, 9.0, 1.0),)
    reaches = (Reach("a", 1.5, "floors", 1.6), Reach("b", 5.0, "times", 10.0, at_least=True))
    return Result("a machine", "idle", "busy", 1, 3, costs, reaches, ("A note.",))


def test_the_tables_say_what_was_reached(tmp_path):
    text = as_text(result())
    assert "| a | 1.5 floors | ≤ 1.6 floors | yes |" in text and "| b | 5 times | ≥ 10 times | no |" in text
    assert text.endswith("A note.")


def test_the_command_writes_json_and_refuses_nonsense(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(suite, "run", lambda count, **_: replace(result(), threads=count))
    assert command.main(["--threads", "1", "3", "--json", str(tmp_path / "out.json")]) == 0
    written = json.loads((tmp_path / "out.json").read_text())
    assert [each["threads"] for each in written] == [1, 3] and written[0]["costs"][0]["what"] == "floor"
    told = capsys.readouterr().out
    assert "1 thread, processor time" in told and "3 threads, wall time" in told
    assert command.main(["--rounds", "-1"]) == 2
    assert "--rounds -1" in capsys.readouterr().err
