"""Open results to look at them: a folder of HuMoR or of this program, all sub-sequences of a video, or a motion .npz.

Nothing is fitted again. Knows no window.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import assets
from optim.body.body_model import NUM_BETAS, BodyModel
from optim.common.errors import InputError
from optim.common.rotations import axis_angle_to_matrix
from optim.diagnostics.agreement import OverlapDisagreement, SubSequence, disagreements
from optim.diagnostics.quantities import root_distance_cm
from optim.loading.clip import trajectory
from optim.loading.clips import named, shortened
from optim.loading.files.amass import FPS, read_motion
from optim.loading.images.planes import unit_plane
from optim.loading.models import find_body, load_body
from optim.problem.camera import Camera
from optim.problem.observations import Observations
from optim.problem.variables import Trajectory
from optim.reading.arrays import array_names, read_arrays, require_finite
from optim.reading.files import is_file, is_folder
from optim.results.read_results import STITCHED, find_results, read_record, read_result, read_stitched_file
from optim.results.results import STAGES, FitResult, LossRow, constant_shape, in_world
from optim.schedule.presets import PRESETS
from optim.split.batches import joined, row_of
from optim.split.splitting import Interval, cut
from optim.split.stitching import Clip, Seam, stitch

WHOLE = "stitched"
_ROTATIONS = {"root_orient": 3, "pose_body": 63}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """B sequences (sub-sequences of a video, or people) of T frames at the moments of the fit that were stored."""

    name: str
    body: BodyModel
    moments: Mapping[str, Trajectory]
    """Name in ``results.STAGES``, ``WHOLE`` or ``motion`` → batch of B motions, in the order of the fit."""
    intervals: tuple[Interval, ...]
    """Interval of each sequence in the video."""
    encoded: Trajectory | None = None
    """Motion of stage 2 that the first roll-out of stage 3 encodes."""
    floor: Tensor | None = None  # (B, 4) as given to the fit; None if the frame is a world with z up
    truth: Trajectory | None = None
    observations: Observations | None = None
    camera: Camera | None = None
    seams: tuple[Seam, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the run, if they were stored with its sub-sequences or else with the motion of the whole video."""
    losses: Mapping[str, LossRow] = field(default_factory=dict)
    """Moment → its loss and terms (``results.loss_row``), if they were stored."""

    @property
    def drift_cm(self) -> np.ndarray | None:
        """Distance (B, T) [cm] of the root joint between the first roll-out and the motion that it encodes.

        None if one of them is missing.
        """
        if self.encoded is None or "stage3_init" not in self.moments:
            return None
        return root_distance_cm(self.moments["stage3_init"].joints, self.encoded.joints)

    @property
    def how(self) -> str:
        """The way in which the sub-sequences were joined: as the preset says, or with a hard cut, as in HuMoR."""
        preset = PRESETS.get(str(self.settings.get("preset")))
        return "cut" if preset is None else preset.stitching

    def clips(self, moment: str) -> list[Clip]:
        """The sub-sequences at a moment; for the whole motion those that it was joined from."""
        motion = self.moments[self._of_parts(moment)]
        return [Clip(interval, row_of(motion, row)) for row, interval in enumerate(self.intervals)]

    def seams_at(self, moment: str) -> tuple[Seam, ...]:
        """The seams of the sub-sequences at a moment; of the last one those in the motion that was written."""
        if self._of_parts(moment) == self._of_parts(WHOLE):
            return self.seams
        return stitch(self.clips(moment), body=self.body, how=self.how).seams

    def disagreements(self, moment: str) -> tuple[OverlapDisagreement, ...]:
        """How neighbouring sub-sequences differ at a moment."""
        return disagreements([self._sub_sequence(clip, row) for row, clip in enumerate(self.clips(moment))])

    def _of_parts(self, moment: str) -> str:
        return [name for name in self.moments if name != WHOLE][-1] if moment == WHOLE else moment

    def _sub_sequence(self, clip: Clip, row: int) -> SubSequence:
        motion, ids = clip.motion, torch.tensor(self.body.keypoint_vertices)
        floor = None if self.floor is None else self.floor[row]
        floor = floor if motion.floor_plane is None else motion.floor_plane[0]
        _, verts = self.body.joints_and_vertices(motion.trans, motion.root_orient, motion.pose_body, motion.betas, ids)
        frame = in_world(motion, self.body, floor)[1]
        joints, root = motion.joints[0], motion.root_orient[0]
        return SubSequence(clip.interval[0], verts[0], motion.betas[0], floor, joints, root, frame)


