"""Open a file that a user named: only a regular file, only so large, and every failure as one message.

Knows no format. The readers of formats are built on ``guarded``, which turns what the system or a parser raises into an
``InputError`` that names the file.
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
"""No array, text or picture that a fit reads is larger than this [bytes]."""
MOST_TEXT = 256 * 1024**2
"""No text, JSON included, is larger than this [bytes]."""
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
    """The path itself, if it is a regular file that may be read.

    Args:
        what: What the file should be, for the message: "a motion", "the body model".
        most: The largest size [bytes]; None: any.

    Raises:
        InputError: Nothing there, a folder, a pipe or device, no permission, or too large.
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
    """Whether there is a folder; a name that no file system takes is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether there is a file; a name that no file system takes is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Errors about values that were read name the file that they came from."""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from None


def require_folder(path: Path, *, what: str) -> Path:
    """The path itself, if it is a folder whose content may be listed.

    Raises:
        InputError: Nothing there, a file, or no permission.
    """
    if not stat.S_ISDIR(_stat(path, what).st_mode):
        raise InputError(f"{path}: not a folder; give the folder of {what}")
    if not os.access(path, os.R_OK | os.X_OK):
        raise InputError(f"{path}: {_REASONS[errno.EACCES]}")
    return path


def reason(error: BaseException) -> str:
    """A few words on why something could not be read, for people."""
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
    """Whatever goes wrong while a file is read becomes ``path: problem (reason); advice``.

    Args:
        problem: What is then wrong with the file, in a few words: "damaged or cut off".
        advice: What to do about it.
        also: Further exceptions of the parser that is called inside, ``(Exception,)`` for one that raises anything.
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
        NotImplementedError,  # a way of compression that zipfile does not know
        *also,
    ) as error:
        raise InputError(f"{path}: {problem} ({reason(error)}); {advice}") from None


def read_bytes(path: Path, *, what: str, most: int = MOST_BYTES) -> bytes:
    """The whole content of a file.

    Raises:
        InputError: As ``require_file``, or a fault of the disk.
    """
    require_file(path, what=what, most=most)
    with guarded(path, problem="cannot be read", advice="copy it again"):
        return path.read_bytes()


def read_text(path: Path, *, what: str, most: int = MOST_TEXT) -> str:
    """The whole content of a text file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: As ``require_file``, or not such a text.
    """
    content = read_bytes(path, what=what, most=most)
    with guarded(path, problem="not a text file", advice=f"{what} is expected"):
        return content.decode("utf-8-sig")


def require_archive_size(archive: zipfile.ZipFile, path: Path, *, most: int = MOST_BYTES) -> None:
    """Refuse an archive whose members would unpack to more than ``most`` bytes together.

    Raises:
        InputError: It says so itself, as small archives made to fill a disk or the memory do.
    """
    size = sum(member.file_size for member in archive.infolist())
    if size > most:
        raise InputError(
            f"{path}: unpacks to {size / 1e6:,.0f} MB, more than the {most / 1e6:,.0f} MB that are read; cut it up"
        )
