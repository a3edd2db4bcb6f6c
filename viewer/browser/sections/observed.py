"""What was observed, to edit: frames to leave out or to trust less, doubted keypoints, and another floor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import viser

from optim.session.edits import DropFrames, ScaleConfidence, TrustKeypoints
from viewer.browser.controls import Inbox
from viewer.browser.sections.messages import dotted, small
from viewer.browser.sections.section import sequence_numbered, sequence_numbers
from viewer.panels.inspect.floor import (
    ENTRIES,
    FEET,
    FEET_HELP,
    NO_CAMERA,
    SET_FLOOR,
    SET_FLOOR_HELP,
    entry_help,
    new_floor,
)
from viewer.panels.program.data import (
    DOUBTED,
    FACTOR_HELP,
    LEAVE_OUT,
    LEAVE_OUT_HELP,
    MOST_DOUBTS,
    MOST_TRUST,
    TRUST,
    TRUST_DOUBTED_HELP,
    TRUST_HELP,
    Numbered,
    about_doubts,
    change_all,
    change_one,
    coverage,
    doubts,
    has_keypoints,
    told,
)
from viewer.protocol.commands import Command
from viewer.protocol.planes import plane_of
from viewer.protocol.view_model import Scene, ViewModel
from viewer.ui import theme
from viewer.ui.asking import ask
from viewer.ui.ui_state import UiState

NONE = "choose one…"
GO, TRUST_AGAIN, DOUBT_AGAIN = "go", "trust again", "doubt again"


class Data:
    """How much was observed, what is doubted, a range of frames, and the edits for that range."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState, view: ViewModel) -> None:
        self._ui, self._inbox, self._view = ui, inbox, view
        self._told: Scene | None = None
        last = view.scene.num_frames - 1
        self.text = gui.add_markdown("")
        self.doubts = Doubts(gui, inbox, ui)
        self.sequence = gui.add_dropdown("data of", sequence_numbers(view), visible=len(view.scene.starts) > 1)
        self.frames = gui.add_multi_slider(
            "frames", 0, last, 1, (0, last), hint="Frames of the sub-sequence, from the first to the last"
        )
        self.drop = gui.add_button(LEAVE_OUT, hint=LEAVE_OUT_HELP, icon=viser.Icon.ERASER)
        self.factor = gui.add_slider("confidence ×", 0.0, MOST_TRUST, 0.05, ui.trust, hint=FACTOR_HELP)
        self.trust = gui.add_button(TRUST, hint=TRUST_HELP, icon=viser.Icon.SCALE)
        self.factor.visible = self.trust.visible = has_keypoints(view)
        inbox.changed(self.sequence, self._look_at)
        inbox.changed(self.frames, self._choose)
        inbox.changed(self.factor, self._weigh)
        inbox.clicked(self.drop, lambda: [DropFrames(*self._range, sub_sequence=self._sub_sequence)])
        inbox.clicked(
            self.trust, lambda: [ScaleConfidence(self._ui.trust, *self._range, sub_sequence=self._sub_sequence)]
        )

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """What is observed now, and the range that is chosen."""
        if view.scene is not self._told:
            self._told, found = view.scene, coverage(view)
            self.text.content = "" if found is None else found.text
        self._view = view
        self.doubts.follow(view)
        last, numbers = view.scene.num_frames - 1, sequence_numbers(view)
        if self.frames.max != last:
            self.frames.max = last
        if self.sequence.options != numbers:
            self.sequence.options = numbers
        self.sequence.visible = len(numbers) > 1
        first, final = (min(frame, last) for frame in ui.data_frames)
        self._inbox.show(self.frames, (first, final))
        self._inbox.show(self.sequence, numbers[min(ui.sequence, len(numbers) - 1)])
        self._inbox.show(self.factor, ui.trust)
        yield from ()

    @property
    def _range(self) -> tuple[int, int]:
        """First frame, and the one after the last."""
        last = self._view.scene.num_frames - 1
        return min(self._ui.data_frames[0], last), min(self._ui.data_frames[1], last) + 1

    @property
    def _sub_sequence(self) -> int | None:
        last = len(self._view.scene.starts) - 1
        return min(self._ui.sequence, last) if last > 0 else None

    def _choose(self, frames: tuple[int, ...]) -> None:
        self._ui.data_frames = (min(frames), max(frames))

    def _look_at(self, number: str) -> None:
        self._ui.sequence = sequence_numbered(self._view, number)

    def _weigh(self, factor: float) -> None:
        self._ui.trust = factor


