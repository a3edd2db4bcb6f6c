"""Published name of ``optim.commands.profile``, for ``python -m optim.profile``."""

import sys

from optim.commands.profile import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
