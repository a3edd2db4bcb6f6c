"""What is loaded before the first picture and before the first iteration: packages that take long come when needed."""

import subprocess
import sys

import pytest

from tests.imports import ROOT

FIRST_ITERATION = """
import run_viewer  # a spawned process imports the program
from viewer.worker.worker import load
from collections import deque
from functools import partial
from optim.config.settings import parse
from optim.priors.fast.cache import is_compiled
from viewer.commands.sessions import make_session
from viewer.protocol.commands import Step

is_compiled()  # asked before the fit begins
inbox = deque([Step()])
worker = load(partial(make_session, parse(())), lambda message: None, inbox)
while inbox or worker.running:
    worker.turn()
assert worker._session.current.total_iterations == 1
"""
REPORT = "\nimport sys; print(*sys.modules)"
NOT_FOR_ONE_ITERATION = {
    "torch._dynamo": "1.3 s, and nothing here is compiled by torch",
    "torch._inductor": "comes with torch._dynamo",
    "trimesh": "1.0 s; reads point clouds",
    "scipy.spatial": "0.3 s; for terms of point clouds",
    "scipy.optimize": "0.2 s; finds the floor of a video",
    "numba": "0.3 s; for stage 3",
    "polyscope": "the window's",
    "viewer.window": "the window's",
}
NOT_FOR_THE_WINDOW = {"torch": "1.6 s", "scipy": "the optimiser's", "trimesh": "1.0 s", "numba": "the optimiser's"}


def loaded(code: str) -> set[str]:
    found = subprocess.run(
        [sys.executable, "-c", code + REPORT], cwd=ROOT, timeout=300, capture_output=True, text=True, check=True
    )
    return set(found.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("code", "late"),
    [(FIRST_ITERATION, NOT_FOR_ONE_ITERATION), ("import run_viewer, viewer.commands.window", NOT_FOR_THE_WINDOW)],
    ids=["worker", "window"],
)
def test_what_takes_long_to_load_comes_when_it_is_needed(code, late):
    modules = loaded(code)
    assert "viewer.protocol.view_model" in modules
    assert {name: why for name, why in late.items() if name in modules} == {}
