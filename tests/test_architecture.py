"""Imports point one way, run_viewer → viewer → optim → torch; drawing code touches neither of the last two."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DRAWN = ("viewer/panels/", "viewer/layers/")
"""What only draws and asks."""


def imports(path: Path, *, nested: bool = True) -> set[str]:
    """Top-level names of the modules that a file imports; type-checking blocks do not count."""
    found = set()
    tree = ast.parse(path.read_text())
    skipped = {id(n) for block in ast.walk(tree) if is_type_checking(block) for n in ast.walk(block)}
    for node in ast.walk(tree) if nested else tree.body:
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", ["optim", "assets"])
def test_nothing_below_knows_the_window(folder):
    for path in files(folder):
        assert not imports(path) & {"viewer", "polyscope", "run_viewer"}, path


def test_the_window_knows_the_optimiser_only_in_the_worker():
    assert files("viewer/panels") and files("viewer/layers")
    for path in files("viewer"):
        name = path.relative_to(ROOT).as_posix()
        known = imports(path, nested=name.startswith(DRAWN))
        if '__name__ == "__main__"' in path.read_text():
            continue  # a command
        where = "not at all" if name.startswith(DRAWN) else "only inside functions"
        assert not known & {"torch", "optim"}, f"{name}: {where}"


def test_the_window_opens_without_torch():
    code = "import sys, viewer.window.window; sys.exit('torch' in sys.modules or 'optim' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120).returncode == 0
