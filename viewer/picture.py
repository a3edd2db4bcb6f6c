"""Published name of ``viewer.commands.picture``, for ``python -m viewer.picture``."""

import sys

from viewer.commands.picture import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
