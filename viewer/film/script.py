"""Reads scripts of films: text files that say what happens at which time of the video.

Each line is ``TIME NAME ARGUMENTS``. TIME is in seconds of the video, ``2`` for a moment or ``2-5.5`` for a stretch of
time. A line may also be a setting (``size 1280 720``, ``fps 30``, ``panels on``); ``#`` begins a comment.
``DIRECTIVES`` lists all names, ``READY_MADE`` holds the scripts that come with the program.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from optim.common.errors import InputError
from optim.reading.files import read_text

MOST_SCRIPT = 1024**2
"""Largest size of a script [bytes]."""
FAST_HEIGHT, FAST_FPS = 540, 15.0
"""Height [px] and pictures per second of a video in the fast look; ``viewer.commands.film_cost`` measures it."""


class ScriptError(ValueError):
    """A script that cannot be played; the message names the line, what came and what to write."""


@dataclass(frozen=True)
class Kind:
    """How one kind of directive is written."""

    usage: str
    least: int
    most: int
    takes_time: bool | None  # whether it needs a stretch of time; None: it may have one


DIRECTIVES: dict[str, Kind] = {
    "run": Kind("run iteration|step|phase|stage|end", 1, 1, False),
    "step": Kind("A-B step N: N iterations, evenly", 1, 1, True),
    "iteration": Kind("iteration N, or A-B iteration N M; 'end' is the newest", 1, 2, None),
    "rewind": Kind("rewind N: go on from that iteration", 1, 1, False),
    "frame": Kind("frame N, or A-B frame N M; 'end' is the last", 1, 2, None),
    "play": Kind("A-B play [SPEED]: the clip, from the frame it is at, in a loop", 0, 1, True),
    "look": Kind("look home|camera, or look X Y Z  X Y Z: from where, at what [m]; A-B moves there", 1, 6, None),
    "orbit": Kind("A-B orbit DEGREES: around the body", 1, 1, True),
    "weight": Kind("weight TERM VALUE; A-B weight TERM FROM TO moves the slider", 2, 3, None),
    "freeze": Kind("freeze VARIABLE", 1, 1, False),
    "release": Kind("release VARIABLE", 1, 1, False),
    "layer": Kind("layer NAME on|off", 2, 2, False),
    "tab": Kind("tab PANEL: bring it to the front", 1, 1, False),
    "plots": Kind("plots large|small", 1, 1, False),
    "caption": Kind("caption TEXT, or A-B caption TEXT", 1, 1, None),
    "compare": Kind('compare N M ["ONE" "OTHER"]: two iterations side by side, with titles; compare off', 1, 4, False),
    "end": Kind("end: nothing more happens", 0, 0, False),
}


@dataclass(frozen=True)
class Directive:
    """One line with a time."""

    line: int
    start: float  # seconds
    end: float  # equal to the start if it takes no time
    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Script:
    """A whole script."""

    directives: tuple[Directive, ...]
    size: tuple[int, int] = (1280, 720)
    fps: float = 30.0
    panels: bool | None = None
    """None where the script does not say: without panels, or in the window as its user chose."""

    @property
    def seconds(self) -> float:
        """Length of the video."""
        return max((directive.end for directive in self.directives), default=0.0)

    @property
    def frames(self) -> int:
        """Pictures in the video, at least one."""
        return max(round(self.seconds * self.fps), 1)


def faster(script: Script) -> Script:
    """The script for a smaller video with fewer pictures, which takes about a third of the time or less."""
    width, height = script.size
    shrink = min(1.0, FAST_HEIGHT / height)
    size = 2 * round(width * shrink / 2), 2 * round(height * shrink / 2)
    return replace(script, size=size, fps=min(script.fps, FAST_FPS))


def read_script(name: str) -> Script:
    """Read a ready-made script by its name, or a file.

    Raises:
        ScriptError: There is no such file, or a line of it cannot be understood.
    """
    if name in READY_MADE:
        return parse_script(READY_MADE[name], where=name)
    path = Path(name)
    try:
        return parse_script(read_text(path, what="a script", most=MOST_SCRIPT), where=str(path))
    except InputError as error:
        raise ScriptError(f"{error}; ready-made ones: {', '.join(READY_MADE)}") from None


def parse_script(text: str, *, where: str = "script") -> Script:
    """Parse a script.

    Args:
        where: Name of the script, for messages.

    Raises:
        ScriptError: A line cannot be understood; the message has its number.
    """
    settings: dict[str, object] = {}
    directives: list[Directive] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if words[0] in _SETTINGS:
                settings[words[0]] = _SETTINGS[words[0]](words[1:])
            else:
                directives.append(_directive(number, words))
        except ValueError as error:
            raise ScriptError(f"{where}, line {number}: {error}") from error
    ordered = tuple(sorted(directives, key=lambda d: (d.start, d.line)))
    return Script(directives=ordered, **settings)  # type: ignore[arg-type]


def _directive(number: int, words: list[str]) -> Directive:
    if len(words) < 2:
        raise ValueError(f"{' '.join(words)!r}: TIME NAME ARGUMENTS is expected, or a setting ({', '.join(_SETTINGS)})")
    start, end = _time(words[0])
    kind = DIRECTIVES.get(words[1])
    if kind is None:
        raise ValueError(f"nothing is called {words[1]!r}; there are {', '.join(DIRECTIVES)}")
    arguments = tuple(words[2:])
    if not kind.least <= len(arguments) <= kind.most:
        raise ValueError(f"{words[1]} with {len(arguments)} arguments; write {kind.usage}")
    if kind.takes_time is not None and kind.takes_time != (end > start):
        time = "a stretch of time, as 2-5" if kind.takes_time else "one moment, as 2"
        raise ValueError(f"{words[1]} takes {time}, not {words[0]}; write {kind.usage}")
    _check_arguments(words[1], arguments, takes_time=end > start)
    return Directive(number, start, end, words[1], arguments)


def _time(word: str) -> tuple[float, float]:
    first, dash, last = word.partition("-")
    try:
        start = float(first)
        end = float(last) if dash else start
    except ValueError:
        raise ValueError(f"{word!r} is no time; write seconds, as 2 or 2-5.5") from None
    if not 0 <= start <= end < 86400:
        raise ValueError(f"{word!r} is no time; the end comes after the start, both at least 0")
    return start, end


def _check_arguments(name: str, arguments: tuple[str, ...], *, takes_time: bool) -> None:
    """Check everything that can be checked before a fit is loaded; raises ``ValueError``."""
    numeric = {"step": int, "orbit": float, "play": float}
    if name in numeric:
        for argument in arguments:
            numeric[name](argument)
    if name in ("frame", "iteration", "rewind") or (name == "compare" and arguments != ("off",)):
        if name == "compare" and len(arguments) not in (2, 4):
            raise ValueError(f"write {DIRECTIVES[name].usage}")
        for argument in arguments[:2]:
            if argument != "end" and not argument.isdigit():
                raise ValueError(f"{name} {argument}: a number or 'end' is expected")
        if name != "compare" and (len(arguments) == 2) != takes_time:
            raise ValueError(f"write {DIRECTIVES[name].usage}")
    if name == "weight":
        [float(argument) for argument in arguments[1:]]
        if (len(arguments) == 3) != takes_time:
            raise ValueError(f"write {DIRECTIVES[name].usage}")
    if name == "look" and len(arguments) != 1:
        if len(arguments) != 6:
            raise ValueError(f"write {DIRECTIVES[name].usage}")
        [float(argument) for argument in arguments]
    choices = {
        "run": ("iteration", "step", "phase", "stage", "end"),
        "plots": ("large", "small"),
        "look": ("home", "camera") if len(arguments) == 1 else None,
        "layer": ("on", "off"),
    }
    allowed = choices.get(name)
    if allowed and arguments[-1] not in allowed:
        raise ValueError(f"{name} {arguments[-1]}: one of {', '.join(allowed)} is expected")


def _switch(words: list[str]) -> bool:
    if words not in (["on"], ["off"]):
        raise ValueError("panels on or panels off is expected")
    return words == ["on"]


def _size(words: list[str]) -> tuple[int, int]:
    if len(words) != 2 or not all(word.isdigit() for word in words):
        raise ValueError("size WIDTH HEIGHT in pixels is expected, as size 1280 720")
    width, height = (int(word) for word in words)
    if not (160 <= width <= 7680 and 120 <= height <= 4320):
        raise ValueError(f"size {width} {height}: between 160 × 120 and 7680 × 4320 is expected")
    return width, height


def _rate(words: list[str]) -> float:
    if len(words) != 1 or not 1 <= float(words[0]) <= 240:
        raise ValueError("fps NUMBER between 1 and 240 is expected")
    return float(words[0])


_SETTINGS: dict[str, Callable[[list[str]], object]] = {"size": _size, "fps": _rate, "panels": _switch}


def fit_text(progress: float, end: float) -> str:
    """A script that shows the iterations of a fit while the clip plays, then its motion.

    Args:
        progress: End of the first part [s]; with 0 there is none, and the end of the fit is shown.
        end: End of the video [s].
    """
    first = f"0-{progress:.6f} iteration 0 end\n0-{progress:.6f} play" if progress else "0 iteration end"
    return f"""
        0 look home
        0 layer rollout off
        {first}
        {progress:.6f} frame 0
        {progress:.6f}-{end:.6f} play
        """


READY_MADE = {
    "fit": fit_text(5.0, 9.0),
    "turntable": """
        # once around the body while it moves
        0 look home
        0-8 play
        0-8 orbit 360
        """,
    "before-after": """
        # where the fit began beside where it is
        0 layer rollout off
        0 compare 0 end before after
        0 look home
        0-8 play
        4-8 orbit 90
        """,
    "story": """
        # the main story: the drift after stage 2, a weight, x_0 held, another try
        panels on
        0 caption "Stages 1 and 2"
        0 run stage
        0 run stage
        0 look home
        0-2 play
        2 run iteration
        2 caption "The first roll-out of stage 3 drifts"
        2 tab drift
        2-4 play
        4 caption "Trust the observations more"
        4-6 weight joints3d 1 5
        6 freeze x_0
        6 caption "x_0 held: only the latents move"
        6-10 step 40
        10 caption ""
        10-14 orbit 180
        10-14 play
        """,
}
"""Name → script."""
