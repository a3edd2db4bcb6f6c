"""Kinds of observations, and the data type that follows from them.

The data type decides the default weights and steps of a fit. This module needs no torch.
"""

from __future__ import annotations

from collections.abc import Collection

MODALITIES = ("points3d", "joints2d", "joints3d", "verts3d")
"""Names of the kinds of observations. Where a fit has several, the first one in this order decides the data type."""
DATA_TYPES = ("3d", "verts3d", "points3d", "rgb", "rgbd")
"""3D joints, key vertices and point clouds in a world with z up; images; depth images seen through a camera."""


def data_type_of(observed: Collection[str], *, camera: bool) -> str:
    """The data type of a set of modalities.

    Args:
        observed: At least one name in ``MODALITIES``.
        camera: Whether the input frame is the frame of a camera.
    """
    deciding = next(name for name in MODALITIES if name in observed)
    if deciding == "points3d":
        return "rgbd" if camera else "points3d"
    return {"joints2d": "rgb", "joints3d": "3d", "verts3d": "verts3d"}[deciding]


def asked_data_type(observations: str, *, camera: bool) -> str:
    """The data type of observations as ``--observations`` names them.

    Args:
        observations: A name in ``MODALITIES``, or ``joints3d_partial``.
        camera: As for ``data_type_of``.
    """
    return data_type_of({observations.removesuffix("_partial")}, camera=camera)
