"""Compares two motions of one clip frame by frame, and two fits by their loss terms, settings and schedule.

The window and the report take their numbers from here. Needs numpy only, so that the window's process can use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from optim.body.joints import FOOT_JOINTS
from optim.diagnostics.quantities import QUANTITIES, mean_distance_cm, root_distance_cm

BETWEEN = ("between_joints_cm", "between_root_cm", "between_heading_deg", "between_feet_cm")
"""Quantities that differ between two motions, by their names in ``QUANTITIES``."""


@dataclass(frozen=True)
class Track:
    """One motion with one body in every frame, N frames at a constant rate, in a frame with z up."""

    joints: np.ndarray
    """(N, 22, 3) [m]; NaN in frames that no sub-sequence has."""
    root: np.ndarray
    """(N, 3, 3) orientation of the root."""
    start: int = 0
    """Frame of the recording that row 0 belongs to; both tracks of a comparison count from the same frame."""


@dataclass(frozen=True)
class Differences:
    """Differences of a second motion from a first one, over the F frames that both have."""

    frames: np.ndarray
    """(F,) numbers of these frames, counted as in the tracks."""
    values: Mapping[str, np.ndarray]
    """Name in ``BETWEEN`` → (F,) in the unit of that quantity."""
    about: str
    """Which frames were compared, in words."""

    def largest(self, name: str) -> tuple[int, float] | None:
        """Frame and value of the largest difference, by its absolute value; None if no frame is shared."""
        if not len(self.frames):
            return None
        at = int(np.abs(self.values[name]).argmax())
        return int(self.frames[at]), float(self.values[name][at])

    def text(self, name: str) -> str:
        """Mean and largest difference in words."""
        found, quantity = self.largest(name), QUANTITIES[name]
        if found is None:
            return f"{quantity.label}: no frame is in both"
        mean = quantity.text(float(np.abs(self.values[name]).mean()))
        return f"{quantity.label}: {mean} in the mean, {quantity.text(found[1])} at most, in frame {found[0]}"


class Row(NamedTuple):
    """Something that has a value in both fits."""

    name: str
    first: str
    second: str


class TermRow(NamedTuple):
    """Weighted values of one loss term; NaN in a fit that does not compute it."""

    name: str
    first: float
    second: float

    @property
    def difference(self) -> float:
        """Second minus first."""
        return self.second - self.first


def joined(joints: np.ndarray, root: np.ndarray, starts: Sequence[int]) -> Track:
    """One track of the sub-sequences of a clip: every frame is that of the sub-sequence whose ends are farthest away.

    Args:
        joints: (B, T, 22, 3) [m].
        root: (B, T, 3, 3) orientation of the root.
        starts: (B,) first frame of each sub-sequence.
    """
    length, begin = joints.shape[1], min(starts)
    frames = np.arange(begin, max(starts) + length)
    local = frames[None] - np.asarray(starts)[:, None]
    inside = np.minimum(local, length - 1 - local)  # negative outside
    chosen = inside.argmax(0)
    rows = np.clip(local[chosen, np.arange(len(frames))], 0, length - 1)
    found = np.array(joints[chosen, rows], np.float32)
    found[inside.max(0) < 0] = np.nan
    return Track(found, np.asarray(root[chosen, rows]), begin)


def compare(first: Track, second: Track) -> Differences:
    """Differences of two motions over the frames that both have."""
    begin = max(first.start, second.start)
    end = min(track.start + len(track.joints) for track in (first, second))
    frames = np.arange(begin, max(begin, end))
    ours, theirs = (track.joints[frames - track.start] for track in (first, second))
    known = np.isfinite(ours).all((1, 2)) & np.isfinite(theirs).all((1, 2))
    turned = (_heading(second, frames) - _heading(first, frames))[known]
    ours, theirs, frames = ours[known], theirs[known], frames[known]
    feet = (points[:, list(FOOT_JOINTS)] for points in (ours, theirs))
    values = {
        "between_joints_cm": mean_distance_cm(ours, theirs),
        "between_root_cm": root_distance_cm(ours, theirs),
        "between_heading_deg": np.degrees(np.arctan2(np.sin(turned), np.cos(turned))),
        "between_feet_cm": mean_distance_cm(*feet),
    }
    return Differences(frames, values, _about(first, second, frames))


def _heading(track: Track, frames: np.ndarray) -> np.ndarray:
    """Angle (F,) [rad] of the root's x column on the floor, as for the drift."""
    root = track.root[frames - track.start]
    return np.asarray(np.arctan2(root[:, 1, 0], root[:, 0, 0]))


