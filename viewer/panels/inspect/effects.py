"""The panel Effect: what each weight would do to a figure, one weight by a large factor, and a short trial."""

from __future__ import annotations

import math
from collections.abc import Iterator

from optim.diagnostics.quantities import QUANTITIES, ROUGH, TUNED
from viewer.protocol.commands import Analyse, BreakOff, Command
from viewer.protocol.findings import UNDER_WAY, WeightEffects, WeightProbe, WeightTrial
from viewer.protocol.view_model import Analysis, ViewModel
from viewer.ui import theme
from viewer.ui.drawing import psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import disabled, explanation, font, scale, styled, tooltip

FACTORS = (0.1, 1 / 3, 1.3, 3.0, 10.0, 30.0)
"""Factors that a probe and a trial offer."""
INTRODUCTION = (
    "Choose a figure, and ask which weights move it. Then one weight by a larger factor can be predicted, or tried in a"
    " short re-fit. The fit itself stays as it is."
)
WEIGHT_WIDTH = 130.0
"""Width [px at 96 dpi] of the list of weights."""
OVERVIEW = "What moves it?"
OVERVIEW_HELP = "Predict what each weight × 1.3 would do to this figure, in some seconds. A command breaks it off"
PREDICT, TRY = "Predict", "Try it"
PREDICT_HELP = "Predict the fit with this weight; the layer Predicted draws its motion if it lowers the loss"
TRY_HELP = "Re-fit for some iterations with this weight and without it, apart from the fit, and compare"
STOP, STOP_HELP = "Stop", "Break off the prediction or the trial"


