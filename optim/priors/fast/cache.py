"""Where compiled kernels are kept between runs. Knows no numba, which takes a third of a second to load."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

from optim.priors.mlp import GROUPS

SOURCES = Path(__file__).parent / "kernels"


def fingerprint(sources: Path = SOURCES) -> str:
    """A name for what these sources, the constant they take from elsewhere, this compiler and this Python make."""
    digest = hashlib.sha256(f"{version('numba')} {sys.version} {GROUPS}".encode())
    for path in sorted(sources.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def choose_folder() -> Path:
    """Where this user keeps what can be made again; a passing folder where that cannot be written."""
    usual = user_cache_path("humorscope", appauthor=False) / "numba"
    chosen = Path(os.environ.get("NUMBA_CACHE_DIR") or usual) / fingerprint()
    try:
        chosen.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=chosen):
            return chosen
    except OSError:
        return Path(tempfile.mkdtemp(prefix="humorscope-numba-"))


folder = cache(choose_folder)
"""The folder that this process uses: it is chosen once."""


def marker() -> Path:
    """The file that is there once all is compiled, by what the result depends on."""
    # What is compiled is kept by place and time of its source.
    sources = "".join(f"{path} {path.stat().st_mtime_ns} " for path in sorted(SOURCES.glob("*.py")))
    return folder() / f"compiled-{fingerprint()}-{hashlib.sha256(sources.encode()).hexdigest()[:16]}"


def is_compiled() -> bool:
    """Whether a roll-out can start at once."""
    return marker().exists()
