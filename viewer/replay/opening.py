"""Chooses the kind of replay for a file or folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from optim.common.versions import started_as
from viewer.replay.replay import ReplayClient
from viewer.replay.run_source import RunSource


def replay_of(path: Path, *, body: Path | None = None, clip: str | None = None) -> ReplayClient:
    """A client that shows a recorded run without models, or results of a fit without its priors.

    Args:
        body: Model file or folder for results; None: the shipped body.
        clip: Name of the clip, for a folder that holds several.
    """
    if path.is_dir() or path.suffix == ".npz":
        from viewer.replay.results_source import ResultsSource  # needs torch, which a recorded run does not

        advice = "These are results; to fit anew, give the data with --data-path (observations.npz is such data)."
        return ReplayClient(partial(ResultsSource, path, body=body, clip=clip), advice=advice)
    advice = f"To go on with it, where the models are: {started_as()} --resume {path}"
    return ReplayClient(partial(RunSource, path), advice=advice)
