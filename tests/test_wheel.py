"""The installed program: a wheel in an environment of its own, away from the checkout, beside a user's own modules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import assets
from tests.motions import write_walk

ROOT = Path(__file__).resolve().parents[1]
SHORT = ["--num-iters", "1", "1", "1", "--lbfgs-max-iter", "2"]
pytestmark = pytest.mark.slow


def run(words, *, cwd, **more):
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=300, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of what is under version control, so that nothing is left in the checkout."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    names = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT).split("\0")
    for name in filter(None, names):
        if not name.startswith(("tests/", "docs/")) and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", target, "."]
    run(build, cwd=source)
    (path,) = target.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def program(wheel, tmp_path_factory):
    """``humorscope``, installed from the wheel; its dependencies are those of this environment."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", place], cwd=place.parent)
    (own,) = place.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--python", place / "bin" / "python", "install", "-q", "--no-deps"]
    run([*pip, wheel], cwd=place.parent)
    (own / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "bin" / "humorscope"


@pytest.fixture
def project(tmp_path):
    """A folder of a user with modules of the same names as ours, none of which can be imported."""
    for name in ("optim", "viewer", "assets"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('a module of the user')\n")
    return tmp_path


def test_the_wheel_holds_the_assets_and_the_marks_of_typed_packages(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {path.relative_to(ROOT).as_posix() for path in assets.files()}
    assert shipped and shipped <= names
    assert {"assets/NOTICE", "run_viewer.py", "optim/py.typed", "viewer/py.typed", "assets/py.typed"} <= names
    assert not [name for name in names if name.startswith(("tests", "docs"))]
    assert wheel.stat().st_size < 60e6


@pytest.mark.exhaustive
def test_it_fits_in_another_folder_beside_modules_of_the_same_names(program, project):
    """Here, and in the spawned processes of a batch."""
    environment = {**os.environ, "PYTHONPATH": str(project)}
    told = run([program, "fit", *SHORT, "--out", "out", "--no-video"], cwd=project, env=environment)
    place = project / "out/results_out/default_walk_turn"
    assert f"results: {place.relative_to(project)}" in told and (place / "stage3_results.npz").is_file()
    assert (project / "out/default_walk_turn.humorscope").is_file()
    (project / "clips").mkdir()
    write_walk(project / "clips" / "walk.npz", frames=20)
    run([program, "batch", "clips", "--out", "many", "--workers", "1", *SHORT], cwd=project, env=environment)
    assert (project / "many/walk/results_out/walk/stage3_results.npz").is_file()
    assert (project / "many/batch.html").is_file()


def test_its_version_is_that_of_the_wheel(program, wheel, project):
    assert run([program, "--version"], cwd=project).split()[:2] == ["humorscope", wheel.name.split("-")[1]]
