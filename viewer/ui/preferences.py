"""Saves the few settings that the next window takes over, as JSON in the user's configuration folder."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from optim.common.errors import InputError
from optim.common.writing import write_text
from optim.reading.json_file import read_json
from viewer.ui.look import kept, recall
from viewer.ui.pins import Pins, Place, places_of
from viewer.ui.theme import THEMES
from viewer.ui.ui_state import LAYERS, STILL_TIMES, UiState

log = logging.getLogger(__name__)
MOST_RUNS = 20
"""Runs whose pins are kept."""
WINDOW_SIZE, LEAST_SIZE, LARGEST_SIZE = (1280, 720), (640, 400), (7680, 4320)


@dataclass
class Preferences:
    """The settings of a window that are saved for the next one."""

    hint_seen: bool = False
    layers: dict[str, bool] | None = None  # Layer → on, for the layers that the user switched.
    follow: bool = True
    plot_terms: bool = True
    theme: str = "dark"
    scale: float | None = None
    size: tuple[int, int] | None = None  # Of the window [px].
    videos: str = ""  # Folder.
    fast_films: bool = False
    still_times: int = 2  # Size of still pictures, in sizes of the window.
    look: dict[str, Any] | None = None  # Of the 3D view, see ``viewer.ui.look``.
    views: list[dict[str, Any]] | None = None  # Saved viewpoints.
    pins: dict[str, list[dict[str, Any]]] | None = None  # Run → its pinned motions, for the runs shown last.

    def window_size(self, *, scale: float = 1.0, screen: tuple[int, int] | None = None) -> tuple[int, int]:
        """Width and height of the next window [px]: the saved size or the default size, but no larger than the screen.

        Args:
            scale: Scale of texts and widgets; the default size is multiplied by it.
            screen: Width and height of the screen [px]; None if they are not known.
        """
        size = self.size
        if not isinstance(size, list | tuple) or len(size) != 2 or not all(isinstance(n, int) for n in size):
            size = (round(WINDOW_SIZE[0] * scale), round(WINDOW_SIZE[1] * scale))
        most = screen or LARGEST_SIZE
        width, height = (min(max(own, least), limit) for own, least, limit in zip(size, LEAST_SIZE, most, strict=True))
        return width, height


def preferences_path() -> Path:
    """``window.json`` in this user's configuration folder, on Linux ``~/.config/humorscope``."""
    return user_config_path("humorscope", appauthor=False) / "window.json"


def load_preferences(path: Path) -> Preferences:
    """The saved preferences; the defaults if there is no file, or if it cannot be read, which a warning says."""
    if not path.exists():
        return Preferences()
    try:
        saved = read_json(path, what="the settings of the window")
        if not isinstance(saved, dict):
            raise InputError(f"{path}: no settings of the window in it")
    except InputError as error:
        log.warning("%s; the usual settings are taken", error)
        return Preferences()
    known = {f.name for f in fields(Preferences)}
    return Preferences(**{key: value for key, value in saved.items() if key in known})


def save_preferences(path: Path, preferences: Preferences) -> None:
    """Write the preferences to a file; a file that cannot be written is no error."""
    with suppress(InputError):
        write_text(path, json.dumps(asdict(preferences), indent=1) + "\n")


def apply_preferences(preferences: Preferences, ui: UiState) -> None:
    """Set up a new window with the saved preferences of the last one."""
    saved = preferences.layers if isinstance(preferences.layers, dict) else {}
    ui.layers |= {name: bool(on) for name, on in saved.items() if name in LAYERS}
    ui.chosen |= {name for name in saved if name in LAYERS}
    recall(ui.look, preferences.look, preferences.views)
    ui.follow, ui.plot_terms = bool(preferences.follow), bool(preferences.plot_terms)
    ui.filming.times = preferences.still_times if preferences.still_times in STILL_TIMES else 2
    ui.theme = preferences.theme if preferences.theme in THEMES else THEMES[0]
    ui.scale = preferences.scale if isinstance(preferences.scale, float) and 0.5 <= preferences.scale <= 4 else None
    videos = preferences.videos
    ui.filming.folder = videos if isinstance(videos, str) and videos.isprintable() else ""
    ui.filming.fast = preferences.fast_films is True
    ui.show_hint = not preferences.hint_seen


def pins_of(preferences: Preferences, run: str | None) -> list[Place]:
    """What was pinned in the last window on a run."""
    saved = preferences.pins if isinstance(preferences.pins, dict) else {}
    return places_of(saved.get(run)) if run is not None else []


def with_pins(preferences: Preferences, before: Preferences, run: str | None, pins: Pins) -> Preferences:
    """The preferences with what is pinned now in a run, and with the other runs of the preferences before."""
    saved = dict(before.pins) if isinstance(before.pins, dict) else {}
    if run is not None:
        saved.pop(run, None)
        if places := pins.places():
            saved[run] = [asdict(place) for place in places]
    return replace(preferences, pins=dict(list(saved.items())[-MOST_RUNS:]) or None)


def from_ui(ui: UiState, *, size: tuple[int, int] | None = None) -> Preferences:
    """The preferences to save when a window closes.

    Args:
        size: Width and height of the window [px].
    """
    layers, follow = ui.own or (ui.layers, ui.follow)
    return Preferences(
        hint_seen=True,
        layers={name: layers[name] for name in LAYERS if name in ui.chosen},
        follow=follow,
        plot_terms=ui.plot_terms,
        theme=ui.theme,
        scale=ui.scale,
        size=size,
        videos=ui.filming.folder,
        fast_films=ui.filming.fast,
        still_times=ui.filming.times,
        look=kept(ui.look),
        views=[asdict(view) for view in ui.look.saved],
    )
