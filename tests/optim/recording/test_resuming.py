"""Going on with a recorded run: from its file and the models alone, as if it had not been interrupted."""

from __future__ import annotations

import pytest
import torch

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.loading.problem import load_session
from optim.recording.recording import Recording, recorded_session
from optim.recording.resuming import load_recorded, resumed_settings
from optim.recording.runfile import RunFile
from tests.motions import write_walk

SHORT = ["--lbfgs-max-iter", "3", "--num-iters", "1", "2", "3", "--amass-seq-len", "15", "--amass-noise-std", "0.02"]


def test_the_data_are_in_the_file_and_the_bits_go_on(model_files, tmp_path):
    motion = write_walk(tmp_path / "walk_poses.npz")
    settings = parse(["--data-path", str(motion), "--seed", "5", *SHORT, *model_files.flags()])
    path = tmp_path / "run.humorscope"
    session = load_session(settings)
    recording = recorded_session(session, path=path, settings=settings)
    for _ in range(7):
        session.step_iteration()
        recording.follow(session)
    recording.file.close()
    motion.unlink()
    again = resumed_settings(parse(["--resume", str(path), "--out", str(tmp_path / "out")]))
    assert (again.seed, again.amass_noise_std, again.data_path, again.out) == (5, 0.02, motion, tmp_path / "out")
    resumed = load_recorded(again)
    recorded_session(resumed, path=path, settings=again)
    assert resumed.current.id == session.current.id == 7 and resumed.problem.name == "walk"
    for fit in (session, resumed):
        direct = fit.under("direct")
        assert {phase.preset.name for phase in direct} == {"direct"} and max(phase.steps for phase in direct) <= 3
    while not session.done:
        expected, found = session.step_iteration(), resumed.step_iteration()
        assert found.evaluation.total == expected.evaluation.total
        assert all(torch.equal(found.variables[name], value) for name, value in expected.variables.items())
    assert resumed.done


def test_a_fit_in_batches_goes_on_in_any_of_them(model_files, tmp_path):
    """Also from a batch that was left: the batches to come are worked out from the data in the file."""
    motion = write_walk(tmp_path / "walk_poses.npz", frames=40)
    split = ["--rgb-seq-len", "12", "--rgb-overlap-len", "3", "--batch-size", "2", "--amass-seq-len", "30"]
    short = ["--lbfgs-max-iter", "3", "--num-iters", "1", "1", "1"]
    settings = parse(["--data-path", str(motion), *short, *split, *model_files.flags()])
    path = tmp_path / "run.humorscope"
    session = load_session(settings)
    assert session.batch_count == 2
    recording = recorded_session(session, path=path, settings=settings)
    while session.current.batch == 0 or session.current.stage == 1:
        session.step_iteration()
        recording.follow(session)
    recording.file.close()
    motion.unlink()
    again = resumed_settings(parse(["--resume", str(path)]))
    for place in (session.current.id, 2):
        resumed = load_recorded(again)
        Recording(RunFile(path, mode="read")).restore(resumed)
        assert resumed.batch_count == 2 and resumed.current.batch == 1
        for number in range(len(session.history)):
            found, expected = resumed.history[number], session.history[number]
            assert found.batch == expected.batch and found.evaluation.total == expected.evaluation.total
            assert all(torch.equal(found.variables[name], value) for name, value in expected.variables.items())
        for one in (session, resumed):
            one.rewind(place)
        while not session.done:
            expected, found = session.step_iteration(), resumed.step_iteration()
            assert found.evaluation.total == expected.evaluation.total and found.batch == expected.batch
        assert resumed.done
        session = load_recorded(again)
        Recording(RunFile(path, mode="read")).restore(session)


def test_models_can_be_elsewhere_and_the_fit_cannot_be_another(model_files, tmp_path):
    path = tmp_path / "run.humorscope"
    recording = Recording(RunFile(path, mode="new"))
    settings = parse(["--data", "getup", "--num-iters", "1", "1", "1", "--headless"])
    session = load_session(settings)
    recording.begin(session.problem, settings)
    again = resumed_settings(parse(["--resume", str(path), *model_files.flags()]))
    assert (again.data, again.num_iters, again.headless) == ("getup", (1, 1, 1), False)
    assert again.smpl == parse(model_files.flags()).smpl
    with pytest.raises(InputError, match="--data: --resume goes on with what the file holds"):
        resumed_settings(parse(["--resume", str(path), "--data", "other"]))


def test_runs_of_scripts_say_that_they_cannot(tmp_path):
    path = tmp_path / "run.humorscope"
    RunFile(path, mode="new").close()
    with pytest.raises(InputError, match="not begun by run_viewer.py"):
        resumed_settings(parse(["--resume", str(path)]))


@pytest.mark.parametrize("words", [["--open", "a", "--resume", "a"], ["--record", "a", "--no-record"]])
def test_flags_that_exclude_each_other(words):
    with pytest.raises(InputError, match="choose one of them"):
        parse(words)
