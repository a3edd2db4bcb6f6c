"""The panel Why?: the causes of the trouble with evidence and advice, and where it shows; links to the frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from viewer.protocol.commands import Analyse, Command
from viewer.protocol.findings import Diagnosis, Verdict
from viewer.protocol.pace import duration
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.actions import DIAGNOSE
from viewer.ui.asking import is_current
from viewer.ui.drawing import psim
from viewer.ui.focus import FOCUSES, focus_on, view_of_rule
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import disabled, dot, font, number, scale, tooltip

COLORS = {"good": "GOOD", "warn": "WARN", "bad": "BAD"}
"""Level of a verdict → name of its colour in ``theme``."""
NO_FAULT, PLACES, IN_ORDER = "Nothing is wrong that the rules know of.", "Where it shows", "In order"


def diagnosis_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """A button, the causes with the likeliest first, what is in order, where it shows, and the terms' pull."""
    found = view.analyses.get("diagnosis")
    current = is_current(view, "diagnosis")
    with disabled(view.status.state == "running" or current):
        if psim.Button(DIAGNOSE.label):
            yield Analyse("diagnosis", view.shown)
    tooltip(DIAGNOSE.tooltip)
    psim.SameLine()
    psim.TextColored(theme.rgba(theme.DIM), about_answer(view, current))
    if found is None or found.value is None:
        if found is not None and found.error:
            psim.TextWrapped(found.error)
        return
    if psim.BeginChild("verdicts", (0.0, 0.0)):
        with disabled(not current):
            _verdicts(found.value, view, ui)
            psim.Separator()
            _pulls(found.value)
            _conflicts(found.value)
    psim.EndChild()


def about_answer(view: ViewModel, current: bool) -> str:
    """Which iteration the diagnosis is of, or how to get one."""
    found = view.analyses.get("diagnosis")
    if view.status.state == "running":
        return "pause the run to ask"
    if found is None:
        return "what causes the trouble, and where it shows"
    took = duration(found.seconds) if found.seconds >= 1 else f"{1000 * found.seconds:.0f} ms"
    when = f"iteration {view.history.number(found.snapshot)}, {took}"
    return when if current else f"{when}; not the one shown"


def _verdicts(found: Diagnosis, view: ViewModel, ui: UiState) -> None:
    """The faults, or that there are none; then where it shows; what is in order is folded away."""
    faults, places, good = grouped(found)
    if not faults:
        dot(theme.GOOD)
        psim.TextUnformatted(NO_FAULT)
    for index, verdict in enumerate(faults):
        _verdict(index, verdict, view, ui)
    psim.TextColored(theme.rgba(theme.DIM), PLACES)
    for index, verdict in enumerate(places, len(faults)):
        _verdict(index, verdict, view, ui)
    if good and psim.TreeNode(f"{IN_ORDER} ({len(good)})"):
        for index, verdict in enumerate(good, len(faults) + len(places)):
            _verdict(index, verdict, view, ui)
        psim.TreePop()


def grouped(found: Diagnosis) -> tuple[list[Verdict], list[Verdict], list[Verdict]]:
    """The faults with the likeliest first, where they show, and what is in order."""
    faults = [verdict for verdict in found.verdicts if verdict.level != "good"]
    return faults, list(found.places), [verdict for verdict in found.verdicts if verdict.level == "good"]


def lines_of(verdict: Verdict) -> tuple[str, str, str]:
    """A verdict in words: what was found, the evidence, and what to try; the last two may be empty."""
    text = f"{verdict.rule.capitalize()}: {verdict.text}" if verdict.rule else verdict.text
    if verdict.level == "good":
        return text, "", ""
    return text, "; ".join(verdict.evidence), f"Try: {verdict.advice}" if verdict.advice else ""


