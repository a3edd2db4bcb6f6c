"""Opens the window: checks whether that is possible, sets up Polyscope, and runs the window's loop."""

from __future__ import annotations

import atexit
import importlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Literal

from threadpoolctl import threadpool_limits

from optim.common.exit_status import tell_error
from viewer.film.sign import TITLE
from viewer.protocol.commands import Quit
from viewer.protocol.view_model import About
from viewer.ui import theme
from viewer.ui.drawing import ps
from viewer.ui.fonts import use_font_for
from viewer.ui.opening import Opening
from viewer.ui.preferences import (
    WINDOW_SIZE,
    apply_preferences,
    from_ui,
    load_preferences,
    pins_of,
    preferences_path,
    save_preferences,
    with_pins,
)
from viewer.ui.ui_state import UiState
from viewer.window.app import App
from viewer.window.backends import desktop_scale, offscreen_problem, screen_size, window_problem
from viewer.window.client import Client
from viewer.window.display_loss import end_in_order
from viewer.window.still import Still

Backend = Literal["openGL3_glfw", "openGL3_egl", "openGL_mock"]


@dataclass(frozen=True)
class WindowResult:
    """How a window ended: the exit status for the shell, and the error if there was one."""

    exit_status: int
    error: str | None = None
    dropped: str | None = None
    """Path that was dropped on the window or chosen in it, to be opened next."""
    again: tuple[str, ...] | None = None
    """Flags with which the same fit is to begin again."""


class WindowUnavailable(RuntimeError):  # noqa: N818 (a state of affairs, and public)
    """No window can be opened here; the message says why and what to do."""


_PROBLEMS: dict[Backend, Callable[[], str | None]] = {
    "openGL3_glfw": window_problem,
    "openGL3_egl": offscreen_problem,
    "openGL_mock": lambda: None,
}


def require(backend: Backend) -> None:
    """Raise ``WindowUnavailable`` if a backend cannot be used here; call it before anything is loaded."""
    problem = _PROBLEMS[backend]() or missing_library()
    if problem is not None:
        raise WindowUnavailable(problem)


def missing_library() -> str | None:
    """What keeps Polyscope or OpenCV from being loaded here. None if nothing does."""
    try:
        for name in ("polyscope", "cv2"):
            importlib.import_module(name)
    except ImportError as error:
        return f"a library of the system is missing ({error}); the README lists what to install"
    return None


def start_polyscope(backend: Backend, *, size: tuple[int, int] = WINDOW_SIZE) -> None:
    """Initialise Polyscope as our window: no files written, none of its own panels, dark, z up.

    Raises:
        WindowUnavailable: No window can be opened, or nothing drawn off-screen; says what is missing.
    """
    require(backend)
    threadpool_limits(limits=1, user_api="blas")  # numpy's threads wait awake, on processors that others need
    ps.set_use_prefs_file(False)
    ps.set_verbosity(0)
    ps.set_program_name(TITLE)
    ps.set_display_message_popups(False)
    ps.set_errors_throw_exceptions(True)
    ps.set_build_default_gui_panels(False)
    ps.set_open_imgui_window_for_user_callback(False)
    ps.set_frame_tick_limit_fps_mode("ignore_limits")
    ps.set_automatically_compute_scene_extents(False)
    ps.set_configure_imgui_style_callback(theme.apply_style)
    ps.set_window_size(*size)
    use_font_for(sys.argv)
    try:
        ps.init(backend)
    except RuntimeError as error:
        atexit.register(_make_exit_possible)
        reason = str(error).rpartition("ERROR: ")[2]
        what = "the display is gone" if backend == "openGL3_glfw" else "nothing can be drawn off-screen"
        raise WindowUnavailable(f"{what} ({reason})") from error
    ps.set_up_dir("z_up")
    ps.set_ground_plane_mode("none")
    theme.style_colors()
    ps.set_length_scale(2.0)
    ps.set_bounding_box((-2.0, -2.0, 0.0), (2.0, 2.0, 2.0))


def _make_exit_possible() -> None:
    """Give Polyscope a backend if it has none: after a failed start it ends the process with signal 11 at its exit."""
    if not ps.is_initialized():
        ps.init("openGL_mock")


def run_window(
    make_client: Callable[[], Client],
    *,
    backend: Backend = "openGL3_glfw",
    opening: Opening | None = None,
    about: About | None = None,
    other: Callable[[str], Client] | None = None,
    compare: str | None = None,
    still: Callable[[Still, Connection], None] | None = None,
    run: str | None = None,
    kept: str = "",
) -> WindowResult:
    """Open the window on what a client shows, and return when it is closed.

    Args:
        make_client: Starts a ``ProcessClient`` on a session, or a ``ReplayClient`` on a recording; called again after
            a worker has died. Input that cannot be used closes the window with status 2 and a text in ``error``.
        backend: Polyscope's.
        opening: What may be opened from the window, which ends it; ``WindowResult.dropped`` names the path.
        about: How the fit was set up; None if the client says so.
        other: Opens another run, to compare it with what is shown.
        compare: Path of another run that is compared from the start.
        still: Draws still pictures, in a process of its own (``viewer.window.still_drawing.draw_still``).
        run: Name of what is shown, by which the next window on it finds what was pinned in this one.
        kept: Where the fit is kept and how it is gone on with, for the case that the display vanishes.

    Raises:
        WindowUnavailable: No window can be opened; says what to do instead.
    """
    require(backend)
    path = preferences_path()
    ui, preferences = UiState(desktop_scale=desktop_scale()), load_preferences(path)
    apply_preferences(preferences, ui)
    app = App(make_client, ui)
    ui.opening = opening or ui.opening
    app.still.draw, ui.pins.again = still, pins_of(preferences, run)
    app.about, app.other_run.open, ui.pins.run_to_open = about or app.about, other, compare
    try:
        size = preferences.window_size(scale=ui.scale or ui.desktop_scale, screen=screen_size())
        if backend == "openGL3_glfw":
            end_in_order(lambda: _rescue(app, kept))
        start_polyscope(backend, size=size)
        ps.set_files_dropped_callback(app.drop)
        app.yield_to_worker()
        ps.set_user_callback(app.frame)
        while not (ps.window_requests_close() or ui.quit):
            start = time.monotonic()
            app.tick()
            time.sleep(app.rest(time.monotonic() - start))
    except KeyboardInterrupt:
        pass
    finally:
        app.studio.stop()
        app.still.close()
        app.other_run.close()
        size = ps.get_window_size() if ps.is_initialized() else WINDOW_SIZE
        app.client.post(Quit())
        if ps.is_initialized():
            ps.shutdown()  # close the window at once, even if the worker is busy
        app.client.close()
    save_preferences(path, with_pins(from_ui(ui, size=size), load_preferences(path), run, ui.pins))
    if ui.opening.leaves:
        return WindowResult(0, dropped=ui.opening.chosen, again=ui.opening.again)
    if app.failed is not None:
        return WindowResult(2 if app.failed.input_error else 1, app.failed.text)
    return WindowResult(0)


def _rescue(app: App, kept: str) -> None:
    """Tell that the display is gone, and let the worker save everything; nothing here uses the display."""
    tell_error(f"The display is gone: its server has ended, or the connection to it has broken. {kept}".rstrip())
    app.client.post(Quit())
    app.client.close()
    app.studio.rescue()
    app.still.close()
    app.other_run.close()
