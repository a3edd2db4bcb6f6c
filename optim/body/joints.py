"""Numbers and names of the body's joints. Does not import torch, so that the window may import it."""

from __future__ import annotations

NUM_JOINTS = 22
JOINT_NAMES = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
"""Names of SMPL's 22 body joints, in SMPL's order."""
MIRRORED_JOINTS = (0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20)
"""Each joint's counterpart on the other side; joints in the middle are their own."""
FOOT_JOINTS = (7, 8, 10, 11)
"""Ankles and toes."""
CONTACT_JOINTS = (0, 4, 5, 7, 8, 10, 11, 20, 21)
"""Root, knees, ankles ("heels"), toes and wrists ("hands"), in the order of the motion prior's contact logits."""
RESTING_HEIGHT = {
    0: 0.10, 1: 0.08, 2: 0.08, 4: 0.045, 5: 0.045, 7: 0.077, 8: 0.077, 10: 0.028, 11: 0.028, 15: 0.08, 16: 0.07,
    17: 0.07, 18: 0.045, 19: 0.045, 20: 0.03, 21: 0.03,
}  # fmt: skip
"""Joint that can touch the floor → height [m] of its centre above the floor when the body rests on it there."""
RESTING_JOINTS = tuple(RESTING_HEIGHT)
"""Root, hips, knees, ankles, toes, head, shoulders, elbows and wrists."""
