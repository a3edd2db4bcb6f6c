"""The state of the dialogue that opens another file, and what may be opened; knows no kind of data itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

MOST_LISTED = 400


def nothing(path: str) -> str | None:
    """No path can be opened."""
    return None


def never(path: str) -> bool:
    """False for every path."""
    return False


def no_runs() -> list[Path]:
    """No run was recorded."""
    return []


@dataclass
class Opening:
    """What one window may open next, and the dialogue for it."""

    kind_of: Callable[[str], str | None] = nothing
    """What a path holds, in a few words; None if the program does not read it."""
    listed: Callable[[str], bool] = never
    """Whether a file's name says that the program may read it; it reads no content."""
    can_compare: Callable[[str], bool] = never
    """Whether a path holds a run or results, which can be compared with what is shown."""
    recent: Callable[[], list[Path]] = no_runs
    """The newest runs, the newest first."""
    kept: str = ""  # what becomes of the fit in progress; empty: nothing can be lost
    purpose: str | None = None  # "open" or "compare" while the dialogue is shown
    text: str = ""  # the path that is typed
    seen: tuple[str, str, str | None] | None = None  # purpose, path, and what ``found`` said of it
    runs: list[Path] = field(default_factory=list)  # recent ones, read when the dialogue was opened
    asked: str | None = None  # path that the user must confirm, since a fit is in progress
    chosen: str | None = None  # path to open in place of what is shown; the window then closes
    can_begin_again: bool = False
    """Whether the same data can be read and fitted again with other flags."""
    asked_again: tuple[str, ...] | None = None  # flags that the user must confirm, since a fit is in progress
    again: tuple[str, ...] | None = None  # flags with which the fit begins again; the window then closes

    def show(self, purpose: str) -> None:
        """Open the dialogue."""
        self.purpose, self.runs = purpose, self.recent()
        self.text = self.text or f"{Path.cwd()}/"

    def ask_for(self, path: str) -> None:
        """Open a path, after a question if a fit is in progress."""
        self.purpose = None
        if self.kept:
            self.asked = path
        else:
            self.chosen = path

    def ask_again(self, flags: tuple[str, ...]) -> None:
        """Begin again with other flags, after a question if a fit is in progress."""
        if self.kept:
            self.asked_again = flags
        else:
            self.again = flags

    @property
    def leaves(self) -> bool:
        """Whether something else was chosen, for which the window closes."""
        return self.chosen is not None or self.again is not None

    def found(self) -> str | None:
        """What the typed path holds, for the purpose of the dialogue; looked up once for each path."""
        if self.purpose is None:
            return None
        if self.seen is None or self.seen[:2] != (self.purpose, self.text):
            path = str(expanded(self.text))
            fitting = self.purpose == "open" or self.can_compare(path)
            self.seen = self.purpose, self.text, self.kind_of(path) if fitting else None
        return self.seen[2]

    def entries(self) -> list[Path]:
        """Folders and files that complete the typed path, folders first; only files that the program may read."""
        typed = expanded(self.text)
        folder, begin = (typed, "") if self.text.endswith("/") else (typed.parent, typed.name.lower())
        try:
            found = [path for path in folder.iterdir() if path.name.lower().startswith(begin)]
        except OSError:
            return []
        shown = [path for path in found if begin or not path.name.startswith(".")]
        folders = sorted(path for path in shown if path.is_dir())
        files = sorted(path for path in shown if not path.is_dir() and self.listed(str(path)))
        return (folders + files)[:MOST_LISTED]


def expanded(text: str) -> Path:
    """A typed path, with ~ as the home folder if there is one."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)
