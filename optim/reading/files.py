"""Open a file that a user named: only a regular file of a bounded size, with one message for every failure.

Knows no format. The readers of formats are built on ``guarded``. It turns the exceptions of the system and of parsers
into an ``InputError`` that names the file.
"""

from __future__ import annotations

import errno
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optim.common.errors import InputError

MOST_BYTES = 2 * 1024**3
"""Largest size of an array, text or picture that is read [bytes]."""
MOST_TEXT = 256 * 1024**2
"""Largest size of a text file that is read, JSON included [bytes]."""
_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_REASONS = {
    errno.EACCES: "it may not be read; change its permissions",
    errno.EPERM: "it may not be read; change its permissions",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ELOOP: "its links lead in a circle",
    errno.EMFILE: "too many files are open; close other programs or raise the limit",
    errno.EIO: "the disk reports an error; copy the file from another place",
}


def require_file(path: Path, *, what: str, most: int | None = None) -> Path:
    """Return the path itself if it is a regular file that may be read.

    Args:
        what: Description of the expected file, for the message: "a motion", "the body model".
        most: Largest size that is accepted [bytes]. None accepts any size.

    Raises:
        InputError: The path does not exist, is a folder, a pipe or a device, may not be read, or is too large.
    """
    found = _stat(path, what)
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{path}: a folder, but {what} is one file; give the path of the file in it")
    for is_kind, name in _KINDS:
        if is_kind(found.st_mode):
            raise InputError(f"{path}: {name}, not a file on a disk; save {what} to a file and give its path")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: {_REASONS[errno.EACCES]}")
    if most is not None and found.st_size > most:
        raise InputError(
            f"{path}: {found.st_size / 1e6:,.0f} MB; {what} has at most {most / 1e6:,.0f} MB, so this is another file"
        )
    return path


def _stat(path: Path, what: str) -> os.stat_result:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file; give the path of {what}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {reason(error)}; give the path of {what}") from None


def is_folder(path: Path) -> bool:
    """Whether the path is a folder. A name that the file system does not allow gives False."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether the path is a file. A name that the file system does not allow gives False."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Put the path in front of every InputError raised inside, unless its message names the path already."""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from None


def require_folder(path: Path, *, what: str) -> Path:
    """Return the path itself if it is a folder whose content may be listed.

    Args:
        what: Description of the expected content, for the message.

    Raises:
        InputError: The path does not exist, is not a folder, or may not be read.
    """
    if not stat.S_ISDIR(_stat(path, what).st_mode):
        raise InputError(f"{path}: not a folder; give the folder of {what}")
    if not os.access(path, os.R_OK | os.X_OK):
        raise InputError(f"{path}: {_REASONS[errno.EACCES]}")
    return path


def reason(error: BaseException) -> str:
    """Short reason why something could not be read, in words for the user."""
    if isinstance(error, OSError) and error.errno in _REASONS:
        return _REASONS[error.errno]
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, UnicodeError):
        return "its bytes are not UTF-8"
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


@contextmanager
def guarded(path: Path, *, problem: str, advice: str, also: tuple[type[BaseException], ...] = ()) -> Iterator[None]:
    """Turn exceptions raised inside into an InputError with the message ``path: problem (reason); advice``.

    Args:
        problem: Short description of what is wrong with the file: "damaged or cut off".
        advice: Advice for the user.
        also: Further exceptions of the parser that is called inside. ``(Exception,)`` catches all of them.

    Raises:
        InputError: Something was raised inside. An InputError from inside passes unchanged.
    """
    try:
        yield
    except InputError:
        raise
    except (  # type: ignore[misc]
        OSError,
        EOFError,
        ValueError,  # UnicodeError is one
        OverflowError,
        RecursionError,
        MemoryError,
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        NotImplementedError,  # zipfile raises it for a compression method that it does not support
        *also,
    ) as error:
        raise InputError(f"{path}: {problem} ({reason(error)}); {advice}") from None


def read_bytes(path: Path, *, what: str, most: int = MOST_BYTES) -> bytes:
    """Read the whole content of a file of at most ``most`` bytes.

    Raises:
        InputError: As for ``require_file``, or the disk reports an error.
    """
    require_file(path, what=what, most=most)
    with guarded(path, problem="cannot be read", advice="copy it again"):
        return path.read_bytes()


def read_text(path: Path, *, what: str, most: int = MOST_TEXT) -> str:
    """Read the whole content of a text file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: As for ``read_bytes``, or the content is not UTF-8.
    """
    content = read_bytes(path, what=what, most=most)
    with guarded(path, problem="not a text file", advice=f"{what} is expected"):
        return content.decode("utf-8-sig")


def require_archive_size(archive: zipfile.ZipFile, path: Path, *, most: int = MOST_BYTES) -> None:
    """Refuse an archive whose members would unpack to more than ``most`` bytes in total.

    This protects against small archives that are made to fill the memory or the disk.

    Raises:
        InputError: The sizes in the archive's own table of contents add up to more than ``most``.
    """
    size = sum(member.file_size for member in archive.infolist())
    if size > most:
        raise InputError(
            f"{path}: unpacks to {size / 1e6:,.0f} MB, more than the {most / 1e6:,.0f} MB that are read; cut it up"
        )
