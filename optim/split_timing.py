"""Published name of ``optim.commands.split_timing``, for ``python -m optim.split_timing``."""

import sys

from optim.commands.split_timing import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
