"""A snapshot of a fit as HTML for a notebook: its losses as a table, and the motion as stick figures. Draws no mesh.

The picture is SVG text, so that it needs neither OpenGL nor a plotting library.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import torch

from optim.schedule.terms import TERMS
from optim.session.fit import Fit

SHOWN = 7
"""Largest number of frames in a picture."""
SPACING, MARGIN = 0.95, 0.15
"""Distance of neighbouring figures, and free space above and below them [m]."""
PIXELS = 110.0
"""Pixels in a metre."""
UNITS = {term.name: term.unit for term in TERMS}
_CELL = 'style="text-align:left"'


def session_card(fit: Fit) -> str:
    """The current snapshot of a fit as HTML."""
    here = fit.current
    phase = here.schedule[here.phase]
    state = "done" if here.phase_done else f"step {here.step + 1} of {phase.steps}"
    where = [
        f"phase {phase.name}, {state}",
        f"iteration {here.iteration} of this phase, {here.total_iterations} in all",
        f"{fit.problem.frames} frames" + (f" × {fit.problem.batch} sub-sequences" if fit.problem.batch > 1 else ""),
    ]
    rows = [("total", "", "", "", f"{here.evaluation.total:.5g}")]
    for name, value in here.evaluation.terms.items():
        weight = f"{phase.weight(name):.4g}"
        rows.append((name.replace("_", " "), f"{value.raw:.4g}", UNITS.get(name, ""), weight, f"{value.weighted:.5g}"))
    head = ("loss term", "raw", "unit", "weight", "weighted")
    return (
        f"<p><b>{escape(fit.problem.name)}</b>: {escape('; '.join(where))}</p>"
        f"{_figures(fit)}<table><thead>{_row(head, 'th')}</thead><tbody>"
        f"{''.join(_row(row, 'td') for row in rows)}</tbody></table>"
    )


def _row(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag} {_CELL}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _figures(fit: Fit) -> str:
    """Some frames of the first sub-sequence side by side on the floor, as SVG."""
    joints, seen = _poses(fit)
    drawn = joints[..., 2] if seen is None else np.concatenate([joints, seen], axis=1)[..., 2]
    drawn = drawn[np.isfinite(drawn)]
    floor = (max(float(drawn.max()), 0.0) + MARGIN) * PIXELS
    height = floor + (MARGIN - min(float(drawn.min()), 0.0)) * PIXELS
    width = (len(joints) * SPACING + 0.2) * PIXELS
    parents = fit.problem.body.parents
    parts = [f'<line x1="0" x2="{width:.0f}" y1="{floor:.0f}" y2="{floor:.0f}" stroke="#9aa3b0"/>']
    for place, pose in enumerate(joints):
        spots = _on_paper(pose, place, floor)
        bones = (f"M{_spot(spots[parents[k]])}L{_spot(spots[k])}" for k in range(1, len(spots)))
        parts.append(f'<path d="{"".join(bones)}" stroke="#2563a8" stroke-width="3" stroke-linecap="round"/>')
        if seen is not None:
            dots = _on_paper(seen[place][np.isfinite(seen[place]).all(-1)], place, floor)
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="#2e8b57"/>' for x, y in dots]
    frames = ", ".join(str(frame) for frame in _frames(fit.problem.frames))
    told = f"frames {frames}" + ("; green: observed" if seen is not None else "")
    box = f'viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{width:.0f}px"'
    return f'<svg {box} role="img" aria-label="{told}">{"".join(parts)}</svg><p>{told}</p>'


def _frames(count: int) -> list[int]:
    return [int(frame) for frame in np.linspace(0, count - 1, min(SHOWN, count)).round()]


def _poses(fit: Fit) -> tuple[np.ndarray, np.ndarray | None]:
    """Joints (K, 22, 3) [m] of the frames shown, and what was observed there: z up, each root above the origin.

    All are turned by the same angle, so that the first frame is seen from the front left.
    """
    with torch.no_grad():
        motion, frame = fit.prior_trajectory(), fit.prior_frame()
        rows = _frames(motion.joints.shape[1])
        left = motion.root_orient[0, 0, :, 0]
        angle = 0.6 - float(torch.atan2(left[1], left[0]))
        points = fit.problem.observations.joints3d
        seen = None if points is None else frame.points(points)[0, rows].numpy()
        joints = motion.joints[0, rows].numpy()
    turn = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
    root = joints[:, :1] * [1.0, 1.0, 0.0]
    return (joints - root) @ turn.T, None if seen is None else (seen - root) @ turn.T


def _on_paper(points: np.ndarray, place: int, floor: float) -> np.ndarray:
    """Pixels (N, 2) of points (N, 3) [m] of the figure at a place in the row, looked at along y."""
    return np.stack([(place + 0.6) * SPACING * PIXELS + points[:, 0] * PIXELS, floor - points[:, 2] * PIXELS], axis=-1)


def _spot(point: np.ndarray) -> str:
    x, y = point
    return f"{x:.1f},{y:.1f}"
