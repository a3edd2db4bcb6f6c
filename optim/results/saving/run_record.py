"""Write facts about a run beside its results: ``losses.csv``, and ``run.json`` with settings, versions and times."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from optim.common.versions import versions
from optim.common.writing import write_text
from optim.config.settings import Settings
from optim.diagnostics.causes.cause import Cause
from optim.diagnostics.causes.table import causes, record_of
from optim.problem.problem import Problem
from optim.results.read_results import LOSSES, RUN, read_record
from optim.results.results import LossRow
from optim.results.saving.tables import write_losses
from optim.session.history import Snapshot
from optim.session.session import Session
from optim.split.batches import BatchedFit
from optim.split.stitching import Stitched


def run_info(
    settings: Settings, session: Session, *, seconds: float, found: Sequence[Cause] | None = None
) -> dict[str, Any]:
    """Content of ``run.json`` for one fit.

    Args:
        seconds: Its duration by the wall clock.
        found: What the rules say about it; None asks them.
    """
    here = session.current
    info = _info(settings, session.problem, seconds, evaluations=here.evaluations_spent, done=here.done)
    why = record_of(causes(session.fit) if found is None else found)
    return info | {"phases": [_phase(end) for end in session.fit.phase_ends], "why": why}


def _phase(end: Snapshot) -> dict[str, Any]:
    """How far a phase has come, from its last snapshot: its steps, its loss, and the reason why it ended."""
    phase = end.schedule[end.phase]
    return {
        "name": phase.name,
        "steps": f"{end.step + 1} of {phase.steps}",
        "loss": end.evaluation.total,
        "evaluations_so_far": end.evaluations_spent,
        "ended": end.ended,
    }


def split_info(settings: Settings, fit: BatchedFit, whole: Stitched, *, found: Sequence[Cause]) -> dict[str, Any]:
    """Content of ``run.json`` for a split clip, with the seams of its stitched motion and the causes of all batches."""
    now = fit.progress
    info = _info(settings, fit.whole, now.seconds, evaluations=now.evaluations, done=now.done)
    return info | _seams(whole) | {"why": record_of(found)}


def add_stitched(folder: Path, whole: Problem, motion: Stitched, *, preset: str) -> None:
    """Say in ``run.json`` of ``final_results`` what the stitched motion is of. What else the file says is kept.

    Args:
        whole: The problem before it was split.
        preset: Its name; it says how the sub-sequences were joined.

    Raises:
        InputError: ``run.json`` cannot be read.
    """
    kept = read_record(folder)
    before = kept.get("settings")
    settings = {**(before if isinstance(before, dict) else {}), "preset": preset}
    write_record([folder], {**kept, **_clip(whole), "settings": settings, **_seams(motion)})


def _clip(problem: Problem) -> dict[str, Any]:
    return {"clip": problem.name, "frames": problem.frames, "fps": problem.fps}


def _seams(motion: Stitched) -> dict[str, Any]:
    return {"seams": [asdict(seam) for seam in motion.seams]}


def _info(settings: Settings, problem: Problem, seconds: float, *, evaluations: int, done: bool) -> dict[str, Any]:
    return {
        **_clip(problem),
        "seconds": round(seconds, 1),
        "evaluations": evaluations,
        "done": done,
        "checks": [asdict(row) for row in problem.checked],
        "image_size": None if problem.camera is None else problem.camera.image_size,
        "settings": {name: value for name, value in asdict(settings).items() if name != "notices"},
        "versions": versions(),
    }


def write_record(folders: Sequence[Path], info: Mapping[str, Any], *, losses: Sequence[LossRow] = ()) -> None:
    """Write ``run.json`` and, if there are losses, ``losses.csv`` into each folder of results.

    Args:
        losses: Rows of the batch in which these sub-sequences were fitted.
    """
    text = json.dumps(dict(info), indent=1, ensure_ascii=False, default=plain) + "\n"
    for folder in folders:
        write_text(folder / RUN, text)
        if losses:
            write_losses(losses, folder / LOSSES)


def plain(value: Any) -> Any:
    """Value that JSON can hold: dataclasses as objects, all others as text."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)
