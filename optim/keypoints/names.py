"""Keypoint sets by the names of their points, and the conversion from any of them to OpenPose's BODY_25."""

from __future__ import annotations

import re

import numpy as np

BODY_25 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye",
    "left_eye", "right_ear", "left_ear", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe",
    "right_small_toe", "right_heel",
)  # fmt: skip
COCO_17 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
MEDIAPIPE_33 = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
    "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip
HUMAN36M_17 = (
    "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "spine", "neck", "nose",
    "head_top", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
)  # fmt: skip
COCO_18 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear",
)  # fmt: skip
BODY_25B = (
    *COCO_17, "neck", "head_top", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe",
    "right_heel",
)  # fmt: skip
HALPE_26 = (
    *COCO_17, "head", "neck", "mid_hip", "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe",
    "left_heel", "right_heel",
)  # fmt: skip
WHOLE_BODY_133 = (
    *COCO_17, "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
    *(f"face_{number}" for number in range(68)), *(f"left_hand_{number}" for number in range(21)),
    *(f"right_hand_{number}" for number in range(21)),
)  # fmt: skip
KINECT_25 = (
    "mid_hip", "spine", "neck", "head", "left_shoulder", "left_elbow", "left_wrist", "left_hand", "right_shoulder",
    "right_elbow", "right_wrist", "right_hand", "left_hip", "left_knee", "left_ankle", "left_foot_index", "right_hip",
    "right_knee", "right_ankle", "right_foot_index", "upper_spine", "left_hand_tip", "left_thumb", "right_hand_tip",
    "right_thumb",
)  # fmt: skip
"""Kinect's second version, as in NTU RGB+D."""
NAMED_SETS = {
    "BODY_25": BODY_25, "COCO-17": COCO_17, "mediapipe-33": MEDIAPIPE_33, "Human3.6M-17": HUMAN36M_17,
    "COCO-18": COCO_18, "BODY_25B": BODY_25B, "HALPE_26": HALPE_26,
    "Kinect-25": KINECT_25,
    "COCO whole-body-133": WHOLE_BODY_133,
}  # fmt: skip
"""Known keypoint sets. Of those with the same number of points, the most usual one comes first."""
SETS = {len(names): names for names in reversed(NAMED_SETS.values())}
"""Number of keypoints → names of the most usual set with so many, for files that do not give the names."""
KNOWN_SIZES = ", ".join(f"{len(names)} ({name})" for name, names in NAMED_SETS.items())
"""The sets and their numbers of points, for messages."""
TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
"""Points without which a set says nothing of how a person stands."""
_SIDES = {"l": "left", "left": "left", "r": "right", "right": "right"}
_MIDDLES = {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}
_ALIASES = {"left_big_toe": "left_foot_index", "right_big_toe": "right_foot_index"}


_KNOWN = {
    "".join(sorted(name.split("_"), key=lambda word: word not in _SIDES)): name
    for group in NAMED_SETS.values()
    for name in group
}
"""Known names without separators and with the side first → the names."""


_OTHER_SIDE = {"left": "right", "right": "left"}
MIRRORED_BODY_25 = [
    BODY_25.index("_".join(_OTHER_SIDE.get(word, word) for word in name.split("_"))) for name in BODY_25
]
"""Order of BODY_25 in which left and right are exchanged."""


def standard_name(name: str) -> str:
    """The name of a point in the spelling that is used here, whatever the spelling of the file.

    ``leftEye``, ``LEFT-EYE``, ``Left Eye``, ``eye_l`` and ``lefteye`` are all ``left_eye``.
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip()).lower()
    words = [word for word in re.split(r"[^a-z0-9]+", apart) if word]
    sides = [_SIDES[word] for word in words if word in _SIDES]
    rest = [word for word in words if word not in _SIDES]
    return _KNOWN.get("".join(sides[:1] + rest), "_".join(sides[:1] + rest))


def to_body_25(points: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Convert keypoints of a set to BODY_25.

    If a set has no neck or mid hip of its own, they are the middles of the shoulders and of the hips, with the lower
    confidence of the two. All other points that the set lacks get confidence 0.

    Args:
        points: (..., K, 3) x, y [px] and confidence.
        names: Names of the K points.

    Returns:
        (..., 25, 3) x, y [px] and confidence. All three are 0 where nothing is seen.
    """
    row = {standard_name(name): index for index, name in enumerate(names)}
    result = np.zeros((*points.shape[:-2], len(BODY_25), 3), np.float32)
    for index, name in enumerate(BODY_25):
        source = name if name in row else _ALIASES.get(name, name)
        if source in row:
            result[..., index, :] = points[..., row[source], :]
        elif name in _MIDDLES and all(side in row for side in _MIDDLES[name]):
            a, b = (points[..., row[side], :] for side in _MIDDLES[name])
            result[..., index, :2] = (a[..., :2] + b[..., :2]) / 2
            result[..., index, 2] = np.minimum(a[..., 2], b[..., 2])
    result[~(result[..., 2] > 0)] = 0.0
    return result
