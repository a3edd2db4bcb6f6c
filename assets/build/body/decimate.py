"""Decimate a symmetric half mesh by quadric edge collapses, with costs measured on several body shapes at once.

A collapse moves a vertex onto a neighbour. The remaining vertices are a subset of the original ones, so shape changes
stay exact.
"""

import heapq

import numpy as np

MAX_VALENCE = 9
MIN_COSINE = 0.25  # between a triangle's normals before and after
MIN_QUALITY = 0.28  # of a triangle that got worse; 1 is equilateral
SHAPES_CHECKED = 6


class Decimator:
    """The mesh during decimation.

    Args:
        triangles: (n, 3) of the left half.
        shapes: Positions (K, V, 3) [m] of the same vertices in K bodies.
        middle: (V,) whether a vertex lies on the middle plane. Such a vertex may move only along the plane.
        importance: (V,) factor on the cost of removing a vertex.
        keep: Vertices that must stay.
        edge_weight: Weight of the squared edge length relative to the quadric error.
    """

    def __init__(
        self,
        triangles: np.ndarray,
        shapes: np.ndarray,
        *,
        middle: np.ndarray,
        importance: np.ndarray,
        keep: set[int],
        edge_weight: float,
    ):
        self.shapes, self.middle, self.importance = shapes, middle, importance
        self.keep, self.edge_weight = keep, edge_weight
        self.faces: dict[int, tuple[int, ...]] = dict(enumerate(map(tuple, triangles.tolist())))
        self.faces_of: dict[int, set[int]] = {}
        for i, face in self.faces.items():
            for vertex in face:
                self.faces_of.setdefault(vertex, set()).add(i)
        self.quadrics, self.areas = _quadrics(triangles, shapes, middle)
        self.version = np.zeros(shapes.shape[1], int)
        self.heap: list[tuple[float, int, int, int]] = []
        for vertex in self.faces_of:
            self._push(vertex)

    def run(self, target: int) -> np.ndarray:
        """Collapse the cheapest edges until both halves together have ``target`` vertices. Returns triangles (m, 3)."""
        vertices = np.array(list(self.faces_of))
        count = 2 * len(vertices) - int(self.middle[vertices].sum())
        while count > target and self.heap:
            _, gone, kept, version = heapq.heappop(self.heap)
            if gone not in self.faces_of or kept not in self.faces_of or version != self.version[gone]:
                continue
            fewer = 1 if self.middle[gone] else 2
            if count - fewer >= target and kept in self._neighbours(gone) and self._legal(gone, kept):
                self._collapse(gone, kept)
                count -= fewer
        return np.array([self.faces[i] for i in sorted(self.faces)])

    def _neighbours(self, vertex: int) -> set[int]:
        return {other for i in self.faces_of[vertex] for other in self.faces[i]} - {vertex}

    def _on_seam(self, a: int, b: int) -> bool:
        return bool(self.middle[a] and self.middle[b]) and len(self.faces_of[a] & self.faces_of[b]) == 1

    def _costs(self, gone: int, kept: list[int]) -> list[float]:
        """Costs of moving the vertex ``gone`` onto each of ``kept``."""
        there = self.shapes[:, kept].swapaxes(0, 1)
        position = np.concatenate([there, np.ones((*there.shape[:2], 1))], 2)
        error = np.einsum("nki,kij,nkj->n", position, self.quadrics[gone], position) / len(self.shapes)
        squared_length = ((there - self.shapes[:, gone]) ** 2).sum(-1).mean(-1)
        importance = np.maximum(self.importance[gone], self.importance[kept])
        costs: list[float] = (importance * (error + self.edge_weight * self.areas[gone] * squared_length)).tolist()
        return costs

    def _push(self, vertex: int) -> None:
        """Put every collapse of ``vertex`` into the queue with its present cost. Older entries become invalid."""
        if vertex in self.keep or vertex not in self.faces_of:
            return
        self.version[vertex] += 1
        around = [n for n in self._neighbours(vertex) if not self.middle[vertex] or self._on_seam(vertex, n)]
        for cost, kept in zip(self._costs(vertex, around), around, strict=True):
            heapq.heappush(self.heap, (cost, vertex, kept, self.version[vertex]))

    def _legal(self, gone: int, kept: int) -> bool:
        """Whether the mesh stays a surface after the collapse, with well-shaped triangles that do not flip."""
        if self.middle[gone] and not self._on_seam(gone, kept):
            return False
        shared = self.faces_of[gone] & self.faces_of[kept]
        opposite = {v for i in shared for v in self.faces[i]} - {gone, kept}
        around_gone, around_kept = self._neighbours(gone), self._neighbours(kept)
        if around_gone & around_kept != opposite:
            return False
        pinched = any(self.middle[v] for v in around_gone - {kept} - opposite)
        if not self.middle[gone] and self.middle[kept] and pinched:
            return False
        if len(around_gone | around_kept) - 2 > MAX_VALENCE:
            return False
        for vertex in opposite:
            if len(self.faces_of[vertex] - shared) < (1 if self.middle[vertex] else 3):
                return False
        moved = [self.faces[i] for i in self.faces_of[gone] - shared]
        return bool(moved) and self._well_shaped(np.array(moved), gone, kept)

    def _well_shaped(self, moved: np.ndarray, gone: int, kept: int) -> bool:
        before, quality_before = self._normals(moved)
        after, quality_after = self._normals(np.where(moved == gone, kept, moved))
        lengths = np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
        if ((before * after).sum(-1) < MIN_COSINE * lengths).any():
            return False
        return not (quality_after.min() < MIN_QUALITY and quality_after.min() < quality_before.min())

    def _normals(self, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Normals (K, n, 3) of twice the area's length, and the mean shape quality (n,) over the bodies."""
        p = self.shapes[:SHAPES_CHECKED, triangles]
        normals = np.cross(p[:, :, 1] - p[:, :, 0], p[:, :, 2] - p[:, :, 0])
        squared_edges = ((p - np.roll(p, 1, 2)) ** 2).sum((-1, -2))
        quality = 2 * np.sqrt(3) * np.linalg.norm(normals, axis=-1) / np.maximum(squared_edges, 1e-15)
        return normals, quality.mean(0)

    def _collapse(self, gone: int, kept: int) -> None:
        shared, ring = self.faces_of[gone] & self.faces_of[kept], self._neighbours(gone)
        for i in shared:
            for vertex in self.faces.pop(i):
                self.faces_of[vertex].discard(i)
        for i in self.faces_of.pop(gone):
            self.faces[i] = tuple(kept if vertex == gone else vertex for vertex in self.faces[i])
            self.faces_of[kept].add(i)
        self.quadrics[kept] += self.quadrics[gone]
        self.areas[kept] += self.areas[gone]
        for vertex in ring | self._neighbours(kept) | {kept}:
            self._push(vertex)


def _quadrics(triangles: np.ndarray, shapes: np.ndarray, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quadrics (V, K, 4, 4) of the squared distance to the planes of each vertex, weighted by area, and its area (V,).

    For a vertex on the middle plane, the mirrored faces count too. Source: Garland & Heckbert, SIGGRAPH 1997.
    """
    p = shapes[:, triangles]
    normals = np.cross(p[:, :, 1] - p[:, :, 0], p[:, :, 2] - p[:, :, 0])
    double_area = np.linalg.norm(normals, axis=-1)
    normals = normals / np.maximum(double_area, 1e-15)[..., None]
    planes = np.concatenate([normals, -(normals * p[:, :, 0]).sum(-1)[..., None]], -1)
    of_faces = planes[..., :, None] * planes[..., None, :] * (double_area / 2 / 3)[..., None, None]
    quadrics, areas = np.zeros((shapes.shape[1], len(shapes), 4, 4)), np.zeros(shapes.shape[1])
    for column in triangles.T:
        np.add.at(quadrics, column, of_faces.transpose(1, 0, 2, 3))
        np.add.at(areas, column, double_area.mean(0) / 6)
    flip = np.diag([-1.0, 1, 1, 1])
    quadrics[middle] = quadrics[middle] + flip @ quadrics[middle] @ flip
    areas[middle] *= 2
    return quadrics, areas