class Doubts:
    """A folder with one paragraph for each doubt, made anew when a doubt has changed; hidden where there is none."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState) -> None:
        self._gui, self._inbox, self._ui = gui, inbox, ui
        self._view: ViewModel | None = None
        self._told: list[Numbered] = []
        self._body: viser.GuiFolderHandle | None = None
        self.folder = gui.add_folder(DOUBTED, visible=False)
        with self.folder:
            self.about = gui.add_html("")
            self.all = gui.add_button(" ", hint=TRUST_DOUBTED_HELP, icon=viser.Icon.SCALE)
        inbox.clicked(self.all, self._change_all)

    def follow(self, view: ViewModel) -> None:
        """What is doubted now."""
        before, self._view = self._view, view
        if before is not None and before.scene is view.scene:
            return
        found = doubts(view)
        self.folder.visible = bool(found)
        if found != self._told:
            self._told = found
            self._write(view)

    def _write(self, view: ViewModel) -> None:
        if self._body is not None:
            self._body.remove()
        self._body = None
        if not self._told:
            return
        summary, self.all.label = about_doubts(self._told)
        self.about.content = small(summary)
        with self.folder:
            self._body = self._gui.add_folder(None)
        with self._body:
            for numbered in self._told[:MOST_DOUBTS]:
                doubt = numbered[1]
                colour = theme.DIM if doubt.trusted else theme.WARN
                self._gui.add_html(small(dotted(colour, told(numbered, view))))
                options = [GO, DOUBT_AGAIN if doubt.trusted else TRUST_AGAIN]
                group = self._gui.add_button_group("keypoints", options, hint=TRUST_DOUBTED_HELP)
                self._inbox.clicked_by(group, self._act_of(numbered))
            if len(self._told) > MOST_DOUBTS:
                self._gui.add_html(small(f"and {len(self._told) - MOST_DOUBTS} more"))

    def _change_all(self) -> Iterator[TrustKeypoints]:
        if self._view is not None:
            yield change_all(self._view)

    def _act_of(self, numbered: Numbered) -> Callable[[viser.ClientHandle | None, str], list[TrustKeypoints]]:
        def act(client: viser.ClientHandle | None, label: str) -> list[TrustKeypoints]:
            view, (b, doubt) = self._view, numbered
            if view is None:
                return []
            if label == GO:
                self._ui.go_to(view.scene.starts[b] + doubt.start, view.scene.clip_frames)
                return []
            return [change_one(numbered, view, trusted=label == TRUST_AGAIN)]

        return act


class NewFloor:
    """Entries of another floor, and floors that the feet may stand on; only with a camera."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState, view: ViewModel) -> None:
        self._ui, self._inbox, self._view, self._guessing = ui, inbox, view, False
        fixed = view.scene.camera is None
        self.text = gui.add_markdown(NO_CAMERA if fixed else "")
        self.entries = [
            gui.add_slider(f"{label} [{unit.strip()}]", -bound, bound, 0.1, 0.0, hint=entry_help(label), disabled=fixed)
            for label, bound, unit in ENTRIES
        ]
        self.put = gui.add_button(SET_FLOOR, hint=SET_FLOOR_HELP, disabled=fixed)
        self.feet = gui.add_button(FEET, hint=FEET_HELP, disabled=fixed)
        self.guesses = gui.add_dropdown(FEET, (NONE,), visible=False)
        for index, entry in enumerate(self.entries):
            inbox.changed(entry, partial(self._move, index))
        inbox.clicked(self.put, lambda: [new_floor(self._view, plane_of(*self._ui.floor_draft))])
        inbox.clicked(self.feet, self._guess)
        inbox.changed(self.guesses, self._take)

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """The entries, and the guesses once they were asked for."""
        self._view = view
        for entry, value in zip(self.entries, ui.floor_draft, strict=True):
            self._inbox.show(entry, value)
        found = view.analyses.get("floor_guesses")
        known = found is not None and found.value is not None and found.snapshot == view.shown
        self.guesses.visible = self._guessing and known
        if self._guessing:
            yield from ask(view, ui, "floor_guesses")
            if known and found is not None:
                options = (NONE, *(f"{guess.name}: {guess.confidence}" for guess in found.value))
                if self.guesses.options != options:
                    self.guesses.options = options
                self.guesses.hint = "\n".join(f"{guess.name}: {guess.text}" for guess in found.value)
                self._inbox.show(self.guesses, NONE)

    def _move(self, index: int, value: float) -> None:
        draft = list(self._ui.floor_draft)
        draft[index] = value
        self._ui.floor_draft = (draft[0], draft[1], draft[2])

    def _guess(self) -> None:
        self._guessing = True

    def _take(self, label: str) -> Iterator[Command]:
        found = self._view.analyses.get("floor_guesses")
        if found is not None and found.value is not None:
            for guess in found.value:
                if f"{guess.name}: {guess.confidence}" == label:
                    self._guessing = False
                    yield new_floor(self._view, guess.plane)
