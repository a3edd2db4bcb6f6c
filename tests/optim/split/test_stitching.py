"""Stitching: one true motion in pieces comes back whole; two that disagree are joined where and how it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from optim.common.errors import InputError
from optim.common.rotations import axis_angle_to_matrix, geodesic_angle
from optim.problem.variables import Trajectory
from optim.split.splitting import cut, split_frames
from optim.split.stitching import Clip, stitch
from tests import fakes

FRAMES = 40


@pytest.fixture(scope="module")
def body():
    return fakes.body()


def whole(body, *, seed: int = 0, betas: bool = True) -> Trajectory:
    trans, root, pose, shape = (v.float() for v in fakes.motion(np.random.RandomState(seed), 1, FRAMES, camera=True))
    shape = shape if betas else torch.zeros_like(shape)
    contacts = torch.rand(1, FRAMES, 22, generator=torch.Generator().manual_seed(seed))
    floor = torch.tensor([[0.0, -1.0, 0.0, -1.0]])
    return Trajectory(trans, root, pose, shape, body.joints(trans, root, pose, shape), contacts, floor)


def piece(motion: Trajectory, interval: tuple[int, int]) -> Clip:
    per_frame = ("trans", "root_orient", "pose_body", "joints", "contacts")
    return Clip(interval, replace(motion, **{name: cut(getattr(motion, name), [interval]) for name in per_frame}))


def moved(clip: Clip, body, *, by=(0.0, 0.0, 0.0), turn: float = 0.0, floor: float = -1.0) -> Clip:
    """The same clip elsewhere, turned about the camera's y axis."""
    motion = clip.motion
    trans = motion.trans + torch.tensor(by)
    root = axis_angle_to_matrix(torch.tensor([0.0, turn, 0.0])) @ motion.root_orient
    joints = body.joints(trans, root, motion.pose_body, motion.betas)
    plane = torch.tensor([[0.0, -1.0, 0.0, floor]])
    return Clip(clip.interval, replace(motion, trans=trans, root_orient=root, joints=joints, floor_plane=plane))


@pytest.mark.parametrize("how", ["cut", "blend"])
@pytest.mark.parametrize("overlap", [0, 1, 4, 9])
def test_pieces_of_one_motion_come_back_whole(body, how, overlap):
    motion = whole(body)
    split = split_frames(FRAMES, length=15, overlap=overlap)
    found = stitch([piece(motion, interval) for interval in split.intervals], body=body, how=how)
    for name in ("trans", "root_orient", "pose_body", "joints", "contacts"):
        torch.testing.assert_close(getattr(found, name), getattr(motion, name)[0], atol=2e-6, rtol=0)
    torch.testing.assert_close(found.betas, motion.betas.expand(FRAMES, 16))
    assert torch.equal(found.floor_plane, motion.floor_plane[0])
    assert len(found.seams) == len(split) - 1
    for seam in found.seams:
        if seam.shared:
            assert seam.after.cm < 1e-3 and seam.before.cm < 1e-3 and seam.after.deg < 0.1
        else:
            assert seam.before is seam.after is None


def test_a_hard_cut_takes_shared_frames_from_the_earlier_and_jumps_by_their_difference(body):
    motion = whole(body)
    first, second = piece(motion, (0, 24)), moved(piece(motion, (16, 40)), body, by=(0.03, 0.0, -0.04), floor=-1.2)
    found = stitch([first, second], body=body, how="cut")
    assert torch.equal(found.trans[:24], first.motion.trans[0])
    assert torch.equal(found.trans[24:], second.motion.trans[0, 8:])
    assert torch.equal(found.floor_plane, first.motion.floor_plane[0]), "the first one's floor"
    seam = found.seams[0]
    assert (seam.frame, seam.shared) == (24, 8)
    for jump in (seam.apart, seam.before, seam.after):
        assert jump.cm == pytest.approx(5.0, abs=1e-3) and jump.deg == pytest.approx(0.0, abs=0.1)


