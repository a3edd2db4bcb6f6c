"""Published name of ``viewer.commands.speed``, for ``python -m viewer.speed``."""

import sys

from viewer.commands.speed import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
