"""Make a clean half of MakeHuman's skin without eye sockets and mouth, and measure triangle meshes."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp

from assets.build.body.source import HumanSource

NIPPLE_VERTICES = np.arange(8450, 8466)  # of the base mesh, left side
EYELID_HEIGHT = 0.7  # [m] above the base mesh's origin: a hole above it is an eye


def half_mesh(source: HumanSource, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Triangles of the left half with its holes closed. Together with their mirror image they are a closed surface.

    Args:
        positions: (V, 3) [m], by which the diagonals of quads and caps are chosen.

    Returns:
        Triangles (n, 3), whether each vertex (V,) lies on the middle plane, and the vertex of the cornea.
    """
    x = source.vertices[:, 0]
    middle = np.abs(x) < 1e-9
    quads = source.groups["body"]
    quads = quads[((x > 0) | middle)[quads].all(1)]
    touched = np.isin(quads, np.unique(quads[np.isin(quads, NIPPLE_VERTICES).any(1)])).any(1)
    quads = quads[~(source.interior[quads].all(1) | touched)]
    eye = source.groups["helper-l-eye"].ravel()
    cornea = int(eye[np.argmax(source.vertices[eye, 2])])
    caps = [_cap(loop, source.vertices, positions, cornea) for loop in _chains(_open_edges(quads, middle))]
    return np.concatenate([_split_quads(quads, positions), *caps]), middle, cornea


def _split_quads(quads: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Split each quad into two triangles along its shorter diagonal."""
    p = positions[quads]
    first = (((p[:, 0] - p[:, 2]) ** 2).sum(-1) <= ((p[:, 1] - p[:, 3]) ** 2).sum(-1))[:, None]
    one = np.where(first, quads[:, [0, 1, 2]], quads[:, [0, 1, 3]])
    return np.concatenate([one, np.where(first, quads[:, [0, 2, 3]], quads[:, [1, 2, 3]])])


def _open_edges(quads: np.ndarray, middle: np.ndarray) -> list[tuple[int, int]]:
    """Directed edges with a face on one side only, except those on the middle plane. They bound the holes."""
    edges = dict.fromkeys((a, b) for quad in quads for a, b in zip(quad, np.roll(quad, -1), strict=True))
    return [(b, a) for a, b in edges if (b, a) not in edges and not (middle[a] and middle[b])]


def _chains(edges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Join directed edges into chains of vertices. Open chains come first. A closed chain repeats its first vertex."""
    following: dict[int, list[int]] = {}
    for a, b in edges:
        following.setdefault(a, []).append(b)
    ends = {b for targets in following.values() for b in targets}
    starts = [a for a in following if a not in ends]
    chains = []
    while any(following.values()):
        chain = [starts.pop() if starts else next(a for a, targets in following.items() if targets)]
        while following.get(chain[-1]):
            chain.append(following[chain[-1]].pop())
            if chain[-1] == chain[0]:
                break
        chains.append(chain)
    return chains


def _cap(chain: list[int], rest: np.ndarray, positions: np.ndarray, cornea: int) -> np.ndarray:
    """Triangles that close one hole: a fan to the cornea for an eyelid, and the shortest edges for all others."""
    closed = chain[0] == chain[-1]
    loop = chain[:-1] if closed else chain
    if closed and rest[loop].mean(0)[1] > EYELID_HEIGHT:
        return np.array([(a, b, cornea) for a, b in zip(loop, loop[1:] + loop[:1], strict=True)])
    return _shortest_triangulation(loop, positions)


def _shortest_triangulation(loop: list[int], positions: np.ndarray) -> np.ndarray:
    """Triangulate a polygon with the smallest sum of squared edge lengths, by dynamic programming."""
    n, points = len(loop), positions[loop]
    squared = ((points[:, None] - points[None]) ** 2).sum(-1)
    cost, middle = np.full((n, n), np.inf), np.zeros((n, n), int)
    cost[np.arange(n - 1), np.arange(1, n)] = 0
    for span in range(2, n):
        for i in range(n - span):
            j = i + span
            k = np.arange(i + 1, j)
            costs = cost[i, k] + cost[k, j] + squared[i, k] + squared[k, j] + squared[i, j]
            middle[i, j], cost[i, j] = k[costs.argmin()], costs.min()

    def triangles(i: int, j: int) -> list[tuple[int, int, int]]:
        if j - i < 2:
            return []
        k = int(middle[i, j])
        return [(loop[i], loop[k], loop[j]), *triangles(i, k), *triangles(k, j)]

    return np.array(triangles(0, n - 1))


def mirror_mesh(triangles: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Triangles of a half and of its mirror image, whose winding is reversed."""
    return np.concatenate([triangles, mirror[triangles][:, ::-1]])


def surface_faults(triangles: np.ndarray) -> list[str]:
    """Reasons why a mesh is not one closed, oriented surface without handles. Empty if it is one."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    count = Counter(map(tuple, edges.tolist()))
    faults = []
    if doubled := sum(n > 1 for n in count.values()):
        faults.append(f"{doubled} directed edges belong to two faces")
    if unmatched := sum((b, a) not in count for a, b in count):
        faults.append(f"{unmatched} edges have a face on one side only")
    euler = len(np.unique(triangles)) - len({tuple(sorted(edge)) for edge in count}) + len(triangles)
    if euler != 2:
        faults.append(f"Euler characteristic {euler} instead of 2")
    return faults


def neighbour_mean(triangles: np.ndarray, vertex_count: int) -> sp.csr_matrix:
    """Sparse matrix (V, V) that maps values per vertex to their means over each vertex's neighbours."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    a, b = np.unique(np.sort(edges, 1), axis=0).T
    ones = np.ones(2 * len(a))
    adjacency = sp.coo_matrix((ones, (np.r_[a, b], np.r_[b, a])), shape=(vertex_count, vertex_count)).tocsr()
    return sp.diags(1 / np.asarray(adjacency.sum(1)).ravel()) @ adjacency


def volumes(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Volume (N,) [m³] inside each of N closed surfaces (N, V, 3)."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (np.moveaxis(vertices[:, column], -1, 0) for column in triangles.T)
    return (ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)).sum(1) / 6


def vertex_areas(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area (V,) [m²] of every vertex: a third of the area of its triangles."""
    a, b, c = (vertices[column] for column in triangles.T)
    third = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    areas = np.zeros(len(vertices))
    for column in triangles.T:
        np.add.at(areas, column, third)
    return areas


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Outward unit normals (V, 3), weighted by the area of the triangles."""
    a, b, c = (vertices[column] for column in triangles.T)
    facing = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for column in triangles.T:
        np.add.at(normals, column, facing)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)
