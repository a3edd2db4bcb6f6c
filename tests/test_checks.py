"""The checks of style and of types are part of the tests; their rules are in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECKS = [
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    # Half a minute without its cache, a second with it. Some packages are held to what --strict asks for.
    pytest.param(("mypy",), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("check", CHECKS, ids=" ".join)
def test_the_sources_pass(check):
    done = subprocess.run([sys.executable, "-m", *check], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
