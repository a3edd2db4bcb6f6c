"""Draws layers of real fits one by one through EGL into an .npz; run as a program by test_layer_pixels.py.

For each picture: RGB, and the pixels where things should be. The fits have small random priors and the shipped body.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polyscope as ps
import polyscope.imgui as psim

from optim.body.joints import CONTACT_JOINTS
from optim.schedule.stages import schedule
from optim.session.edits import Perturb
from optim.session.session import Session
from optim.split.splitting import sub_problem
from tests import fakes as small
from tests.viewer.uidriver import Box, UiDriver
from viewer.layers.axes import LENGTH
from viewer.layers.body import ghost_frames
from viewer.layers.camera import plane_depth, unproject
from viewer.layers.floor import grid, middle
from viewer.layers.pull import LONGEST, pull_of
from viewer.layers.sub_sequences import WORST_MM
from viewer.panels.fit.frame_bar import lane_of
from viewer.protocol.planes import plane_of
from viewer.protocol.view_model import ViewModel
from viewer.scene.camera import frame_points, project
from viewer.scene.picking import surface_at
from viewer.scene.reframe import rigid_to
from viewer.ui import theme
from viewer.ui.layout import Rect
from viewer.ui.pins import pin_of
from viewer.ui.ui_state import LAYERS, UiState
from viewer.ui.widgets import Strip
from viewer.window.app import App
from viewer.window.window import start_polyscope
from viewer.worker.local_client import LocalClient

SIZE, FRAMES, SEGMENT = (800, 600), 12, 4
SHORT = {"num_iters": (1, 2, 3), "lbfgs_max_iter": 3, "tune_frames": 8}
FRAME = 6
APART = 0.6
"""Deviation [m] by which sub-sequences are moved, so that none hides the other."""


def in_the_world() -> Session:
    """Joints and key vertices, some of them missing, fitted by multiple shooting."""
    problem, _ = small.recoverable("joints3d", "verts3d", frames=FRAMES)
    seen = problem.observations
    joints = small.hide(seen.joints3d, (slice(None), slice(4, 8), slice(7, 9)))
    vertices = small.hide(seen.verts3d, (slice(None), slice(4, 8), slice(0, 6)))
    problem = replace(problem, observations=replace(seen, joints3d=joints, verts3d=vertices))
    phases = schedule("shooting", "3d", **SHORT)
    return Session(problem, schedule=tuple(replace(p, segment=p.segment and SEGMENT) for p in phases))


def in_sub_sequences() -> Session:
    """Keypoints through a camera, in two sub-sequences that share four frames."""
    whole, _ = small.recoverable("joints2d", frames=FRAMES)
    problem = replace(sub_problem(whole, [(0, 8), (4, FRAMES)]), asked_overlap=3)
    return Session(problem, schedule=schedule("humorscope", "rgb", **SHORT))


class Studio:
    """One fit in stage 3, and the pictures of it."""

    def __init__(self, make: Callable[[], Session], *edits: Perturb) -> None:
        session = make()
        session.finish_stage()
        session.finish_stage()
        for _ in range(3):
            session.step_iteration()
        if session.problem.has_camera:
            session.apply(Perturb("floor_plane", scale=0.05))
        for edit in edits:
            session.apply(edit)
        self.app = App(lambda: LocalClient(lambda: session), UiState(follow=False))
        ps.set_user_callback(self.app.frame)
        ps.frame_tick()
        self.ui.frame = FRAME
        self.pictures: dict[str, np.ndarray] = {}

    @property
    def ui(self) -> UiState:
        return self.app.ui

    @property
    def view(self):
        return self.app.view

    def shoot(self, name: str, layer: str, places: Callable[[], dict[str, np.ndarray]]) -> None:
        """The layer alone, seen from where all the places (N, 3) are in the picture."""
        self.ui.layers = {other: other == layer for other in LAYERS}
        for _ in range(4):  # what it asks the worker for comes in the next frame
            ps.frame_tick()
        world = places()
        self._look(np.concatenate(list(world.values())))
        ps.frame_tick()
        assert not self.ui.broken, self.ui.broken
        self._store(name, world)
        self.ui.layers = dict.fromkeys(LAYERS, False)
        self.ui.look.drag_floor = False
        ps.frame_tick()
        self.pictures[f"{name}/off"] = self._image()

    def _store(self, name: str, world: dict[str, np.ndarray]) -> None:
        self.pictures[name] = self._image()
        matrix, fov = np.array(ps.get_camera_view_matrix()), ps.get_vertical_fov_degrees()
        for what, points in world.items():
            pixels, _ = project(points, view_matrix=matrix, fov_degrees=fov, size=SIZE)
            self.pictures[f"{name}/{what}"] = pixels

    def _look(self, points: np.ndarray) -> None:
        whole = Rect(0.0, 0.0, *map(float, SIZE))
        up = {"camera": (0.0, -1.0, 0.0)}.get(self.ui.look.frame, (0.0, 0.0, 1.0))
        ps.set_camera_view_matrix(frame_points(points, view=whole, size=SIZE, margin=1.3, up=up))

    @staticmethod
    def _image() -> np.ndarray:
        return ps.screenshot_to_buffer(transparent_bg=False, include_UI=False)[:, :, :3]

    def _pick_ghost(self) -> np.ndarray:
        """Frame of the only ghost, and the frame and joint that a click onto its spine selects."""
        self.ui.layers = {name: name == "ghosts" for name in LAYERS}
        there = ghost_frames(self.view, self.ui)[0]
        spine = self.view.motion.joints[0, there, 3]
        ps.frame_tick()
        ghosts = next(layer for layer in self.app.scene_view.layers if layer.name == "ghosts")
        matrix, fov = np.array(ps.get_camera_view_matrix()), ps.get_vertical_fov_degrees()
        ((place,), _) = project(spine[None], view_matrix=matrix, fov_degrees=fov, size=SIZE)
        chosen = surface_at([ghosts], self.view, self.ui, tuple(place))
        return np.array([there, -1, -1] if chosen is None else [there, chosen.frame, chosen.joint])

    def pick(self) -> None:
        """What clicks onto the body select: pixels clicked, and pixels of the vertices that were found."""
        self.ui.layers = {name: name == "body" for name in LAYERS}
        joints = self.view.motion.joints[0, FRAME]
        self._look(joints)
        ps.frame_tick()
        body = next(layer for layer in self.app.scene_view.layers if layer.name == "body")
        matrix, fov = np.array(ps.get_camera_view_matrix()), ps.get_vertical_fov_degrees()
        clicked, _ = project(joints[[0, 1, 4, 6, 12]], view_matrix=matrix, fov_degrees=fov, size=SIZE)
        chosen = [surface_at([body], self.view, self.ui, tuple(place)) for place in clicked]
        vertices = body.skinner(self.view).vertices(self.view.motion, 0, FRAME)
        found = vertices[[one.vertex for one in chosen if one is not None]]
        self.pictures["picked/clicked"] = clicked
        self.pictures["picked/found"], _ = project(found, view_matrix=matrix, fov_degrees=fov, size=SIZE)
        self.pictures["picked/ghost"] = self._pick_ghost()
        nobody = surface_at([body], self.view, self.ui, (3.0, 3.0))
        self.pictures["picked/nobody"] = np.array(nobody is None)


def world_pictures(studio: Studio) -> None:
    """Layers that need no camera."""
    view, ui = studio.view, studio.ui
    joints, observed = view.motion.joints[0, FRAME], view.scene.observed
    gone, gone_vertices = (~np.isfinite(seen[0, FRAME]).all(axis=-1) for seen in (observed.joints3d, observed.verts3d))
    ui.look.ghosts, ui.look.ghost_spacing = 1, 5
    other = ghost_frames(view, ui)[0]
    studio.shoot("ghosts", "ghosts", lambda: {"there": view.motion.joints[0, other, [0, 3, 6, 9, 1, 2]]})
    studio.ui.pins.add(pin_of(view, "as it is"))
    studio.ui.pins.beside, beside = True, np.array([studio.ui.pins.distance, 0.0, 0.0])
    studio.shoot("compared", "compared", lambda: {"beside": view.motion.joints[0, FRAME] + beside})
    studio.ui.pins.remove(0)
    studio.shoot("regressed", "regressed", lambda: {"there": view.regressed[0, FRAME]})
    touching = np.array(CONTACT_JOINTS)[view.motion.contacts[0, FRAME, CONTACT_JOINTS] > 0.5]
    studio.shoot("contacts", "contacts", lambda: {"there": joints[touching], "all": joints[list(CONTACT_JOINTS)]})
    vertices = next(la for la in studio.app.scene_view.layers if la.name == "body").skinner(view)
    key = vertices.vertices(view.motion, 0, FRAME)[list(view.scene.key_vertices)]
    studio.shoot(
        "observations",
        "observations",
        lambda: {
            "seen": observed.joints3d[0, FRAME, ~gone],
            "vertices": observed.verts3d[0, FRAME, ~gone_vertices],
            "missing": np.concatenate((joints[gone], key[gone_vertices])),
        },
    )
    matrix = view.prior_frames[0]
    start = -matrix[:3, :3].T @ matrix[:3, 3]
    studio.shoot("axes", "axes", lambda: {"xyz"[k]: (start + 0.5 * LENGTH * matrix[k, :3])[None] for k in range(3)})
    studio.shoot("now", "rollout_now", lambda: {"now": joints, "stage2": view.drift.stage2.joints[0, FRAME]})
    nodes = view.nodes
    studio.shoot("nodes", "nodes", lambda: {"before": nodes.before[0, 0], "after": nodes.after[0, 0]})
    studio.shoot("one_step", "one_step", lambda: {"there": answer(studio, "one_step").motion.joints[0, FRAME]})
    ui.look.futures, ui.look.future_frames = 2, 10
    studio.shoot("futures", "futures", lambda: {"path": future_path(studio), "end": future_path(studio, -1)})
    ui.look.pull_term = "joints3d"
    studio.shoot("pull", "pull", lambda: {"along": arrow_middles(studio)})
    studio.pick()


def answer(studio: Studio, kind: str):
    return studio.view.analyses[kind].value


def future_path(studio: Studio, at: int | None = None) -> np.ndarray:
    motion = answer(studio, "futures").motions[0]
    return motion.joints[0, :, 0] if at is None else motion.joints[0, at]


def arrow_middles(studio: Studio) -> np.ndarray:
    """Half way along the longest arrows."""
    vectors = pull_of(studio.view).vectors
    here = vectors[0, FRAME] * (LONGEST / np.linalg.norm(vectors, axis=-1).max())
    longest = np.argsort(-np.linalg.norm(here, axis=-1))[:6]
    return studio.view.motion.joints[0, FRAME, longest] + 0.5 * here[longest]


def camera_pictures(studio: Studio) -> None:
    """Layers of a camera, of several floors, of parts; and the same skeleton in three frames of reference."""
    view, ui = studio.view, studio.ui
    ui.frame = 5  # shared by both
    ones, others = view.motion.joints[0, 5], view.motion.joints[1, 1]
    studio.shoot("overlaps", "overlaps", lambda: {"between": (ones + others) / 2})
    apart = 1000 * np.linalg.norm(ones - others, axis=-1)
    studio.pictures["overlaps/colors"] = theme.gap_colors(apart / WORST_MM)
    assert view.scene.overlaps == {0: (4, 7)}
    studio.shoot(
        "stitched",
        "stitched",
        lambda: {"cut": answer(studio, "stitched").cut[5], "blend": answer(studio, "stitched").blend[5]},
    )
    for name, planes in (("observed", view.scene.floors), ("estimated", view.floors)):
        studio.shoot(f"floors {name}", "floors", lambda planes=planes: {"lines": grid_points(studio, planes[0])})
    camera, depth = view.scene.camera, plane_depth(view)
    sides = np.array([(0.25, 0), (0.75, 1), (1, 0.25), (0, 0.75)]) * camera.size
    studio.shoot("camera", "camera", lambda: {"sides": unproject(camera, sides, depth)})
    ui.look.drag_floor = True
    ps.frame_tick()
    studio.pictures["dragged/cm"] = drag_floor(studio, 30.0)
    ui.floor_draft = (6.0, -4.0, 10.0)
    studio.shoot("handle", "", lambda: {"lines": grid_points(studio, np.array(plane_of(*ui.floor_draft)))})
    for frame in ("camera", "prior", "world"):
        ui.look.frame = frame
        rigid = rigid_to(view, frame)
        studio.shoot(f"in {frame}", "skeleton", lambda rigid=rigid: {"there": rigid.points(ones)})


def shared_pictures(studio: Studio, bar: Box) -> None:
    """Two sub-sequences that stand apart in a frame that both hold, and their lanes on the timeline."""
    view, ui = studio.view, studio.ui
    ui.frame = 5
    studio.shoot("shared bodies", "body", lambda: {str(b): torso(studio, b) for b in range(2)})
    lanes = {f"{b} {where}": lane_place(view, bar, b, frame) for b, where, frame in LANES}
    studio.pictures["lanes"] = ps.screenshot_to_buffer(transparent_bg=False, include_UI=True)[:, :, :3]
    studio.pictures |= {f"lanes/{name}": place[None] for name, place in lanes.items()}


def lane_place(view: ViewModel, bar: Box, b: int, frame: float) -> np.ndarray:
    """The middle (2,) [px] of a sub-sequence's lane at a frame of the clip."""
    strip = Strip(bar.x0, bar.y0, bar.x1 - bar.x0, bar.y1 - bar.y0, None, False, 0.0, 0.0)
    lane = lane_of(view, strip, b)
    return np.array([strip.x + strip.width * frame / (view.scene.clip_frames - 1), lane.y + lane.height / 2])


