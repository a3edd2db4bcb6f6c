"""The views of the scene, one row each: which layers it shows, from where, beside which panel; and their legend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.ui_state import LAYERS, SHOWN_FROM_THE_START, UiState

MOST_SEQUENCES = 4
"""Sub-sequences that have a line of their own in the legend."""


@dataclass(frozen=True)
class Focus:
    """One row of the table."""

    title: str
    key: str
    layers: tuple[str, ...]
    """In the order of the legend; with none, the layers of the stage and those that the user has switched."""
    camera: str
    """Where to put the viewpoint; see ``UiState.camera_request``."""
    panel: str
    """Brought to the front."""
    help: str


FOCUSES: dict[str, Focus] = {
    "fit": Focus("Fit", "F2", (), "home", "losses", "The fit, its observations and its loss"),
    "drift": Focus(
        "Drift",
        "F3",
        ("rollout", "contacts", "floor"),
        "side",
        "drift",
        "How far the first roll-out leaves the motion of stage 2 [cm]",
    ),
    "overlaps": Focus(
        "Overlaps",
        "F4",
        ("body", "overlaps", "floor"),
        "home",
        "overlaps",
        "How far neighbouring sub-sequences are apart [cm]",
    ),
    "floor": Focus(
        "Floor",
        "F5",
        ("body", "floor", "floors", "contacts"),
        "side",
        "floor",
        "The floor's tilt [°] and height [cm], feet that sink, float or skate",
    ),
    "image": Focus(
        "Image",
        "F6",
        ("body", "observations", "film"),
        "camera",
        "data",
        "What the video camera saw, and the keypoints in it [px]",
    ),
}
"""Name of a view → its row."""


VIEW_OF_RULE = {
    "coverage": "image",
    "solver": "fit",
    "keypoints": "image",
    "camera": "image",
    "floor": "floor",
    "height": "floor",
    "prior": "drift",
    "unknown": "drift",
    "consistency": "overlaps",
    "feet": "floor",
}
"""Rule of *Why?* → the view in which its faults are seen; where that one is absent, "fit" shows them best."""


def view_of_rule(rule: str, view: ViewModel) -> str | None:
    """Name of the view in which the faults of a rule are seen; None for an unknown rule."""
    name = VIEW_OF_RULE.get(rule)
    return "fit" if name is not None and absent(name, view) else name


class Entry(NamedTuple):
    """A line of the legend."""

    text: str
    color: theme.Color


def absent(name: str, view: ViewModel) -> str | None:
    """Why a view has nothing to show; None if it has something."""
    reasons = {
        "drift": ("The roll-out exists from stage 3 on", view.drift is None),
        "overlaps": ("The clip is not split into sub-sequences", not view.scene.split),
        "floor": ("There is no floor", view.floors is None),
        "image": ("The data has no camera", view.scene.camera is None),
    }
    reason, holds = reasons.get(name, ("", False))
    return reason if holds else None


def focus_on(ui: UiState, name: str) -> None:
    """Show a view: its layers, its viewpoint and its panel. ``fit`` brings back what was shown before."""
    row = FOCUSES[name]
    if name == "fit" and ui.own is not None:
        (ui.layers, ui.follow), ui.own = ui.own, None
        free = (layer for layer in LAYERS if layer not in ui.chosen)
        ui.layers |= {layer: layer in SHOWN_FROM_THE_START[ui.stage] for layer in free}
    elif name != "fit":
        ui.own = ui.own or (dict(ui.layers), ui.follow)
        ui.layers = {layer: layer in row.layers for layer in LAYERS}
        ui.follow = row.camera != "camera"
    ui.focus, ui.camera_request = name, row.camera
    ui.show_panel(row.panel)


def in_order(ui: UiState, layers: set[str]) -> list[str]:
    """The layers that have a switch, in the order of the legend."""
    return [name for name in dict.fromkeys((*FOCUSES[ui.focus].layers, *LAYERS)) if name in layers]


def legend(view: ViewModel, layers: list[str]) -> list[Entry]:
    """What the colours of some layers mean, each once, with the units of the numbers beside them."""
    found: dict[str, Entry] = {}
    for layer in layers:
        for entry in _entries(view, layer):
            found.setdefault(entry.text, entry)
    return list(found.values())


def _entries(view: ViewModel, layer: str) -> Iterator[Entry]:
    if layer == "body":
        for b in range(min(len(view.scene.starts), MOST_SEQUENCES)):
            text = "fitted body" if len(view.scene.begins) == 1 else f"sub-sequence {view.scene.number(b) + 1}"
            yield Entry(text if view.compared is None else f"A: {text}", theme.sequence_color(view.scene.number(b)))
    elif layer == "observations":
        yield Entry("observed", theme.LAYER_COLORS[layer])
        if view.scene.observed.joints2d is not None:
            yield Entry("reprojected", theme.REPROJECTED)
            yield Entry("distance in the image [px]", theme.RESIDUAL)
        yield Entry("not observed", theme.MISSING)
    elif layer in ("rollout", "rollout_now"):
        yield Entry("stage 2", theme.STAGE2)
        yield Entry("first roll-out" if layer == "rollout" else "roll-out now", theme.LAYER_COLORS[layer])
        yield Entry("root drift [cm]", theme.RESIDUAL)
    elif layer == "nodes":
        yield Entry("end of a segment", theme.LAYER_COLORS[layer])
        yield Entry("start of the next", theme.STAGE2)
        yield Entry("defect [cm]", theme.WARN)
    elif layer == "overlaps":
        yield Entry("gap of 0 cm", theme.GAPS[0])
        yield Entry("gap of 10 cm and more", theme.GAPS[-1])
    elif layer == "stitched":
        yield Entry("hard cut [cm]", theme.BAD)
        yield Entry("blended [cm]", theme.GOOD)
    elif layer == "compared" and view.compared is not None:
        yield Entry(f"B: {view.compared.label}", theme.LAYER_COLORS[layer])
    elif layer == "predicted":
        yield Entry("predicted", theme.LAYER_COLORS[layer])
    elif layer == "before" and view.live is not None:
        yield Entry("before the edit", theme.LAYER_COLORS[layer])
    elif layer == "axes":
        yield from (Entry(f"{axis} of the prior", color) for axis, color in zip("xyz", theme.AXES, strict=True))
    elif layer in _PLAIN:
        yield Entry(_PLAIN[layer], theme.LAYER_COLORS[layer])


_PLAIN = {
    "skeleton": "joints of the body",
    "ghosts": "body at other frames",
    "regressed": "joints of the decoder [cm]",
    "contacts": "floor contact [%]",
    "ground_truth": "ground truth",
    "camera": "video camera",
    "floors": "observed floor [°, cm]",
    "rollout_body": "bodies of the roll-out",
    "one_step": "one step [cm]",
    "futures": "futures of the prior [s]",
    "pull": "pull of a term [1/m]",
}
"""Layer of one colour → what it shows."""