def _verdict(index: int, verdict: Verdict, view: ViewModel, ui: UiState) -> None:
    dot(getattr(theme, COLORS[verdict.level]))
    with font(theme.SMALL_FONT):
        if verdict.frame is not None:
            if psim.SmallButton(f"{verdict.frame}##verdict {index}"):
                ui.go_to(verdict.frame, view.scene.clip_frames)
            tooltip(f"Go to frame {verdict.frame}")
            psim.SameLine()
        seen_in = None if verdict.level == "good" else view_of_rule(verdict.rule, view)
        if seen_in is not None:
            psim.PushID(f"verdict {index}")
            if psim.SmallButton(FOCUSES[seen_in].title):
                if verdict.frame is not None:
                    ui.go_to(verdict.frame, view.scene.clip_frames)
                focus_on(ui, seen_in)
            tooltip(f"Look at it in this view: {FOCUSES[seen_in].help}. D brings the diagnosis back.")
            psim.PopID()
            psim.SameLine()
        psim.PushTextWrapPos(0.0)
        text, evidence, advice = lines_of(verdict)
        psim.TextUnformatted(text)
        if evidence:
            psim.TextColored(theme.rgba(theme.DIM), evidence)
        if advice:
            psim.TextUnformatted(advice)
        psim.PopTextWrapPos()


def _pulls(found: Diagnosis) -> None:
    """Gradient norm of every term (rows) on every variable (columns)."""
    psim.TextColored(theme.rgba(theme.DIM), "Pull of the terms on the variables [loss per unit]")
    flags = psim.ImGuiTableFlags_BordersInnerH | psim.ImGuiTableFlags_SizingFixedFit | psim.ImGuiTableFlags_ScrollX
    with font(theme.SMALL_FONT):
        height = (1 + len(found.terms)) * (psim.GetTextLineHeight() + 4.0 * scale()) + 14.0 * scale()
        if not psim.BeginTable("pulls", 1 + len(found.pull), int(flags), (0.0, height)):
            return
        psim.TableSetupScrollFreeze(1, 0)
        for label in ("", *found.pull):
            psim.TableNextColumn()
            psim.TextColored(theme.rgba(theme.DIM), label.replace("_", " "))
        for row, term in enumerate(found.terms):
            psim.TableNextRow()
            psim.TableNextColumn()
            psim.TextUnformatted(term.replace("_", " "))
            for norms in found.pull.values():
                psim.TableNextColumn()
                strongest = norms[row] == norms.max() and norms[row] > 0
                psim.TextColored(theme.rgba(theme.WARN if strongest else theme.TEXT), number(float(norms[row]), 3))
        psim.EndTable()


def _conflicts(found: Diagnosis) -> None:
    """The matrix of cosines as coloured cells, a term's name behind its row: red pulls against, green along."""
    psim.TextColored(theme.rgba(theme.DIM), "Terms against each other (red: opposite, green: same way)")
    side = 16.0 * scale()
    x, y = psim.GetCursorScreenPos()
    draw = psim.GetWindowDrawList()
    count = len(found.terms)
    psim.Dummy((side * count, side * count))
    hovered = psim.IsItemHovered()
    with font(theme.SMALL_FONT):
        down = (side - psim.GetTextLineHeight()) / 2
        for row, term in enumerate(found.terms):  # columns are in the same order
            place = x + side * count + 6.0 * scale(), y + side * row + down
            draw.AddText(place, theme.packed(theme.TEXT), term.replace("_", " "))
    for row in range(count):
        for column in range(count):
            value = float(found.cosine[row, column])
            at = (x + side * column, y + side * row), (x + side * (column + 1) - 1, y + side * (row + 1) - 1)
            color = theme.GOOD if value > 0 else theme.BAD
            strength = 0.0 if np.isnan(value) else abs(value)
            draw.AddRectFilled(*at, theme.packed(theme.mix(theme.RAISED, color, strength)), 2.0)
    if hovered and count:
        mouse = psim.GetIO().MousePos
        row, column = int((mouse[1] - y) / side), int((mouse[0] - x) / side)
        if 0 <= row < count and 0 <= column < count:
            names = [found.terms[i].replace("_", " ") for i in (row, column)]
            tooltip(f"{names[0]} / {names[1]}: cosine {number(float(found.cosine[row, column]))}")
