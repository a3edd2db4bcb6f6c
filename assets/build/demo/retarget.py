"""Retarget a DeepMimic motion to an SMPL+H body: keep the rotations, and place the feet where the character's feet are.

It uses the rest joints and the vertices of the given body, so a rebuilt body gives rebuilt clips. y points up until the
last step. All numbers are float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import roma
import torch
from torch import Tensor

from assets.build.demo.source import FOOT_CORNERS, FPS, NAMES, OFFSETS, SourceMotion
from optim.body.body_model import NUM_JOINTS, BodyModel

# For each of the 22 body joints: the two joints of the character between which it turns, and how far.
_TURNS_WITH = (
    ("root", "root", 0.0), ("left_hip", "left_hip", 0.0), ("right_hip", "right_hip", 0.0),
    ("root", "chest", 1 / 3), ("left_knee", "left_knee", 0.0), ("right_knee", "right_knee", 0.0),
    ("root", "chest", 2 / 3), ("left_ankle", "left_ankle", 0.0), ("right_ankle", "right_ankle", 0.0),
    ("chest", "chest", 0.0), ("left_ankle", "left_ankle", 0.0), ("right_ankle", "right_ankle", 0.0),
    ("chest", "neck", 0.5), ("chest", "chest", 0.0), ("chest", "chest", 0.0),
    ("neck", "neck", 0.0), ("left_shoulder", "left_shoulder", 0.0), ("right_shoulder", "right_shoulder", 0.0),
    ("left_elbow", "left_elbow", 0.0), ("right_elbow", "right_elbow", 0.0),
    ("left_wrist", "left_wrist", 0.0), ("right_wrist", "right_wrist", 0.0),
)  # fmt: skip
_LEGS = (("left", 1, 4, 7, 10), ("right", 2, 5, 8, 11))  # side, hip, knee, ankle, toe
_ARMS = ((16, 18, 20), (17, 19, 21))  # shoulder, elbow, wrist
_FINGERTIPS = (2445, 5905)  # vertices: tips of the middle fingers
_TRUNK = (0, 1, 2, 3, 6, 9, 12, 13, 14, 15, 16, 17)  # joints whose flesh may lie on the floor, not below
_STRAIGHT = 0.995  # share of the leg that the scaled character may use, so that no knee locks
_STANDS = {"speed": 0.25, "height": 0.04, "tilt": 0.45}  # a foot below these is planted [m/s, m, rad]
_ARM_RADII = (0.045, 0.035, 0.015)  # flesh between elbow, wrist and fingertip and the floor [m]
_SINK = 0.01  # how far flesh gives way when lying [m]
_SOURCE_LEG = -float(OFFSETS[NAMES.index("left_knee"), 1] + OFFSETS[NAMES.index("left_ankle"), 1])
_UP = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
_Z_UP = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]], dtype=torch.float64)


@dataclass(frozen=True)
class Skeleton:
    """A body at rest as retargeting needs it: joints, tree, and the points that move with each joint."""

    joints: Tensor  # (22, 3) [m]
    parents: tuple[int, ...]
    flesh: tuple[Tensor, ...]  # of each joint: points (K, 3) relative to the joint
    hands: Tensor  # (2, 3) from wrist to fingertip, left and right

    @staticmethod
    def of(body: BodyModel) -> Skeleton:
        """Skeleton of a body with all betas 0."""
        joints, points = body.joint_template[:NUM_JOINTS].double(), body.template.double()
        owner = body.weights.argmax(1)
        flesh = tuple(points[owner == joint] - joints[joint] for joint in range(NUM_JOINTS))
        wrists = joints[[wrist for _, _, wrist in _ARMS]]
        return Skeleton(joints, body.parents[:NUM_JOINTS], flesh, points[list(_FINGERTIPS)] - wrists)

    def bone(self, start: int, end: int) -> Tensor:
        """Vector from one joint to another at rest."""
        return self.joints[end] - self.joints[start]

    def foot(self, ankle: int, toe: int) -> Tensor:
        """Points (K, 3) of a foot with straight toes, relative to its ankle."""
        return torch.cat((self.flesh[ankle], self.flesh[toe] + self.bone(ankle, toe)))

    def place(self, rotations: Tensor, pelvis: Tensor) -> Tensor:
        """Joint positions (T, 22, 3) from world rotations (T, 22, 3, 3) and the pelvis (T, 3)."""
        positions = [pelvis]
        for joint in range(1, NUM_JOINTS):
            parent = self.parents[joint]
            positions.append(positions[parent] + rotations[:, parent] @ self.bone(parent, joint))
        return torch.stack(positions, dim=1)


def retarget(motion: SourceMotion, body: BodyModel) -> tuple[Tensor, Tensor]:
    """Retarget a motion to the mean body, in AMASS's form.

    Returns:
        ``trans`` (T, 3) [m] and ``poses`` (T, 156) axis-angle [rad]; z up, floor at z = 0, hands at rest.
    """
    skeleton = Skeleton.of(body)
    source_rotations, source_joints = motion.world()
    scale = _STRAIGHT * float(skeleton.bone(1, 4).norm() + skeleton.bone(4, 7).norm()) / _SOURCE_LEG
    scaled = scale * source_joints
    ankles = [NAMES.index(f"{side}_ankle") for side, *_ in _LEGS]
    boxes = scale * (source_rotations[:, ankles] @ FOOT_CORNERS.mT)[..., 1, :].amin(-1)
    soles = scaled[:, ankles, 1] + boxes
    floor = _floor_height(scaled[:, ankles], soles)
    rotations = _same_rotations(source_rotations, skeleton)
    hips = scaled[:, [NAMES.index("left_hip"), NAMES.index("right_hip")]].mean(1) - floor * _UP
    pelvis = hips - rotations[:, 0] @ (0.5 * (skeleton.bone(0, 1) + skeleton.bone(0, 2)))
    pelvis = _trunk_above_floor(rotations, pelvis, skeleton)
    for side, leg in enumerate(_LEGS):
        places = scaled[:, ankles[side]]
        rotations = _place_foot(rotations, pelvis, skeleton, leg[1:], places, soles[:, side] - floor)
    rotations = _arms_above_floor(rotations, pelvis, skeleton)
    return _to_amass(rotations, pelvis, skeleton)


def _same_rotations(source: Tensor, skeleton: Skeleton) -> Tensor:
    """World rotations (T, 22, 3, 3) of the character, corrected for the different bone directions at rest."""
    down, forward = source.new_tensor([0.0, -1.0, 0.0]), source.new_tensor([0.0, 0.0, 1.0])
    align = torch.eye(3, dtype=source.dtype).repeat(NUM_JOINTS, 1, 1)
    for _, hip, knee, ankle, toe in _LEGS:
        align[hip] = _shortest_turn(skeleton.bone(hip, knee), down)
        align[knee] = _shortest_turn(skeleton.bone(knee, ankle), down)
        flat = skeleton.bone(ankle, toe) * source.new_tensor([1.0, 0.0, 1.0])
        align[ankle] = align[toe] = _shortest_turn(flat, forward)
    for shoulder, elbow, wrist in _ARMS:
        align[shoulder] = _shortest_turn(skeleton.bone(shoulder, elbow), down)
        align[elbow] = align[wrist] = _shortest_turn(skeleton.bone(elbow, wrist), down)
    turned = []
    for joint, (first, second, share) in enumerate(_TURNS_WITH):
        start, end = source[:, NAMES.index(first)], source[:, NAMES.index(second)]
        part = roma.rotvec_to_rotmat(share * roma.rotmat_to_rotvec(start.mT @ end))
        turned.append(start @ part @ align[joint])
    return torch.stack(turned, dim=1)


def _place_foot(
    rotations: Tensor,
    pelvis: Tensor,
    skeleton: Skeleton,
    leg: tuple[int, int, int, int],
    places: Tensor,
    height: Tensor,
) -> Tensor:
    """Bring one ankle over ``places`` (T, 3) and its sole to ``height`` (T,) [m]. A standing foot is turned flat.

    Feet differ in length and thickness. Therefore the height of the lowest point is kept, and not that of the ankle.
    """
    hip, knee, ankle, toe = leg
    turned = rotations.clone()
    planted = _planted(places, height, rotations[:, ankle])
    level = roma.rotmat_to_rotvec(_shortest_turn(rotations[:, ankle] @ _UP, _UP))
    settle = roma.rotvec_to_rotmat(planted[:, None] * level)
    turned[:, [ankle, toe]] = settle[:, None] @ rotations[:, [ankle, toe]]
    below = (turned[:, ankle] @ skeleton.foot(ankle, toe).mT)[:, 1].amin(-1)
    target = places * (1.0 - _UP) + ((1.0 - planted) * height - below)[:, None] * _UP
    return _reach(turned, pelvis, skeleton, (hip, knee, ankle), target)


def _reach(rotations: Tensor, pelvis: Tensor, skeleton: Skeleton, leg: tuple[int, int, int], target: Tensor) -> Tensor:
    """Turn thigh and shank so that the ankle reaches ``target`` (T, 3). The knee bends to the same side as before."""
    hip, knee, ankle = leg
    positions = skeleton.place(rotations, pelvis)
    thigh, shank = skeleton.bone(hip, knee), skeleton.bone(knee, ankle)
    upper, lower = thigh.norm(), shank.norm()
    line = target - positions[:, hip]
    length = line.norm(dim=-1).clamp(1.02 * float((upper - lower).abs()), 0.9995 * float(upper + lower))
    line = torch.nn.functional.normalize(line, dim=-1)
    sideways = rotations[:, hip, :, 0] + rotations[:, knee, :, 0]
    bend = _bend_direction(positions[:, knee] - positions[:, hip], line, sideways)
    cosine = ((upper**2 + length**2 - lower**2) / (2.0 * upper * length)).clamp(-1.0, 1.0)[:, None]
    new_knee = upper * (cosine * line + (1.0 - cosine**2).sqrt() * bend)
    turned = rotations.clone()
    turned[:, hip] = _shortest_turn(rotations[:, hip] @ thigh, new_knee) @ rotations[:, hip]
    new_shank = length[:, None] * line - new_knee
    turned[:, knee] = _shortest_turn(rotations[:, knee] @ shank, new_shank) @ rotations[:, knee]
    return turned


def _bend_direction(knee: Tensor, line: Tensor, sideways: Tensor) -> Tensor:
    """Unit vector (T, 3) perpendicular to ``line`` towards the knee.

    A leg that is nearly straight does not determine it. Then it is perpendicular to the leg's ``sideways`` axis.
    """
    hinge = torch.nn.functional.normalize(torch.linalg.cross(line, sideways), dim=-1)
    out = knee - (knee * line).sum(-1, keepdim=True) * line
    trust = (((out * hinge).sum(-1, keepdim=True) - 0.02) / 0.05).clamp(0.0, 1.0)
    mixed = trust * torch.nn.functional.normalize(out, dim=-1) + (1.0 - trust) * hinge
    return torch.nn.functional.normalize(mixed, dim=-1)


def _floor_height(ankles: Tensor, soles: Tensor) -> float:
    """Height of the floor [m]: the median height of the soles (T, 2) while their ankles (T, 2, 3) are at rest."""
    standing = soles[1:][ankles.diff(dim=0).norm(dim=-1) * FPS < _STANDS["speed"]]
    heights = standing if len(standing) >= 3 else soles.amin(-1)
    return float(heights[(heights - heights.quantile(0.1)).abs() < 0.03].median())


def _planted(ankle: Tensor, height: Tensor, rotation: Tensor) -> Tensor:
    """Degree (T,) in [0, 1] to which a foot stands flat on the floor. It changes smoothly over a few frames."""
    speed = torch.cat((ankle.diff(dim=0), ankle[-1:] - ankle[-2:-1])).norm(dim=-1) * FPS
    tilt = torch.acos((rotation @ _UP)[:, 1].clamp(-1.0, 1.0))
    still = (speed < _STANDS["speed"]) & (height.abs() < _STANDS["height"]) & (tilt < _STANDS["tilt"])
    return _average(still.double(), 3)


def _trunk_above_floor(rotations: Tensor, pelvis: Tensor, skeleton: Skeleton) -> Tensor:
    """Raise the pelvis, smoothly over time, in frames where trunk, head or thighs would be below the floor."""
    positions = skeleton.place(rotations, pelvis)
    lowest = [positions[:, j, 1] + (rotations[:, j] @ skeleton.flesh[j].mT)[:, 1].amin(-1) for j in _TRUNK]
    depth = (-_SINK - torch.stack(lowest).amin(0)).clamp(min=0.0)
    widest = torch.nn.functional.max_pool1d(depth[None], 9, stride=1, padding=4)[0]
    return pelvis + _average(widest, 4)[:, None] * _UP


def _arms_above_floor(rotations: Tensor, pelvis: Tensor, skeleton: Skeleton) -> Tensor:
    """Turn upper arms, forearms and hands by the smallest angle that brings them above the floor."""
    turned = rotations.clone()
    for side, arm in enumerate(_ARMS):
        bones = (skeleton.bone(*arm[:2]), skeleton.bone(*arm[1:]), skeleton.hands[side])
        for part, (joint, bone, radius) in enumerate(zip(arm, bones, _ARM_RADII, strict=True)):
            start = skeleton.place(turned, pelvis)[:, joint]
            direction = torch.nn.functional.normalize(turned[:, joint] @ bone, dim=-1)
            rise = ((radius - start[:, 1]) / bone.norm()).clamp(-1.0, 0.98)[:, None]
            # A hand that points straight down bends towards its back.
            aim = direction + (0.3 * turned[:, joint] @ _UP if joint == arm[2] else 0.0)
            level = torch.nn.functional.normalize(aim * (1.0 - _UP), dim=-1)
            lifted = level * (1.0 - rise**2).sqrt() + rise * _UP
            lifted = torch.where(rise > direction[:, 1:2], lifted, direction)
            turn = _average(roma.rotmat_to_rotvec(_shortest_turn(direction, lifted)).mT, 2).mT
            turned[:, arm[part:]] = roma.rotvec_to_rotmat(turn)[:, None] @ turned[:, arm[part:]]
    return turned


def _to_amass(rotations: Tensor, pelvis: Tensor, skeleton: Skeleton) -> tuple[Tensor, Tensor]:
    """``trans`` (T, 3) and ``poses`` (T, 156), z up, from world rotations and the pelvis, y up."""
    upright = _Z_UP @ rotations
    local = torch.cat((upright[:, :1], upright[:, list(skeleton.parents[1:])].mT @ upright[:, 1:]), dim=1)
    body = roma.rotmat_to_rotvec(local).flatten(1)
    hands = body.new_zeros(len(body), 156 - body.shape[1])
    return pelvis @ _Z_UP.mT - skeleton.joints[0], torch.cat((body, hands), dim=1)


def _shortest_turn(start: Tensor, end: Tensor) -> Tensor:
    """Rotation (..., 3, 3) by the smallest angle that turns the direction ``start`` into ``end``."""
    start, end = torch.broadcast_tensors(start, end)
    axis = torch.linalg.cross(start, end)
    angle = torch.atan2(axis.norm(dim=-1, keepdim=True), (start * end).sum(-1, keepdim=True))
    return roma.rotvec_to_rotmat(torch.nn.functional.normalize(axis, dim=-1) * angle)


def _average(values: Tensor, reach: int) -> Tensor:
    """Mean of each frame and ``reach`` neighbours on either side, (…, T) → (…, T). Frames at the ends are repeated."""
    padded = torch.nn.functional.pad(values[None], (reach, reach), mode="replicate")
    return torch.nn.functional.avg_pool1d(padded, 2 * reach + 1, stride=1)[0]
