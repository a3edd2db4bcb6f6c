"""Published name of ``optim.commands.keypoint_faults``, for ``python -m optim.keypoint_faults``."""

import sys

from optim.commands.keypoint_faults import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
