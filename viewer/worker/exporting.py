"""Exports the motion that the window shows to files; runs in the worker's process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optim.session.session import Session


def export(
    session: Session, formats: Sequence[str], folder: str, *, frame: int, bones: str, scale: float
) -> list[Path]:
    """Write the current motion in the formats of ``optim.results.saving``, or all stages in HuMoR's layout.

    Of a clip in batches, all batches up to the current one are written, and their stitched motion.

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
    from optim.results.results import of_clip
    from optim.results.saving.exports import export as export_motion
    from optim.results.saving.humor_results import save_results, save_stitched, writable_folder
    from optim.results.saving.run_record import add_stitched
    from optim.split.batches import clips_of_batches, fits_of_batches
    from optim.split.stitching import stitch

    out = writable_folder(Path(folder).expanduser())
    others = [name for name in formats if name != "humor"]
    last, batches = session.problem.frames - 1, session.batches
    fits = [session.fit] if batches is None else fits_of_batches(session.fit)
    numbers = [None if batches is None else batches.numbers(fit.current.batch) for fit in fits]
    several = batches is not None and len(fits) > 1
    paths: list[Path] = []
    if others:
        paths += export_motion(of_clip(session), others, out, frame=min(frame, last), bones=bones, scale=scale)
    if "humor" in formats:
        body = session.problem.body_file or assets.BODY_FOLDER
        for fit, own in zip(fits, numbers, strict=True):
            paths += save_results(fit, out / "results_out", body_file=body, numbers=own)
        if several and batches is not None:
            preset, whole = session.current.schedule[session.current.phase].preset, batches.whole
            motion = stitch(clips_of_batches(fits), how=preset.stitching, body=whole.body, frames=whole.frames)
            stage = fits[0].current.stage
            paths.append(save_stitched(motion, whole, out / "results_out", body_file=body, stage=stage))
            add_stitched(paths[-1], whole, motion, preset=preset.name)
    return paths
