"""The bar of the clip's frames: what was observed, foot contacts, unknown motion, overlaps, and playback."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from optim.diagnostics.comparison import BETWEEN
from optim.diagnostics.quantities import QUANTITIES
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.actions import PLAY
from viewer.ui.drawing import psim
from viewer.ui.layout import LANE_HEIGHT, MOST_LANES, Rect, lanes_of
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import Strip, bar_handle, bar_label, colored, icon_button, scale, strip, styled, tooltip

RATES = (0.1, 0.25, 0.5, 1.0, 2.0)
HEIGHT = 30.0
FEET = {"left": (7, 10), "right": (8, 11)}
"""Ankle and toe among the 22 body joints."""
TOUCHES = 0.5  # probability
_SEEN, _FOOT = 6.0, 3.0  # heights of the strips


def frame_bar(view: ViewModel, ui: UiState) -> None:
    """The bar with its cursor; play, loop and rate behind it."""
    count = view.scene.clip_frames
    ui.frame = min(ui.frame, count - 1)
    bar_label("frame", f"{ui.frame} / {count - 1}")
    lanes = lanes_of(len(view.scene.begins)) if view.scene.split else 0
    place = strip("frame bar", (HEIGHT + LANE_HEIGHT * lanes) * scale())
    if place.held is not None:
        ui.go_to(round(place.held * (count - 1)), count)
    elif place.hovered:
        psim.SetTooltip(_tell(view, ui, round(place.cursor * (count - 1))))
    _draw(view, ui, place)
    _shade_unplayed(ui, place, count)
    bar_handle(place.x + place.width * ui.frame / max(count - 1, 1), place.y, place.height)
    psim.SameLine()
    if icon_button("##play frames", "pause" if ui.playing else "play", (34.0 * scale(), 24.0 * scale())):
        ui.playing = not ui.playing
    tooltip(PLAY.tooltip)
    psim.SameLine()
    _, ui.loop = psim.Checkbox("Loop", ui.loop)
    tooltip("Begin again at the end: of the clip, or of the range between the in and the out point")
    psim.SameLine()
    _marks(ui, count, view.scene.fps)
    psim.SameLine()
    psim.SetNextItemWidth(-1.0)
    if psim.BeginCombo("##rate", f"{ui.rate:g} × speed"):
        for rate in RATES:
            if psim.Selectable(f"{rate:g} × speed", rate == ui.rate):
                ui.rate = rate
        psim.EndCombo()
    tooltip(f"Playback speed; 1 is {view.scene.fps:g} frames per second")


def _marks(ui: UiState, count: int, fps: float) -> None:
    """Buttons for the two ends of the range that is played."""
    for label, key, mark, end, what in (
        ("In", ",", ui.mark_in, ui.span[0], "begins"),
        ("Out", ".", ui.mark_out, ui.span[1], "ends"),
    ):
        shade = theme.RAISED if end is None else theme.mix(theme.ACCENT, theme.PANEL, 0.45)
        with colored(Button=theme.rgba(shade)), styled(ItemSpacing=(3.0, 5.0)):
            if psim.Button(label):
                mark()
            first, last = ui.played(count)
            text = f"What is played {what} at the frame under the cursor; at the same frame again: no longer ({key})"
            tooltip(f"{text}\nplayed: frames {first} to {last}, {first / fps:.2f} s to {last / fps:.2f} s")
            if label == "In":
                psim.SameLine()


def seen_frames(view: ViewModel) -> np.ndarray:
    """Share (N,) of the possible observations that exist, for each frame of the clip; NaN before the batch."""
    scene, observed = view.scene, view.scene.observed
    values, count = np.zeros(scene.clip_frames), np.zeros(scene.clip_frames)
    for b, start in enumerate(scene.starts):
        for data in (observed.joints3d, observed.points3d, observed.joints2d):
            if data is not None:
                seen = np.isfinite(data[b, ..., 0]).mean(axis=-1)
                values[start : start + scene.num_frames] += seen
                count[start : start + scene.num_frames] += 1
    values /= np.maximum(count, 1)
    values[: scene.batch_frames[0]] = np.nan
    return values


def contacts(view: ViewModel) -> dict[str, np.ndarray]:
    """Foot → probability (N,) that it is on the floor; nothing where the motion has no contacts."""
    motion, scene = view.motion.contacts, view.scene
    if motion is None:
        return {}
    found = {}
    for foot, joints in FEET.items():
        clip = np.zeros(scene.clip_frames)
        for b, start in enumerate(scene.starts):
            place = clip[start : start + scene.num_frames]
            np.maximum(place, motion[b][:, joints].max(axis=-1), out=place)
        found[foot] = clip
    return found


def novelty(view: ViewModel) -> np.ndarray | None:
    """Novelty (N,) of the motion that stage 3 encodes, 0 to 1, in each frame of the clip; None before stage 3."""
    scene, found = view.scene, None if view.drift is None else view.drift.novelty
    if found is None:
        return None
    clip = np.zeros(scene.clip_frames)
    for b, start in enumerate(scene.starts):
        place = clip[start : start + scene.num_frames]
        np.maximum(place, found[b], out=place)
    return clip


def compared_quantity(ui: UiState) -> str:
    """Name of the quantity in which two motions are compared now."""
    return ui.pins.quantity if ui.pins.quantity in BETWEEN else BETWEEN[0]


def difference(view: ViewModel, ui: UiState, place: Strip) -> list[tuple[float, float]]:
    """Points [px] of the curve of differences between two motions, from 0 to the largest; nothing without two motions.

    Signed quantities count by their size.
    With more frames than pixels, the largest of those that share a pixel stands for them.
    """
    if view.compared is None or len(view.compared.frames) < 2:
        return []
    frames, values = view.compared.frames, np.abs(view.compared.values[compared_quantity(ui)])
    first = np.arange(0, len(frames), max(1, int(np.ceil(len(frames) / place.width))))
    tops = np.maximum.reduceat(values, first) / max(float(np.max(values)), 1e-12)
    x = place.x + place.width * frames[first] / max(view.scene.clip_frames - 1, 1)
    bottom = place.y + place.height - (_SEEN + 2 * (_FOOT + 1.0)) * scale()
    y = bottom - tops * (HEIGHT - _SEEN - 2 * (_FOOT + 1.0) - 2.0) * scale()
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _draw_difference(view: ViewModel, ui: UiState, place: Strip) -> None:
    draw, color = psim.GetWindowDrawList(), theme.packed(theme.LAYER_COLORS["compared"])
    for one, other in pairwise(difference(view, ui, place)):
        draw.AddLine(one, other, color, 1.5 * scale())


def _tell(view: ViewModel, ui: UiState, frame: int) -> str:
    seen = seen_frames(view)[frame]
    told = "of a finished batch" if np.isnan(seen) else f"{100 * seen:.0f} % observed"
    lines = [f"frame {frame}, {frame / view.scene.fps:.2f} s: {told}"]
    for foot, probability in contacts(view).items() if np.isfinite(seen) else ():
        lines.append(f"{foot} foot on the floor with probability {probability[frame]:.2f}")
    unknown = novelty(view)
    if unknown is not None and unknown[frame] > 0:
        row = QUANTITIES["novelty"]
        lines.append(f"{row.label} {row.text(unknown[frame])}: the motion prior does not know this motion")
    lines += _sub_sequences(view, frame)
    apart = None if view.compared is None else view.compared.at(compared_quantity(ui), frame)
    if view.compared is not None and apart is not None:
        row = QUANTITIES[compared_quantity(ui)]
        lines.append(f"B ({view.compared.label}): {row.label} {row.text(apart)}")
    lines.append("drag to move through the clip (arrows, Home, End)")
    return "\n".join(lines)


def _draw(view: ViewModel, ui: UiState, place: Strip) -> None:
    """From above: a lane for each sub-sequence, seconds, novelty, both feet, what was observed, red where nothing was.

    Over the seconds stands the curve of the differences between two motions that are compared.
    """
    draw = psim.GetWindowDrawList()
    corner, end = (place.x, place.y), (place.x + place.width, place.y + place.height)
    draw.AddRectFilled(corner, end, theme.packed(theme.RAISED), 3.0)
    bottom = place.y + place.height
    _lanes(view, place)
    top = bottom - _SEEN * scale()
    seen = seen_frames(view)
    _runs(place, np.nan_to_num(np.round(seen, 2), nan=-1.0), top, bottom, theme.LAYER_COLORS["observations"], 0.05, 0.6)
    _runs(place, (seen == 0).astype(float), top, bottom, theme.BAD, 0.0, 0.8)
    for index, probability in enumerate(contacts(view).values()):
        y = top - (2.0 - index) * (_FOOT + 1.0) * scale()
        touches = (probability > TOUCHES).astype(float)
        _runs(place, touches, y, y + _FOOT * scale(), theme.LAYER_COLORS["contacts"], 0.0, 0.9)
    unknown = novelty(view)
    if unknown is not None:
        y = top - 3.0 * (_FOOT + 1.0) * scale()
        _runs(place, np.round(unknown, 1), y, y + _FOOT * scale(), theme.LAYER_COLORS["predicted"], 0.0, 0.95)
    _seconds(view, place)
    _draw_difference(view, ui, place)


def _sub_sequences(view: ViewModel, frame: int) -> Iterator[str]:
    """Which sub-sequences hold a frame, and which two share it."""
    scene = view.scene
    for number, start in enumerate(scene.begins) if scene.split else ():
        if start <= frame < start + scene.num_frames:
            finished = ", finished" if number < len(scene.earlier) else ""
            yield f"sub-sequence {number + 1}: frames {start} to {start + scene.num_frames - 1}{finished}"
    asked = "" if scene.asked_overlap is None else f"; asked for were {scene.asked_overlap}"
    for b, (first, last) in scene.overlaps.items():
        if first <= frame <= last:
            yield f"shared by {b + 1} and {b + 2}: frames {first} to {last}, {last - first + 1} of them{asked}"


def lane_of(view: ViewModel, place: Strip, number: int) -> Rect:
    """The lane of a sub-sequence on the bar, by its number among those of all batches so far."""
    scene, last = view.scene, max(view.scene.clip_frames - 1, 1)
    left = place.x + place.width * scene.begins[number] / last
    right = place.x + place.width * (scene.begins[number] + scene.num_frames - 1) / last
    y = place.y + LANE_HEIGHT * (number % MOST_LANES) * scale()
    return Rect(left, y, right - left, (LANE_HEIGHT - 1.5) * scale())


def _lanes(view: ViewModel, place: Strip) -> None:
    """A bar in its colour for each sub-sequence, and a band behind the frames that two share, opaque in their lanes."""
    draw, scene, last = psim.GetWindowDrawList(), view.scene, max(view.scene.clip_frames - 1, 1)
    bottom = place.y + place.height
    for number in range(len(scene.begins)) if scene.split else ():
        x, y, width, height = lane_of(view, place, number)
        draw.AddRectFilled((x, y), (x + width, y + height), theme.packed(theme.sequence_color(number), 0.5), 2.0)
    for number, frames in scene.overlaps.items():
        left, right = (place.x + place.width * frame / last for frame in frames)
        draw.AddRectFilled((left, place.y), (right, bottom), theme.packed(theme.LAYER_COLORS["overlaps"], 0.16))
        for one in (number, number + 1):
            _, y, _, height = lane_of(view, place, one)
            draw.AddRectFilled((left, y), (right, y + height), theme.packed(theme.sequence_color(one)), 0.0)
            draw.AddRect((left, y), (right, y + height), theme.packed(theme.TEXT, 0.8))


def _shade_unplayed(ui: UiState, place: Strip, count: int) -> None:
    """Darken what lies outside of the in and the out point, with a bracket at each."""
    draw, last = psim.GetWindowDrawList(), max(count - 1, 1)
    for end, outer, inwards in ((ui.span[0], place.x, 1.0), (ui.span[1], place.x + place.width, -1.0)):
        if end is not None:
            x, bottom, arm = place.x + place.width * min(end, last) / last, place.y + place.height, 5.0 * scale()
            shade = theme.packed(theme.PANEL, 0.72)
            draw.AddRectFilled((min(x, outer), place.y), (max(x, outer), bottom), shade)
            for y in (place.y, bottom):
                draw.AddLine((x, y), (x + inwards * arm, y), theme.packed(theme.ACCENT), 2.5)
            draw.AddLine((x, place.y), (x, bottom), theme.packed(theme.ACCENT), 2.5)


def _runs(
    place: Strip, values: np.ndarray, top: float, bottom: float, color: theme.Color, least: float, span: float
) -> None:
    """Draw each run of equal values (0 to 1) as a rectangle; the larger the value, the more opaque it is."""
    draw, cell = psim.GetWindowDrawList(), place.width / len(values)
    edges = np.flatnonzero(np.diff(values, prepend=-1.0))
    for first, last in zip(edges, np.append(edges[1:], len(values)), strict=True):
        opacity = least + span * float(values[first])
        if opacity > 0:
            corners = (place.x + cell * first, top), (place.x + cell * last, bottom)
            draw.AddRectFilled(*corners, theme.packed(color, opacity))


def _seconds(view: ViewModel, place: Strip) -> None:
    """A tick per second below the lanes, fewer where there is no room for the numbers."""
    y = place.y + place.height - HEIGHT * scale()
    draw, last, fps = psim.GetWindowDrawList(), max(view.scene.clip_frames - 1, 1), view.scene.fps
    every = max(1, int(np.ceil(40.0 * scale() * last / (place.width * fps))))
    for second in range(every, int(last / fps) + 1, every):
        x = place.x + place.width * second * fps / last
        draw.AddLine((x, y), (x, y + 10.0 * scale()), theme.packed(theme.DIM, 0.6))
        draw.AddText((x + 4.0, y - 2.0), theme.packed(theme.DIM), f"{second} s")
