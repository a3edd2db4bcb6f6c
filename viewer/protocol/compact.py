"""Motions in less than a third of their memory, for recordings: turns as six 16-bit numbers, joints worked out again.

Positions come back to 0.2 mm, turns to 0.01 degrees. Knows neither torch nor the optimiser.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from viewer.protocol.view_model import BodyMesh, Motion, Scene

_SHORT = 32767


@dataclass(frozen=True, kw_only=True)
class CompactMotion:
    """See ``Motion``."""

    trans: np.ndarray  # (B, T, 3)
    turns: np.ndarray  # (B, T, J, 2, 3) int16, the matrices' first two rows
    betas: np.ndarray  # (B, 16)
    contacts: np.ndarray | None  # (B, T, J) of 255


def packed(motion: Motion) -> CompactMotion:
    """Without what ``unpacked`` works out again."""
    contacts = motion.contacts
    return CompactMotion(
        trans=motion.trans.astype(np.float32),
        turns=np.rint(motion.rotations[..., :2, :] * _SHORT).astype(np.int16),
        betas=motion.betas.astype(np.float32),
        contacts=None if contacts is None else np.rint(contacts * 255).astype(np.uint8),
    )


def unpacked(motion: CompactMotion, body: BodyMesh) -> Motion:
    """The motion of a body."""
    first, second = (_unit(motion.turns[..., row, :].astype(np.float32)) for row in (0, 1))
    second = _unit(second - first * (first * second).sum(-1, keepdims=True))
    rotations = np.stack((first, second, np.cross(first, second)), axis=-2)
    return Motion(
        trans=motion.trans,
        rotations=rotations,
        betas=motion.betas,
        joints=joints(rotations, motion.trans, motion.betas, body),
        contacts=None if motion.contacts is None else motion.contacts.astype(np.float32) / 255,
    )


def joints(rotations: np.ndarray, trans: np.ndarray, betas: np.ndarray, body: BodyMesh) -> np.ndarray:
    """(B, T, J, 3) where a body has its joints; arguments as in ``Motion``."""
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
    """The same with the body's largest array in half its memory; millimetres lose nothing that can be seen."""
    return replace(scene, body=_with_pose_directions(scene.body, np.float16))


def full(scene: Scene) -> Scene:
    """What ``slim`` was given."""
    return replace(scene, body=_with_pose_directions(scene.body, np.float32))


def _with_pose_directions(body: BodyMesh, kind: type) -> BodyMesh:
    directions = body.pose_directions
    return body if directions is None else replace(body, pose_directions=directions.astype(kind))
