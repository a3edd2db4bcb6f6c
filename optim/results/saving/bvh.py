"""Write a motion as BVH: SMPL's 22 body joints, y up, metres unless scaled, degrees, floor at y = 0.

The rest pose is the T-pose facing +z. The root has position and rotation channels and a zero offset, so its positions
are absolute. All other joints have rotation channels only. The channels are Z, X, Y, which means R = Rz Rx Ry on column
vectors. The end of a limb is its outermost vertex: finger tips, toes, top of the head. The format states no
unit: for a program that expects centimetres the scale is 100. It holds bone lengths but no surface and no shape.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from optim.body.joints import NUM_JOINTS
from optim.common.writing import write_text
from optim.results.saving.bones import Bones
from optim.results.saving.take import Y_UP_FROM_Z_UP, Take

_ROTATION = "Zrotation Xrotation Yrotation"


def write_bvh(take: Take, folder: Path, *, bones: Bones | None = None) -> list[Path]:
    """Write ``STEM.bvh`` and return its path. Without ``bones`` it has SMPL's names and is in metres."""
    bones = bones or Bones()
    order: list[int] = []
    lines = ["HIERARCHY", *_joint(0, take, bones, _ends(take), order, depth=0)]
    lines += ["MOTION", f"Frames: {take.frames}", f"Frame Time: {1.0 / take.fps:.8f}"]
    angles = _angles(take)[:, order].reshape(take.frames, -1)
    root = take.root_positions @ Y_UP_FROM_Z_UP.T * bones.scale
    lines += [" ".join(f"{x:.6f}" for x in row) for row in np.concatenate((root, angles), axis=1)]
    path = folder / f"{take.stem}.bvh"
    write_text(path, "\n".join(lines) + "\n")
    return [path]


def _joint(
    joint: int, take: Take, bones: Bones, ends: dict[int, np.ndarray], order: list[int], *, depth: int
) -> list[str]:
    """Lines of a joint and of all joints below it. The joints are appended to ``order`` as they occur."""
    order.append(joint)
    parents, rest = take.body.parents[:NUM_JOINTS], take.rest_joints
    indent = "  " * depth
    parent = parents[joint]
    offset = rest[joint] - rest[parent] if parent >= 0 else np.zeros(3)
    position = "Xposition Yposition Zposition " if parent < 0 else ""
    lines = [
        f"{indent}{'ROOT' if parent < 0 else 'JOINT'} {bones.names[joint]}",
        f"{indent}{{",
        f"{indent}  {_offset(offset * bones.scale)}",
        f"{indent}  CHANNELS {6 if parent < 0 else 3} {position}{_ROTATION}",
    ]
    for child in (j for j, p in enumerate(parents) if p == joint):
        lines += _joint(child, take, bones, ends, order, depth=depth + 1)
    if joint in ends:
        lines += [
            f"{indent}  End Site",
            f"{indent}  {{",
            f"{indent}    {_offset(ends[joint] * bones.scale)}",
            f"{indent}  }}",
        ]
    return [*lines, f"{indent}}}"]


def _ends(take: Take) -> dict[int, np.ndarray]:
    """Leaf joint → offset (3,) [m] of the vertex farthest from it, among the vertices that mainly belong to it."""
    owner = take.body.weights.argmax(1).numpy()
    rest, vertices = take.rest_joints, take.rest_vertices
    ends = {}
    for joint in set(range(NUM_JOINTS)) - set(take.body.parents[:NUM_JOINTS]):
        offsets = vertices[owner == joint] - rest[joint]
        ends[joint] = offsets[np.linalg.norm(offsets, axis=1).argmax()] if len(offsets) else np.array([0, 0.1, 0])
    return ends


def _angles(take: Take) -> np.ndarray:
    """Euler angles (T, 22, 3) [deg] in the order Z, X, Y, without jumps of 360° between frames."""
    rotations = take.rotations.copy()
    rotations[:, 0] = Y_UP_FROM_Z_UP @ rotations[:, 0]
    angles = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_euler("ZXY").reshape(take.frames, NUM_JOINTS, 3)
    return np.rad2deg(np.unwrap(angles, axis=0))


def _offset(offset: np.ndarray) -> str:
    return "OFFSET " + " ".join(f"{x:.6f}" for x in offset)
