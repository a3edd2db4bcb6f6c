"""Bring MakeHuman bodies into SMPL's T-pose, and compute the 52 SMPL+H joints from their bones."""

from dataclasses import dataclass

import numpy as np

from assets.build.body.rig import (
    Rig,
    forward_kinematics,
    rotation_about,
    skin,
    smallest_rotation,
    twist_angle,
    unit,
)
from assets.build.body.tree import JOINT

# The T-pose [°]. Directions: (azimuth towards +z, elevation) of the arm, (outward, forward) of the leg.
CLAVICLE_LIFT, SHOULDER_LIFT = 8.0, 7.0
UPPER_ARM, FOREARM = (-4.0, -2.0), (1.0, 1.0)
THIGH, SHANK, TOE_OUT = (3.0, 1.0), (-1.0, -4.5), 9.0
THUMB_ROLL = -15.0
FINGER_SPREAD = 0.75  # share of the fingers' spread at rest that is kept

X, Y, Z = np.eye(3)
_ARM_BONES = ("clavicle", "shoulder01", "upperarm", "lowerarm", "wrist", "metacarpal", "finger")
_POSED = (*_ARM_BONES, "upperleg", "lowerleg", "foot", "toe")


@dataclass(frozen=True)
class Side:
    """Bones of one side of N bodies at rest. ``turn`` fills in their rotations."""

    rig: Rig
    heads: np.ndarray  # (N, bones, 3)
    tails: np.ndarray  # (N, bones, 3)
    rotations: np.ndarray  # (N, bones, 3, 3)
    letter: str  # "L" or "R"
    sign: float  # +1 on the left, -1 on the right

    def head(self, bone: str) -> np.ndarray:
        return self.heads[:, self.rig.index[f"{bone}.{self.letter}"]]

    def tail(self, bone: str) -> np.ndarray:
        return self.tails[:, self.rig.index[f"{bone}.{self.letter}"]]

    def turn(self, rotation: np.ndarray, *bones: str) -> None:
        for bone in bones:
            self.rotations[:, self.rig.index[f"{bone}.{self.letter}"]] = rotation


