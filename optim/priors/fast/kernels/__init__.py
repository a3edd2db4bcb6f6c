"""The inner loops of a roll-out and of frozen networks, compiled for the processor they run on.

What is compiled is kept in the user's cache folder: the first roll-out on a machine waits some seconds for it. The
folder is named after the sources of this package, so that a kernel never runs on what another one has left there.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path

import numba

from optim.priors.fast.folded import GROUPS


def fingerprint(sources: Path = Path(__file__).parent) -> str:
    """A name for what these sources, the constant they take from elsewhere, this compiler and this Python make."""
    digest = hashlib.sha256(f"{numba.__version__} {sys.version} {GROUPS}".encode())
    for path in sorted(sources.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Where this user keeps what can be made again; a passing folder where that cannot be written."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or cache / "humorscope" / "numba") / fingerprint()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="humorscope-numba-"))


numba.config.CACHE_DIR = str(cache_folder())  # type: ignore[attr-defined]
# Reassociation for vector instructions; not the rest of "fast": what is not finite must stay so.
compiled = numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy")