def test_a_blend_spreads_the_difference_over_the_shared_frames(body):
    motion = whole(body, betas=False)
    first = piece(motion, (0, 24))
    second = moved(piece(motion, (15, 40)), body, by=(0.03, 0.0, -0.04), turn=0.4)
    found = stitch([first, second], body=body)
    assert torch.equal(found.trans[:15], first.motion.trans[0, :15]), "before the overlap nothing changes"
    assert torch.equal(found.trans[24:], second.motion.trans[0, 9:]), "nor behind it"
    share = torch.arange(1, 10) / 10.0
    offset = (found.trans[15:24] - first.motion.trans[0, 15:]) / torch.tensor([0.03, 1.0, -0.04])
    torch.testing.assert_close(offset[:, [0, 2]], share[:, None].expand(9, 2), atol=1e-4, rtol=0)
    turn = geodesic_angle(found.root_orient[15:24], first.motion.root_orient[0, 15:])
    torch.testing.assert_close(turn, 0.4 * share, atol=1e-3, rtol=0)
    seam = found.seams[0]
    assert seam.before.deg == pytest.approx(np.degrees(0.4) / 22, rel=0.02), "one rotation of 22"
    assert seam.after.deg == pytest.approx(seam.before.deg / 10, rel=0.05)
    assert seam.after.cm < 0.2 * seam.before.cm


def test_a_growing_difference_is_given_on_average_and_at_the_last_shared_frame(body):
    motion = whole(body)
    first, second = piece(motion, (0, 24)), piece(motion, (16, 40))
    away = torch.zeros(24, 3)
    away[:, 0] = 0.01 * torch.arange(1.0, 25.0).clamp_max(8.0)
    moving = second.motion
    grown = replace(moving, trans=moving.trans + away, joints=moving.joints + away[:, None])
    (seam,) = stitch([first, Clip(second.interval, grown)], body=body, how="cut").seams
    assert seam.apart.cm == pytest.approx(4.5, abs=1e-3) and seam.before.cm == pytest.approx(8.0, abs=1e-3)


def test_the_step_into_the_shared_frames_counts_too(body):
    """Where the two differ most on the first shared frame, the largest jump of a blend leads there."""
    motion = whole(body)
    first, second = piece(motion, (0, 24)), piece(motion, (16, 40))
    away = torch.zeros(24, 3)
    away[:, 0] = 0.09 * (1.0 - torch.arange(24) / 7.0).clamp_min(0.0)
    moving = second.motion
    joints = moving.joints + away[:, None]
    apart = Clip(second.interval, replace(moving, trans=moving.trans + away, joints=joints))
    (seam,) = stitch([first, apart], body=body).seams
    assert seam.before.cm == pytest.approx(0.0, abs=1e-3)
    assert seam.after.cm == pytest.approx(1.0, abs=1e-3), "a ninth of 9 cm; the steps behind it are smaller"


@pytest.mark.parametrize("how", ["cut", "blend"])
def test_shapes_pass_over_with_the_motion(body, how):
    motion = whole(body)
    first, second = piece(motion, (0, 24)), piece(motion, (16, 40))
    other = motion.betas + 1.0
    joints = body.joints(*(getattr(second.motion, n) for n in ("trans", "root_orient", "pose_body")), other)
    found = stitch([first, Clip((16, 40), replace(second.motion, betas=other, joints=joints))], body=body, how=how)
    assert torch.equal(found.betas[:16], motion.betas.expand(16, 16))
    assert torch.equal(found.betas[24:], other.expand(16, 16))
    torch.testing.assert_close(found.joints[24:], joints[0, 8:])
    middle = (found.betas[16:24] - motion.betas)[:, 0]
    expected = torch.zeros(8) if how == "cut" else torch.arange(1, 9) / 9.0
    torch.testing.assert_close(middle, expected)


def test_frames_that_nobody_covers_are_bridged_and_held(body):
    motion = whole(body)
    first, second = piece(motion, (5, 15)), piece(motion, (24, 35))
    found = stitch([first, second], body=body, frames=FRAMES)
    assert len(found.trans) == FRAMES
    assert torch.equal(found.trans[:5], first.motion.trans[0, :1].expand(5, 3))
    assert torch.equal(found.trans[35:], second.motion.trans[0, -1:].expand(5, 3))
    turns = geodesic_angle(found.pose_body[14:24], found.pose_body[15:25])
    assert float((found.trans[15:24] - motion.trans[0, 15:24]).norm(dim=-1).max()) < 0.02, "it walked straight on"
    assert float((turns.amax(0) - turns.amin(0)).max()) < 2e-3 < float(turns.mean()), "at an even pace"
    assert found.seams[0].shared == -9 and found.seams[0].after is None


def test_bad_input(body):
    motion = whole(body)
    clips = [piece(motion, (0, 24)), piece(motion, (16, 40))]
    with pytest.raises(InputError, match="no sub-sequences"):
        stitch([], body=body)
    with pytest.raises(InputError, match="'glue' is not known; there are cut, blend"):
        stitch(clips, body=body, how="glue")
    with pytest.raises(InputError, match=r"\(16, 40\) and \(0, 24\) are not in order"):
        stitch(clips[::-1], body=body)
