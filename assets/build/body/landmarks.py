"""Find named points on the skin: the points of keypoint detectors, and 43 key vertices spread over the body."""

from dataclasses import dataclass

import numpy as np

from assets.build.body.mesh import vertex_normals
from assets.build.body.rig import Rig, unit
from assets.build.body.tree import EXTRA_VERTICES, JOINT

# First letters of MakeHuman's bones of the head.
HEAD_BONES = (
    "head",
    "jaw",
    "levator",
    "oculi",
    "orbic",
    "oris",
    "risorius",
    "special",
    "temporalis",
    "eye",
    "tongue",
)
LEFT, UP, FRONT = np.eye(3)
FINGERS = ("thumb", "index", "middle", "ring", "pinky")


def detector_points(
    rig: Rig,
    used: np.ndarray,
    middle: np.ndarray,
    cornea: int,
    positions: np.ndarray,
    heads: np.ndarray,
    tails: np.ndarray,
) -> dict[str, int]:
    """Left and middle points that smplx adds to the joints, under its names, and the top of the head.

    Args:
        used: (V,) whether a vertex belongs to the clean mesh.
        middle: (V,) whether a vertex lies on the middle plane.
        cornea: Vertex of the left cornea.
        positions: (V, 3) [m] vertices of the mean body in the T-pose.
        heads, tails: (bones, 3) [m] ends of its bones.
    """
    x, y, z = positions.T

    def best(score: np.ndarray, among: np.ndarray) -> int:
        return int(np.argmax(np.where(among & used, score, -np.inf)))

    def moved_by(bone: str) -> np.ndarray:
        return rig.weights[:, rig.index[bone]] > 0.5

    head = rig.share(*HEAD_BONES) > 0.5
    ear = head & used & (x > x[head & used].max() - 0.016)
    centre = (positions[ear].min(0) + positions[ear].max(0)) / 2
    beside_canal = np.hypot(y - centre[1] + 0.012, z - centre[2] - 0.006) < 0.007
    low = y < y[used].min() + 0.035
    points = {
        "nose": best(z, middle & head),
        "head_top": best(y, middle & head),
        "leye": cornea,
        "lear": best(x, head & beside_canal),
        "LHeel": best(-z, (rig.share("foot") > 0.5) & low),
        "LBigToe": best(z, moved_by("toe1-2.L")),
        "LSmallToe": best(z, moved_by("toe5-3.L")),
    }
    for k, finger in enumerate(FINGERS, 1):
        tip = rig.index[f"finger{k}-3.L"]
        along = (positions - heads[tip]) @ unit(tails[tip] - heads[tip])
        points[f"l{finger}"] = best(along, moved_by(f"finger{k}-3.L"))
    return points


def key_vertices(
    vertices: np.ndarray, triangles: np.ndarray, weights: np.ndarray, mirror: np.ndarray
) -> dict[str, int]:
    """43 named vertices, symmetric and spread over the body. They correspond to SMPL's published list.

    Args:
        vertices: (V, 3) [m] in the T-pose.
        triangles: (F, 3).
        weights: (V, 52) skinning weights.
        mirror: (V,) index of the vertex on the other side.
    """
    middle = np.nonzero(mirror == np.arange(len(vertices)))[0]
    surface = _Surface(vertices, vertex_normals(vertices, triangles), weights, middle)
    points = {
        "head_top": int(middle[np.argmax(vertices[middle, 1])]),
        "nose": EXTRA_VERTICES["nose"],
        "back_of_head": surface.on_middle_line(0.93, -1),
        "chest": surface.on_middle_line(0.76, 1),
        "upper_back": surface.on_middle_line(0.78, -1),
        "belly": surface.on_middle_line(0.63, 1),
        "lower_back": surface.on_middle_line(0.62, -1),
    }
    for name, vertex in (_left_trunk(surface) | _left_arm(surface) | _left_leg(surface)).items():
        points |= {f"left_{name}": vertex, f"right_{name}": int(mirror[vertex])}
    return points


