"""The export command: files named, wrong words told."""

import shutil

import pytest

import assets
from optim.commands.export import main
from optim.results.saving.humor_results import save_results
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder of one short fit, on the shipped body's file."""
    problem = fakes.problem(frames=6)
    steps = schedule("humorscope", "3d", num_iters=(1, 1, 1), lbfgs_max_iter=2)
    session = Session(problem, schedule=steps)
    session.run()
    folder = tmp_path_factory.mktemp("run")
    save_results(session, folder, body_file=assets.BODY_FILE)
    return folder


def test_files_are_written_and_named(results, tmp_path, capsys):
    assert main([str(results), "--to", "bvh,json", "amass", "--out", str(tmp_path / "o"), "--stage", "stage2"]) == 0
    names = {path.name for path in (tmp_path / "o").iterdir()}
    assert names == {"made up_stage2.bvh", "made up_stage2_scene.json", "made up_stage2_poses.npz"}
    assert {line.rsplit("/", 1)[-1] for line in capsys.readouterr().out.splitlines()} == names


def test_files_lie_beside_the_run_unless_a_folder_is_given(results, tmp_path, monkeypatch):
    copied = tmp_path / "run"
    shutil.copytree(results, copied)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main([str(copied), "--to", "json"]) == 0
    assert list((copied / "export").iterdir()) and not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--to", "fbx"], "fbx"),
        (["--to", "obj", "--frame", "6"], "0 to 5"),
        (["--to", "obj", "--out", "/dev/null/x"], "--out"),
    ],
)
def test_wrong_words_are_told(results, tmp_path, capsys, words, named):
    assert main([str(results), "--out", str(tmp_path), *words]) == 2
    assert named in capsys.readouterr().err


def test_two_clips_of_one_name_do_not_overwrite_each_other(results, tmp_path, capsys):
    for number in ("a", "b"):
        shutil.copytree(results, tmp_path / "in" / number)
    assert main([str(tmp_path / "in"), "--to", "bvh", "--out", str(tmp_path / "o")]) == 2
    assert "made up" in capsys.readouterr().err


def test_nothing_there_is_told(tmp_path, capsys):
    assert main([str(tmp_path / "none"), "--to", "bvh"]) == 2
    assert "none" in capsys.readouterr().err
