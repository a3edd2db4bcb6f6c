"""A coarse copy of the body mesh for ghosts: triangles are what drawing costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from viewer.protocol.view_model import BodyMesh
from viewer.scene.skinning import part

SHARE = 0.1  # of the triangles that a ghost keeps, about


def decimated(body: BodyMesh, *, share: float = SHARE) -> BodyMesh:
    """The same body with about a ``share`` of its triangles, to be skinned like the whole one.

    Vertices in one cell of a grid that hang on the same joint become one of them, the nearest to their mean; so parts
    that only lie close to each other in the rest pose stay apart. Clustering after Rossignac and Borrel, 1993.
    """
    wanted = share * len(body.faces)
    low, high = 0.0, float(np.ptp(body.template, axis=0).max())
    best = np.arange(len(body.template))
    for _ in range(12):  # bisection: larger cells leave fewer triangles
        size = (low + high) / 2
        best = clusters(body, size)
        low, high = (size, high) if len(collapsed(body.faces, best)) > wanted else (low, size)
    faces = collapsed(body.faces, best)
    kept, index = np.unique(faces, return_inverse=True)
    return replace(part(body, kept), faces=index.reshape(-1, 3).astype(np.int32))


def clusters(body: BodyMesh, size: float) -> np.ndarray:
    """(V,) the vertex that stands for each vertex, in a grid of cells of this size in metres."""
    cell = np.floor(body.template / size).astype(int)
    key = np.concatenate((cell, body.weights.argmax(axis=1)[:, None]), axis=1)
    _, group, count = np.unique(key, axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    mean = np.stack([np.bincount(group, column) / count for column in body.template.T], axis=1)
    distance = np.linalg.norm(body.template - mean[group], axis=1)
    order = np.lexsort((distance, group))
    return order[np.concatenate(([0], np.cumsum(count)[:-1]))][group]


def collapsed(faces: np.ndarray, stands_for: np.ndarray) -> np.ndarray:
    """Triangles (F', 3) between the vertices that are left, without those that have become lines or doubles."""
    moved = stands_for[faces]
    whole = (moved[:, 0] != moved[:, 1]) & (moved[:, 1] != moved[:, 2]) & (moved[:, 2] != moved[:, 0])
    moved = moved[whole]
    _, first = np.unique(np.sort(moved, axis=1), axis=0, return_index=True)
    return moved[np.sort(first)]
