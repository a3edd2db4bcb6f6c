"""Published name of ``viewer.commands.strip``, for ``python -m viewer.strip``."""

import sys

from viewer.commands.strip import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