def torso(studio: Studio, b: int) -> np.ndarray:
    """Joints (4, 3) of a sub-sequence's trunk in the present frame."""
    return studio.view.motion.joints[b, studio.view.scene.local_frame(b, studio.ui.frame), [0, 3, 6, 9]]


def compared_pictures(studio: Studio) -> None:
    """The fitted body A and a pinned body B to its side, in one picture."""
    view, ui = studio.view, studio.ui
    ui.pins.add(pin_of(view, "as it is"))
    ui.pins.beside, aside = True, np.array([ui.pins.distance, 0.0, 0.0])
    ui.layers = {name: name in ("body", "compared") for name in LAYERS}
    for _ in range(3):
        ps.frame_tick()
    places = {"A": torso(studio, 0), "B": torso(studio, 0) + aside}
    studio._look(np.concatenate(list(places.values())))
    ps.frame_tick()
    studio._store("A and B", places)
    ui.pins.remove(0)


def themed_pictures(studio: Studio) -> None:
    """The body on the floor in every theme, and a place of the floor and of the empty scene."""
    ui = studio.ui
    for name in theme.THEMES:
        ui.theme = name
        ui.layers = {layer: layer in ("body", "floor") for layer in LAYERS}
        for _ in range(3):
            ps.frame_tick()
        joints = studio.view.motion.joints[0, FRAME]
        studio._look(joints)
        ps.frame_tick()
        assert not ui.broken, ui.broken
        studio._store(f"in {name}", {"body": torso(studio, 0)})
        studio.pictures[f"in {name}/bare"] = np.array([[4.0, 4.0]])
    ui.theme = theme.THEMES[0]
    ps.frame_tick()


