"""Exit status of commands: bad input gives one line and status 2, Ctrl-C gives 130. Knows no command."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from optim.common.errors import InputError

BAD_INPUT = 2
"""Exit status after bad input, as argparse has it."""
STOPPED = 130
"""Exit status after Ctrl-C, as shells have it."""
Words = ParamSpec("Words")
log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # without a log file nothing is logged: the error stream has the message


def with_exit_status(main: Callable[Words, int]) -> Callable[Words, int]:
    """Decorate a command's ``main(arguments) -> exit status`` so that expected errors end it without a traceback.

    An ``InputError`` becomes one line on the error stream and status 2. A ``KeyboardInterrupt`` becomes status 130.
    """

    @wraps(main)
    def run(*words: Words.args, **named: Words.kwargs) -> int:
        try:
            return main(*words, **named)
        except InputError as error:
            tell_error(error)
            return BAD_INPUT
        except KeyboardInterrupt:
            return STOPPED
        except Exception as error:
            log.critical("%s: %s", type(error).__name__, error, exc_info=True)
            raise

    return run


def tell_error(message: object) -> None:
    """Write the message of an error to the error stream, as one line, and to the log file if there is one."""
    log.error("%s", message)
    sys.stderr.write(f"error: {message}\n")
