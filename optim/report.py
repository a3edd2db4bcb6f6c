"""Published name of ``optim.commands.report``, for ``python -m optim.report``."""

import sys

from optim.commands.report import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
