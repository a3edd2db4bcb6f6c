"""Published name of ``optim.commands.contact_terms``, for ``python -m optim.contact_terms``."""

import sys

from optim.commands.contact_terms import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
