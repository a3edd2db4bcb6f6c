"""Moves BlazePose's landmarks to where the fit's body has the same points.

The networks mark other places than BODY_25 of the body model: the middle of the hips lies below the pelvis joint, the
toe behind the vertex of its tip, and so on. Each offset is a share of a bone in the image, so that it follows size and
view. The shares are measured on made-up pictures (``python -m optim.landmark_offsets``).
"""

from __future__ import annotations

import numpy as np

from optim.keypoints.names import BODY_25

OFFSETS = {
    "nose": (("neck", "mid_hip", 0.04),),
    "mid_hip": (("neck", "mid_hip", -0.10),),
    "wrist": (("elbow", "wrist", -0.05),),
    "ankle": (("knee", "ankle", 0.05), ("heel", "big_toe", -0.02)),
    "heel": (("knee", "ankle", 0.04), ("heel", "big_toe", -0.07)),
    "big_toe": (("heel", "big_toe", 0.13),),
    "ear": (("other_ear", "ear", 0.25),),
}
"""Keypoint of BODY_25, without its side → bones from one point to another, and the share of each by which it is moved.
Left out are hips and neck, which do not enter the fit, and shoulders, elbows, knees and eyes, where such an offset
gains less than 3 mm on other motions than those that it was measured on."""
_OTHER = {"left": "right", "right": "left"}


def at_body_points(keypoints: np.ndarray) -> np.ndarray:
    """Keypoints (T, 25, 3) made of BlazePose's landmarks, moved to the body's points; confidences stay.

    A keypoint that was not seen, or of which a bone was not seen, is left where it is.
    """
    moved = keypoints.copy()
    for name in OFFSETS:
        for number, ends in bones_of(name):
            seen = (keypoints[:, [number, *(end for a, b, _ in ends for end in (a, b))], 2] > 0).all(axis=1)
            for a, b, share in ends:
                moved[seen, number, :2] += share * (keypoints[seen, b, :2] - keypoints[seen, a, :2])
    return moved


def bones_of(name: str) -> list[tuple[int, tuple[tuple[int, int, float], ...]]]:
    """Numbers in BODY_25 of a keypoint of ``OFFSETS`` on each side, with both ends and the share of each bone."""
    sides = ("",) if name in BODY_25 else ("left", "right")
    return [
        (_number(name, side), tuple((_number(a, side), _number(b, side), share) for a, b, share in OFFSETS[name]))
        for side in sides
    ]


def _number(name: str, side: str) -> int:
    """Number in BODY_25 of a point of this side, of the other side (``other_``), or of none."""
    if name in BODY_25:
        return BODY_25.index(name)
    other = name.startswith("other_")
    return BODY_25.index(f"{_OTHER[side] if other else side}_{name.removeprefix('other_')}")