def open_results(path: Path, *, body_path: Path | None = None, clip: str | None = None) -> Opened:
    """Read results or a motion.

    Args:
        path: ``results_out``, a folder in it, any folder above it, or an .npz of a motion (AMASS, HuMoR, SLAHMR).
        body_path: SMPL+H body. None takes the one that ``meta.txt`` names, or the shipped one.
        clip: Name or number of a clip. None takes the first one, and a warning lists the others.

    Raises:
        InputError: There are no results, or their files cannot be used.
    """
    if not is_folder(path):
        return _motion(path, body_path)
    groups = _groups(find_results(path))
    names = list(groups)
    chosen = names[0] if clip is None else named(clip, names, path)
    if clip is None and len(names) > 1:
        log.warning("%s: the first of %d is opened; --clip takes another: %s", path, len(names), shortened(names))
    return _joined(chosen, groups[chosen], body_path)


def names_of(path: Path) -> list[str]:
    """Names of the clips that results hold, as ``open_results`` takes them.

    Raises:
        InputError: There are no results.
    """
    return list(_groups(find_results(path))) if is_folder(path) else [path.stem]


def interval_of(folder: Path) -> Interval | None:
    """Interval of a video that a folder of results covers. None if the folder does not store it.

    Raises:
        InputError: The stored interval is not one.
    """
    file = folder / "observations.npz"
    if "seq_interval" not in array_names(file):
        return None
    found = read_arrays(file, ("seq_interval",), what="observations")["seq_interval"].ravel()
    if found.shape != (2,) or not 0 <= int(found[0]) < int(found[1]):
        raise InputError(
            f"{file}: seq_interval is {found.tolist()}; the first frame and the one after the last are expected"
        )
    return int(found[0]), int(found[1])


