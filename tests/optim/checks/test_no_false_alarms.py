"""The checks are silent about good motion capture: the demo clips, and a folder that the environment names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import assets
from optim.checks.check import CheckError
from optim.config.settings import parse
from optim.loading.clips import each_clip
from optim.loading.problem import load_source

FOLDER = os.environ.get("HUMORSCOPE_MOTIONS")
"""Folder of motions in AMASS format, z up and in metres, that are known to be good."""


def alarms(folder: Path) -> tuple[int, list[str]]:
    """Number of motions below a folder, and what the checks say about them that is not fine."""
    runs, found = each_clip(parse(["--data-path", str(folder)])), []
    for run in runs:
        try:
            rows = load_source(run).checked
        except CheckError as error:
            rows = error.rows
        found += [f"{run.clip}: {row.check}: {row.told}" for row in rows if row.severity != "fine"]
    return len(runs), found


def test_of_the_demo_motions():
    count, found = alarms(assets.DEMO_FOLDER)
    assert count == 3 and found == []


@pytest.mark.slow
@pytest.mark.skipif(FOLDER is None, reason="HUMORSCOPE_MOTIONS names no folder of motions")
def test_of_a_folder():
    count, found = alarms(Path(FOLDER or ""))
    print(f"{count} motions, {len(found)} alarms")
    assert found == []
