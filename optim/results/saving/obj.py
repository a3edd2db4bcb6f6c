"""Write the mesh of one frame as Wavefront OBJ: y up, metres, floor at y = 0; faces counter-clockwise from outside.

As in the glTF file, the point (x, y, z) of the world with z up is (x, z, −y) here.
"""

from __future__ import annotations

from pathlib import Path

from optim.common.errors import InputError
from optim.common.writing import replacing
from optim.results.saving.take import Y_UP_FROM_Z_UP, Take


def write_obj(take: Take, folder: Path, *, frame: int = 0) -> list[Path]:
    """Write ``STEM_FRAME.obj`` and return its path.

    Args:
        frame: Number of the frame, from 0. Negative numbers count from the end.

    Raises:
        InputError: The motion has no such frame.
    """
    if not -take.frames <= frame < take.frames:
        raise InputError(f"frame {frame} of {take.stem}: there are 0 to {take.frames - 1}")
    frame %= take.frames
    import trimesh  # its import takes as long as all others of this package

    mesh = trimesh.Trimesh(take.vertices(frame) @ Y_UP_FROM_Z_UP.T, take.body.faces, process=False)
    about = f"{take.stem}, frame {frame} of {take.frames} at {take.fps:g} Hz; metres, y up, floor at y = 0"
    path = folder / f"{take.stem}_{frame:04d}.obj"
    with replacing(path) as beside:
        mesh.export(beside, file_type="obj", digits=6, include_normals=False, header=about)
    return [path]
