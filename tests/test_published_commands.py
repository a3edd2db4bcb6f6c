"""The modules that are published for ``python -m`` say how they are used."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = [
    f"{package}.{path.stem}"
    for package in ("optim", "viewer")
    for path in sorted((ROOT / package).glob("*.py"))
    if path.stem != "__init__"
]


@pytest.mark.parametrize("name", PUBLISHED)
def test_help_is_printed_and_nothing_is_done(name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        status = importlib.import_module(name).main(["--help"])
    except SystemExit as end:  # of argparse
        status = end.code
    told = capsys.readouterr()
    assert not status and told.out.strip() and not told.err
    assert not list(tmp_path.iterdir())
