"""MakeHuman's skeleton: bone ends computed from the skin, forward kinematics, and skinning."""

import itertools
from dataclasses import dataclass

import numpy as np

from assets.build.body.source import HumanSource


def unit(v: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) scaled to length 1."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)


def skew(v: np.ndarray) -> np.ndarray:
    """Cross-product matrices (..., 3, 3) of vectors (..., 3)."""
    zero, (x, y, z) = np.zeros(v.shape[:-1]), np.moveaxis(v, -1, 0)
    rows = ([zero, -z, y], [z, zero, -x], [-y, x, zero])
    return np.stack([np.stack(row, -1) for row in rows], -2)


def rotation_about(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotations (N, 3, 3) by ``angle`` (N,) [rad] about one axis (3,). Rodrigues' formula."""
    K = skew(np.broadcast_to(unit(np.asarray(axis, float)), (*angle.shape, 3)))
    sine, cosine = np.sin(angle)[..., None, None], np.cos(angle)[..., None, None]
    return np.eye(3) + sine * K + (1 - cosine) * (K @ K)


def smallest_rotation(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Smallest rotations (..., 3, 3) that turn directions ``start`` into ``end``. Angles near 180° are not allowed."""
    start, end = np.broadcast_arrays(unit(start), unit(np.asarray(end, float)))
    K = skew(np.cross(start, end))
    return np.eye(3) + K + K @ K / (1 + (start * end).sum(-1)[..., None, None])


def twist_angle(rotation: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Signed angle (N,) [rad] of the twist of rotations (N, 3, 3) about ``axis`` (swing-twist decomposition)."""
    R = rotation
    vector = np.stack([R[..., 2, 1] - R[..., 1, 2], R[..., 0, 2] - R[..., 2, 0], R[..., 1, 0] - R[..., 0, 1]], -1)
    return 2 * np.arctan2((vector * unit(np.asarray(axis, float))).sum(-1), 1 + np.trace(R, axis1=-2, axis2=-1))


@dataclass(frozen=True)
class Rig:
    """Bones of the skeleton. Parents come before their children."""

    names: tuple[str, ...]
    index: dict[str, int]  # name → number
    parents: tuple[int, ...]  # -1 at the root
    head_vertices: tuple[np.ndarray, ...]  # of each bone: vertices whose mean is its head
    tail_vertices: tuple[np.ndarray, ...]  # of each bone: vertices whose mean is its tail
    weights: np.ndarray  # (V, bones); rows sum to 1, or to 0 if no bone moves the vertex

    def bone_vertices(self) -> np.ndarray:
        """All vertices that mark an end of a bone, sorted."""
        return np.unique(np.concatenate(self.head_vertices + self.tail_vertices))

    def bone_ends(self, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Heads and tails (N, bones, 3) from the positions (N, marks, 3) of ``bone_vertices()``."""
        vertices = self.bone_vertices()

        def means(sets: tuple[np.ndarray, ...]) -> np.ndarray:
            return np.stack([marks[:, np.searchsorted(vertices, one)].mean(1) for one in sets], 1)

        return means(self.head_vertices), means(self.tail_vertices)

    def share(self, *prefixes: str) -> np.ndarray:
        """Total weight (V,) of the bones whose names start with one of the prefixes."""
        return self.weights[:, [i for i, name in enumerate(self.names) if name.startswith(prefixes)]].sum(1)


def read_rig(source: HumanSource) -> Rig:
    """MakeHuman's default rig as arrays."""
    bones = source.rig

    def depth_first(name: str) -> list[str]:
        children = [child for child in bones if bones[child]["parent"] == name]
        return [name, *itertools.chain.from_iterable(map(depth_first, children))]

    def marks(end: dict) -> np.ndarray:
        if end["strategy"] == "CUBE":
            return np.unique(source.groups[end["cube_name"]])
        return np.array([end["vertex_index"]] if end["strategy"] == "VERTEX" else end["vertex_indices"])

    names = depth_first(next(name for name in bones if not bones[name]["parent"]))
    index = {name: i for i, name in enumerate(names)}
    weights = np.zeros((len(source.vertices), len(names)), np.float32)
    for name, rows in source.rig_weights.items():
        for vertex, weight in rows:
            weights[vertex, index[name]] = weight
    total = weights.sum(1, keepdims=True)
    return Rig(
        names=tuple(names),
        index=index,
        parents=tuple(index.get(bones[name]["parent"], -1) for name in names),
        head_vertices=tuple(marks(bones[name]["head"]) for name in names),
        tail_vertices=tuple(marks(bones[name]["tail"]) for name in names),
        weights=weights / np.where(total > 0, total, 1),
    )


def forward_kinematics(
    rig: Rig, heads: np.ndarray, tails: np.ndarray, rotations: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Heads and tails (N, bones, 3) after every bone is rotated by its global rotation (N, bones, 3, 3)."""
    new_heads, new_tails = np.zeros_like(heads), np.zeros_like(tails)
    for i, parent in enumerate(rig.parents):
        new_heads[:, i] = heads[:, i]
        if parent >= 0:
            bone = heads[:, i] - heads[:, parent]
            new_heads[:, i] = new_heads[:, parent] + np.einsum("nij,nj->ni", rotations[:, parent], bone)
        new_tails[:, i] = new_heads[:, i] + np.einsum("nij,nj->ni", rotations[:, i], tails[:, i] - heads[:, i])
    return new_heads, new_tails


def skin(
    weights: np.ndarray, vertices: np.ndarray, heads: np.ndarray, new_heads: np.ndarray, rotations: np.ndarray
) -> np.ndarray:
    """Linear blend skinning of vertices (N, V, 3) by weights (V, bones), 64 bodies at a time."""
    used = np.nonzero(weights.sum(0) > 0)[0]
    weights = weights[:, used]
    shift = new_heads - np.einsum("nbij,nbj->nbi", rotations, heads)
    transforms = np.concatenate([rotations, shift[..., None]], -1)[:, used].astype(np.float32)
    posed = np.empty_like(vertices)
    for start in range(0, len(vertices), 64):
        part = slice(start, start + 64)
        A = transforms[part].transpose(1, 0, 2, 3)
        blended = (weights @ A.reshape(len(used), -1)).reshape(len(weights), A.shape[1], 3, 4)
        v = vertices[part].transpose(1, 0, 2)
        posed[part] = (np.einsum("vnij,vnj->vni", blended[..., :3], v) + blended[..., 3]).transpose(1, 0, 2)
    return posed
