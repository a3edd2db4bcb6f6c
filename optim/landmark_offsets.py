"""Published name of ``optim.commands.landmark_offsets``, for ``python -m optim.landmark_offsets``."""

import sys

from optim.commands.landmark_offsets import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
