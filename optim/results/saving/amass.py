"""Write a motion in AMASS format: z up, floor at z = 0, metres, axis-angle [rad].

Arrays: ``trans`` (T, 3), ``poses`` (T, 156: root, 21 body joints, 30 hand joints at rest), ``betas`` (16),
``mocap_framerate`` [Hz], ``gender``. ``--data-path``, ``smplx`` and Blender's SMPL add-on read such files.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from optim.common.rotations import matrix_to_axis_angle
from optim.common.writing import replacing
from optim.results.saving.take import Take

HAND_NUMBERS = 90
"""Number of axis-angle entries of the hands in a frame."""


def write_amass(take: Take, folder: Path) -> list[Path]:
    """Write ``STEM_poses.npz`` and return its path."""
    motion = take.motion
    root = matrix_to_axis_angle(motion.root_orient)[0]
    pose = matrix_to_axis_angle(motion.pose_body)[0].flatten(1)
    hands = np.zeros((take.frames, HAND_NUMBERS), np.float32)
    path = folder / f"{take.stem}_poses.npz"
    with replacing(path) as beside:
        np.savez(
            beside,
            trans=motion.trans[0].numpy(),
            poses=np.concatenate((root.numpy(), pose.numpy(), hands), axis=1),
            betas=motion.betas[0].numpy(),
            mocap_framerate=np.array(take.fps),
            gender=np.array(take.result.gender),
        )
    return [path]
