"""What a fit makes of doubted keypoints: exchanged sides are put back, others hardly count, trusted ones stay."""

from __future__ import annotations

import torch

from optim.checks.contradictions import EXCHANGED, FACTOR, JUMP, OTHER_SIDE, SIDES
from optim.problem.observations import Observations

LEGS, FRAMES = [10, 11, 13, 14], slice(2, 5)
WRIST = 7


def seen() -> tuple[torch.Tensor, torch.Tensor]:
    """Keypoints (1, 8, 25, 3), one of which is not seen in a frame, and doubts about nothing."""
    keypoints = torch.rand((1, 8, 25, 3), generator=torch.Generator().manual_seed(0)) + 0.1
    keypoints[0, 3, 11] = 0.0
    return keypoints, torch.zeros((1, 8, 25), dtype=torch.int8)


def test_exchanged_sides_are_put_back_with_their_confidences():
    right, doubts = seen()
    given = right.clone()
    given[:, FRAMES, LEGS] = right[:, FRAMES][:, :, [OTHER_SIDE[keypoint] for keypoint in LEGS]]
    doubts[:, FRAMES, LEGS] = EXCHANGED
    doubts[given[..., 2] == 0] = 0  # what was not seen is not doubted
    observed, true = Observations(joints2d=given, doubts=doubts), Observations(joints2d=right)
    assert torch.equal(observed.trusted_keypoints, right) and torch.equal(observed.keypoints, true.keypoints)
    assert torch.equal(observed.visible["joints2d"], true.visible["joints2d"])
    assert torch.equal(observed.counted_keypoints, true.counted_keypoints) and not observed.doubted.any()
    assert torch.equal(observed.joints2d, given), "what was given stays"
    trusted = observed.trusting(True, 0, 8)
    assert torch.equal(trusted.trusted_keypoints, given)


def test_a_jump_of_an_exchanged_keypoint_weighs_less_where_it_was_put_back():
    given, doubts = seen()
    doubts[:, FRAMES, [WRIST, OTHER_SIDE[WRIST]]] = EXCHANGED
    doubts[:, 3, WRIST] = JUMP
    found = Observations(joints2d=given, doubts=doubts).trusted_keypoints
    expected = given[0, 3, OTHER_SIDE[WRIST]] * torch.tensor([1.0, 1.0, FACTOR])
    assert torch.equal(found[0, 3, WRIST], expected) and torch.equal(found[0, 3, OTHER_SIDE[WRIST]], given[0, 3, WRIST])


def test_runs_recorded_when_exchanged_sides_were_lowered_go_on_so():
    given, doubts = seen()
    doubts[:, FRAMES, LEGS] = SIDES
    old = Observations(joints2d=given, doubts=doubts)
    lowered = given.clone()
    lowered[:, FRAMES, LEGS, 2] *= FACTOR
    assert torch.equal(old.trusted_keypoints, lowered) and torch.equal(old.put_back, given)
    assert old.doubted.sum() == (doubts > 0).sum()
