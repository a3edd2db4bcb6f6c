"""What can be observed, and the data type that follows: whose default weights and steps a fit gets. Knows no tensor."""

from __future__ import annotations

from collections.abc import Collection

MODALITIES = ("points3d", "joints2d", "joints3d", "verts3d")
"""Names of observations; where there are several, the first one here decides the data type."""
DATA_TYPES = ("3d", "verts3d", "points3d", "rgb", "rgbd")
"""3D joints, key vertices and point clouds in a world with z up; images; depth through a camera."""


def data_type_of(observed: Collection[str], *, camera: bool) -> str:
    """The data type of a set of modalities.

    Args:
        observed: Names in ``MODALITIES``, at least one.
        camera: Whether the frame of the input is a camera's.
    """
    deciding = next(name for name in MODALITIES if name in observed)
    if deciding == "points3d":
        return "rgbd" if camera else "points3d"
    return {"joints2d": "rgb", "joints3d": "3d", "verts3d": "verts3d"}[deciding]
