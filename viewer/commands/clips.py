"""Lists the clips of a folder, or fits them one after the other without a window."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from optim.common.errors import InputError
from optim.common.exit_status import BAD_INPUT, STOPPED, tell_error
from optim.config.settings import Settings
from optim.loading.clips import clip_names, each_clip, folder_names

log = logging.getLogger(__name__)


def list_clips(settings: Settings) -> int:
    """Print the names that ``--clip`` accepts; returns the exit status.

    Raises:
        InputError: The data are one clip, not a folder of clips.
    """
    names = clip_names(settings)
    if not names:
        raise InputError(f"--list-clips: {settings.data_path or settings.data} is one clip; give a folder of motions")
    print("\n".join(f"{number:4} {name}" for number, name in enumerate(names)))
    return 0


def fit_clips(settings: Settings) -> int:
    """Fit the clip, or all clips of the folder one after the other, without a window; returns the exit status.

    A clip of a folder that cannot be used is reported and skipped. The progress of long loading is shown.

    Raises:
        InputError: A file, a value or a combination of values cannot be used.
    """
    from optim.common.progress import LineHandler, told_to
    from optim.priors.fast.cache import start_compiling
    from viewer.commands.fit import fit_clip

    if start_compiling() is not None:
        log.warning("compiling the roll-out for this machine, once; the first stage 3 may wait for it")
    with told_to(LineHandler()):
        runs = each_clip(settings)
        return fit_clip(runs[0]) if len(runs) == 1 else _fit_each(runs)


def _fit_each(runs: list[Settings]) -> int:
    from viewer.commands.fit import fit_clip

    folder = runs[0].data_path
    assert folder is not None
    if runs[0].record is not None:
        raise InputError(f"--record: it names the file of one clip, and {folder} holds {len(runs)}; --clip takes one")
    out = runs[0].out or Path("out") / folder.resolve().name
    failed = 0
    for number, (run, place) in enumerate(zip(runs, _folders(runs, out), strict=True)):
        print(f"clip {number + 1} of {len(runs)}: {run.clip}", file=sys.stderr)
        try:
            status = fit_clip(replace(run, out=place))
        except InputError as error:
            tell_error(error)
            status = BAD_INPUT
        if status == STOPPED:
            return STOPPED
        failed += status != 0
    if failed:
        tell_error(f"{failed} of {len(runs)} clips were not fitted to the end")
    return 1 if failed else 0


def _folders(runs: Sequence[Settings], out: Path) -> list[Path]:
    """The folder in which each clip writes its results.

    Clips share one, in whose ``results_out`` each has a folder of its name. A split clip has several folders there, and
    the name of one, ``final_results``, is the same for all clips; so it gets a folder of its own. So does a clip that
    has the same name as an earlier one.
    """
    clips = [str(run.clip) for run in runs]
    own_names = [folder_names([clip])[0] for clip in clips]
    split = runs[0].rgb_seq_len is not None
    return [
        out / name if split or name != usual else out
        for name, usual in zip(folder_names(clips), own_names, strict=True)
    ]
