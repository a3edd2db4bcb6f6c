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
import hashlib
import torch
from optim.priors import fast
from optim.priors.fast import cache
from tests import fakes

before = cache.is_compiled()
process = cache.start_compiling()
numbers = []
for kind in (torch.float32, torch.float16):
    prior = fakes.motion_prior()
    for weights in prior.decoder.parameters():
        weights.copy_(weights.to(kind))
    start = torch.linspace(-1, 1, 339).reshape(1, 339).requires_grad_()
    latents = torch.linspace(-1, 1, 5 * 48).reshape(1, 5, 48).requires_grad_()
    outputs = fast.transitions(prior, start, latents, torch.zeros(1, 3))
    mean, variance = fast.conditional_prior(prior, start)
    torch.autograd.backward([output.square().sum() for output in (*outputs, mean, variance)])
    numbers += [*outputs, mean, variance, start.grad, latents.grad]
bits = hashlib.sha256(b"".join(value.detach().numpy().tobytes() for value in numbers)).hexdigest()
code = None if process is None else process.wait()
print(before, code, cache.is_compiled(), cache.start_compiling() is None, bits)
"""


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_new_machine_compiles_once_and_computes_the_same_bits(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment.pop("NUMBA_CACHE_DIR", None)
    words = [sys.executable, "-c", PROGRAM]
    runs = [
        subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300) for _ in range(2)
    ]
    first, second = (run.stdout.split() for run in runs)
    assert first[:4] == ["False", "0", "True", "True"], runs[0].stderr
    assert second[:4] == ["True", "None", "True", "True"], runs[1].stderr
    assert first[4] == second[4], "the first fit on a machine has other bits than every later one"
    assert any((tmp_path / "humorscope" / "numba").glob("*/kernels_*/*.nbc"))


def test_the_marker_depends_on_the_sources(monkeypatch, tmp_path):
    first = cache.marker()
    (tmp_path / "products.py").write_text("")
    monkeypatch.setattr(cache, "fingerprint", partial(cache.fingerprint, tmp_path))
    assert cache.marker() != first and cache.marker().parent == first.parent


def test_an_unwritable_cache_has_one_folder_for_all_processes(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/nowhere")
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    assert cache.choose_folder() == cache.choose_folder()
    [own] = tmp_path.iterdir()
    assert own.stat().st_mode & 0o077 == 0
    own.chmod(0o777)  # anybody could have put code there
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    assert own not in cache.choose_folder().parents