@dataclass(frozen=True)
class _Surface:
    """Surface of the body in the T-pose."""

    vertices: np.ndarray  # (V, 3) [m]
    normals: np.ndarray  # (V, 3)
    weights: np.ndarray  # (V, 52)
    middle: np.ndarray  # indices of the vertices at x = 0

    def level(self, share: float) -> float:
        """Coordinate y [m] at a fraction of the body's height."""
        y = self.vertices[:, 1]
        return y.min() + share * np.ptp(y)

    def moved_by(self, *joints: str) -> np.ndarray:
        return self.weights[:, [JOINT[name] for name in joints]].sum(1) > 0.4

    def on_middle_line(self, share: float, facing: int) -> int:
        """Vertex of the front (1) or back (-1) middle line that is nearest to a fraction of the height."""
        ids = self.middle[np.sign(self.normals[self.middle, 2]) == facing]
        return int(ids[np.argmin(np.abs(self.vertices[ids, 1] - self.level(share)))])

    def seen_from(self, origin: tuple[float, float, float], direction: np.ndarray, part: np.ndarray) -> int:
        """Left vertex of ``part`` that is nearest to a ray from inside the body and faces in its direction."""
        offset = self.vertices - np.array(origin)
        along = offset @ direction
        distance = np.linalg.norm(offset - along[:, None] * direction, axis=1)
        wrong = np.where(along < 0, 0.5, 0) + np.where(self.normals @ direction < 0.2, 0.5, 0)
        return int(np.argmin(distance + wrong + np.where(part & (self.vertices[:, 0] > 1e-4), 0, 5)))


def _left_trunk(surface: _Surface) -> dict[str, int]:
    trunk = ("pelvis", "spine1", "spine2", "spine3", "left_collar", "left_hip", "left_shoulder", "neck")
    part, level = surface.moved_by(*trunk), surface.level
    arm_x = surface.vertices[surface.moved_by("left_shoulder"), 0].min()
    _, arm_y, arm_z = surface.vertices[surface.moved_by("left_elbow")].mean(0)
    return {
        "ear": EXTRA_VERTICES["lear"],
        "shoulder_top": surface.seen_from((arm_x + 0.02, arm_y, arm_z), UP, part),
        "chest": surface.seen_from((0.09, level(0.745), 0), FRONT, part),
        "shoulder_blade": surface.seen_from((0.10, level(0.765), -0.02), -FRONT, part),
        "waist": surface.seen_from((0, level(0.63), 0), LEFT, part),
        "hip_side": surface.seen_from((0.05, level(0.53), 0), LEFT, part),
        "buttock": surface.seen_from((0.08, level(0.515), -0.02), -FRONT, part),
    }


def _left_arm(surface: _Surface) -> dict[str, int]:
    forearm = surface.vertices[surface.moved_by("left_elbow")]
    arm, hand = surface.moved_by("left_shoulder", "left_elbow"), surface.moved_by("left_elbow", "left_wrist")
    elbow, wrist = surface.vertices[surface.moved_by("left_shoulder"), 0].max(), forearm[:, 0].max()
    _, y, z = forearm.mean(0)
    return {
        "elbow_back": surface.seen_from((elbow, y, z), -FRONT, arm),
        "elbow_front": surface.seen_from((elbow, y, z), FRONT, arm),
        "wrist_top": surface.seen_from((wrist, y, z), UP, hand),
        "middle_tip": EXTRA_VERTICES["lmiddle"],
        "thumb_tip": EXTRA_VERTICES["lthumb"],
    }


def _left_leg(surface: _Surface) -> dict[str, int]:
    part = surface.moved_by("left_hip", "left_knee", "left_ankle", "left_foot")
    shank, level = surface.vertices[surface.moved_by("left_knee")], surface.level
    x, _, z = shank.mean(0)
    return {
        "thigh_front": surface.seen_from((x, level(0.40), z), FRONT, part),
        "knee_front": surface.seen_from((x, shank[:, 1].max() - 0.03, z), FRONT, part),
        "calf_back": surface.seen_from((x, level(0.20), z), -FRONT, part),
        "ankle_outer": surface.seen_from((x, level(0.045), shank[:, 2].min() + 0.05), LEFT, part),
        "heel": EXTRA_VERTICES["LHeel"],
        "big_toe": EXTRA_VERTICES["LBigToe"],
    }