def effects_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Choose a figure and ask for the overview; choose a weight and a factor, and predict or try it."""
    if psim.BeginChild("effects body", (0.0, 0.0)):
        with font(theme.SMALL_FONT), styled(FramePadding=(5.0, 1.0), ItemSpacing=(5.0, 3.0)):
            yield from _overview_asked(view, ui)
            answer = view.analyses.get("weight_effects")
            if answer is None:
                explanation(INTRODUCTION)
            else:
                _overview(view, ui, answer)
            yield from _one_asked(view, ui)
            for found in told(view):
                psim.TextWrapped(one_text(found, outdated=found.snapshot != view.shown))
            if is_under_way(view):
                if psim.Button(STOP):
                    yield BreakOff()
                tooltip(STOP_HELP)
    psim.EndChild()


def told(view: ViewModel) -> list[Analysis]:
    """The answers about one weight, or that they are under way."""
    return [view.analyses[kind] for kind in ("weight_probe", "weight_trial") if kind in view.analyses]


def is_under_way(view: ViewModel) -> bool:
    """Whether a second process works on a question about one weight."""
    return any(answer.error == UNDER_WAY for answer in told(view))


def _overview_asked(view: ViewModel, ui: UiState) -> Iterator[Command]:
    psim.SetNextItemWidth(110.0 * scale())
    if psim.BeginCombo("##figure", QUANTITIES[ui.effect_figure].label):
        for name in TUNED:
            quantity = QUANTITIES[name]
            if psim.Selectable(f"{quantity.label} [{quantity.unit}]##{name}", name == ui.effect_figure):
                ui.effect_figure = name
            tooltip(quantity.definition)
        psim.EndCombo()
    psim.SameLine()
    if psim.Button(OVERVIEW):
        yield overview_of(view, ui)
    tooltip(OVERVIEW_HELP)


def _overview(view: ViewModel, ui: UiState, answer: Analysis) -> None:
    if not isinstance(answer.value, WeightEffects):
        psim.TextDisabled(overview_text(answer, outdated=False))
        return
    found = answer.value
    psim.TextWrapped(overview_text(answer, outdated=answer.snapshot != view.shown))
    if psim.BeginTable("effects", 2, int(psim.ImGuiTableFlags_RowBg)):
        for weight, change in in_order(found):
            psim.TableNextRow()
            psim.TableNextColumn()
            if psim.Selectable(f"{weight.replace('_', ' ')}##{weight}", weight == ui.effect_weight):
                ui.effect_weight = weight
            psim.TableNextColumn()
            psim.TextUnformatted(change_text(found, change))
        psim.EndTable()
    explanation(floor_text(found))


def overview_of(view: ViewModel, ui: UiState) -> Analyse:
    """The question what each weight would do to the chosen figure."""
    return Analyse("weight_effects", view.shown, (("figure", ui.effect_figure),))


def question_of(kind: str, view: ViewModel, ui: UiState) -> Analyse:
    """The question (``weight_probe`` or ``weight_trial``) what the chosen weight by the chosen factor would do."""
    return Analyse(kind, view.shown, (("weight", ui.effect_weight), ("factor", ui.effect_factor)))


def overview_text(answer: Analysis, *, outdated: bool) -> str:
    """What the overview is about, or why there is none."""
    found = answer.value
    if not isinstance(found, WeightEffects):
        return answer.error or "nothing to predict"
    quantity = QUANTITIES[found.figure]
    what = "which way it would go, roughly" if found.rough else "change, within a factor of 2"
    head = f"{quantity.label} {quantity.text(found.value)}; every weight × {found.factor:g}: {what}"
    return head + ("; of an earlier iteration" if outdated else "")


def floor_text(found: WeightEffects) -> str:
    """What counts as no visible effect."""
    quantity = QUANTITIES[found.figure]
    size = f"{found.floor:.{max(quantity.digits, 2)}g} {quantity.unit}".rstrip()
    return f"No visible effect: below {size}, by which two re-fits or the latest iterations differ anyhow."


def in_order(found: WeightEffects) -> list[tuple[str, float]]:
    """Weights and what they change, the largest change first."""
    return sorted(found.changes.items(), key=lambda item: -abs(item[1]))


def change_text(found: WeightEffects, change: float) -> str:
    """A predicted change in words: an arrow only where its size is not known, nothing below the noise floor."""
    if abs(change) <= found.floor:
        return "no visible effect"
    return arrow(change) if found.rough else f"{arrow(change)} about {size_text(found.figure, change)}"


def arrow(change: float) -> str:
    """Which way a figure goes."""
    return "↑" if change > 0 else "↓"


def way_text(figure: str, change: float) -> str:
    """Which way a figure goes, or that it stays as far as it is written."""
    return arrow(change) if float(size_text(figure, change).split()[0]) else "as it is"


def size_text(figure: str, change: float) -> str:
    """A change with sign and unit."""
    quantity = QUANTITIES[figure]
    return f"{change:+.{max(quantity.digits, 2)}f} {quantity.unit}".rstrip()


def weights_in_use(view: ViewModel) -> list[str]:
    """The weights that act on the drawn snapshot."""
    return [term.name for term, raw in zip(view.scene.terms, view.raw, strict=True) if not math.isnan(raw)]


def _one_asked(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Draw the lists of weights and factors, and two buttons; a click in the overview chooses a weight, too."""
    psim.SetNextItemWidth(WEIGHT_WIDTH * scale())
    if psim.BeginCombo("##weight", ui.effect_weight.replace("_", " ") or "choose a weight"):
        for name in weights_in_use(view):
            if psim.Selectable(f"{name.replace('_', ' ')}##one {name}", name == ui.effect_weight):
                ui.effect_weight = name
        psim.EndCombo()
    psim.SameLine()
    psim.SetNextItemWidth(64.0 * scale())
    if psim.BeginCombo("##factor", factor_text(ui.effect_factor)):
        for factor in FACTORS:
            if psim.Selectable(factor_text(factor), factor == ui.effect_factor):
                ui.effect_factor = factor
        psim.EndCombo()
    with disabled(not ui.effect_weight):
        psim.SameLine()
        if psim.Button(PREDICT):
            yield question_of("weight_probe", view, ui)
        tooltip(PREDICT_HELP)
        psim.SameLine()
        if psim.Button(TRY):
            yield question_of("weight_trial", view, ui)
        tooltip(TRY_HELP)


def factor_text(factor: float) -> str:
    """A factor in a few characters."""
    return f"× {factor:g}" if factor >= 1 else f"÷ {1 / factor:.3g}"


def one_text(answer: Analysis, *, outdated: bool) -> str:
    """The answer about one weight in words."""
    found = answer.value
    if isinstance(found, WeightProbe):
        head = f"Predicted for {found.weight} {factor_text(found.factor)}"
        if found.motion is None:
            return f"{head}: no use, the predicted motion does not lower the loss. Try it instead."
    elif isinstance(found, WeightTrial):
        head = f"Tried {found.weight} {factor_text(found.factor)}, {found.iterations} iterations against as many"
    else:
        return answer.error or "nothing to tell"
    rough = ROUGH if isinstance(found, WeightProbe) else ()
    parts = [
        f"{QUANTITIES[name].label} {way_text(name, change) if name in rough else size_text(name, change)}"
        for name, change in found.changes.items()
    ]
    return head + (" (an earlier iteration)" if outdated else "") + ": " + ", ".join(parts)