def apply(rotation: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Products (N, 3) of rotations (N, 3, 3) and vectors (N, 3)."""
    return np.einsum("nij,nj->ni", rotation, vector)


def t_pose_rotations(rig: Rig, heads: np.ndarray, tails: np.ndarray) -> np.ndarray:
    """Global rotation (N, bones, 3, 3) of every bone that turns the rest pose into the T-pose."""
    rotations = np.broadcast_to(np.eye(3), (*heads.shape[:2], 3, 3)).copy()
    for letter, sign in (("L", 1.0), ("R", -1.0)):
        side = Side(rig, heads, tails, rotations, letter, sign)
        _turn_fingers(side, _turn_arm(side))
        _turn_leg(side)
    for i, name in enumerate(rig.names):  # bones that are not posed follow their parents
        if rig.parents[i] >= 0 and not name.startswith(_POSED):
            rotations[:, i] = rotations[:, rig.parents[i]]
    return rotations


def _sideways(angles: tuple[float, float], sign: float) -> np.ndarray:
    azimuth, elevation = np.radians(angles)
    east, up, north = (
        np.cos(elevation) * np.cos(azimuth),
        np.sin(elevation),
        np.cos(elevation) * np.sin(azimuth),
    )
    return np.array([sign * east, up, north])


def _turn_arm(side: Side) -> np.ndarray:
    """Turn the bones from collar to wrist, with twists spread along them. Returns the hand's rotation (N, 3, 3)."""
    count = len(side.heads)
    collar = rotation_about(Z, np.full(count, side.sign * np.radians(CLAVICLE_LIFT)))
    shoulder = rotation_about(Z, np.full(count, side.sign * np.radians(SHOULDER_LIFT))) @ collar
    side.turn(collar, "clavicle")
    side.turn(shoulder, "shoulder01")
    arm = side.head("lowerarm01") - side.head("upperarm01")
    forearm = side.head("wrist") - side.head("lowerarm01")
    arm_end, forearm_end = _sideways(UPPER_ARM, side.sign), _sideways(FOREARM, side.sign)
    upper = smallest_rotation(apply(shoulder, arm), arm_end) @ shoulder
    bend = apply(upper, forearm)
    bend = bend - (bend @ arm_end)[:, None] * arm_end
    forward = unit(Z - (Z @ arm_end) * arm_end)  # the elbow bends forward
    roll = np.arctan2(np.cross(bend, forward) @ arm_end, bend @ forward)
    side.turn(rotation_about(arm_end, roll * 0.5) @ upper, "upperarm01")
    upper = rotation_about(arm_end, roll) @ upper
    side.turn(upper, "upperarm02")
    lower = smallest_rotation(apply(upper, forearm), forearm_end) @ upper
    hand = _hand_rotation(side)
    twist = twist_angle(hand @ np.swapaxes(lower, -1, -2), forearm_end)
    side.turn(rotation_about(forearm_end, twist * 0.30) @ lower, "lowerarm01")
    side.turn(rotation_about(forearm_end, twist * 0.75) @ lower, "lowerarm02")
    return hand


def _hand_rotation(side: Side) -> np.ndarray:
    """Rotation (N, 3, 3) that brings the middle finger along ±x with the palm down."""
    along = unit(side.head("finger3-1") - side.head("wrist"))
    across = side.head("finger2-1") - side.head("finger5-1")
    across = unit(across - (across * along).sum(-1, keepdims=True) * along)
    rest = np.stack([along, np.cross(across, along), across], -1)
    outward = np.array([side.sign, 0, 0.0])
    return np.stack([outward, np.cross(Z, outward), Z], -1) @ np.swapaxes(rest, -1, -2)


def _turn_fingers(side: Side, hand: np.ndarray) -> None:
    """Turn the four fingers straight into the horizontal plane. The thumb keeps its rest pose, slightly lifted."""
    side.turn(hand, "wrist", *(f"metacarpal{k}" for k in (1, 2, 3, 4)))
    for k in (2, 3, 4, 5):
        first = apply(hand, side.head(f"finger{k}-2") - side.head(f"finger{k}-1"))
        azimuth = np.arctan2(first[:, 2], side.sign * first[:, 0]) * FINGER_SPREAD
        straight = np.stack([side.sign * np.cos(azimuth), np.zeros(len(azimuth)), np.sin(azimuth)], -1)
        rotation = hand
        for j in (1, 2, 3):
            end = side.head(f"finger{k}-{j + 1}") if j < 3 else side.tail(f"finger{k}-3")
            bone = end - side.head(f"finger{k}-{j}")
            rotation = smallest_rotation(apply(rotation, bone), straight) @ rotation
            side.turn(rotation, f"finger{k}-{j}")
    thumb = rotation_about(X, np.full(len(hand), np.radians(THUMB_ROLL))) @ hand
    side.turn(thumb, "finger1-1", "finger1-2", "finger1-3")


def _turn_leg(side: Side) -> None:
    """Turn the bones from hip to toes. The rotation of the foot is spread over hip and knee to avoid a sharp twist."""

    def downward(angles: tuple[float, float]) -> np.ndarray:
        outward, forward = np.tan(np.radians(angles[0])), np.tan(np.radians(angles[1]))
        return unit(np.array([side.sign * outward, -1, forward]))

    thigh = smallest_rotation(side.head("lowerleg01") - side.head("upperleg01"), downward(THIGH))
    shank = side.head("foot") - side.head("lowerleg01")
    shank = smallest_rotation(apply(thigh, shank), downward(SHANK)) @ thigh
    foot = rotation_about(Y, np.full(len(side.heads), side.sign * np.radians(TOE_OUT)))
    twist = twist_angle(foot @ np.swapaxes(shank, -1, -2), Y)
    for bone, whole, share in (
        ("upperleg01", thigh, 0.15),
        ("upperleg02", thigh, 0.4),
        ("lowerleg01", shank, 0.7),
        ("lowerleg02", shank, 0.9),
    ):
        side.turn(rotation_about(Y, twist * share) @ whole, bone)
    toes = (name[:-2] for name in side.rig.names if name.startswith("toe") and name.endswith(side.letter))
    side.turn(foot, "foot", *toes)


def smplh_joints(rig: Rig, heads: np.ndarray) -> np.ndarray:
    """The 52 joints (N, 52, 3) [m] at the places that SMPL+H gives them, from posed bone heads (N, bones, 3)."""

    def head(name: str) -> np.ndarray:
        return heads[:, rig.index[name]]

    def between(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
        return a + share * (b - a)

    joints = np.zeros((len(heads), 52, 3))
    thigh = np.linalg.norm(head("lowerleg01.L") - head("upperleg01.L"), axis=1)[:, None]
    pelvis = head("pelvis.L")
    # MakeHuman's pelvis and hips lie far back: both go forward by a share of the thigh's length (2 cm).
    joints[:, 0] = pelvis + 0.35 * (head("spine04") - pelvis) * Y + thigh * np.array([0, 0, 0.055])
    joints[:, JOINT["spine1"]] = head("spine03")
    joints[:, JOINT["spine2"]] = between(head("spine02"), head("spine01"), 0.30)
    joints[:, JOINT["spine3"]] = between(head("spine02"), head("spine01"), 0.71)
    joints[:, JOINT["neck"]], joints[:, JOINT["head"]] = head("neck01"), head("neck03")
    for letter, side, sign in (("L", "left", -1), ("R", "right", 1)):
        put = {name: head(f"{bone}.{letter}") for name, bone in _SIDE_JOINTS.items()}
        put["hip"] = put["hip"] + thigh * np.array([sign * 0.03, -0.04, 0.055])
        put["knee"] = put["knee"] + thigh * np.array([0, -0.03, 0])
        toes = [head(f"toe{k}-1.{letter}") for k in (1, 2, 3)]
        put["foot"] = (toes[0] + toes[1] + toes[2]) / 3
        clavicle = head(f"clavicle.{letter}")
        put["collar"] = between(clavicle, head(f"shoulder01.{letter}"), 0.65)
        put["collar"][:, 1] = clavicle[:, 1]
        for name, position in put.items():
            joints[:, JOINT[f"{side}_{name}"]] = position
    return joints


_SIDE_JOINTS = {
    "hip": "upperleg01",
    "knee": "lowerleg01",
    "ankle": "foot",
    "shoulder": "upperarm01",
    "elbow": "lowerarm01",
    "wrist": "wrist",
} | {
    f"{finger}{k}": f"finger{number}-{k}"
    for number, finger in enumerate(("thumb", "index", "middle", "ring", "pinky"), 1)
    for k in (1, 2, 3)
}


@dataclass(frozen=True)
class TPosed:
    """N bodies in the T-pose."""

    vertices: np.ndarray  # (N, V, 3) [m]
    joints: np.ndarray  # (N, 52, 3) [m]
    heads: np.ndarray  # (N, bones, 3) [m]
    tails: np.ndarray  # (N, bones, 3) [m]


def t_pose(rig: Rig, vertices: np.ndarray, vertex_ids: np.ndarray, marks: np.ndarray) -> TPosed:
    """Bring bodies at rest into the T-pose.

    Args:
        vertices: (N, V, 3) [m] vertices at rest.
        vertex_ids: (V,) their indices in the base mesh.
        marks: (N, marks, 3) [m] positions of ``rig.bone_vertices()``.
    """
    heads, tails = rig.bone_ends(marks)
    rotations = t_pose_rotations(rig, heads, tails)
    new_heads, new_tails = forward_kinematics(rig, heads, tails, rotations)
    posed = skin(rig.weights[vertex_ids], vertices, heads, new_heads, rotations)
    return TPosed(posed, smplh_joints(rig, new_heads), new_heads, new_tails)
