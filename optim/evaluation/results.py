"""The metrics of all results below a folder, as rows of a table."""

from __future__ import annotations

import logging
from pathlib import Path

from optim.common.errors import InputError
from optim.evaluation.protocols import Row
from optim.results.figures import stage_metrics
from optim.results.read_results import STITCHED, find_results, read_result

log = logging.getLogger(__name__)


def rows_of(folder: Path, *, body_path: Path | None = None) -> list[Row]:
    """One row of metrics for each result and stage; results that cannot be read are named and left out.

    Stitched motions count only if there are no sub-sequences, because their frames are the same.

    Args:
        body_path: SMPL+H body in place of the one that results name.

    Raises:
        InputError: No result could be read.
    """
    places = find_results(folder)
    parts = [place for place in places if place.name != STITCHED] or places
    rows: list[Row] = []
    for place in parts:
        try:
            found = stage_metrics(read_result(place, body_path=body_path))
        except InputError as error:
            log.warning("left out: %s", error)
            continue
        name = place.relative_to(folder).as_posix() if place != folder else place.name
        rows += [{"clip": name, "stage": stage, **values} for stage, values in found.items()]
    if not rows:
        raise InputError(f"{folder}: none of its {len(parts)} results can be read")
    return rows
