"""The one way to write a user's files: a file is complete, or it is not there.

A file is written beside its place under another name and takes its place when it is complete. If the disk is full or
the program is stopped meanwhile, the earlier file stays and nothing else is left behind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from optim.common.errors import InputError

FORBIDDEN = frozenset('/\\:*?"<>|')
"""Characters that separate folders or that a file name must not have on some system."""
ADVICE = "make room there, or give another place"


@contextmanager
def replacing(path: Path, *, advice: str = ADVICE) -> Iterator[Path]:
    """Path of a temporary file beside ``path``, which replaces ``path`` when the context ends without an error.

    The folder is made if it does not exist. The temporary file has the ending of ``path``, since many writers choose
    their format by it.

    Args:
        advice: What the user can do if the file cannot be written.

    Raises:
        InputError: The file cannot be written: the disk is full, or the place cannot be written to.
    """
    path = Path(path)
    beside = path.with_name(f".{path.stem[:100]}.{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        beside.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}); {advice}") from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, advice: str = ADVICE) -> None:
    """Write a text as UTF-8, with the errors of ``replacing``."""
    with replacing(path, advice=advice) as beside:
        beside.write_text(text, encoding="utf-8")


def file_name(text: str, *, otherwise: str) -> str:
    """A name from outside as the name of one file or folder: it cannot lead into another folder.

    Separators, control characters and what Windows forbids in names become underscores; points at the beginning, which
    would hide the file or lead to the folder above, are left out. Other names stay as they are.

    Args:
        otherwise: The name if nothing of ``text`` remains.
    """
    kept = "".join("_" if c in FORBIDDEN or not c.isprintable() else c for c in text)
    return _shortened(kept.lstrip(". ")).rstrip(". ") or otherwise


def _shortened(name: str) -> str:
    """At most 150 bytes of UTF-8, so that endings can be added: a file name has at most 255."""
    return name.encode()[:150].decode(errors="ignore")
