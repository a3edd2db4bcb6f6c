"""Published name of ``optim.commands.tune``, for ``python -m optim.tune``."""

import sys

from optim.commands.tune import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
