"""Provides views of results on disk, one for each moment of the fit that was saved. Nothing is fitted again.

Needs torch for the joints of the body, but no priors.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from optim.body.joints import JOINT_NAMES
from optim.common.errors import InputError
from optim.config.options import OF_ONE_RUN
from optim.diagnostics.comparison import settings_texts
from optim.loading.files.amass import FPS
from optim.problem.variables import Trajectory
from optim.results.opened import Opened, open_results
from optim.schedule.terms import TERMS
from viewer.protocol import commands as c
from viewer.protocol import view_model as vm
from viewer.protocol.findings import Overlaps, Stitched
from viewer.worker.display import DisplayFrame, body_mesh, camera_of, display_frame, motion_of, numpy, observed_of
from viewer.worker.joined import overlaps_of, stitched_of

_MOMENTS = {
    "stage1": ("stage 1", 1, "end of stage 1"),
    "stage2": ("stage 2", 2, "end of stage 2"),
    "stage3_init": ("stage 3, first roll-out", 3, "the latents of stage 2, rolled out"),
    "stage3": ("stage 3", 3, "end of stage 3"),
    "stitched": ("stitched", 3, "all sub-sequences as one motion"),
    "motion": ("motion", 1, "as it is in the file"),
}
"""Moment of ``Opened`` → name of its phase, stage, description."""


class ResultsSource:
    """A ``viewer.replay.replay.Source`` of results.

    Args:
        path: A folder of results, or an .npz file.
        body, clip: See ``optim.results.opened.open_results``.

    Raises:
        InputError: There are no results, or the files cannot be used.
    """

    def __init__(self, path: Path, *, body: Path | None = None, clip: str | None = None) -> None:
        self._opened = open_results(path, body_path=body, clip=clip)
        floor = self._opened.floor
        self._frame = display_frame(None if floor is None else numpy(floor)[0])
        self._body = body_mesh(self._opened.body)
        self._names = list(self._opened.moments)
        self._scene = _scene(self._opened, self._frame, self._body)
        self._motions = [self._motion(self._opened.moments[name]) for name in self._names]
        self._notes = _told(self._opened, self._names)
        self._raw, self._weighted = (self._terms(suffix) for suffix in ("_raw", ""))

    @property
    def current(self) -> int:
        """Number of the last moment."""
        return len(self._names) - 1

    def refresh(self) -> bool:
        """Always false: nothing is added to results."""
        return False

    def view(self, snapshot: int) -> vm.ViewModel:
        """The view of one moment."""
        if not 0 <= snapshot < len(self._names):
            raise InputError(f"no moment {snapshot}; there are 0 to {len(self._names) - 1}")
        name = self._names[snapshot]
        loss = float(self._opened.losses.get(name, {}).get("total", "nan"))
        status = vm.Status(
            state="done", phase=snapshot, step=0, iteration=0, total_iterations=snapshot, progress=1.0, loss=loss
        )
        return vm.ViewModel(
            version=0,
            obeyed=0,
            status=status,
            current=self.current,
            shown=snapshot,
            motion=self._motions[snapshot],
            floors=self._floors(name),
            drift=self._drift(),
            phases=self._scene.phases,
            weights=_ratio(self._weighted, self._raw),
            raw=self._raw[snapshot],
            weighted=self._weighted[snapshot],
            held=frozenset(),
            history=self._history(),
            prior_frames=np.tile(np.eye(4), (len(self._opened.intervals), 1, 1)),
            scene=self._scene,
        )

    def analysis(self, command: c.Analyse) -> vm.Analysis | None:
        """How the sub-sequences of a clip are joined; None for other questions, whose answers results do not hold."""
        name, began = self._names[command.snapshot], time.perf_counter()
        if command.kind not in ("overlaps", "stitched") or not self._scene.split:
            return None
        place: dict[str, Any] = {"first": min(start for start, _ in self._opened.intervals), "frame": self._frame}
        value: Overlaps | Stitched
        if command.kind == "overlaps":
            pairs, seams = self._opened.disagreements(name), self._opened.seams_at(name)
            value = overlaps_of(pairs, seams, how=self._opened.how, **place)
        else:
            value = stitched_of(self._opened.clips(name), body=self._opened.body, mesh=self._body, **place)
        return vm.Analysis(
            kind=command.kind,
            options=command.options,
            snapshot=command.snapshot,
            seconds=time.perf_counter() - began,
            value=value,
        )

    def about(self) -> vm.About:
        """Settings as far as ``run.json`` holds them."""
        given = {name: value for name, value in self._opened.settings.items() if name not in OF_ONE_RUN}
        return vm.About(kind="results", settings=settings_texts(given))

    def notes(self) -> list[vm.Note]:
        """Messages about what was found; only the first call returns them."""
        told, self._notes = self._notes, []
        return told

    def close(self) -> None:
        """Nothing is open."""

    def _motion(self, motion: Trajectory) -> vm.Motion:
        return motion_of(motion, self._frame, self._body)

    def _floors(self, name: str) -> np.ndarray:
        """Floor planes (B, 4) in the display frame: the estimated ones, else the observed ones, else z = 0."""
        fitted, given = self._opened.moments[name].floor_plane, self._opened.floor
        if given is None:
            return np.tile(np.array([0.0, 0.0, 1.0, 0.0], np.float32), (len(self._opened.intervals), 1))
        return self._frame.planes(numpy(given if fitted is None else fitted))

    def _terms(self, suffix: str) -> np.ndarray:
        """One value (moments, K) of every term; NaN where the term took no part or was not saved."""
        rows = [self._opened.losses.get(name, {}) for name in self._names]
        values = [[float(row.get(term.name + suffix, "nan")) for term in self._scene.terms] for row in rows]
        return np.array(values).reshape(len(rows), len(self._scene.terms))

    def _drift(self) -> vm.Drift | None:
        apart = self._opened.drift_cm
        if apart is None:
            return None
        assert self._opened.encoded is not None
        return vm.Drift(
            stage2=self._motion(self._opened.encoded),
            initial=self._motions[self._names.index("stage3_init")],
            root_cm=apart,
        )

    def _history(self) -> vm.History:
        count = len(self._names)
        numbers, zeros = np.arange(count), np.zeros(count, int)
        losses = [float(self._opened.losses.get(name, {}).get("total", "nan")) for name in self._names]
        return vm.History(
            ids=numbers,
            parents=numbers - 1,
            branch_of=zeros,
            batch_of=zeros,
            phase=numbers,
            step=zeros,
            iteration=zeros,
            total=np.array(losses, np.float32),
            terms=self._weighted.astype(np.float32),
            depth=numbers,
            frames=np.full(count, len(self._opened.intervals) * self._scene.num_frames),
            branch=numbers,
            branches=(vm.Branch(number=0, name="results", first=0, last=count - 1, forked_from=None),),
            bookmarks=tuple((number, _MOMENTS[name][0]) for number, name in enumerate(self._names)),
        )


def _scene(opened: Opened, frame: DisplayFrame, body: vm.BodyMesh) -> vm.Scene:
    starts = [start for start, _ in opened.intervals]
    known = {name for row in opened.losses.values() for name in row}
    terms = tuple(
        vm.Term(name=term.name, unit=term.unit, formula=term.formula, stage=term.stage)
        for term in TERMS
        if term.name in known
    )
    phases = tuple(
        vm.Phase(name=_MOMENTS[name][0], stage=_MOMENTS[name][1], steps=1, iterations=1, variables=())
        for name in opened.moments
    )
    return vm.Scene(
        name=opened.name,
        fps=FPS,
        starts=tuple(start - min(starts) for start in starts),
        num_frames=opened.intervals[0][1] - opened.intervals[0][0],
        body=body,
        observed=vm.Observed() if opened.observations is None else observed_of(opened.observations, frame),
        phases=phases,
        terms=terms,
        variables=(),
        default_weights=np.zeros((len(phases), len(terms))),
        loss_terms=tuple(term.name for term in terms),
        camera=camera_of(opened.camera, frame),
        ground_truth=None if opened.truth is None else motion_of(opened.truth, frame, body),
        openpose_vertices=tuple(opened.body.openpose_vertices),
        key_vertices=tuple(opened.body.keypoint_vertices),
        joint_names=JOINT_NAMES,
        floors=None if opened.floor is None else frame.planes(numpy(opened.floor)),
    )


def _ratio(weighted: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """The weights, from weighted and raw values; 0 where they cannot be determined."""
    told = np.isfinite(raw) & (np.abs(np.nan_to_num(raw)) > 1e-12)
    return np.where(told, weighted, 0.0) / np.where(told, raw, 1.0)


def _told(opened: Opened, names: list[str]) -> list[vm.Note]:
    """Messages about the moments found, the drift of the first roll-out, and the seams."""
    told: list[str] = [f"{opened.name}: " + "; ".join(f"{_MOMENTS[n][0]} ({_MOMENTS[n][2]})" for n in names)]
    apart = opened.drift_cm
    if apart is not None:
        drift = apart
        told.append(
            f"The first roll-out of stage 3 is {drift.mean():.1f} cm from stage 2 in the mean, {drift.max():.1f} cm at"
            f" most, {drift[:, -1].mean():.1f} cm in the last frame (root joint)."
        )
    told += [str(seam) for seam in opened.seams]
    return [vm.Note(level="info", text=text) for text in told]
