"""Published name of ``optim.commands.bench``, for ``python -m optim.bench``."""

import sys

from optim.commands.bench.__main__ import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
