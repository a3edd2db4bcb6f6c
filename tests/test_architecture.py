"""The rooms of the house and who may know whom: arrows point one way, and the window's process stays without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.imports import ROOT, circles, folder_sizes, imported, module_graph, modules, package_graph

ROOMS = {
    "optim.common": "",
    "optim.reading": "common",
    "optim.body": "common",
    "optim.keypoints": "common",
    "optim.checks": "common body keypoints",
    "optim.solver": "",
    "optim.schedule": "common",
    "optim.priors": "common reading",
    "optim.problem": "common body checks schedule priors",
    "optim.objective": "common body solver schedule priors problem",
    "optim.initialise": "common body schedule priors problem objective",
    "optim.session": "common solver schedule priors problem objective initialise",
    "optim.split": "common body schedule problem session",
    "optim.config": "common reading schedule",
    "optim.loading": "common reading body checks schedule priors problem session split config keypoints",
    "optim.diagnostics": "common body solver schedule priors problem objective initialise session split",
    "optim.sensitivity": "common solver schedule problem objective session diagnostics",
    "optim.train": "common reading body priors loading diagnostics",
    "optim.recording": "common checks solver schedule priors problem objective session split config loading",
    "optim.results": "common reading body schedule problem session split config loading diagnostics recording",
    "optim.evaluation": "common reading body keypoints checks schedule priors problem initialise session split config"
    " loading diagnostics train results",
    "optim.reporting": "common body checks schedule diagnostics problem objective config loading results evaluation",
    "optim.batch": "common reading config loading diagnostics recording results evaluation reporting",
    "optim.tuning": "common reading schedule problem session config diagnostics recording evaluation",
    "optim.commands": "common solver schedule priors problem objective initialise session split config loading"
    " diagnostics sensitivity results evaluation reporting tuning",
    "viewer.protocol": "common checks session",
    "viewer.ui": "common reading viewer.protocol",
    "viewer.scene": "body diagnostics viewer.protocol viewer.ui",
    "viewer.worker": "common checks body solver schedule priors problem objective initialise session split diagnostics"
    " sensitivity recording results tuning viewer.protocol",
    "viewer.replay": "common body schedule problem objective session config loading diagnostics recording results"
    " viewer.protocol viewer.scene viewer.worker",
    "viewer.layers": "body diagnostics viewer.protocol viewer.ui viewer.scene",
    "viewer.film": "common reading session viewer.protocol viewer.ui viewer.scene",
    "viewer.panels": "checks diagnostics schedule problem session tuning viewer.protocol viewer.ui viewer.scene"
    " viewer.layers viewer.film",
    "viewer.window": "common viewer.protocol viewer.ui viewer.scene viewer.worker viewer.layers viewer.film"
    " viewer.panels",
    "viewer.browser": "common diagnostics schedule session viewer.protocol viewer.ui viewer.scene viewer.layers"
    " viewer.panels viewer.window",
    "viewer.commands": "common checks schedule priors session split config loading diagnostics recording results batch"
    " viewer.protocol viewer.ui viewer.scene viewer.worker viewer.replay viewer.layers viewer.film viewer.window"
    " viewer.browser",
}
"""Every package, from the ground up, and the packages that it may import; a name without a folder is one of optim's."""
FORWARDERS = {"optim": "optim.commands", "viewer": "viewer.commands"}
"""Modules directly in a top-level folder forward a published name to its commands, and do nothing else."""
MOST_IN_A_FOLDER = 16
WITHOUT_TORCH = (
    "optim.body.joints",
    "optim.checks",
    "optim.common.errors",
    "optim.common.exit_status",
    "optim.common.ffmpeg",
    "optim.diagnostics.comparison",
    "optim.common.writing",
    "optim.diagnostics.quantities",
    "optim.problem.coverage",
    "optim.reading.files",
    "optim.reading.json_file",
    "optim.schedule",
    "optim.session.edits",
    "optim.tuning.space",
)
"""What the window's process may know of the optimiser."""
WINDOW = [f"viewer/{room}" for room in ("protocol", "ui", "scene", "layers", "film", "panels", "window", "browser")]
"""What runs in the window's process only, or in both."""


def allowed(room: str) -> set[str]:
    return {name if name.startswith("viewer.") else f"optim.{name}" for name in ROOMS[room].split()}


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def top_names(path: Path, *, nested: bool = True) -> set[str]:
    return {name.split(".")[0] for name in imported(path, nested=nested)}


def test_no_arrow_leads_where_none_was_planned():
    known = modules()
    for room, targets in package_graph(known).items():
        if room in ROOMS:
            assert targets <= allowed(room), room
        elif room not in ("run_viewer", "optim", "viewer"):  # a module in no room
            assert targets <= {FORWARDERS[room.split(".")[0]]}, f"{room}: only forwarding modules lie outside the rooms"


def test_every_room_is_in_the_plan_and_stands_above_what_it_knows():
    folders = {
        f"{path.parent.parent.name}.{path.parent.name}"
        for top in ("optim", "viewer")
        for path in (ROOT / top).glob("*/__init__.py")
    }
    assert folders == set(ROOMS)
    order = list(ROOMS)
    for room in ROOMS:
        for known in allowed(room):
            assert order.index(known) < order.index(room), f"{room} knows {known}"


def test_modules_make_no_circles():
    assert circles(module_graph(modules())) == []


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_folders_can_be_read_at_a_glance():
    assert {folder: size for folder, size in folder_sizes().items() if size > MOST_IN_A_FOLDER} == {}


@pytest.mark.parametrize("folder", ["optim", "assets"])
def test_nothing_below_knows_the_window(folder):
    for path in files(folder):
        assert not top_names(path) & {"viewer", "polyscope", "run_viewer"}, path


def of_the_worker(path: Path) -> set[str]:
    """What a file imports, at the top or inside functions, of torch and of what needs it."""
    names = {name for name in imported(path) if name.split(".")[0] in ("torch", "optim")}
    return {name for name in names if not any(f"{name}.".startswith(f"{known}.") for known in WITHOUT_TORCH)}


@pytest.mark.parametrize("folder", WINDOW)
def test_the_window_knows_of_the_optimiser_only_what_needs_no_torch(folder):
    assert files(folder)
    for path in files(folder):
        assert not of_the_worker(path), path


def test_the_window_starts_the_worker_in_one_place():
    starts = {path.name for folder in WINDOW for path in files(folder) if any(map(_is_worker, imported(path)))}
    at_the_top = {
        path for folder in WINDOW for path in files(folder) if any(map(_is_worker, imported(path, nested=False)))
    }
    assert starts == {"client.py"} and not at_the_top


def _is_worker(name: str) -> bool:
    return name.startswith("viewer.worker")


def test_the_window_opens_without_torch():
    known = [name for name in modules() if any(f"{name}.".startswith(f"{start}.") for start in WITHOUT_TORCH)]
    names = ", ".join(
        (*known, "run_viewer", "viewer.commands.window", "viewer.commands.serve", "viewer.browser.serving")
    )
    code = f"import sys, {names}; sys.exit('torch' in sys.modules or 'viewer.worker.worker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120).returncode == 0
