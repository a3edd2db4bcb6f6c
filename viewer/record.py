"""Published name of ``viewer.commands.record``, for ``python -m viewer.record``."""

import sys

from viewer.commands.record import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
