"""The panel Data: leaves out the observations of some frames, or lowers the confidence of their 2D keypoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from optim.checks.check import SEVERITIES, Checked, Choice
from optim.checks.contradictions import Doubt, listed
from optim.problem.coverage import NAMES, Coverage, coverage_of
from optim.session.edits import DropFrames, ScaleConfidence, TrustKeypoints
from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.drawing import psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import caption, disabled, dot, scale, sequence_choice, tooltip

LEAVE_OUT = "Leave out"
LEAVE_OUT_HELP = "The observations of these frames are no longer fitted (undo: Ctrl+Z)"
TRUST, MOST_TRUST = "Trust", 4.0
FACTOR_HELP = "Factor for the confidence of 2D keypoints"
TRUST_HELP = "Multiply the confidence of the 2D keypoints in these frames"
DOUBTED = "Contradicting keypoints"
TRUST_DOUBTED_HELP = (
    "Trusted keypoints are taken as they are; of doubted ones exchanged sides are put back, and the others hardly count"
    " (undo: Ctrl+Z)"
)
TRUST_ALL, DOUBT_ALL = "Trust all", "Doubt all again"
MOST_DOUBTS = 40
"""Largest number of doubts that are listed."""
_COLORS = {"good": "TEXT", "warn": "WARN", "bad": "BAD"}
Numbered = tuple[int, Doubt]
"""A sub-sequence of the batch, and a doubt in it."""


def data_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Draw how much was observed, what the checks found, a range of frames, and the edits for that range.

    What was found scrolls, so that the edits stay in sight.
    """
    several = len(view.scene.starts) > 1
    edits = (3 if several else 2) * psim.GetFrameHeightWithSpacing()
    psim.BeginChild("found in the data", (0.0, max(psim.GetContentRegionAvail()[1] - edits, psim.GetTextLineHeight())))
    found = coverage(view)
    if found is not None:
        psim.PushTextWrapPos(0.0)
        psim.TextColored(theme.rgba(getattr(theme, _COLORS[found.level])), found.text)
        psim.PopTextWrapPos()
        if found.longest_gap[2]:
            _, start, length = found.longest_gap
            if psim.SmallButton(f"longest gap: {length} frames"):
                ui.go_to(view.scene.starts[found.longest_gap[0]] + start, view.scene.clip_frames)
            tooltip("Go to its first frame")
    yield from _doubts(view, ui)
    _checks(view.scene.checked, ui)
    psim.EndChild()
    ui.sequence = sequence_choice("data of", ui.sequence, view.scene)
    first, last = _range(view, ui)
    sub_sequence = ui.sequence if several else None
    if psim.Button(LEAVE_OUT):
        yield DropFrames(first, last + 1, sub_sequence=sub_sequence)
    tooltip(LEAVE_OUT_HELP)
    psim.SameLine()
    with disabled(not has_keypoints(view)):
        psim.SetNextItemWidth(62.0 * scale())
        _, ui.trust = psim.DragFloat("##trust", ui.trust, 0.01, 0.0, MOST_TRUST, "× %.2f")
        tooltip(FACTOR_HELP)
        psim.SameLine()
        if psim.Button(TRUST):
            yield ScaleConfidence(ui.trust, first, last + 1, sub_sequence=sub_sequence)
    tooltip(TRUST_HELP if has_keypoints(view) else "No 2D")


def coverage(view: ViewModel) -> Coverage | None:
    """How much was observed. None if nothing was."""
    seen = {name: getattr(view.scene.observed, name) for name in NAMES}
    masks = {name: _mask(name, data) for name, data in seen.items() if data is not None}
    return coverage_of(masks) if masks else None


def has_keypoints(view: ViewModel) -> bool:
    """Whether 2D keypoints are fitted, which alone have a confidence."""
    return view.scene.observed.joints2d is not None


def doubts(view: ViewModel) -> list[Numbered]:
    """Sub-sequence and doubt of all keypoints that contradict others."""
    codes = view.scene.observed.doubts
    return [] if codes is None else [(b, doubt) for b, one in enumerate(codes) for doubt in listed(one)]


def about_doubts(found: Sequence[Numbered]) -> tuple[str, str]:
    """How many of the doubts are left, and what the button for all of them is called."""
    left = sum(not doubt.trusted for _, doubt in found)
    return f"{left} of {len(found)} doubted", TRUST_ALL if left else DOUBT_ALL


def told(numbered: Numbered, view: ViewModel) -> str:
    """A doubt in words, with the number of its sub-sequence where there are several."""
    b, doubt = numbered
    return f"{b + 1}: {doubt.text}" if len(view.scene.starts) > 1 else doubt.text


def change_all(view: ViewModel) -> TrustKeypoints:
    """The edit that trusts all doubted keypoints, or doubts all again if none is left."""
    return TrustKeypoints(any(not doubt.trusted for _, doubt in doubts(view)), 0, view.scene.num_frames)