def _about(first: Track, second: Track, frames: np.ndarray) -> str:
    ranges = [f"{track.start} to {track.start + len(track.joints) - 1}" for track in (first, second)]
    if not len(frames):
        return f"no frame is in both: A has frames {ranges[0]}, B has frames {ranges[1]}"
    text = f"frames {frames[0]} to {frames[-1]}, which both have"
    return text if ranges[0] == ranges[1] else f"{text} (A: {ranges[0]}, B: {ranges[1]})"


def upright(track: Track, up: np.ndarray) -> Track:
    """A track turned so that the direction ``up`` (3,) becomes +z, by the smallest turn."""
    up = np.asarray(up, np.float64) / np.linalg.norm(up)
    axis, cosine = np.cross(up, (0.0, 0.0, 1.0)), float(up[2])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.diag([1.0, -1.0, -1.0]) if cosine < -1 + 1e-9 else np.eye(3) + cross + cross @ cross / (1 + cosine)
    return Track(track.joints @ turn.T, turn @ track.root, track.start)


def terms_apart(first: Mapping[str, float], second: Mapping[str, float]) -> list[TermRow]:
    """All terms that either fit computes, the largest difference first.

    Args:
        first: Name of a loss term → weighted value. NaN counts as not computed.
        second: The same of the second fit.
    """
    names = [name for name in {**first, **second} if any(np.isfinite(of.get(name, np.nan)) for of in (first, second))]
    rows = [TermRow(name, float(first.get(name, np.nan)), float(second.get(name, np.nan))) for name in names]
    return sorted(rows, key=lambda row: -np.nan_to_num(abs(row.difference), nan=np.inf))


def set_apart(first: Mapping[str, str], second: Mapping[str, str]) -> list[Row]:
    """Everything that was set differently; "–" where a fit does not have it."""
    names = dict.fromkeys((*first, *second))
    rows = [Row(name, first.get(name, "–"), second.get(name, "–")) for name in names]
    return [row for row in rows if row.first != row.second]


def settings_texts(settings: Mapping[str, Any]) -> dict[str, str]:
    """Settings of a run as texts that can be compared; a path is only its last two parts, as folders may move.

    Args:
        settings: Name → value, from a ``Settings``, from ``run.json`` or from a run file.
    """
    return {name: _text(value) for name, value in settings.items()}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        if set(value) == {"path"}:
            return _text(PurePath(value["path"]))
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return " ".join(map(_text, value)) or "none"
    if isinstance(value, PurePath) or (isinstance(value, str) and PurePath(value).is_absolute()):
        return "/".join(PurePath(value).parts[-2:])
    return "not given" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def plan_texts(phases: Iterable[tuple[str, int | None, Mapping[str, float]]]) -> dict[str, str]:
    """The schedule as texts that can be compared.

    Args:
        phases: Name, number of steps (None if unknown) and weights by loss term of each phase.
    """
    found: dict[str, str] = {}
    for name, steps, weights in phases:
        found |= {} if steps is None else {f"{name}: steps": str(steps)}
        found |= {f"{name}: weight of {term}": f"{weight:.4g}" for term, weight in weights.items() if weight}
    return found


def begins_at(first: Mapping[str, str], second: Mapping[str, str]) -> int:
    """Frame of the first fit at which the second one begins: they may fit different frames of the same data.

    Args:
        first: Texts of ``settings_texts``.
        second: The same of the second fit.
    """
    if any(first.get(name) != second.get(name) for name in ("data", "data_path", "clip")):
        return 0
    begins = [int(of.get("amass_start_frame", "0")) for of in (first, second)]
    return begins[1] - begins[0]
