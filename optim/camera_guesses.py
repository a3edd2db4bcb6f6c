"""Published name of ``optim.commands.camera_guesses``, for ``python -m optim.camera_guesses``."""

import sys

from optim.commands.camera_guesses import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
