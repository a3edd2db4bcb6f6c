"""Where log messages go: notes on the error stream, more of them with ``-v``, and everything in a log file.

The choice is kept in environment variables, because the processes that this one starts follow it too.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from optim.common.errors import InputError

VERBOSE, LOG_FILE = "HUMORSCOPE_VERBOSE", "HUMORSCOPE_LOG_FILE"
OURS = ("optim", "viewer")
"""Loggers of this program. Others are libraries, of which only warnings are shown."""
IN_FILE = "%(asctime)s %(process)d %(levelname)-7s %(name)s: %(message)s"


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Add the flags that every sub-command takes to a parser."""
    parser.add_argument("-v", "--verbose", action="store_true", help="say on the error stream what is being done")
    parser.add_argument(
        "--log-file", metavar="FILE", help="append all messages to a file, with times and the text of errors"
    )


def take_log_options(arguments: Sequence[str]) -> list[str]:
    """Take the flags of ``add_log_options`` out of a command line, start logging by them, and return the other words.

    Raises:
        InputError: The log file cannot be written.
    """
    rest, words = [], iter(arguments)
    for word in words:
        flag, _, value = word.partition("=")
        if word in ("-v", "--verbose"):
            os.environ[VERBOSE] = "1"
        elif flag == "--log-file":
            _log_to(value or next(words, ""))
        else:
            rest.append(word)
    start_logging()
    return rest


def _log_to(name: str) -> None:
    if not name.strip():
        raise InputError("--log-file: an empty path; give the file to write to")
    path = Path(name).absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise InputError(f"--log-file {path}: cannot be written ({error.strerror}); give another place") from None
    os.environ[LOG_FILE] = str(path)


def start_logging() -> None:
    """Set up logging in this process as the user has chosen; does nothing the second time."""
    root = logging.getLogger()
    if any(isinstance(handler, _Notes) for handler in root.handlers):
        return
    verbose, file = bool(os.environ.get(VERBOSE)), os.environ.get(LOG_FILE)
    root.addHandler(_Notes(logging.INFO if verbose else logging.WARNING))
    if file:
        kept = logging.FileHandler(file, encoding="utf-8", delay=True)
        kept.setFormatter(logging.Formatter(IN_FILE))
        root.addHandler(kept)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG if file else logging.INFO if verbose else logging.NOTSET)


class _Notes(logging.Handler):
    """Shows messages on the error stream, without errors: the program tells those itself."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.ERROR:
            kind = "note" if record.levelno >= logging.WARNING else "info"
            sys.stderr.write(f"{kind}: {record.getMessage()}\n")
