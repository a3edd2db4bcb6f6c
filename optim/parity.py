"""Published name of ``optim.commands.parity``, for ``python -m optim.parity``."""

import sys

from optim.commands.parity import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
