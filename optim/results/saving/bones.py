"""Names of bones and unit of length of exported skeletons, as other programs expect them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from optim.body.joints import JOINT_NAMES
from optim.common.errors import InputError
from optim.config.formats import BONES

_MIXAMO = {
    "pelvis": "Hips", "spine1": "Spine", "spine2": "Spine1", "spine3": "Spine2", "neck": "Neck", "head": "Head",
    "hip": "UpLeg", "knee": "Leg", "ankle": "Foot", "foot": "ToeBase", "collar": "Shoulder", "shoulder": "Arm",
    "elbow": "ForeArm", "wrist": "Hand",
}  # fmt: skip
_UNREAL = {
    "pelvis": "pelvis", "spine1": "spine_01", "spine2": "spine_02", "spine3": "spine_03", "neck": "neck_01",
    "head": "head", "hip": "thigh", "knee": "calf", "ankle": "foot", "foot": "ball", "collar": "clavicle",
    "shoulder": "upperarm", "elbow": "lowerarm", "wrist": "hand",
}  # fmt: skip
"""Joint of SMPL without its side → bone, as Mixamo's rigs and Unreal's mannequin call it."""


@dataclass(frozen=True)
class Bones:
    """How the skeleton of an export is written."""

    names: tuple[str, ...] = tuple(JOINT_NAMES)
    """Name of the bone that begins at each of SMPL's 22 body joints."""
    scale: float = 1.0
    """Factor on all lengths: units of the file in one metre."""


def bones_of(naming: str, scale: float) -> Bones:
    """Bones with the names of a program.

    Args:
        naming: Name in ``optim.config.formats.BONES``.
        scale: Units of the file in one metre: 100 for centimetres.

    Raises:
        InputError: The naming is not known, or the scale is not a positive number.
    """
    if naming not in BONES:
        raise InputError(f"names of bones {naming!r} are not known; there are {', '.join(BONES)}")
    if not (math.isfinite(scale) and scale > 0):
        raise InputError(f"a scale of {scale:g}; a positive number of units in one metre is expected")
    return Bones(tuple(_name(joint, naming) for joint in JOINT_NAMES), scale)


def _name(joint: str, naming: str) -> str:
    side, _, part = joint.rpartition("_")
    if naming == "mixamo":
        return f"mixamorig:{side.capitalize()}{_MIXAMO[part]}"
    if naming == "unreal":
        return f"{_UNREAL[part]}_{side[0]}" if side else _UNREAL[part]
    return joint
