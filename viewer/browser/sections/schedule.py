"""The phases of the schedule, with steps, solver, frames and rule for ending early; presets, and skipping a phase."""

from __future__ import annotations

import html
from collections.abc import Iterator
from functools import partial

import viser

from optim.schedule.solvers import SOLVERS, solvers_of
from optim.session.edits import SetFlatRule, SetFrames, SetSolver, SetSteps, SkipPhase, UsePreset
from viewer.browser.controls import Asked, Entered, Inbox
from viewer.browser.sections.messages import small
from viewer.panels.fit.stages import (
    MOST_FLAT,
    MOST_STEPS,
    PRESET,
    PRESET_HELP,
    SKIP,
    flat_help,
    frames_help,
    least_steps,
    next_phase,
    preset_help,
    skip_help,
    steps_help,
)
from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.ui.ui_state import UiState


class Schedule:
    """A table of all phases, and the entries of the one that is chosen; the running one if none is."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState, view: ViewModel) -> None:
        self._inbox, self._view, self._asked, self._entered = inbox, view, Asked(ui), Entered(ui)
        self._chosen: int | None = None
        presets = "\n\n".join(f"{preset.name}: {preset_help(preset)}" for preset in view.scene.presets)
        self.table = gui.add_html("")
        self.preset = gui.add_dropdown(
            "preset", (PRESET, *(preset.name for preset in view.scene.presets)), hint=f"{PRESET_HELP}\n\n{presets}"
        )
        self.skip = gui.add_button(SKIP, icon=viser.Icon.PLAYER_SKIP_FORWARD)
        self.phase = gui.add_dropdown("phase", [phase.name for phase in view.phases])
        self.steps = gui.add_number("steps", 0, min=0, max=MOST_STEPS, step=1)
        self.solver = gui.add_dropdown("solver", [row.label for row in SOLVERS.values()])
        self.frames = gui.add_number("frames", 2, min=2, max=view.scene.num_frames, step=1)
        self.flat = gui.add_number("flat %", 0.0, min=0.0, max=MOST_FLAT, step=0.001)
        inbox.changed(self.preset, self._use)
        inbox.clicked(self.skip, lambda: [SkipPhase()])
        inbox.changed(self.phase, self._choose)
        inbox.changed(self.solver, self._solve_by)
        for name, widget in (("steps", self.steps), ("frames", self.frames), ("flat", self.flat)):
            inbox.changed(widget, partial(self._enter, name))

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """The schedule as it stands; entries that have come to rest."""
        self._view = view
        self.table.content = small(phases_table(view))
        self._inbox.show(self.preset, PRESET)
        self.skip.disabled, self.skip.hint = next_phase(view) is None, skip_help(view)
        index, every = self._index, view.scene.num_frames
        phase, over = view.phases[index], index < view.status.phase
        self._inbox.show(self.phase, phase.name)
        labels = tuple(SOLVERS[name].label for name in solvers_of(phase.stage))
        if self.solver.options != labels:
            self.solver.options = labels
        solver = self._asked.value(("solver", index), view, phase.solver)
        self._inbox.show(self.solver, SOLVERS[solver].label)
        self.solver.hint = SOLVERS[solver].help
        self.frames.visible = phase.stage >= 3
        known = {"steps": phase.steps, "frames": phase.frames or every, "flat": round(100 * phase.flat_gain, 6)}
        helps = {"steps": steps_help(phase), "frames": frames_help(phase, every), "flat": flat_help(phase)}
        for name, widget in (("steps", self.steps), ("frames", self.frames), ("flat", self.flat)):
            self._inbox.show(widget, self._entered.value((name, index), view, known[name]))
            widget.hint, widget.disabled = helps[name], over
        self.solver.disabled = over
        for (name, where), value in self._entered.rested():
            yield self._edit(name, where, value)

    @property
    def _index(self) -> int:
        """The phase that is chosen."""
        return self._view.status.phase if self._chosen is None else self._chosen

    def _choose(self, name: str) -> None:
        index = next(i for i, phase in enumerate(self._view.phases) if phase.name == name)
        self._chosen = None if index == self._view.status.phase else index

    def _enter(self, name: str, value: float) -> None:
        self._entered.enter((name, self._index), value)

    def _use(self, name: str) -> Iterator[Command]:
        if name != PRESET:
            yield UsePreset(name)

    def _solve_by(self, label: str) -> Iterator[Command]:
        index = self._index
        name = next(name for name in solvers_of(self._view.phases[index].stage) if SOLVERS[name].label == label)
        self._asked.ask(("solver", index), name)
        yield SetSolver(name, phase=index)

    def _edit(self, name: str, index: int, value: float) -> Command:
        view, every = self._view, self._view.scene.num_frames
        if name == "steps":
            return SetSteps(min(max(int(value), least_steps(view, index)), MOST_STEPS), phase=index)
        if name == "frames":
            return SetFrames(None if value >= every else max(int(value), 2), phase=index)
        gain = min(max(float(value), 0.0), MOST_FLAT) / 100
        return SetFlatRule(gain, view.phases[index].flat_iterations, phase=index)


def phases_table(view: ViewModel) -> str:
    """A row for each phase, the running one in bold."""
    rows = ["<tr><th></th><th>steps</th><th>frames</th><th>solver</th><th>flat %</th></tr>"]
    for index, phase in enumerate(view.phases):
        name, done = html.escape(phase.name), "all" if phase.frames is None else str(phase.frames)
        cells = (
            f"<b>{name}</b>" if index == view.status.phase else name,
            f"{phase.steps}", done, html.escape(SOLVERS[phase.solver].label), f"{100 * phase.flat_gain:.3g}",
        )  # fmt: skip
        rows.append("<tr>" + "".join(f'<td style="padding-right:0.9em">{cell}</td>' for cell in cells) + "</tr>")
    return f'<table style="text-align:left">{"".join(rows)}</table>'
