"""Compiling ahead: in a process of its own, once; what it leaves is told apart by what it was made from."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from optim.priors.fast import cache

ROOT = Path(__file__).parents[4]
PROGRAM = """
from optim.priors.fast import compiling
before = compiling.is_compiled()
process = compiling.start_compiling()
code = None if process is None else process.wait()
print(before, code, compiling.is_compiled(), compiling.start_compiling() is None)
"""


@pytest.mark.slow
def test_a_new_machine_compiles_once(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment.pop("NUMBA_CACHE_DIR", None)
    words = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert run.stdout.split() == ["False", "0", "True", "True"], run.stderr
    assert any((tmp_path / "humorscope" / "numba").glob("*/kernels_*/*.nbc"))


def test_the_marker_depends_on_the_sources(monkeypatch, tmp_path):
    first = cache.marker()
    (tmp_path / "products.py").write_text("")
    monkeypatch.setattr(cache, "fingerprint", partial(cache.fingerprint, tmp_path))
    assert cache.marker() != first and cache.marker().parent == first.parent