def _groups(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """Name → folders that belong together: the sub-sequences of a video with ``final_results``, or a single folder."""
    groups: dict[str, list[Path]] = {}
    stitched = [folder for folder in folders if folder.name == STITCHED]
    for folder in folders:
        if folder in stitched:
            continue
        part = interval_of(folder) is not None
        name = re.sub(r"_\d{4}(_\d+)?$", "", folder.name) if part else folder.name
        number, unique = 1, name
        while unique in groups and not (part and groups[unique][0].parent == folder.parent):
            number += 1
            unique = f"{name} {number}"
        groups.setdefault(unique, []).append(folder)
    for folder in stitched:
        mates = [name for name, members in groups.items() if members[0].parent == folder.parent and len(members) > 1]
        groups.setdefault(mates[0] if mates else f"{folder.parent.name}/{STITCHED}", []).append(folder)
    return groups


def _joined(name: str, folders: Sequence[Path], body_path: Path | None) -> Opened:
    final = [folder for folder in folders if folder.name == STITCHED and len(folders) > 1]
    parts: dict[Interval | None, Path] = {}
    for folder in folders:
        if folder not in final:
            parts.setdefault(interval_of(folder), folder)  # HuMoR repeats a sub-sequence to fill its last batch
    results = [read_result(folder, body_path=body_path) for folder in parts.values()]
    frames = results[0].frames
    if len({result.frames for result in results}) > 1:
        raise InputError(f"{folders[0].parent}: sub-sequences of different lengths; open one of them by its folder")
    intervals = [(0, frames) if interval is None else interval for interval in parts]
    if any(end - start != frames for start, end in intervals):
        raise InputError(
            f"{folders[0]}: {frames} frames, but seq_interval is {intervals[0]}; they are of different fits"
        )
    first = results[0]
    names = [stage for stage in STAGES if all(stage in result.stages for result in results)]
    moments = {stage: joined([result.stages[stage] for result in results]) for stage in names}
    opened = Opened(
        name,
        first.body,
        moments,
        tuple(intervals),
        encoded=_encoded(results),
        floor=_floors(results),
        truth=joined([r.truth for r in results if r.truth is not None]) if all(r.truth for r in results) else None,
        observations=_seen(results),
        camera=first.camera,
        seams=first.seams,
        settings=first.info.get("settings", {}),
        losses=_losses(first),
    )
    return opened if len(results) == 1 else _with_seams(opened, final, names[-1])


def _with_seams(opened: Opened, final: Sequence[Path], stage: str) -> Opened:
    """Add the motion of the whole video and its seams.

    The motion comes from ``final_results`` or is stitched with a hard cut, as in HuMoR.
    """
    last, clips = opened.moments[stage], opened.clips(stage)
    file = final[0] / f"{stage}_results.npz" if final else None
    if file is not None and is_file(file):
        whole = read_stitched_file(file, opened.body, clips)
    else:
        whole = stitch(clips, body=opened.body, how="cut")
    motion = constant_shape(whole, opened.body)[0]
    frames = {n: cut(getattr(motion, n), opened.intervals) for n in ("trans", "root_orient", "pose_body", "joints")}
    betas = motion.betas.expand(len(opened.intervals), -1)
    pieces = Trajectory(**frames, betas=betas, floor_plane=last.floor_plane)
    moments = {**opened.moments, WHOLE: pieces}
    settings = opened.settings or (read_record(final[0]).get("settings", {}) if final else {})
    return replace(opened, moments=moments, seams=whole.seams, settings=settings)


def _motion(path: Path, body_path: Path | None) -> Opened:
    """Read a file with the motion of one person or of several."""
    names = set(array_names(path))
    body_folder = body_path or assets.BODY_FOLDER
    if set(_ROTATIONS) <= names and (people := _people(path)) is not None:
        motion, floor = people
        body = load_body(find_body(body_folder))
        motion = replace(motion, joints=body.joints(motion.trans, motion.root_orient, motion.pose_body, motion.betas))
    else:
        read = read_motion(path)
        body, floor = load_body(find_body(body_folder, gender=read.gender)), None
        motion = trajectory(read, slice(0, len(read.trans)), body)
        if read.resampled:
            log.warning("%s: %g frames/s, resampled to %g", path, read.source_fps, FPS)
        if "floor_plane" in names:
            stored = read_arrays(path, ("floor_plane",), what="a motion")["floor_plane"]
            floor = torch.from_numpy(unit_plane(stored, path=path))[None]
    count, frames = motion.trans.shape[:2]
    return Opened(path.stem, body, {"motion": motion}, ((0, frames),) * count, floor=floor)


def _people(path: Path) -> tuple[Trajectory, Tensor | None] | None:
    """Read motions (P, T, ...) of several people and their floors (P, 4), as SLAHMR writes them.

    The joints are not computed here. None if the file holds a single motion.
    """
    what = "motions of several people (trans, root_orient, pose_body, betas)"
    arrays = read_arrays(path, ("trans", *_ROTATIONS, "betas"), optional=("floor_plane", "floor_idcs"), what=what)
    trans = arrays["trans"]
    if trans.ndim != 3:
        return None
    people, frames = trans.shape[:2]
    for name, width in {"trans": 3, **_ROTATIONS}.items():
        if arrays[name].shape != (people, frames, width):
            raise InputError(
                f"{path}: {name} has shape {arrays[name].shape}; ({people}, {frames}, {width}) is expected"
            )
        require_finite(arrays[name], name=name, path=path)
    betas = arrays["betas"]
    if betas.ndim != 2 or len(betas) != people:
        raise InputError(f"{path}: betas has shape {betas.shape}; ({people}, 16) is expected")
    shape = np.zeros((people, NUM_BETAS), np.float32)
    shape[:, : betas.shape[1]] = betas[:, :NUM_BETAS]
    turns = {
        n: axis_angle_to_matrix(torch.from_numpy(arrays[n].astype(np.float32)).unflatten(2, (-1, 3)))
        for n in _ROTATIONS
    }
    place = torch.from_numpy(trans.astype(np.float32))
    motion = Trajectory(
        place, turns["root_orient"][:, :, 0], turns["pose_body"], torch.from_numpy(shape), joints=place[:, :, None]
    )
    if "floor_plane" not in arrays:
        return motion, None
    planes = np.atleast_2d(arrays["floor_plane"])
    chosen = np.asarray(arrays.get("floor_idcs", np.zeros(people)), int).ravel() % len(planes)
    return motion, torch.from_numpy(
        np.stack([unit_plane(planes[chosen[p % len(chosen)]], path=path) for p in range(people)])
    )


def _encoded(results: Sequence[FitResult]) -> Trajectory | None:
    found = [result.encoded for result in results]
    known = [motion for motion in found if motion is not None]
    return joined(known) if len(known) == len(results) else None


def _floors(results: Sequence[FitResult]) -> Tensor | None:
    """Floors (B, 4) as given to the fit, otherwise those of the last stage. None if one is missing."""
    found = [result.floor() if result.observed_floor is None else result.observed_floor for result in results]
    known = [floor for floor in found if floor is not None]
    return torch.stack(known) if len(known) == len(results) else None


def _seen(results: Sequence[FitResult]) -> Observations | None:
    seen = [result.observations for result in results]
    if any(one is None for one in seen):
        return None
    parts: dict[str, Any] = {}
    for name in ("joints3d", "verts3d", "points3d", "joints2d"):
        values = [getattr(one, name) for one in seen]
        if all(value is not None and value.shape == values[0].shape for value in values):
            parts[name] = torch.cat(values)
    if "joints2d" in parts and any(one is not None and one.doubts is not None for one in seen):
        parts["doubts"] = torch.cat([_doubts(one) for one in seen if one is not None])
    return Observations(**parts) if parts else None


def _doubts(seen: Observations) -> Tensor:
    """Codes of the doubts (1, T, 25); nothing is doubted where none are stored."""
    return torch.zeros((1, seen.frames, 25), dtype=torch.int8) if seen.doubts is None else seen.doubts


def _losses(result: FitResult) -> dict[str, LossRow]:
    """Moment → row of ``losses.csv``: the last row of its stage, or the first row of stage 3 for the first roll-out."""
    found = {}
    for name, stage in (("stage1", 1), ("stage2", 2), ("stage3_init", 3), ("stage3", 3)):
        rows = [row for row in result.losses if row.get("stage") == stage and "total" in row]
        if rows:
            found[name] = rows[0 if name == "stage3_init" else -1]
    return found
