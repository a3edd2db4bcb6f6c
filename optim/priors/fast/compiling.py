"""Compiles the roll-out ahead of the first fit, which else waits for it: ``python -m optim.priors.fast.compiling``.

What is compiled stays in the user's cache folder (``kernels``); a file in it says that it is all there.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numba
import torch

from optim.priors import chain
from optim.priors.fast import kernels
from optim.priors.motion_prior import LATENT_SIZE, STATE_SIZE, MotionPrior

_FRAMES = 3


def marker() -> Path:
    """The file that is there once all is compiled, by what the result depends on."""
    folder = Path(kernels.__file__).parent
    # What is compiled is kept by place and time of its source.
    sources = "".join(f"{path} {path.stat().st_mtime_ns} " for path in sorted(folder.glob("*.py")))
    name = f"compiled-{kernels.fingerprint()}-{hashlib.sha256(sources.encode()).hexdigest()[:16]}"
    return Path(str(numba.config.CACHE_DIR)) / name  # type: ignore[attr-defined]


def is_compiled() -> bool:
    """Whether a roll-out can start at once."""
    return marker().exists()


def compile_all() -> None:
    """Run every compiled function once, forward and backward, on a prior of random weights."""
    prior = MotionPrior().eval().requires_grad_(False)
    layers = chain.frozen_layers(prior)
    assert layers is not None
    start = torch.eye(3).reshape(1, 9).repeat(1, 38)[:, :STATE_SIZE].requires_grad_()
    latents = torch.zeros(1, _FRAMES, LATENT_SIZE, requires_grad=True)
    outputs = chain.Chain.apply(start, latents, torch.zeros(1, 3), layers, False)
    mean, variance = prior.prior(start)
    sum(output.sum() for output in (*outputs, mean, variance)).backward()
    marker().parent.mkdir(parents=True, exist_ok=True)
    marker().touch()


def start_compiling() -> subprocess.Popen[bytes] | None:
    """Compile in a process of its own; None where all is there already."""
    if is_compiled():
        return None
    command = [sys.executable, "-m", "optim.priors.fast.compiling"]
    root = Path(__file__).parents[3]
    return subprocess.Popen(command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    compile_all()
