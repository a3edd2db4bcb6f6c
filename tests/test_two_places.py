"""Adding a loss term or a panel touches two places; the tree is copied, both are added, and the window is used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import ROOT

OPENED = """
import polyscope as ps

from optim.priors.fast import plain_torch
from tests.viewer.conftest import Window, fit
from viewer.protocol.commands import RunStage, Step
from viewer.window.app import App
from viewer.window.window import start_polyscope
from viewer.worker.local_client import LocalClient

plain = plain_torch()
plain.__enter__()  # what is compiled is kept by path, so that a copy would compile everything again
window = Window()
window.install()
start_polyscope("openGL_mock")
window.app = App(lambda: LocalClient(lambda: fit("joints3d")))
ps.set_user_callback(window.app.frame)
window.move(600, 300)
window.frames(3)
"""
"""A window on the real session of a small problem."""

HAND_HEIGHT = '''

def hand_height(scene: Scene) -> Tensor:
    """½ z² [m²] of both wrists above the floor, (B, T, 2)."""
    return 0.5 * scene.in_prior.joints[:, :, 20:22, 2] ** 2
'''
HAND_HEIGHT_ROW = """\
    Term("hand_height", "m²", "½ Σ z² of both wrists", "contact", "hands are near the floor", stage=3),
"""
USE_HAND_HEIGHT = """
import math

import pytest

from optim.config.settings import parse

window.post(RunStage(), RunStage(), Step())
assert window.session.current.stage == 3
assert "hand_height" not in window.session.current.evaluation.terms, "its weight is 0 by default"
window.scroll_to("hand_height/exact", "weights")
window.enter_number("hand_height/exact", "0.7")
window.frames(3)
assert window.session.current.weights["hand_height"] == 0.7
window.post(Step())
found = window.session.current.evaluation
term = found.terms["hand_height"]
assert term.raw > 0 and math.isclose(term.weighted, 0.7 * term.raw, rel_tol=1e-6)
assert math.isclose(found.total, sum(value.weighted for value in found.terms.values()), rel_tol=1e-5)

window.drag("hand_height/slider", 0.5, 0.75)
window.frames(3)
weight = window.session.current.weights["hand_height"]
assert weight not in (0.0, 0.7)
window.post(Step())
term = window.session.current.evaluation.terms["hand_height"]
assert math.isclose(term.weighted, weight * term.raw, rel_tol=1e-6)
window.move(*window.place("hand_height/on"))
assert not window.app.ui.broken and not window.app.ui.notes, (window.app.ui.broken, window.app.ui.notes)

phases = parse(["--hand-height-weight", "0", "0", "2"]).schedule()
assert all(phase.weight("hand_height") == (2 if phase.stage == 3 else 0) for phase in phases)

differences = ["tests/optim/objective/test_objective.py", "-k", "hand_height and stage", "-q", "-p", "no:cacheprovider"]
assert pytest.main(differences) == 0
"""

COUNT_PANEL = '''"""Count: how many iterations there have been, and a button for one more."""

from collections.abc import Iterator

import polyscope.imgui as psim

from viewer.protocol.commands import Command, Step
from viewer.protocol.view_model import ViewModel
from viewer.ui.ui_state import UiState


def count_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """The number of iterations; yields ``Step`` for the button."""
    psim.Text(f"{view.status.total_iterations} iterations so far")
    if psim.Button("One more"):
        yield Step()
'''
COUNT_IMPORT = "from viewer.panels.inspect.count import count_panel\n"
COUNT_ROW = '    "count": Panel("Count", "layers", count_panel),\n'
USE_COUNT = """
assert "One more" not in window.widgets
window.click("Count")
window.frames(2)
assert window.box("One more").window == "layers"
assert window.shows("0 iterations so far")
window.click("One more")
window.settle()
assert window.shows("1 iterations so far") and window.session.current.total_iterations == 1
assert window.overflow["layers"] == (0.0, 0.0) and not window.app.ui.broken
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the program and its tests."""
    for name in ("optim", "viewer", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def insert(path: Path, text: str, *, before: str) -> None:
    content = path.read_text(encoding="utf-8")
    assert content.count(before) == 1, f"{before!r} marks no single place in {path}"
    path.write_text(content.replace(before, text + before), encoding="utf-8")


def use(tree: Path, code: str) -> None:
    """Open the window of the copied tree in a process of its own and act in it; nothing of the original is loaded."""
    home = {name: str(tree / "home") for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    place = "import optim, viewer\nprint(optim.__file__, viewer.__file__)\n"
    done = subprocess.run(
        [sys.executable, "-c", OPENED + code + place],
        cwd=tree,
        env=os.environ | home | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(Path(name).is_relative_to(tree) for name in done.stdout.splitlines()[-1].split())


def test_a_loss_term_is_a_function_and_a_row(tree):
    """Its slider, its flag and its gradient check follow."""
    functions = tree / "optim/objective/terms/contact.py"
    functions.write_text(functions.read_text(encoding="utf-8") + HAND_HEIGHT, encoding="utf-8")
    insert(tree / "optim/schedule/terms.py", HAND_HEIGHT_ROW, before='    Term("floor_reg"')
    use(tree, USE_HAND_HEIGHT)


def test_a_panel_is_a_file_and_a_row(tree):
    (tree / "viewer/panels/inspect/count.py").write_text(COUNT_PANEL, encoding="utf-8")
    table = tree / "viewer/panels/table.py"
    insert(table, COUNT_IMPORT, before="from viewer.panels.inspect.diagnosis ")
    insert(table, COUNT_ROW, before='    "view": Panel(')
    use(tree, USE_COUNT)
