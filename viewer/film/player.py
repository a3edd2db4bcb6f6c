"""Plays a script in the window, picture by picture: posts commands, moves the frame cursor and the viewpoint.

It uses only the time of the video, never that of the machine, so that the same script gives the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from optim.session import edits
from viewer.film.script import DIRECTIVES, Directive, Script, ScriptError
from viewer.protocol import commands as c
from viewer.protocol.view_model import ViewModel
from viewer.scene.camera import Viewpoint, body_position, look
from viewer.ui.drawing import ps
from viewer.ui.layout import Rect
from viewer.ui.ui_state import LAYERS, Draft, UiState

_RUNS: dict[str, type[c.Command]] = {
    "iteration": c.Step,
    "step": c.StepOuter,
    "phase": c.RunPhase,
    "stage": c.RunStage,
    "end": c.Run,
}


@dataclass(frozen=True)
class Moment:
    """A directive at the time of one picture."""

    directive: Directive
    share: float  # share of its time that has passed
    view: ViewModel
    ui: UiState
    free: Rect  # what no panel covers

    @property
    def words(self) -> tuple[str, ...]:
        """The directive's arguments."""
        return self.directive.arguments


class Player:
    """Plays one script once; ``picture`` counts the pictures that have been prepared."""

    def __init__(self, script: Script, viewpoint: Viewpoint) -> None:
        self.script = script
        self.picture = 0
        self.compared: tuple[int, int] | None = None  # snapshots side by side
        self.titles: tuple[str, ...] = ()  # of those; may be empty
        self.caption = ""
        self.only_plays = False
        """Whether the picture prepared last differs from earlier ones by the frame of the clip alone."""
        self.comes_again = False
        """Whether the same frame will be shown again, in another loop of the clip."""
        self._viewpoint = viewpoint
        self._begun: dict[int, object] = {}  # line → state when its time began
        self._over: set[int] = set()
        self._act: dict[str, Callable[[Moment], Iterator[c.Command]]] = {
            name: getattr(self, f"_{name}") for name in DIRECTIVES
        }

    @property
    def done(self) -> bool:
        """Whether all pictures have been prepared."""
        return self.picture >= self.script.frames

    def prepare(self, current: Callable[[], ViewModel], ui: UiState, free: Callable[[], Rect]) -> Iterator[c.Command]:
        """Prepare the window for the next picture, yielding commands; resume it when the worker has carried one out.

        Args:
            current: Returns the latest view.
            free: Returns the part of the window that no panel covers.

        Raises:
            ScriptError: The script names something that does not exist.
        """
        time = self.picture / self.script.fps
        self.picture += 1
        self.only_plays, self.comes_again = True, False
        for directive in self.script.directives:
            if directive.start > time + 1e-9 or directive.line in self._over:
                continue
            length = directive.end - directive.start
            share = (time - directive.start) / length if length else 1.0
            if time + 1.5 / self.script.fps > directive.end:
                self._over.add(directive.line)
                share = 1.0
            self.only_plays &= directive.name == "play"
            try:
                yield from self._act[directive.name](Moment(directive, share, current(), ui, free()))
            except ValueError as error:
                raise ScriptError(f"line {directive.line}: {error}") from error

    # --- the optimiser

    def _run(self, now: Moment) -> Iterator[c.Command]:
        yield _RUNS[now.words[0]]()

    def _step(self, now: Moment) -> Iterator[c.Command]:
        done = self._begun.get(now.directive.line, 0)
        assert isinstance(done, int)
        wanted = round(now.share * int(now.words[0]))
        self._begun[now.directive.line] = wanted
        yield from [c.Step()] * (wanted - done)

    def _iteration(self, now: Moment) -> Iterator[c.Command]:
        ends = [_number(word, now.view) for word in (now.words * 2)[:2]]
        wanted = now.view.history.numbered(round(ends[0] + now.share * (ends[1] - ends[0])))
        if wanted != now.view.shown:
            yield c.Inspect(None if wanted == now.view.current else wanted)

    def _rewind(self, now: Moment) -> Iterator[c.Command]:
        wanted, last = _number(now.words[0], now.view), _number("end", now.view)
        if wanted > last:
            raise ValueError(f"rewind {wanted}: this branch has {last} iterations")
        yield edits.Rewind(now.view.history.numbered(wanted))

    def _weight(self, now: Moment) -> Iterator[c.Command]:
        names = [term.name for term in now.view.scene.terms]
        if now.words[0] not in names:
            raise ValueError(f"no weight is called {now.words[0]!r}; there are {', '.join(names)}")
        stage = now.view.phases[now.view.status.phase].stage
        first, last = (float(word) for word in (now.words[1:] * 2)[:2])
        value = np.exp((1 - now.share) * np.log(first) + now.share * np.log(last)) if min(first, last) > 0 else last
        if now.share < 1.0:
            now.ui.drafts[stage, now.words[0]] = Draft(float(value))
        else:
            now.ui.drafts[stage, now.words[0]] = Draft(last, sent=True)
            yield edits.SetWeight(now.words[0], last, stage)

    def _freeze(self, now: Moment) -> Iterator[c.Command]:
        yield edits.Hold(now.words[0])

    def _release(self, now: Moment) -> Iterator[c.Command]:
        yield edits.Release(now.words[0])

    # --- the screen

    def _frame(self, now: Moment) -> Iterator[c.Command]:
        last = now.view.scene.clip_frames - 1
        ends = [last if word == "end" else int(word) for word in (now.words * 2)[:2]]
        now.ui.go_to(round(ends[0] + now.share * (ends[1] - ends[0])), last + 1)
        yield from ()

    def _play(self, now: Moment) -> Iterator[c.Command]:
        first = self._begun.setdefault(now.directive.line, now.ui.frame)
        assert isinstance(first, int)
        speed = float(now.words[0]) if now.words else 1.0
        seconds = (self.picture - 1) / self.script.fps - now.directive.start
        count, passed = now.view.scene.clip_frames, seconds * speed * now.view.scene.fps
        left = (now.directive.end - now.directive.start - seconds) * speed * now.view.scene.fps
        self.comes_again = left > count
        now.ui.playing = False
        now.ui.frame = (first + int(passed + 1e-6)) % count  # 0.2 s at 30 frames per second are 5.999… frames
        yield from ()

    def _look(self, now: Moment) -> Iterator[c.Command]:
        if now.words[0] == "home":
            self._viewpoint.home(now.view, now.free, now.ui.frame, following=now.ui.follow)
        elif now.words[0] == "camera":
            now.ui.follow = False
            self._viewpoint.from_camera(now.view)
        else:
            now.ui.follow = False
            eye, target = np.split(np.array([float(word) for word in now.words]), 2)
            begun = self._begun.setdefault(now.directive.line, _eye_and_target(float(np.linalg.norm(eye - target))))
            assert isinstance(begun, tuple)
            smooth = now.share * now.share * (3 - 2 * now.share)
            places = [a + smooth * (b - a) for a, b in zip(begun, (eye, target), strict=True)]
            ps.set_camera_view_matrix(look(places[0], places[1], up=np.array(now.view.up)))
        yield from ()

    def _orbit(self, now: Moment) -> Iterator[c.Command]:
        turned = self._begun.get(now.directive.line, 0.0)
        assert isinstance(turned, float)
        wanted = now.share * np.radians(float(now.words[0]))
        self._begun[now.directive.line] = float(wanted)
        centre = body_position(now.view, now.ui.frame)
        if centre is not None:
            _orbit(centre, float(wanted) - turned, up=np.array(now.view.up))
        yield from ()

    def _layer(self, now: Moment) -> Iterator[c.Command]:
        if now.words[0] not in LAYERS:
            raise ValueError(f"no layer is called {now.words[0]!r}; there are {', '.join(LAYERS)}")
        if now.ui.layers[now.words[0]] != (now.words[1] == "on"):
            now.ui.switch(now.words[0])
        now.ui.chosen.add(now.words[0])
        yield from ()

    def _tab(self, now: Moment) -> Iterator[c.Command]:
        if now.words[0] not in now.ui.slots:
            raise ValueError(f"no panel is called {now.words[0]!r}; there are {', '.join(now.ui.slots)}")
        now.ui.show_panel(now.words[0])
        yield from ()

    def _plots(self, now: Moment) -> Iterator[c.Command]:
        now.ui.wide = now.words[0] == "large"
        yield from ()

    def _caption(self, now: Moment) -> Iterator[c.Command]:
        self.caption = "" if now.share == 1.0 and now.directive.end > now.directive.start else now.words[0]
        yield from ()

    def _compare(self, now: Moment) -> Iterator[c.Command]:
        if now.words == ("off",):
            self.compared = None
            yield c.Inspect(None)
            return
        one, other = (now.view.history.numbered(_number(word, now.view)) for word in now.words[:2])
        self.compared, self.titles = (one, other), now.words[2:]

    def _end(self, now: Moment) -> Iterator[c.Command]:
        yield from ()


def _number(word: str, view: ViewModel) -> int:
    """The number of an iteration as the screen shows it; ``end`` is the last one of the current branch."""
    return view.history.number(view.current) if word == "end" else int(word)


def _eye_and_target(distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the viewpoint and of the point that it looks at, which is at a given distance."""
    matrix = np.array(ps.get_camera_view_matrix())
    eye = -matrix[:3, :3].T @ matrix[:3, 3]
    return eye, eye - distance * matrix[2, :3]


def _orbit(centre: np.ndarray, angle: float, *, up: np.ndarray) -> None:
    """Turn the viewpoint by an angle [rad] about the vertical axis through a point."""
    x, y, z = up
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    about = np.eye(4)
    about[:3, :3], about[:3, 3] = turn, centre - turn @ centre
    ps.set_camera_view_matrix(np.array(ps.get_camera_view_matrix()) @ np.linalg.inv(about))