LANES = ((0, "alone", 2.0), (0, "shared", 6.0), (1, "shared", 6.0), (1, "alone", 9.5))
"""Sub-sequence, whether another one has the frame too, and a frame of the clip."""


def drag_floor(studio: Studio, cm: float) -> np.ndarray:
    """Pull the handle's upward arrow with the mouse; by how much the floor rose, and the selection of a click."""
    ui, io = studio.ui, psim.GetIO()
    ui.layers = dict.fromkeys(LAYERS, False)
    handle = next(layer for layer in studio.app.scene_view.layers if layer.name == "floor handle")
    foot = np.array(handle._gizmo.get_position())
    up = studio.view.floors[0, :3]
    studio._look(foot + np.linspace(-1, 1, 3)[:, None] * up)
    ps.frame_tick()
    matrix, fov = np.array(ps.get_camera_view_matrix()), ps.get_vertical_fov_degrees()
    way = foot + np.linspace(0.07, 0.07 + cm / 100, 6)[:, None] * up
    pixels, _ = project(way, view_matrix=matrix, fov_degrees=fov, size=SIZE)
    before = ui.floor_draft[2]
    for index, (x, y) in enumerate(pixels):
        io.AddMousePosEvent(float(x), float(y))
        ps.frame_tick()
        if index == 0:
            io.AddMouseButtonEvent(0, True)
        ps.frame_tick()
    io.AddMouseButtonEvent(0, False)
    ps.frame_tick()
    ps.frame_tick()
    assert ui.selection is None
    return np.array(ui.floor_draft[2] - before)


def grid_points(studio: Studio, plane: np.ndarray) -> np.ndarray:
    """Quarters of the lines of a grid."""
    starts, ends = grid(plane, middle(studio.view, 0))
    return 0.27 * starts + 0.73 * ends


def main(out: Path) -> None:
    driver = UiDriver()
    driver.install()
    start_polyscope("openGL3_egl", size=SIZE)
    arrays: dict[str, np.ndarray] = {}

    def shared(studio: Studio) -> None:
        shared_pictures(studio, driver.widgets["frame bar"])

    studies: list[tuple[Callable[[], Session], Callable[[Studio], None], list[Perturb]]] = [
        (in_the_world, world_pictures, []),
        (in_the_world, compared_pictures, []),
        (in_the_world, themed_pictures, []),
        (in_sub_sequences, camera_pictures, []),
        (in_sub_sequences, shared, [Perturb("trans", scale=APART)]),
    ]
    for make, draw, edits in studies:
        studio = Studio(make, *edits)
        draw(studio)
        arrays |= studio.pictures
        ps.clear_user_callback()
        ps.remove_all_structures()
    np.savez(out, **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
