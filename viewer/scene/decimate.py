"""Makes a coarse copy of the body mesh for ghosts, since the cost of drawing grows with the triangles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from viewer.protocol.view_model import BodyMesh
from viewer.scene.skinning import part

SHARE = 0.1  # approximate share of the triangles that a ghost keeps


def decimated(body: BodyMesh, *, share: float = SHARE) -> BodyMesh:
    """The same body with about a ``share`` of its triangles, to be skinned like the whole one.

    Edges are collapsed by their quadric error (Garland and Heckbert, 1997), so parts that only lie close to each other
    in the rest pose stay apart. Of the vertices that become one, the nearest to its place stands for it.
    """
    import fast_simplification  # a tenth of a second that only ghosts need

    template, whole = body.template.astype(np.float32), body.faces.astype(np.int32)  # copies: it takes no constant
    *_, collapses = fast_simplification.simplify(template, whole, 1.0 - share, return_collapses=True)
    places, faces, group = fast_simplification.replay_simplification(template, whole, collapses)
    nearest_first = np.lexsort((np.linalg.norm(template - places[group], axis=1), group))
    _, first = np.unique(group[nearest_first], return_index=True)
    return replace(part(body, nearest_first[first]), faces=faces.astype(np.int32))
