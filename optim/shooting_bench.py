"""Published name of ``optim.commands.shooting_bench``, for ``python -m optim.shooting_bench``."""

import sys

from optim.commands.shooting_bench import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