def change_one(numbered: Numbered, view: ViewModel, *, trusted: bool) -> TrustKeypoints:
    """The edit that trusts the keypoints of one doubt, or doubts them again."""
    b, doubt = numbered
    several = len(view.scene.starts) > 1
    return TrustKeypoints(trusted, doubt.start, doubt.end, doubt.keypoints, b if several else None)


def _doubts(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Draw a line for each doubt, with a switch that trusts its keypoints again; a click goes to its first frame."""
    found = doubts(view)
    if not found:
        return
    summary, button = about_doubts(found)
    caption(DOUBTED, summary)
    if psim.SmallButton(button):
        yield change_all(view)
    for number, (b, doubt) in enumerate(found[:MOST_DOUBTS]):
        changed, trusted = psim.Checkbox(f"trust again##doubt {number}", doubt.trusted)
        tooltip(TRUST_DOUBTED_HELP)
        if changed:
            yield change_one((b, doubt), view, trusted=trusted)
        psim.SameLine()
        if psim.SmallButton(f"go##doubt {number}"):
            ui.go_to(view.scene.starts[b] + doubt.start, view.scene.clip_frames)
        tooltip("Go to its first frame")
        psim.PushStyleColor(psim.ImGuiCol_Text, theme.rgba(theme.DIM if doubt.trusted else theme.WARN))
        psim.TextWrapped(told((b, doubt), view))
        psim.PopStyleColor()
    if len(found) > MOST_DOUBTS:
        psim.TextUnformatted(f"and {len(found) - MOST_DOUBTS} more")


def _checks(rows: Sequence[Checked], ui: UiState) -> None:
    """Draw one line for each check: a dot in the colour of its severity, its name, and its sentence in a tooltip.

    Other ways to read the data stand between them as buttons, where the fit can begin again.
    """
    if not rows:
        return
    wrong = sum(row.severity not in ("fine", "note") for row in rows)
    caption("Checks of the data", f"{wrong} of {len(rows)} not as assumed" if wrong else f"{len(rows)} made")
    for row in sorted(rows, key=lambda row: SEVERITIES.index(row.severity)):
        dot(_color(row), hollow=row.severity == "fine")
        if row.severity == "fine":
            psim.TextUnformatted(f"{row.check}: as assumed")
        else:
            psim.PushStyleColor(psim.ImGuiCol_Text, theme.rgba(_color(row)))
            psim.TextWrapped(f"{row.check}{', others:' if row.choices else f': {row.told}'}")
            psim.PopStyleColor()
        tooltip(row.told)
        if row.choices:
            _choices(row.choices, ui)
            psim.TextWrapped("; ".join(part for part in (row.seen, row.meant) if part))
            tooltip(row.told)


def _choices(choices: Sequence[Choice], ui: UiState) -> None:
    """One button for each other way to read the data; a click begins again with its flags."""
    right, style = psim.GetCursorScreenPos()[0] + psim.GetContentRegionAvail()[0], psim.GetStyle()
    for number, choice in enumerate(choices):
        width = psim.CalcTextSize(choice.label)[0] + 2 * style.FramePadding[0]
        if number and psim.GetItemRectMax()[0] + style.ItemSpacing[0] + width < right:
            psim.SameLine()
        with disabled(not ui.opening.can_begin_again):
            if psim.SmallButton(choice.label):
                ui.opening.ask_again(choice.flags)
        how = "Begin again with" if ui.opening.can_begin_again else "Only where this fit was started; there it takes"
        tooltip(f"{choice.help}. {how} {' '.join(choice.flags)}")


def _color(row: Checked) -> theme.Color:
    return {"fine": theme.GOOD, "note": theme.WARN}.get(row.severity, theme.BAD)


def _mask(name: str, data: np.ndarray) -> np.ndarray:
    """Which points were observed (B, T, K): keypoints with a confidence, others that are finite."""
    return data[..., 2] > 0 if name == "joints2d" else np.isfinite(data[..., 0])


def _range(view: ViewModel, ui: UiState) -> tuple[int, int]:
    """First and last frame, counted in the sub-sequence."""
    last = view.scene.num_frames - 1
    first, final = (min(frame, last) for frame in ui.data_frames)
    for index, label in enumerate(("from", "to")):
        if index:
            psim.SameLine()
        psim.SetNextItemWidth(64.0 * scale())
        value = (first, final)[index]
        _, value = psim.DragInt(f"##{label}", value, 0.3, 0, last, f"{label} %d")
        tooltip("Frames of the sub-sequence; drag, or double-click to type")
        first, final = (value, max(value, final)) if index == 0 else (min(first, value), value)
    psim.SameLine()
    local = view.scene.local_frame(min(ui.sequence, len(view.scene.starts) - 1), ui.frame)
    with disabled(local is None):
        if psim.SmallButton("this one") and local is not None:
            first = final = local
    tooltip("The frame that is shown")
    ui.data_frames = (first, final)
    return first, final
