"""The panel Selection: figures of the clicked joint or vertex at the current frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from viewer.layers.pull import pull_of, words
from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.scene.picking import joint_name
from viewer.scene.reframe import FRAMES, rigid_to
from viewer.ui import theme
from viewer.ui.drawing import psim
from viewer.ui.look import Selection
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import font, number

Row = tuple[str, str]


def selection_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """A line for what it is, then a table of numbers."""
    psim.BeginChild("selected")
    with font(theme.SMALL_FONT):
        chosen = ui.selection
        local = None if chosen is None else local_frame(view, ui, chosen)
        if chosen is None:
            psim.TextDisabled("Click a joint or the body in the scene.")
        elif local is None:
            psim.TextDisabled(f"Sub-sequence {chosen.sequence + 1} has no frame {ui.frame}.")
        else:
            psim.TextUnformatted(title(view, chosen, local))
            x, y, z = rigid_to(view, ui.look.frame).points(view.motion.joints[chosen.sequence, local, chosen.joint])
            psim.SameLine()
            psim.TextColored(theme.rgba(theme.DIM), f"· {FRAMES[ui.look.frame].lower()} {x:.3f} {y:.3f} {z:.3f} m")
            _table(rows(view, ui, chosen, local))
    psim.EndChild()
    yield from ()


def local_frame(view: ViewModel, ui: UiState, chosen: Selection) -> int | None:
    """The sub-sequence's own number of the frame that is meant; None where it does not reach."""
    if chosen.sequence >= len(view.scene.starts):
        return None
    return view.scene.local_frame(chosen.sequence, ui.frame if chosen.frame is None else chosen.frame)


def title(view: ViewModel, chosen: Selection, local: int) -> str:
    """What is selected, in which frame, of which sub-sequence."""
    what = joint_name(view, chosen.joint)
    if chosen.vertex is not None:
        what = f"vertex {chosen.vertex}, moved most by {what}"
    start = view.scene.starts[chosen.sequence]
    several = f" (sub-sequence {view.scene.number(chosen.sequence) + 1}: {local})" if len(view.scene.starts) > 1 else ""
    return f"{what} · frame {start + local}{several}"


def rows(view: ViewModel, ui: UiState, chosen: Selection, local: int) -> list[Row]:
    """Name and value of each number; distances in the units of the terms."""
    b, j, motion = chosen.sequence, chosen.joint, view.motion
    place = motion.joints[b, local, j]
    found: list[Row] = []
    track = motion.joints[b, :, j]
    before, after = track[max(local - 1, 0)], track[min(local + 1, len(track) - 1)]
    seconds = (min(local + 1, len(track) - 1) - max(local - 1, 0)) / view.scene.fps
    found.append(("speed", f"{np.linalg.norm(after - before) / max(seconds, 1e-9):.2f} m/s"))
    seen = view.scene.observed.joints3d
    if seen is not None:
        found.append(("to seen", _distance(place, seen[b, local, j])))
    if view.scene.ground_truth is not None:
        found.append(("to truth", _distance(place, view.scene.ground_truth.joints[b, local, j])))
    if view.regressed is not None:
        found.append(("to regressed", _distance(place, view.regressed[b, local, j])))
    if motion.contacts is not None:
        found.append(("contact", f"{100 * motion.contacts[b, local, j]:.0f} %"))
    pull = pull_of(view)
    if pull is not None:
        force = float(np.linalg.norm(pull.vectors[b, local, j]))
        found.append((f"{words(pull.term)} pulls", f"{number(force)} /m"))
    return found


def _distance(place: np.ndarray, other: np.ndarray) -> str:
    apart = float(np.linalg.norm(place - other))
    return f"{1000 * apart:.0f} mm" if np.isfinite(apart) else "not seen"


def _table(found: list[Row]) -> None:
    if psim.BeginTable("numbers", 6):
        for name, value in found:
            psim.TableNextColumn()
            psim.TextColored(theme.rgba(theme.DIM), name)
            psim.TableNextColumn()
            psim.TextUnformatted(value)
        psim.EndTable()
