"""Packs motions into a fifth of their memory, for recordings.

A rotation is stored as a rotation vector of three 16-bit numbers. Joints are not stored but computed again. Positions
come back to within 0.2 mm, rotations to within 0.01 degrees. The names of the arrays are those in run files. This
module knows neither torch nor the optimiser.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from viewer.protocol.view_model import BodyMesh, Motion, Scene

Arrays = Mapping[str, np.ndarray]
"""The arrays of one packed motion.

``trans`` (B, T, 3) is in 0.1 mm, ``turns`` (B, T, J, 3) holds rotation vectors in 0.1 mrad, ``betas`` is (B, 16).
Optional are ``contacts`` (B, T, J), probabilities times 255, and ``beside`` (B, T, J, 3) in 0.1 mm, which leads from
the body's joints to those of the prior's decoder.

Run files of version 1 hold ``rows`` (B, T, J, 2, 3), the first two rows of the rotation matrices, in place of
``turns``, and give ``trans`` and ``beside`` in metres.
"""
ALONG = {"trans": (2, 0), "turns": (2, 0), "contacts": (2, 0), "beside": (2, 0)}
"""Axes of a stack of motions along which neighbouring values differ little: first the frames, then the iterations."""
_STEP, _TURN = 1e4, 1e4  # stored units per metre and per radian; half a turn is 31416, which 16 bits can hold


def packed(motion: Motion, regressed: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Pack a motion; everything that ``unpacked`` can compute again is left out.

    Args:
        regressed: Joints (B, T, J, 3) that the prior's decoder predicts [m], display frame.
    """
    arrays: dict[str, np.ndarray] = {
        "trans": np.rint(motion.trans * _STEP).astype(np.int32),
        "turns": np.rint(_vectors(motion.rotations) * _TURN).astype(np.int16),
        "betas": motion.betas.astype(np.float32),
    }
    if motion.contacts is not None:
        arrays["contacts"] = np.rint(motion.contacts * 255).astype(np.int16)
    if regressed is not None:
        beside = np.rint((regressed - motion.joints) * _STEP)
        arrays["beside"] = np.clip(beside, -32767, 32767).astype(np.int16)
    return arrays


def unpacked(arrays: Arrays, body: BodyMesh) -> Motion:
    """Restore the motion that ``packed`` was given.

    Args:
        body: The body that moves; its joints are computed from the motion.
    """
    old = "rows" in arrays
    rotations = _from_rows(arrays["rows"]) if old else _matrices(arrays["turns"] / np.float32(_TURN))
    trans = arrays["trans"].astype(np.float32) / (1.0 if old else np.float32(_STEP))
    contacts = arrays.get("contacts")
    return Motion(
        trans=trans,
        rotations=rotations,
        betas=arrays["betas"],
        joints=joints(rotations, trans, arrays["betas"], body),
        contacts=None if contacts is None else contacts.astype(np.float32) / 255,
    )


def regressed(arrays: Arrays, motion: Motion) -> np.ndarray | None:
    """Joints (B, T, J, 3) [m] that the prior's decoder predicts; None if they were not stored.

    Args:
        motion: The motion that ``unpacked`` made of the same arrays.
    """
    if "beside" not in arrays:
        return None
    return motion.joints + arrays["beside"].astype(np.float32) / (1.0 if "rows" in arrays else np.float32(_STEP))


def _vectors(matrices: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) [rad] of rotation matrices (..., 3, 3); their angle is at most half a turn.

    The rotation matrix determines the 4 × 4 matrix of products of the quaternion's entries. Each row of that matrix is
    a multiple of the quaternion; the row with the largest diagonal entry gives it most accurately.

    Source: Shepperd, Quaternion from rotation matrix, 1978.
    """
    m = matrices.astype(np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    products = np.stack(
        (
            np.stack((1 + xx + yy + zz, wx, wy, wz), -1),
            np.stack((wx, 1 + xx - yy - zz, xy, xz), -1),
            np.stack((wy, xy, 1 - xx + yy - zz, yz), -1),
            np.stack((wz, xz, yz, 1 - xx - yy + zz), -1),
        ),
        -2,
    )
    largest = np.diagonal(products, axis1=-2, axis2=-1).argmax(-1)
    found = np.take_along_axis(products, largest[..., None, None], -2)[..., 0, :]
    found /= np.linalg.norm(found, axis=-1, keepdims=True)
    found *= np.where(found[..., :1] < 0, -1.0, 1.0)
    axis = found[..., 1:]
    length = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(length, found[..., :1])
    return axis * np.where(length > 1e-12, angle / np.maximum(length, 1e-12), 2.0)


def _matrices(vectors: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3) [rad], by Rodrigues' formula."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).reshape(*vectors.shape[:-1], 3, 3)
    small = angle < 1e-6
    safe = np.where(small, 1.0, angle)
    first = np.where(small, 1.0, np.sin(safe) / safe)
    second = np.where(small, 0.5, (1.0 - np.cos(safe)) / safe**2)
    return (np.eye(3) + first * cross + second * (cross @ cross)).astype(np.float32)


def _from_rows(rows: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) from their first two rows (..., 2, 3), stored in units of 1/32767."""
    first, second = (_unit(rows[..., row, :].astype(np.float32)) for row in (0, 1))
    second = _unit(second - first * (first * second).sum(-1, keepdims=True))
    return np.stack((first, second, np.cross(first, second)), axis=-2)


def joints(rotations: np.ndarray, trans: np.ndarray, betas: np.ndarray, body: BodyMesh) -> np.ndarray:
    """Positions (B, T, J, 3) [m] of a body's joints; the arguments are those of ``Motion``."""
    rest = body.joint_template + np.einsum("jkn,bn->bjk", body.joint_shape_directions, betas)  # (B, J, 3)
    world, places = rotations.copy(), np.broadcast_to(rest[:, None], rotations.shape[:-1]).copy()
    for joint, parent in enumerate(body.parents):
        if parent >= 0:
            world[:, :, joint] = world[:, :, parent] @ rotations[:, :, joint]
            bone = (rest[:, joint] - rest[:, parent])[:, None, :, None]
            places[:, :, joint] = places[:, :, parent] + (world[:, :, parent] @ bone)[..., 0]
    return (places + trans[:, :, None]).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def slim(scene: Scene) -> Scene:
    """The scene with the body's largest array in 16-bit numbers; the error is far below a millimetre."""
    return replace(scene, body=_with_pose_directions(scene.body, np.float16))


def full(scene: Scene) -> Scene:
    """The scene with the body's largest array in 32-bit numbers again: the reverse of ``slim``."""
    return replace(scene, body=_with_pose_directions(scene.body, np.float32))


def _with_pose_directions(body: BodyMesh, kind: type) -> BodyMesh:
    directions = body.pose_directions
    return body if directions is None else replace(body, pose_directions=directions.astype(kind))
