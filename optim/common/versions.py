"""Versions of this program and of what it runs on, read from the installed packages without importing them."""

from __future__ import annotations

import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROGRAM = "humorscope"
PACKAGES = (PROGRAM, "torch", "numpy", "scipy", "smplx", "human_body_prior")


def versions() -> dict[str, str]:
    """Versions of the packages that a fit depends on, of Python and of the operating system."""
    found = {"python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def version_line() -> str:
    """Name and version of this program, and the versions of Python, torch and NumPy, for ``--version``."""
    found = versions()
    own = found.get(PROGRAM, "(not installed, run from its folder)")
    others = ", ".join(f"{name} {found[name]}" for name in ("torch", "numpy") if name in found)
    return f"{PROGRAM} {own} (Python {found['python']}, {others})"


def program() -> list[str]:
    """Words that start this program from any folder: its name, if a shell finds it by that, or else full paths."""
    beside = Path(sys.executable).with_name(PROGRAM)
    found = shutil.which(PROGRAM)
    if found is not None and Path(found) == beside:
        return [PROGRAM]
    if beside.is_file():
        return [str(beside)]
    return [sys.executable, "-P", str(Path(__file__).resolve().parents[2] / "run_viewer.py")]


def started_as() -> str:
    """The command that the user has typed to start this program, for messages: its installed name, or the file."""
    return PROGRAM if Path(sys.argv[0]).stem == PROGRAM else "run_viewer.py"
