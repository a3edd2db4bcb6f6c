"""Published name of ``optim.commands.export``, for ``python -m optim.export``."""

import sys

from optim.commands.export import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
