"""Fits a video and draws the stages over its frames: ``python -m viewer.strip PICTURE [options of run_viewer.py]``.

Also prints a table of figures: time, reprojection, foot skate, penetration.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polyscope as ps

from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.common.progress import LineHandler, told_to
from optim.common.writing import replacing
from optim.config.settings import parse
from viewer.commands.picture import picture_of
from viewer.commands.progress import ProgressLine
from viewer.commands.sessions import make_session
from viewer.layers.body import BodyLayer
from viewer.layers.footage import FilmLayer
from viewer.protocol.view_model import Status
from viewer.scene.camera import Viewpoint
from viewer.ui.ui_state import UiState
from viewer.window.window import start_polyscope
from viewer.worker.build_view import ViewBuilder

if TYPE_CHECKING:
    from optim.session.history import Snapshot
    from optim.session.session import Session

COLUMNS = 6
HEIGHT = 460  # Height of one frame before it is cropped to the person [px].
MARGIN = 0.12  # As a share of the person's height.
GAP = 4  # Space between pictures [px].


class _SolidBody(BodyLayer):
    opacity = 1.0


@with_exit_status
def main(arguments: Sequence[str]) -> int:
    """Fit to the end, print the table and write the picture; returns the exit status."""
    import cv2

    from optim.diagnostics.summary import stage_figures, table

    path = picture_of(arguments, __doc__ or "")
    with told_to(LineHandler()):
        session = make_session(parse(arguments[1:]))
    if session.problem.footage is None:
        raise InputError("there is no video to draw over; give one with --data-path VIDEO")
    ends = fit_stages(session)
    rows = [stage_figures(session.fit, end, name=f"stage {end.stage}", minutes=minutes) for end, minutes in ends]
    print(table(rows))
    picture = draw_strip(session, [end for end, _ in ends if end.stage > 1])
    with replacing(path) as beside:
        cv2.imwrite(str(beside), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    print(f"picture: {path}")
    return 0


def fit_stages(session: Session) -> list[tuple[Snapshot, float]]:
    """Fit to the end; returns the last snapshot of each stage and the time that the stage took [min]."""
    told = ProgressLine(session.schedule, sys.stderr)
    ends, began = [], time.perf_counter()
    while not session.done:
        before = session.current
        now = session.step_iteration()
        told.tell(now, done=session.done)
        if session.done or now.stage > before.stage:
            ends.append((now if session.done else before, (time.perf_counter() - began) / 60))
            began = time.perf_counter()
    return ends


def draw_strip(session: Session, snapshots: Sequence[Snapshot]) -> np.ndarray:
    """An RGB picture with a column for each of ``COLUMNS`` frames.

    The first row shows the video alone, each further row the body of one snapshot over the video.
    """
    builder = ViewBuilder(session)
    camera = builder.scene.camera
    assert camera is not None
    size = (round(HEIGHT * camera.size[0] / camera.size[1]), HEIGHT)
    start_polyscope("openGL3_egl", size=size)
    ui, layers = UiState(exact=True), (FilmLayer(), _SolidBody())
    frames = np.linspace(0, builder.scene.clip_frames - 1, COLUMNS + 2)[1:-1].round().astype(int)
    part = _part_with_the_person(builder.scene.observed.joints2d, HEIGHT / camera.size[1], size)
    rows = []
    for snapshot, body in [(snapshots[0], False)] + [(snapshot, True) for snapshot in snapshots]:
        view = builder.view(snapshot, _status(session, snapshot))
        Viewpoint().from_camera(view)
        ui.layers |= {"film": True, "body": body}
        row = []
        for frame in frames:
            ui.frame = int(frame)
            for layer in layers:
                layer.draw(view, ui)
            row.append(ps.screenshot_to_buffer(transparent_bg=False, include_UI=False)[part])
        rows.append(_joined(row, axis=1))
    ps.remove_all_structures()
    return _joined(rows, axis=0)


def _part_with_the_person(
    keypoints: np.ndarray | None, scale: float, size: tuple[int, int]
) -> tuple[slice, slice, slice]:
    """Slices of rows, columns and channels of a picture that contain the keypoints of all frames.

    Args:
        keypoints: (B, T, 25, 3), in pixels of the video.
        scale: Pixels of the picture per pixel of the video.
        size: Width and height of the picture [px].
    """
    assert keypoints is not None
    seen = keypoints[keypoints[..., 2] > 0][:, :2] * scale
    low, high = seen.min(axis=0), seen.max(axis=0)
    margin = MARGIN * (high - low)[1]
    left, top = np.maximum(low - margin, 0).astype(int)
    right, bottom = np.minimum(high + margin, size).astype(int)
    return slice(top, bottom), slice(left, right), slice(0, 3)


def _status(session: Session, snapshot: Snapshot) -> Status:
    return Status(
        state="done",
        phase=snapshot.phase,
        step=snapshot.step,
        iteration=snapshot.iteration,
        total_iterations=snapshot.total_iterations,
        progress=1.0,
        loss=float(snapshot.evaluation.total),
    )


def _joined(images: Sequence[np.ndarray], *, axis: int) -> np.ndarray:
    """The images side by side (axis 1) or below each other (axis 0), with white space between them."""
    shape = list(images[0].shape)
    shape[axis] = GAP
    between = np.full(shape, 255, np.uint8)
    return np.concatenate([part for image in images for part in (image, between)][:-1], axis=axis)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
