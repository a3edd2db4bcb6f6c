"""Exports the motion that the window shows to files; runs in the worker's process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optim.session.session import Session


def export(
    session: Session, formats: Sequence[str], folder: str, *, frame: int, bones: str, scale: float
) -> list[Path]:
    """Write the current motion in the formats of ``optim.results.saving``, or all stages in HuMoR's layout.

    Args:
        frame: Frame for formats that hold one body only.
        bones: Names of the bones in gltf and bvh.
        scale: Units of length in one metre in gltf and bvh.

    Returns:
        The files that were written.

    Raises:
        InputError: The folder cannot be written to, or a format is not known.
    """
    # Loading these takes a third of a second, most of it for scipy.spatial, and most fits are not exported.
    import assets
    from optim.results.saving.exports import export as export_motion
    from optim.results.saving.humor_results import save_results, writable_folder

    out = writable_folder(Path(folder).expanduser())
    others = [name for name in formats if name != "humor"]
    last = session.problem.frames - 1
    paths = export_motion(session.fit, others, out, frame=min(frame, last), bones=bones, scale=scale) if others else []
    if "humor" in formats:
        body = session.problem.body_file or assets.BODY_FOLDER
        numbers = None if session.batches is None else session.batches.numbers(session.current.batch)
        paths += save_results(session, out / "results_out", body_file=body, numbers=numbers)
    return paths
