"""Export motions: one table of all formats, and the function that writes the chosen ones.

The module of each format and docs/frames.md give its units and axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from optim.common.errors import InputError
from optim.config.formats import BONES, formats_of
from optim.results.results import STAGES, FitResult, of_session
from optim.results.saving.amass import write_amass
from optim.results.saving.bones import bones_of
from optim.results.saving.bvh import write_bvh
from optim.results.saving.gltf import write_gltf
from optim.results.saving.humor_results import writable_folder
from optim.results.saving.obj import write_obj
from optim.results.saving.scene_json import write_scene_json
from optim.results.saving.tables import write_tables
from optim.results.saving.take import Take, take_of
from optim.session.fit import Fit

Writer = Callable[[Take, Path], list[Path]]
WRITERS: dict[str, Writer] = {
    "gltf": write_gltf,
    "bvh": write_bvh,
    "amass": write_amass,
    "obj": write_obj,
    "csv": write_tables,
    "json": write_scene_json,
}


def export(
    what: Fit | FitResult | Sequence[FitResult],
    formats: Sequence[str],
    folder: Path,
    *,
    stage: str | None = None,
    frame: int = 0,
    bones: str = BONES[0],
    scale: float = 1.0,
) -> list[Path]:
    """Write motions in the chosen formats. The files are named after the clip and the stage.

    Args:
        what: A fit or results. A fit gives each of its sub-sequences and, if they overlap, their stitched motion.
        formats: Names in ``formats.FORMATS``.
        folder: Folder for the files. It is made if it does not exist.
        stage: Name in ``optim.results.results.STAGES``. None takes the last stage reached.
        frame: Frame for ``obj``, from 0. Negative numbers count from the end.
        bones: Name in ``formats.BONES`` of the names of bones, for ``gltf`` and ``bvh``.
        scale: Units of length in one metre, for ``gltf`` and ``bvh``.

    Returns:
        Paths of the written files.

    Raises:
        InputError: A format or a stage is unknown, the stage was not reached, the frame does not exist, bones or scale
            are none, or the folder cannot be written to.
    """
    names = formats_of(formats)
    if stage is not None and stage not in STAGES:
        raise InputError(f"stage {stage!r} is not known; there are {', '.join(STAGES)}")
    skeleton = bones_of(bones, scale)
    writers = WRITERS | {
        "obj": partial(write_obj, frame=frame),
        "gltf": partial(write_gltf, bones=skeleton),
        "bvh": partial(write_bvh, bones=skeleton),
    }
    results = of_session(what) if isinstance(what, Fit) else [what] if isinstance(what, FitResult) else list(what)
    writable_folder(folder)
    paths: list[Path] = []
    for result in results:
        take = take_of(result, stage=stage)
        for name in names:
            paths += writers[name](take, folder)
    return paths
