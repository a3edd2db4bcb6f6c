"""Published name of ``optim.commands.evaluate``, for ``python -m optim.evaluate``."""

import sys

from optim.commands.evaluate import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
