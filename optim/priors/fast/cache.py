"""Chooses the folder of compiled kernels, and starts the process that compiles them once on a machine.

Kernels are compiled in a separate process; other processes only load them. The compiler inlines a function that it has
just compiled differently from one that it has loaded. A process that compiled its own kernels would therefore compute
different last bits in its first fit than in later ones. Does not import numba, which takes a third of a second to load.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import stat
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

from optim.priors.mlp import GROUPS

SOURCES = Path(__file__).parent / "kernels"
_at_work: list[subprocess.Popen[bytes]] = []
_COMPILES = "HUMORSCOPE_COMPILES"
"""Environment variable that is set in a process that compiles its own kernels."""


def fingerprint(sources: Path = SOURCES) -> str:
    """A hash of the kernels' sources, the constant that they import, and the versions of numba and Python."""
    digest = hashlib.sha256(f"{version('numba')} {sys.version} {GROUPS}".encode())
    for path in sorted(sources.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def choose_folder() -> Path:
    """A folder in this user's cache folder; if that cannot be written to, a folder among the temporary files."""
    usual = user_cache_path("humorscope", appauthor=False) / "numba"
    chosen = Path(os.environ.get("NUMBA_CACHE_DIR") or usual) / fingerprint()
    if _is_writable(chosen):
        return chosen
    shared = Path(tempfile.gettempdir()) / f"humorscope-numba-{getpass.getuser()}"
    if _is_own(shared) and _is_writable(shared / fingerprint()):
        return shared / fingerprint()
    return Path(tempfile.mkdtemp(prefix="humorscope-numba-")) / fingerprint()


def _is_writable(place: Path) -> bool:
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def _is_own(place: Path) -> bool:
    """Whether a folder among the temporary files belongs to this user alone. Code in it will be executed."""
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
    except OSError:
        return False
    if not hasattr(os, "getuid"):
        return stat.S_ISDIR(found.st_mode)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


folder = cache(choose_folder)
"""The folder that this process uses; it is chosen once."""


def marker() -> Path:
    """The file that exists if all kernels are compiled. Its name changes when they have to be compiled again."""
    # numba identifies compiled code by the path and the modification time of its source file.
    sources = "".join(f"{path} {path.stat().st_mtime_ns} " for path in sorted(SOURCES.glob("*.py")))
    return folder() / f"compiled-{fingerprint()}-{hashlib.sha256(sources.encode()).hexdigest()[:16]}"


def is_compiled() -> bool:
    """Whether all kernels are compiled, so that a roll-out starts without waiting."""
    return marker().exists()


def start_compiling() -> subprocess.Popen[bytes] | None:
    """Start to compile in a separate process, if that is necessary.

    Returns:
        The process; the running one if this process has started one already, None if all kernels are compiled.
    """
    if is_compiled():
        return None
    if _at_work and _at_work[-1].poll() is None:
        return _at_work[-1]
    command = [sys.executable, "-m", "optim.priors.fast.compiling"]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder().parent), _COMPILES: "1"}
    root = Path(__file__).parents[3]
    _at_work.append(
        subprocess.Popen(command, cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    )
    return _at_work[-1]


def compile_here() -> None:
    """Let this process compile its own kernels from now on. For the process for which others wait."""
    os.environ[_COMPILES] = "1"


def wait_until_compiled() -> None:
    """Wait until the kernels can be loaded. If the other process fails, this process compiles its own kernels."""
    if os.environ.get(_COMPILES) or is_compiled():
        return
    process = start_compiling()
    if process is not None:
        process.wait()
