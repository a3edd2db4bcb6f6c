"""The notebooks of the docs run from top to bottom, and show what they say."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def code_of(path: Path) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def run(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does; returns the value of its last line if that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells if "outputs" in cell)


def test_a_fit_is_stepped_edited_and_its_drift_drawn(capsys):
    names: dict[str, Any] = {}
    pictures = []
    for source in code_of(FOLDER / "step_a_fit.ipynb"):
        value = run(source, names)
        pictures += [value._repr_html_()] if hasattr(value, "_repr_html_") else []
    first, later, chart = pictures
    assert "phase stage 1" in first and "phase stage 3" in later
    assert "<svg" in chart and "Distance of the root from stage 2 [cm]" in chart
    found = names["found"].root_cm
    assert found.total[0, 0] < 1e-3 < found.total[0, -1], "the roll-out begins at stage 2 and leaves it"
    assert names["heavy"] < names["light"], "ten times the weight holds the latents nearer to zero"
    assert names["session"].done
    assert "Why?" in capsys.readouterr().out
