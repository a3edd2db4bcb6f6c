"""Writes what the window shows into files, on the worker's side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optim.session.session import Session


def export(session: Session, formats: Sequence[str], folder: str, *, frame: int) -> list[Path]:
    """The current motion in the formats of ``optim.results.saving``, and all stages in HuMoR's layout for ``humor``.

    Raises:
        InputError: A folder that cannot be written to, a format that is not known.
    """
    # Loading these takes a third of a second, most of it for scipy.spatial, and most fits are not exported.
    import assets
    from optim.results.saving.exports import export as export_motion
    from optim.results.saving.humor_results import save_results, writable_folder

    out = writable_folder(Path(folder).expanduser())
    others = [name for name in formats if name != "humor"]
    paths = export_motion(session.fit, others, out, frame=min(frame, session.problem.frames - 1)) if others else []
    if "humor" in formats:
        body = session.problem.body_file or assets.BODY_FOLDER
        paths += save_results(session, out / "results_out", body_file=body)
    return paths
