"""The picture of one iteration of Levenberg–Marquardt: the steps that it tried, their damping and their gain ratios."""

from __future__ import annotations

from viewer.protocol.findings import DampedSteps
from viewer.ui import theme
from viewer.ui.drawing import psim
from viewer.ui.widgets import font, number, styled, tooltip

_HELP = (
    "damping: share of the curvature's diagonal that is added to it; a large one makes the step short and steep. "
    "promised: decrease of the loss that the quadratic model promised. "
    "gain: decrease found / decrease promised; 1 means that the model is right. "
    "A step is taken if its gain is above {least:g}; otherwise the damping grows and another step is tried."
)


def damped_steps(found: DampedSteps) -> None:
    """What came of the iteration in words, and a row per step tried."""
    ended = f"step ended: {found.stop}" if found.stop else "step goes on"
    with font(theme.SMALL_FONT):
        psim.TextUnformatted(f"{_outcome(found)} · ")
        psim.SameLine(0.0, 0.0)
        stuck = found.stalled and not found.accepted.any()
        color = theme.DIM if found.stop is None else theme.BAD if stuck else theme.ACCENT
        psim.TextColored(theme.rgba(color), ended)
        tooltip(
            ("Further steps would be of no use. " if found.stalled else "")
            + f"Iteration {found.iterations} of the step, {found.evaluations} evaluations. "
            f"Largest entry of the gradient: {number(found.gradient)}."
        )
        psim.TextColored(theme.rgba(theme.DIM), f"loss {number(found.start)} before · next damping {found.damping:.1e}")
    _table(found)


def _outcome(found: DampedSteps) -> str:
    if not len(found.values):
        return "no step could be computed"
    if not found.accepted.any():
        return f"none of {len(found.values)} steps was better"
    return f"accepted with gain ratio {found.gains[found.accepted][0]:.2f}"


def _table(found: DampedSteps) -> None:
    flags = psim.ImGuiTableFlags_ScrollY | psim.ImGuiTableFlags_BordersInnerH | psim.ImGuiTableFlags_NoPadOuterX
    with font(theme.SMALL_FONT), styled(CellPadding=(3.0, 1.0)):
        if not psim.BeginTable("steps", 5, int(flags)):
            return
        psim.TableSetupScrollFreeze(0, 1)
        for label in ("damping", "loss", "promised", "gain", ""):
            psim.TableSetupColumn(label)
        psim.TableHeadersRow()
        tooltip(_HELP.format(least=found.least_gain))
        rows = zip(found.dampings, found.values, found.promised, found.gains, found.accepted, strict=True)
        for damping, value, promised, gain, accepted in rows:
            psim.TableNextRow()
            for cell in (f"{damping:.1e}", number(float(value)), number(float(promised)), f"{gain:.2f}"):
                psim.TableNextColumn()
                psim.TextColored(theme.rgba(theme.TEXT if accepted else theme.DIM), cell)
            psim.TableNextColumn()
            word = "accepted" if accepted else "rejected"
            psim.TextColored(theme.rgba(theme.GOOD if accepted else theme.BAD), word)
        psim.EndTable()
