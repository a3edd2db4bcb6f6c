"""Keypoints that contradict each other are found, and those of normal motion are not."""

from __future__ import annotations

import numpy as np
import pytest

from optim.checks import contradictions
from optim.checks.contradictions import (
    EXCHANGED,
    JUMP,
    LENGTH,
    ONE_LEG,
    TRUSTED,
    Contradictions,
    Doubt,
    find_doubts,
    listed,
)
from optim.checks.run import run_checks
from optim.evaluation.keypoint_faults import FAULTS, LEG, judged, rows, with_fault
from optim.keypoints.names import BODY_25, MIRRORED_BODY_25
from optim.loading.demo import clip_names, find_clip, read_demo

LEFT_LEG, RIGHT_LEG = rows(LEG, "left"), rows(LEG, "right")
WRIST = BODY_25.index("left_wrist")


@pytest.fixture(scope="module")
def walk() -> np.ndarray:
    """Keypoints (60, 25, 3) of a walk as a made-up camera sees it."""
    return read_demo(find_clip("default_walk_turn")).joints2d[:60].astype(np.float64)


@pytest.mark.parametrize("name", clip_names())
@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_nothing_of_normal_motion_is_doubted(name, noise):
    points = read_demo(find_clip(name)).joints2d.astype(np.float64)
    points[..., :2] += noise * np.random.default_rng(0).standard_normal(points[..., :2].shape)
    assert not find_doubts(points).any()


@pytest.mark.parametrize("fault", FAULTS)
def test_most_of_each_fault_is_found_and_little_else(walk, fault):
    rng = np.random.default_rng(1)
    found = [judged(walk, with_fault(walk, fault, rng)) for _ in range(12)]
    assert sum(one.found for one in found) > 0.75 * sum(one.wrong for one in found)
    assert sum(one.doubted for one in found) < 0.01 * sum(one.right for one in found)


def test_a_doubt_says_which_keypoints_which_frames_and_why(walk):
    jump, legs, sides = walk.copy(), walk.copy(), walk.copy()
    jump[20:23, WRIST, :2] += 150
    assert listed(find_doubts(jump)) == (Doubt(JUMP, 20, 23, (WRIST,)),)
    assert listed(find_doubts(jump))[0].text == "frames 20 to 22: jumps away from its place and back (left wrist)"
    apart = np.linalg.norm(walk[:, LEFT_LEG, :2] - walk[:, RIGHT_LEG, :2], axis=-1).min(axis=1)
    apart[(walk[:, LEFT_LEG + RIGHT_LEG, 2] == 0).any(axis=1)] = 0.0
    start = int(np.minimum(apart[1:-4], apart[5:]).argmax()) + 1
    legs[start : start + 4, LEFT_LEG] = legs[start : start + 4, RIGHT_LEG]
    codes = find_doubts(legs)
    seen, there = legs[..., 2] > 0, np.ix_(range(start, start + 4), LEFT_LEG)
    assert codes[there][seen[there]].all() and (codes[there] == ONE_LEG).mean() > 0.5
    codes[there] = TRUSTED
    assert not codes.any()
    sides[start : start + 4] = sides[start : start + 4, MIRRORED_BODY_25]
    codes = find_doubts(sides)
    assert (codes[start : start + 4][:, LEFT_LEG + RIGHT_LEG] == EXCHANGED).mean() > 0.9
    head = [BODY_25.index(f"{side}_{name}") for side in ("left", "right") for name in ("eye", "ear")]
    shown = (sides[..., 2] > 0)[start : start + 4][:, head]
    assert shown.any() and (codes[start : start + 4][:, head][shown] == EXCHANGED).all(), "the head is exchanged too"
    assert not codes[:start].any() and not codes[start + 4 :].any()


def test_a_limb_that_is_always_too_long_is_found_without_a_jump(walk):
    elbow = BODY_25.index("left_elbow")
    walk = walk.copy()
    walk[:, WRIST, :2] = walk[:, elbow, :2] + (0.0, -300.0)
    codes = find_doubts(walk)
    assert ((codes[:, WRIST] == LENGTH) == (walk[:, WRIST, 2] > 0)).all() and not np.delete(codes, WRIST, axis=1).any()


def test_what_was_not_seen_is_not_doubted(walk):
    jump = walk.copy()
    jump[20:23, WRIST, :2] += 150
    jump[21, WRIST] = 0.0
    codes = find_doubts(jump)
    assert codes[[20, 22], WRIST].all() and not codes[21].any()
    assert not find_doubts(np.zeros((30, 25, 3))).any() and not find_doubts(jump[:3]).any()


def test_the_check_tells_the_log_and_the_window_and_stops_nothing(walk, caplog):
    jump = walk.copy()
    jump[20:23, WRIST, :2] += 150
    (fine,) = run_checks(Contradictions(find_doubts(walk)), place="k", checks=contradictions.CHECKS)
    (row,) = run_checks(Contradictions(find_doubts(jump)), place="k", checks=contradictions.CHECKS)
    assert (fine.severity, row.severity, row.stops) == ("fine", "note", False)
    assert "frames 20 to 22: jumps away" in caplog.text and "--contradictions trusted" in row.advice


def test_frames_that_were_not_seen_part_no_doubt_and_a_leg_is_told_once():
    codes = np.zeros((30, 25), np.int8)
    codes[[4, 6, 7], WRIST] = JUMP
    codes[10:16, LEFT_LEG] = ONE_LEG
    codes[12, LEFT_LEG[:2]] = TRUSTED
    codes[20:22, WRIST] = codes[20:22, WRIST - 1] = -JUMP
    assert listed(codes) == (
        Doubt(JUMP, 4, 8, (WRIST,)),
        Doubt(ONE_LEG, 10, 16, tuple(sorted(LEFT_LEG))),
        Doubt(JUMP, 20, 22, (WRIST - 1, WRIST), trusted=True),
    )


def test_where_all_doubts_were_set_aside_that_is_said():
    codes = np.zeros((30, 25), np.int8)
    codes[4:7, WRIST] = -JUMP
    (row,) = run_checks(Contradictions(codes), place="k", checks=contradictions.CHECKS)
    assert row.severity == "note" and "(1 doubts)" in row.seen and "trusted all" in row.meant
