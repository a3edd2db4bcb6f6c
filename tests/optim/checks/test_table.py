"""The documentation shows the table of checks with the limits that the code has."""

from __future__ import annotations

from pathlib import Path

from optim.checks.table import as_markdown

PAGE = Path(__file__).parents[3] / "docs" / "data.md"


def test_the_documentation_has_the_table():
    text = PAGE.read_text(encoding="utf-8")
    shown = text.split("<!-- checks -->\n")[1].split("\n<!-- end of checks -->")[0]
    assert shown == as_markdown(), "put the text of optim.checks.table.as_markdown() between the two marks"
