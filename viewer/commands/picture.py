"""Takes a picture of the window during a real fit, off-screen: ``python -m viewer.picture FILE [options]``.

The options are those of ``run_viewer.py``. The picture shows the first iterations of stage 3, where one can see how the
roll-out of the inferred latents drifts from the motion of stage 2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import polyscope as ps

from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.common.writing import replacing
from optim.config.settings import parse
from viewer.commands.sessions import make_session
from viewer.protocol.commands import Command, RunStage, Step
from viewer.ui.ui_state import UiState
from viewer.window.app import App
from viewer.window.window import start_polyscope
from viewer.worker.local_client import LocalClient

SETTLE_FRAMES = 4


@with_exit_status
def main(arguments: list[str]) -> int:
    """Fit up to the first iterations of stage 3 and write the picture; returns the exit status."""
    import cv2

    path, settings = picture_of(arguments, __doc__ or ""), parse(arguments[1:])
    start_polyscope("openGL3_egl")
    app = App(lambda: LocalClient(partial(make_session, settings)), UiState())
    ps.set_user_callback(app.frame)
    for command in (RunStage(), RunStage(), Step()):
        run(app, command)
    assert app.view is not None
    app.ui.frame, app.ui.camera_request = int(0.7 * app.view.scene.clip_frames), "home"
    for _ in range(SETTLE_FRAMES):
        ps.frame_tick()
    image = ps.screenshot_to_buffer(transparent_bg=False, include_UI=True)[:, :, :3]
    with replacing(path) as beside:
        cv2.imwrite(str(beside), np.ascontiguousarray(image[:, :, ::-1]))
    return 0


def picture_of(arguments: Sequence[str], text: str) -> Path:
    """The picture that a command writes, which is its first word; ``--help`` prints ``text`` and ends the program.

    Raises:
        InputError: No picture can be written under this name.
        SystemExit: There is no first word, or it is a flag.
    """
    import cv2

    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="the file to write, .png or .jpg")
    path: Path = parser.parse_args(arguments[:1]).picture
    if not cv2.haveImageWriter(path.name):
        raise InputError(f"{path}: no kind of picture by its ending; give a name that ends in .png or .jpg")
    return path


def run(app: App, command: Command) -> None:
    """Send a command to the optimiser and wait until it is done, without drawing."""
    app.client.post(command)
    app.receive()
    if app.failed is not None:
        sys.exit(f"error: {app.failed.text}")
    while app.view is None or app.view.status.state == "running":
        app.receive()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
