"""Data in which nearly nothing was seen is refused, and feet that were never seen are told."""

from __future__ import annotations

import numpy as np
import pytest

from optim.checks.check import CheckError
from optim.checks.evidence import FEET, Evidence
from optim.checks.run import run_checks


def rows(visible, *, floor_known=False):
    found = run_checks(Evidence(visible, floor_known=floor_known), place="clip")
    return {row.check: row.severity for row in found}


def keypoints(frames, *, without=()):
    mask = np.zeros((60, 25), bool)
    mask[list(frames)] = True
    mask[:, list(without)] = False
    return {"joints2d": mask}


def test_everything_seen_is_fine():
    assert rows(keypoints(range(60))) == {"frames seen": "fine", "feet seen": "fine"}


@pytest.mark.parametrize("frames", [(3,), (7, 40)])
def test_two_frames_of_sixty_are_nothing_to_fit(frames):
    with pytest.raises(
        CheckError, match=rf"frames seen: something is seen in {len(frames)} of 60 frames \({frames[0]}"
    ):
        rows(keypoints(frames))


def test_few_frames_are_told():
    assert rows(keypoints(range(10)))["frames seen"] == "likely"
    assert rows(keypoints(range(0, 60, 3)))["frames seen"] == "fine"


def test_a_frame_with_a_point_or_two_does_not_count():
    visible = keypoints(range(60), without=range(3, 25))
    visible["joints2d"][5] = True
    with pytest.raises(CheckError, match=r"in 1 of 60 frames \(5\)"):
        rows(visible)


@pytest.mark.parametrize(("known", "severity"), [(False, "likely"), (True, "note")])
def test_feet_that_are_never_seen_are_told(known, severity):
    assert rows(keypoints(range(60), without=FEET["joints2d"]), floor_known=known)["feet seen"] == severity


def test_of_a_cloud_it_is_not_known_where_the_feet_are():
    assert "feet seen" not in rows({"points3d": np.ones((60, 50), bool)})


def test_nothing_seen_at_all_is_nothing_to_fit():
    with pytest.raises(CheckError, match="nothing is visible in any frame"):
        rows(keypoints(()))
