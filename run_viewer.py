"""Open the window on a fit, or run the fit without one; ``--help`` lists what can be asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path


class OwnPackages:
    """Finds the packages of this program beside this file.

    Another package of the same name may lie in the current folder or in PYTHONPATH, such as the ``optim`` of a user's
    own project. The processes that this program starts import this file first, so that it holds for them too.
    """

    FOLDER = Path(__file__).resolve().parent
    NAMES = ("optim", "viewer", "assets")

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The package, if it is one of ours. Other modules are left to Python."""
        return PathFinder.find_spec(name, [str(cls.FOLDER)]) if name in cls.NAMES else None


sys.meta_path.insert(0, OwnPackages)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; returns the exit status, which is 2 after a message about bad input."""
    from viewer.commands.entry import main as program  # found by the class above

    return program.main(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
