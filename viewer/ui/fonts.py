"""Chooses the font of the window: Polyscope's own, or one of the system for names in scripts that this one lacks.

Polyscope's font has the Latin, Greek and Cyrillic letters. ImGui places letters one after the other from left to right,
so Arabic, Hebrew and the scripts of India are not joined or ordered as they should be, whatever the font.
"""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from viewer.ui.drawing import ps

log = logging.getLogger(__name__)

CHOSEN = "HUMORSCOPE_FONT"
"""Environment variable with the path of a .ttf, .ttc or .otf file to use in any case."""
HAS_UP_TO = 0x052F
"""Last of the letters that Polyscope's font has: the end of Cyrillic."""
SYMBOLS = range(0x2000, 0x2C00)
"""Punctuation, arrows and signs, which are in no script."""
SIZE = 18.0
"""Size [px] at which the font is loaded; ``theme`` scales it."""
OF_SYSTEMS = (
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
    "/System/Library/Fonts/PingFang.ttc",
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/malgun.ttf",
    "C:/Windows/Fonts/meiryo.ttc",
)
"""Fonts of macOS and Windows with Chinese, Japanese or Korean. On Linux fontconfig is asked."""


def use_font_for(names: Iterable[str]) -> None:
    """Let Polyscope's next start use a font that can show these names, if its own cannot and there is one."""
    chosen = font_for(names)
    if chosen is None:
        ps.clear_prepare_imgui_fonts_callback()
        return

    def load(atlas):
        font = atlas.AddFontFromFileTTF(str(chosen), SIZE)
        return font, font

    ps.set_prepare_imgui_fonts_callback(load)


def font_for(names: Iterable[str]) -> Path | None:
    """The font that the user has chosen, or one of the system that has the letters of the names.

    None where Polyscope's own font will do, or where no other is found.
    """
    if chosen := os.environ.get(CHOSEN):
        if Path(chosen).is_file():
            return Path(chosen)
        log.warning("%s=%s: no such file; the window has its usual font", CHOSEN, chosen)
    foreign = sorted({letter for name in names for letter in name if _is_foreign(letter)})
    if not foreign:
        return None
    found = _of_fontconfig("".join(foreign)) or next((Path(path) for path in OF_SYSTEMS if Path(path).is_file()), None)
    if found is None:
        log.warning("no font was found with the letters %s; %s can name one", "".join(foreign[:8]), CHOSEN)
    return found


def _is_foreign(letter: str) -> bool:
    return ord(letter) > HAS_UP_TO and ord(letter) not in SYMBOLS and letter.isprintable()


def _of_fontconfig(letters: str) -> Path | None:
    """A font that fontconfig knows with all these letters."""
    wanted = " ".join(f"{ord(letter):x}" for letter in letters)
    command = ["fc-list", "-f", "%{file}\n", f":charset={wanted}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10.0, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    files = [Path(line) for line in done.stdout.splitlines() if line.endswith((".ttf", ".ttc", ".otf"))]
    regular = [file for file in files if "Sans" in file.name and "Regular" in file.name]
    return min(regular or files, default=None)
