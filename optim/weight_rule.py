"""Published name of ``optim.commands.weight_rule``, for ``python -m optim.weight_rule``."""

import sys

from optim.commands.weight_rule import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
